# A short front for Meson. `make` alone builds build/lynex.
#
#   make setup    install what building and the demo need      make bench    benchmarks against peers
#   make demo     see the main job in a minute                 make install  into PREFIX (/usr/local)
#   make test     set up and pass all tests                    make sim      100,000 simulated histories
#   make torture  kills and faults on real servers, 10 minutes
#   make tsan     the threads of a run under ThreadSanitizer
#   make fuzz     libFuzzer on every parser                    make bench-parquet  our Parquet files against peers'
#   make bench-dashboard  what a dashboard feels of a run      make bench-rows  do many rows take longer, each?
#   make coverage lines and branches that tests pass          make clean    remove what was built
BUILD ?= build
PREFIX ?= /usr/local

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) lynex

$(BUILD)/build.ninja:
	@command -v meson >/dev/null || { echo "meson is missing: run make setup" >&2; exit 1; }
	@meson setup --prefix $(PREFIX) $(BUILD) > /dev/null

setup:
	@scripts/setup

demo: setup all
	@$(BUILD)/lynex demo

test:
	@scripts/setup test
	@test/run

# 100,000 histories of the simulated protocol: SIM_SEEDS, SIM_FIRST (docs/reliability.md).
SIM_SEEDS ?= 100000
SIM_FIRST ?= 0
sim:
	@test/sim/run $(SIM_SEEDS) $(SIM_FIRST)

# Archivers killed, stopped and cheated on real servers: TORTURE_MINUTES, TORTURE_SEED (docs/reliability.md).
TORTURE_MINUTES ?= 10
torture:
	@scripts/setup test
	@TORTURE_MINUTES=$(TORTURE_MINUTES) test/torture/run

lint:
	@scripts/lint

# The threads of a run under ThreadSanitizer.
tsan:
	@scripts/setup test
	@test/tsan

# FUZZ_SECONDS for each target; what is found lies in build-fuzz/found/.
FUZZ_SECONDS ?= 60
fuzz:
	@scripts/setup test
	@test/fuzz/run $(FUZZ_SECONDS)

# Every call on a file fails once, every allocation of MEMORY_SEEDS simulated runs fails once.
MEMORY_SEEDS ?= 200
faults:
	@scripts/setup test
	@BUILD=build-test scripts/faults $(MEMORY_SEEDS)

# Lines and branches that the tests pass, with a report in build-cov/ (docs/reliability.md).
coverage:
	@scripts/setup coverage
	@scripts/coverage

bench: all
	@scripts/setup test
	@bench/run

# What a dashboard's query feels of an archive run on the same ClickHouse.
bench-dashboard: all
	@scripts/setup test
	@bench/dashboard

# Seconds a million rows, from 1 to 30 million.
bench-rows: all
	@scripts/setup test
	@bench/rows

# Our Parquet files against DuckDB's and ClickHouse's (docs/performance.md); BENCH_ROWS, BENCH_ROUNDS.
bench-parquet: all
	@scripts/setup test
	@ninja -C $(BUILD) bench/datagen bench/bench_parquet > /dev/null
	@BUILD=$(BUILD) node bench/parquet.mjs

install: all
	@meson configure --prefix $(PREFIX) $(BUILD)
	@meson install -C $(BUILD) --no-rebuild --skip-subprojects

clean:
	rm -rf $(BUILD) build-*

.PHONY: all setup demo test sim tsan torture lint bench install clean fuzz faults coverage bench-parquet bench-dashboard bench-rows

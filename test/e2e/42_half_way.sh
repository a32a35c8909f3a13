# A large part is archived in slices of days, each committed as soon as it is proven: a run that is killed on
# the way leaves what it committed, and the next goes on from there.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
use_dir
sql "CREATE DATABASE prod ENGINE = Atomic"
# 26 days of 100,000 rows, one part; the key has nothing to do with the time.
sql "CREATE TABLE prod.events (id UInt64, timestamp DateTime('UTC')) ENGINE = MergeTree ORDER BY id"
sql "INSERT INTO prod.events SELECT cityHash64(number), toDateTime('2026-01-01', 'UTC') + intDiv(number, 100000) * 86400 + number % 80000
    FROM numbers(2600000) SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 4000000, min_insert_block_size_bytes = 0, max_block_size = 4000000"
sql "OPTIMIZE TABLE prod.events FINAL"
sql "CREATE TABLE prod.all AS prod.events"
sql "INSERT INTO prod.all SELECT * FROM prod.events"
equal "one part" 1 "$(sql "SELECT uniq(_part) FROM prod.events")"
cold() { sql "SELECT count(), sum(cityHash64(toUInt64(id), toUnixTimestamp(timestamp))) FROM deltaLakeLocal('$T/archive')"; }
all=$(sql "SELECT count(), sum(cityHash64(id, toUnixTimestamp(timestamp))) FROM prod.all")

# Three slices of about 900,000 rows. Killed when the second is to be recorded, while the third is read.
LYNEX_STEP=kill@commit#2
lynex archive > "$T/out" 2>&1
status_is "killed on the way" 137 $? "$(cat "$T/out")"
LYNEX_STEP=
before=$(sql "SELECT count() FROM deltaLakeLocal('$T/archive')")
at_most "what the killed run leaves to do" 1800000 $((2600000 - before))
equal "the part is whole and hot" 2600000 "$(sql "SELECT count() FROM prod.events")"
out=$(lynex archive --json 2>/dev/null); status_is "the next run" 0 $? "$out"
equal "it does only what was left" $((2600000 - before)) "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["archived_rows"])' <<< "$out")"
equal "all rows are archived once" "$all" "$(cold)"
equal "and have left" 0 "$(sql "SELECT count() FROM prod.events")"
equal "what was left is small enough for one version of the log" 2 "$(grep -l '"ARCHIVE"' "$T"/archive/_delta_log/*.json | wc -l)"

# With one thread, one after the other.
rm -rf "$T/archive"
sql "INSERT INTO prod.events SELECT * FROM prod.all"
sql "OPTIMIZE TABLE prod.events FINAL"
out=$(lynex archive --archive-threads 1 2>&1); status_is "one thread" 0 $? "$out"
equal "one thread: all rows are archived once" "$all" "$(cold)"
equal "one thread: each slice is a version of the log" 3 "$(grep -l '"ARCHIVE"' "$T"/archive/_delta_log/*.json | wc -l)"

# However large a part is, few queries read over all of it.
rm -rf "$T/archive"
sql "INSERT INTO prod.events SELECT cityHash64(number), toDateTime('2026-01-01', 'UTC') + intDiv(number, 400000) * 86400 + number % 80000
    FROM numbers(10000000) SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 20000000, min_insert_block_size_bytes = 0, max_block_size = 20000000"
sql "OPTIMIZE TABLE prod.events FINAL"
all=$(sql "SELECT count(), sum(cityHash64(id, toUnixTimestamp(timestamp))) FROM prod.events")
LYNEX_STEP=kill@read#4
lynex archive > "$T/out" 2>&1
status_is "ten million rows: killed on the way" 137 $? "$(cat "$T/out")"
LYNEX_STEP=
# Three batches are on their way at most: the fourth is read when the first is recorded.
at_most "ten million rows: what the killed run leaves to do" 8000000 $((10000000 - $(sql "SELECT count() FROM deltaLakeLocal('$T/archive')")))
out=$(lynex archive 2>&1); status_is "ten million rows: the next run" 0 $? "$out"
equal "ten million rows: all are archived once" "$all" "$(cold)"
equal "ten million rows: and have left" 0 "$(sql "SELECT count() FROM prod.events")"
lynex archive > "$T/out" 2>&1
equal "ten million rows: five slices" 5 "$(grep -l '"ARCHIVE"' "$T"/archive/_delta_log/*.json | wc -l)"
done_testing

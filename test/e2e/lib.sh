# Sourced by the end-to-end tests: real servers on free ports, a directory of its own, assertions that
# print what differed, nothing left behind.
#
#   . "$(dirname "$0")/lib.sh"
#   ch_start; rgw_start
#   sql "SELECT 1"; lynex archive
#   equal "what it means" "$expected" "$actual"
#   done_testing
set -uo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
BED=$TOP/test/testbed
LYNEX_BIN=${LYNEX_BIN:-$TOP/build-test/lynex}
export LIBCHDB=${LIBCHDB:-$TOP/.deps/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so}
T=$(mktemp -d "${TMPDIR:-/tmp}/lynex-e2e.XXXXXX")
FAILED=0
CHECKS=0
# One day holds for a whole test: `today` of ClickHouse and of lynex must not change in its midst. Shortly before
# midnight UTC a test waits for the next day.
MIDNIGHT_MARGIN=${MIDNIGHT_MARGIN:-480} # seconds that a test may take
left=$((86400 - $(date -u +%s) % 86400))
[ "$left" -ge "$MIDNIGHT_MARGIN" ] || { echo "# waiting $left s for the next day"; sleep $((left + 1)); }
unset left
TODAY=$(date -u +%F)
# Days after which rows are old, 30 to 53, so that the cutoff lies between the 20th and the 27th of a month: whatever the
# day, of the months with old rows one is partly old, most of it, and those before are so wholly. For tests whose checks
# depend on that; rows of 2 * AFTER days are half old.
AFTER=30
while day=$(date -ud "$TODAY - $AFTER days" +%-d); [ "$day" -lt 20 ] || [ "$day" -gt 27 ]; do AFTER=$((AFTER + 1)); done
unset day
# Two hundred ports of a test's own: test/run says from which on.
PORTS_FROM=${PORTS_FROM:-$((10000 + RANDOM % 50 * 200))}
RGW_USED=
CH_DIRS=()
BACKGROUND=()
LITTLE_MORE=() # settings of the little tables' runs

cleanup() {
    local status=$? pid dir
    # Those that still run: the number of one that ended may be another process by now.
    for pid in $(jobs -rp) $(jobs -sp); do
        [[ " ${BACKGROUND[*]:-} " = *" $pid "* ]] && kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    for dir in "${CH_DIRS[@]:-}"; do
        [ -n "$dir" ] && "$BED/clickhouse" kill "$dir" >/dev/null 2>&1
    done
    [ -n "$RGW_USED" ] && "$BED/rgw" stop "$T/rgw" >/dev/null 2>&1
    if [ "$FAILED" -eq 0 ] && [ "$status" -eq 0 ] && [ -z "${KEEP:-}" ]; then
        rm -rf "$T"
    else
        # Its objects may be large, its logs say why it went.
        [ -n "$RGW_USED" ] && rm -rf "$T/rgw/osd" "$T/rgw/mon"
        echo "# kept for looking: $T"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# -- assertions ------------------------------------------------------------------------------------

pass() { CHECKS=$((CHECKS + 1)); echo "ok - $1"; }
fail() {
    CHECKS=$((CHECKS + 1))
    FAILED=$((FAILED + 1))
    echo "not ok - $1"
    shift
    printf '#   %s\n' "$@"
}
equal() { # what expected actual
    if [ "$2" = "$3" ]; then pass "$1"; else
        fail "$1"
        diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | head -20 | sed 's/^/#   /'
    fi
}
contains() { # what needle haystack
    case $3 in *"$2"*) pass "$1" ;; *) fail "$1" "missing: $2" "in: $(printf '%s' "$3" | tail -12)" ;; esac
}
lacks() { # what needle haystack
    case $3 in *"$2"*) fail "$1" "present: $2" "in: $(printf '%s' "$3" | grep -F -- "$2" | head -3)" ;; *) pass "$1" ;; esac
}
status_is() { # what expected actual [output]
    if [ "$2" -eq "$3" ]; then pass "$1"; else fail "$1" "exit status $3, expected $2" "$(printf '%s' "${4:-}" | tail -12)"; fi
}
at_most() { # what limit actual
    if awk -v a="$3" -v b="$2" 'BEGIN { exit !(a <= b) }'; then pass "$1 ($3 <= $2)"; else fail "$1" "$3 is more than $2"; fi
}
done_testing() {
    echo "1..$CHECKS"
    [ "$FAILED" -eq 0 ] || { echo "# $FAILED of $CHECKS failed"; exit 1; }
    exit 0
}

# -- servers ---------------------------------------------------------------------------------------

# N free ports in a row of the test's own, below the range that the kernel hands out.
free_ports() {
    local n=${1:-1} base p
    for _ in $(seq 200); do
        base=$((PORTS_FROM + RANDOM % (200 - n)))
        for ((p = base; p < base + n; p++)); do
            if (: <>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then continue 2; fi
        done
        echo "$base"
        return
    done
    echo "no free ports" >&2
    exit 1
}

# ch_start [NAME]: users.d.xml and profiles.d.xml may lie in $T/NAME before. Sets CH_PORT.
ch_start() {
    local name=${1:-ch} tries
    CH_DIR=$T/$name
    mkdir -p "$CH_DIR"
    CH_DIRS+=("$CH_DIR")
    for tries in 1 2 3; do
        [ -f "$CH_DIR/http_port" ] && CH_PORT=$(cat "$CH_DIR/http_port") || CH_PORT=$(free_ports 2)
        "$BED/clickhouse" start "$CH_DIR" "$CH_PORT" $((CH_PORT + 1)) && return 0
        rm -f "$CH_DIR/http_port"
    done
    echo "not ok - ClickHouse did not start"
    exit 1
}
ch_stop() { "$BED/clickhouse" stop "$CH_DIR"; }
ch_kill() { "$BED/clickhouse" kill "$CH_DIR"; }
ch_restart() { ch_start "$(basename "$CH_DIR")"; }
sql() { printf '%s' "$1" | "$BED/clickhouse" sql "$CH_DIR" "${2:-default}" "${3:-}"; }

# rgw_start [OPTIONS]: sets AWS_… of the owner; makes $BUCKET.
BUCKET=lynex-cold-storage
rgw_start() {
    local tries port
    RGW_USED=1
    for tries in 1 2 3; do
        port=$(free_ports 12)
        "$BED/rgw" start "$T/rgw" "$port" "$@" && break
        "$BED/rgw" clean "$T/rgw"
        [ "$tries" = 3 ] && { echo "not ok - the Ceph gateway did not start"; exit 1; }
    done
    eval "$("$BED/rgw" env "$T/rgw")"
    aws_ s3api create-bucket --bucket $BUCKET >/dev/null || exit 1
}
rgw_as() { eval "$("$BED/rgw" env "$T/rgw" "$1")"; }
aws_() { AWS_PAGER='' aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }

# -- lynex -------------------------------------------------------------------------------------------

# Runs it with the settings of SETTINGS (an array of NAME=value) and nothing of our environment.
SETTINGS=()
lynex() {
    lynex_environment
    "${ENVIRONMENT[@]}" "$LYNEX_BIN" "$@"
}
# In the background, what it says in FILE: lynex_start FILE ARGUMENT…; sets LYNEX_PID, which is lynex's own.
lynex_start() {
    lynex_environment
    "${ENVIRONMENT[@]}" "$LYNEX_BIN" "${@:2}" > "$1" 2>&1 &
    LYNEX_PID=$!
    BACKGROUND+=("$LYNEX_PID")
}
lynex_environment() {
    ENVIRONMENT=(env -i PATH="$PATH" HOME="$T" TMPDIR="$T" TERM=dumb LIBCHDB="$LIBCHDB" ${LYNEX_STEP:+LYNEX_STEP="$LYNEX_STEP"}
        ${LYNEX_MUTANT:+LYNEX_MUTANT="$LYNEX_MUTANT"} "${SETTINGS[@]}")
}
# The settings for the servers that run.
use_clickhouse() {
    SETTINGS+=("CLICKHOUSE_URL=http://127.0.0.1:$CH_PORT" "CLICKHOUSE_DATABASE=${1:-prod}"
        "CLICKHOUSE_USER=${2:-default}" "CLICKHOUSE_PASSWORD=${3:-}")
}
use_rgw() {
    SETTINGS+=("S3_ARCHIVE_BUCKET=$BUCKET" "AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL" "AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID"
        "AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY" "AWS_REGION=us-east-1" "S3_STORAGE_CLASS=STANDARD_IA")
}
use_dir() { SETTINGS+=("ARCHIVE_URL=file://$T/archive"); }

# -- faults ------------------------------------------------------------------------------------------

# proxy_start NAME PORT: a fault proxy in front of that port; sets PROXY_PORT. What the rules may say
# stands in test/tools/fault_proxy.py.
proxy_start() {
    mkfifo "$T/$1.port"
    python3 "$TOP/test/tools/fault_proxy.py" 127.0.0.1 "$2" > "$T/$1.port" 2> "$T/$1.proxy.log" &
    BACKGROUND+=("$!")
    read -r PROXY_PORT < "$T/$1.port" || { echo "not ok - the fault proxy did not start"; exit 1; }
}
# faults PORT [RULE…]: from now on these, and a fresh log; without rules all passes.
faults() {
    local port=$1 said
    shift
    said=$(printf '%s\n' "$@" | curl -s --data-binary @- "http://127.0.0.1:$port/-/rules") && [ -z "$said" ] ||
        { echo "not ok - the fault proxy refused the rules: $said"; exit 1; }
}
exchanges() { curl -s "http://127.0.0.1:$1/-/log"; }
fault_hits() { curl -s "http://127.0.0.1:$1/-/hits" | paste -sd ' '; }

# A table of 200 rows for runs by the hundred: one part all old, one part mostly old (a mask, then its space
# freed), all old rows of one month. `s` and `n` are names that statements may trip over.
little_table() { # NAME
    sql "CREATE TABLE prod.$1 (n Int64, at DateTime('UTC'), s String) ENGINE = MergeTree PARTITION BY intDiv(n, 100) ORDER BY n"
    if [ -n "${LITTLE_LIKE:-}" ]; then
        sql "INSERT INTO prod.$1 SELECT * FROM prod.$LITTLE_LIKE"
        return
    fi
    sql "INSERT INTO prod.$1 SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(if(number < 160, 60, 1)) + number,
        ${LITTLE_TEXT:-hex(sipHash64(number))} FROM numbers(200)"
}
# What the table and its archive hold together: rows, the sum of their hashes, most copies of a row in the
# archive and in the table, rows in the table, rows in the archive.
little_held() { # NAME ROOT-OF-ARCHIVE
    local hash="cityHash64(n, toUnixTimestamp(at), s) AS h" cold said
    [ -n "$RGW_USED" ] && cold=$(ROOT=$2 cold_table) || cold="deltaLakeLocal('$T/$2')"
    said=$(sql "SELECT count(), sum(h), max(c), max(t), sum(t), sum(c) FROM (SELECT h, countIf(cold) AS c, countIf(NOT cold) AS t FROM (
        SELECT $hash, 0 AS cold FROM prod.$1 UNION ALL SELECT $hash, 1 AS cold FROM $cold) GROUP BY h)" 2>&1)
    case $said in *"No files in log segment"* | *"Path does not exist"*) said=$(sql "SELECT count(), sum($hash), 0, 1, count(), 0 FROM prod.$1" 2>&1) ;; esac
    echo "$said" | tr '\t' ' '
}
# After a run that met a fault: all rows, each at most once on either side. Says what is wrong, or nothing.
little_safe() { # NAME ROOT
    local held
    held=$(little_held "$1" "$2")
    [[ $held =~ ^"$LITTLE_ALL "[01]" "[01]" " ]] || echo "after the fault: $held, not $LITTLE_ALL each once"
}
# After a run without faults: all of it done.
little_done() { # NAME ROOT
    local held
    held=$(little_held "$1" "$2")
    [ "$held" = "$LITTLE_ALL 1 1 40 160" ] || echo "after the next run: $held, not $LITTLE_ALL 1 1 40 160"
}
# The first such table; others are like it. LITTLE_TEXT: an expression for longer texts.
little_setup() { # [NAME]
    local name=${1:-pattern}
    sql "CREATE DATABASE IF NOT EXISTS prod ENGINE = Atomic"
    LITTLE_LIKE='' little_table "$name"
    LITTLE_LIKE=$name
    LITTLE_ALL=$(sql "SELECT count(), sum(cityHash64(n, toUnixTimestamp(at), s)) FROM prod.$name" | tr '\t' ' ')
}

# Takes over the results of a part of the test that ran in the background.
results_of() { # FILE
    local line what='' details=()
    while IFS= read -r line; do
        case $line in
            "#"*) details+=("${line#\#   }") ; continue ;;
        esac
        [ -n "$what" ] && fail "$what" "${details[@]}"
        what='' details=()
        case $line in
            "ok - "*) pass "${line#ok - }" ;;
            "not ok - "*) what=${line#not ok - } ;;
            *) details+=("$line") ;;
        esac
    done < "$1"
    [ -n "$what" ] && fail "$what" "${details[@]}"
}

# sweep WHAT PORT SETTING STATUSES ACTION…: each exchange of one little run with each of the faults in turn, afresh
# each time. SETTING is what brings the run to a proxy, up to its port; STATUSES the exit statuses that a
# run with the fault may have. Nothing may be lost or twice after it, and the next run must finish. "cut"
# breaks off within the body of an answer to GET and SELECT, and within the head of others, which have no
# body. The run's other settings are SETTINGS; two workers side by side. Several files, stored and proven in the
# background while rows are read ahead: exchanges are not always in the same order, but whichever it is that
# meets the fault.
sweep() {
    local what=$1 port=$2 worker count line LITTLE_MORE=(ARCHIVE_THREADS=4 ARCHIVE_BATCH_SIZE=60)
    little_one "$what" "$port" "$3" 0 || return
    count=$(exchanges "$PROXY_PORT" | wc -l)
    exchanges "$PROXY_PORT" > "$T/$what.exchanges"
    for worker in 0 1; do
        sweep_worker "$worker" "$@" > "$T/$what.sweep.$worker" 2>&1 &
        BACKGROUND+=("$!")
    done
    wait "${BACKGROUND[-1]}" "${BACKGROUND[-2]}"
    while read -r line; do
        case $line in "ok "*) pass "$what: ${line#ok }" ;; *) fail "$what: $line" ;; esac
    done < <(cat "$T/$what".sweep.[01])
    shift 4
    equal "$what: every one of $count exchanges met each of $# faults" $((count * $#)) "$(cat "$T/$what".sweep.[01] | wc -l)"
}
# A run through a proxy of its own, without faults: its exchanges are the pattern.
little_one() { # WHAT PORT SETTING TABLE-NUMBER
    local saved=("${SETTINGS[@]}") out status
    proxy_start "$1" "$2"
    faults "$PROXY_PORT"
    little_table "$1_$4"
    little_settings "$1_$4" "$3$PROXY_PORT"
    out=$(lynex archive 2>&1)
    status=$?
    SETTINGS=("${saved[@]}")
    status_is "$1: the run that the faults are put into" 0 $status "$out" && equal "$1: it does all" "" "$(little_done "$1_$4" "$1_$4")"
}
little_settings() { # TABLE SETTING
    SETTINGS+=("ARCHIVE_TABLE=$1" ARCHIVE_TIME_COLUMN=at ARCHIVE_THREADS=1 CLICKHOUSE_DATABASE=prod "$2" "${LITTLE_MORE[@]}")
    if [ -n "$RGW_USED" ]; then SETTINGS+=("S3_ARCHIVE_ROOT=$1"); else SETTINGS+=("ARCHIVE_URL=file://$T/$1"); fi
}
sweep_worker() { # WORKER WHAT PORT SETTING STATUSES ACTION…
    local worker=$1 what=$2 setting=$4 statuses=$5 number method sql action case=0
    trap - EXIT
    proxy_start "$what-$worker" "$3"
    shift 5
    while IFS=$'\t' read -r number method _ _ _ sql; do
        for action in "$@"; do
            [ $((case++ % 2)) -eq "$worker" ] || continue
            if [ "$action" = cut ] && [[ $method = GET || $sql = SELECT* || $sql = EXPLAIN* ]]; then action="cut at=7"; fi
            [ "$action" = cut ] && action="reset answer=30"
            echo "$(sweep_case "${what}_$case" "$setting" "$statuses" "$number" "$action") $number $method ${sql%%FROM*}: $action" |
                tr -cd '[:print:]\n' | cut -c1-400
        done
    done < "$T/$what.exchanges"
    kill "${BACKGROUND[-1]}"
}
# Prints "ok", or what is wrong.
sweep_case() { # TABLE SETTING STATUSES EXCHANGE ACTION
    local out next status wrong
    little_table "$1"
    little_settings "$1" "$2$PROXY_PORT"
    faults "$PROXY_PORT" "* . exchange=$4 $5"
    out=$(lynex archive 2>&1)
    status=$?
    # What is lost or twice stays so: after a run that did all, one look tells.
    if [ $status -eq 0 ]; then wrong=$(little_done "$1" "$1"); else wrong=$(little_safe "$1" "$1"); fi
    [ "$(fault_hits "$PROXY_PORT")" = 1 ] || wrong+=" the fault was not met"
    case " $3 " in *" $status "*) ;; *) wrong+=" status $status" ;; esac
    [ $status -eq 0 ] || [[ $out = *"❌"* ]] || wrong+=" no word of the failure"
    faults "$PROXY_PORT"
    next=$(lynex archive 2>&1) || wrong+=" the next run: status $?: $(tail -1 <<< "$next")"
    if [ $status -ne 0 ]; then
        wrong+=$(little_done "$1" "$1")
    elif [[ $next != *"No events to archive"* ]]; then
        wrong+=" the next run found more"
    fi
    if [ -z "$wrong" ]; then echo "ok"; else echo "WRONG: $wrong: $(grep -v INFO <<< "$out" | tail -2 | tr '\n' ' ')"; fi
    sql "DROP TABLE prod.$1"
}

# -- the reference's table ----------------------------------------------------------------------------

# events_table [NAME [ID_TYPE [TAIL]]]: as reference users have it, without its TTL unless TAIL has one.
events_table() {
    sql "CREATE DATABASE IF NOT EXISTS prod ENGINE = Atomic"
    sql "CREATE TABLE prod.${1:-events} (
        event_id ${2:-UUID}, project_id String, type LowCardinality(String), timestamp DateTime64(3),
        sdk_name LowCardinality(String), sdk_version String, body String, context String DEFAULT '{}',
        queued_at DateTime64(3), processed_at DateTime64(3) DEFAULT now64(3), queue_latency_ms Float32 DEFAULT 0,
        estimated_cost_usd Float64 DEFAULT 0, _date Date DEFAULT toDate(timestamp), _hour DateTime DEFAULT toStartOfHour(timestamp))
        ENGINE = MergeTree PARTITION BY toYYYYMM(_date) ORDER BY (project_id, type, timestamp, event_id) ${3:-}"
}
# fill_events ROWS [TABLE [DAYS [SEED]]]: spread over the last DAYS days.
fill_events() {
    sql "INSERT INTO prod.${2:-events} (event_id, project_id, type, timestamp, sdk_name, sdk_version, body, context, queued_at,
        processed_at, queue_latency_ms, estimated_cost_usd)
      SELECT reinterpretAsUUID(cityHash64(number, ${4:-1}) * toUInt128(18446744073709551616) + cityHash64(number, ${4:-1}, 2)),
        concat('proj_', hex(cityHash64(number % 48))), ['log', 'error', 'span', 'token_usage', 'message', 'model_response',
        'agent_action', 'retrieval', 'tool_call', 'eval_metric', 'custom'][1 + cityHash64(number, 3) % 11],
        toDateTime64('$TODAY 00:00:00', 3, 'UTC') - toIntervalMillisecond(cityHash64(number, 4, ${4:-1}) % (${3:-60} * 86400000)) AS ts,
        'watchllm-python', concat('0.', toString(number % 7), '.0'), concat('{\"level\":\"info\",\"message\":\"request ',
        toString(number), ' took ', toString(cityHash64(number, 5) % 5000), ' ms\",\"trace\":\"', hex(cityHash64(number, 6)), '\"}'),
        concat('{\"user\":\"u_', toString(cityHash64(number, 7) % 1000), '\"}'), ts + toIntervalMillisecond(20),
        ts + toIntervalMillisecond(40), (cityHash64(number, 8) % 100000) / 1000, (cityHash64(number, 9) % 1000) / 1e6
      FROM numbers($1) SETTINGS max_insert_threads = 1, max_block_size = 1000000, min_insert_block_size_rows = 1000000"
}
# A part of about 200,000 to 450,000 old rows of one month, in a file larger than 8 MiB: large_month TABLE
large_month() {
    sql "CREATE TABLE prod.many AS prod.$1"
    fill_events 900000 many 60
    sql "INSERT INTO prod.$1 SELECT * FROM prod.many WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY
      AND toYYYYMM(timestamp, 'UTC') = (SELECT toYYYYMM(timestamp, 'UTC') AS month FROM prod.many
        WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY GROUP BY month ORDER BY count() DESC LIMIT 1)"
    sql "DROP TABLE prod.many SYNC"
}
# The archive as ClickHouse sees it: cold [KERNEL [COLUMNS…]]. Needs rgw_start or use_dir.
cold_table() { # kernel: 0 or 1
    if [ -n "$RGW_USED" ]; then
        echo "deltaLake('$AWS_ENDPOINT_URL/$BUCKET/${ROOT:-}', '$AWS_ACCESS_KEY_ID', '$AWS_SECRET_ACCESS_KEY')"
    else
        echo "deltaLakeLocal('$T/archive')"
    fi
}

# pause_at STEP [ARGUMENT…]: starts `lynex archive`, which stops (SIGSTOP) before that step; output in $T/paused.out.
# PAUSED is its pid, "" where it ended without coming there. resume: goes on, waits, sets STATUS and OUT.
pause_at() {
    local tries
    PAUSED=
    LYNEX_STEP=pause@$1 lynex_start "$T/paused.out" archive "${@:2}"
    for ((tries = 0; tries < 600; tries++)); do
        case $(ps -o stat= -p "$LYNEX_PID") in
            T*) PAUSED=$LYNEX_PID; return 0 ;;
            Z* | "") return 0 ;;
        esac
        sleep 0.05
    done
    kill -KILL "$LYNEX_PID" # nothing goes on with it
}
resume() {
    [ -n "$PAUSED" ] && kill -CONT "$PAUSED"
    wait "$LYNEX_PID"
    STATUS=$?
    OUT=$(cat "$T/paused.out")
    PAUSED=
}

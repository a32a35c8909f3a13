# A ClickHouse on its bad days, and old ones: broken answers, lost answers of deletes, deletes that wait or are
# refused, restarts in mid-delete, settings and statements that the server does not know. Whatever happens:
# no row is lost or archived twice, the message names the cause, and the next run without faults does the rest.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
little_setup
COMMON=("${SETTINGS[@]}")
CASES=case
proxy_start one "$CH_PORT"

# ch_case WHAT STATUS NEEDLE… -- RULE… [-- SETTING…]: one run with faults, then one without if it did not do all. Sets
# OUT and TABLE_USED. PREPARE: SQL before, RESTORE: SQL between; %t is the table.
case_number=0
ch_case() {
    local what=$1 want=$2 needles=() rules=() status table next
    shift 2
    while [ "$1" != -- ]; do needles+=("$1"); shift; done
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do rules+=("$1"); shift; done
    shift
    table=$CASES$((++case_number))
    SETTINGS=("${COMMON[@]}" "$@")
    little_table "$table"
    little_settings "$table" "CLICKHOUSE_URL=http://127.0.0.1:$PROXY_PORT"
    [ -n "${PREPARE:-}" ] && sql "${PREPARE//%t/prod.$table}"
    faults "$PROXY_PORT" "${rules[@]}"
    OUT=$(lynex archive 2>&1)
    status=$?
    status_is "$what" "$want" $status "$OUT"
    for needle in "${needles[@]}"; do contains "$what: says $needle" "$needle" "$OUT"; done
    case " $(fault_hits "$PROXY_PORT") " in *" 0 "*) fail "$what: every fault was met" "$(fault_hits "$PROXY_PORT")" "$(exchanges "$PROXY_PORT" | cut -c1-200)" ;; esac
    if [ "$want" -ne 0 ]; then
        equal "$what: nothing lost or twice" "" "$(little_safe "$table" "$table")"
        faults "$PROXY_PORT"
        [ -n "${RESTORE:-}" ] && sql "${RESTORE//%t/prod.$table}"
        next=$(lynex archive 2>&1)
        status_is "$what: the next run" 0 $? "$next"
    fi
    equal "$what: all is done" "" "$(little_done "$table" "$table")"
    TABLE_USED=$table
}
# The setting as an old server refuses it.
unknown() {
    echo "POST [&]$1= exception 115 UNKNOWN_SETTING text=\"Setting $1 is neither a builtin setting nor started with the prefix 'SQL_' registered for user-defined settings\""
}

# Each exchange of a run, with each fault: a question that fails ends the run, a delete is judged by asking.
sweep ch "$CH_PORT" "CLICKHOUSE_URL=http://127.0.0.1:" "0 1 3" reset lose "s3 500 InternalError" cut

# Answers that end too early.
ch_case "gone in mid-read" 1 "lynex-read" -- 'POST query_id=lynex-read reset answer=2000'
ch_case "an exception in mid-stream" 1 "MEMORY_LIMIT_EXCEEDED" "ARCHIVE_MEMORY_MB" -- 'POST query_id=lynex-read midway 241 MEMORY_LIMIT_EXCEEDED at=1000'
ch_case "an exception behind whole blocks" 1 "TOO_MANY_BYTES" -- 'POST query_id=lynex-read midway 307 TOO_MANY_BYTES at=1000000'
ch_case "an exception in place of an answer" 1 "QUERY_WAS_CANCELLED" -- 'POST query_id=lynex-read exception 394 QUERY_WAS_CANCELLED'
ch_case "a short answer that looks whole" 1 "ends within a block" -- 'POST query_id=lynex-read cut at=1000 honest'
ch_case "no rows where rows were planned" 0 -- 'POST query_id=lynex-read nth=1 cut at=0 honest'
ch_case "wrong bits in rows" 4 "the proof failed" "no row was deleted" -- 'POST query_id=lynex-read flip at=500'
ch_case "silence in mid-read" 1 "nothing moved for 5000 ms" -- 'POST query_id=lynex-read stall seconds=20' -- CLICKHOUSE_IDLE_SECONDS=5
ch_case "answers in drops" 0 -- 'POST query_id=lynex-read trickle bytes=500 ms=2'
ch_case "a load balancer's page" 1 "HTTP status 503" "load balancer" -- 'POST query_id=lynex-read s3 503 Unavailable'
ch_case "an answer from a cache" 3 "caching proxy" -- 'POST query_id=lynex-guard rewrite find="toUInt64.\d+. AS _lynex_q" put="toUInt64(1) AS _lynex_q"'

# Deletes: what was done is judged by asking.
for way in drop mask; do
    ch_case "$way: its answer is lost" 0 -- "POST query_id=lynex-$way lose"
    ch_case "$way: sent twice" 0 -- "POST query_id=lynex-$way twice"
    ch_case "$way: done, and an error behind it" 0 -- "POST query_id=lynex-$way s3 500 InternalError acting"
    ch_case "$way: done, and an exception behind it" 0 -- "POST query_id=lynex-$way exception 210 NETWORK_ERROR acting"
    ch_case "$way: never gets through" 3 "ClickHouse DELETE failed" "may have done it" -- "POST query_id=lynex-$way reset"
    ch_case "$way: refused" 3 "ClickHouse DELETE failed" "TOO_MANY_MUTATIONS" -- "POST query_id=lynex-$way exception 692 TOO_MANY_MUTATIONS"
    ch_case "$way: the table is read-only" 3 "ClickHouse DELETE failed" "TABLE_IS_READ_ONLY" -- "POST query_id=lynex-$way exception 242 TABLE_IS_READ_ONLY"
done
ch_case "drop: and then nothing is known" 1 "asking for the parts" -- 'POST query_id=lynex-drop lose' 'POST query_id=lynex-plan from=2 reset'
ch_case "mask: and then nothing is known" 1 "asking for the parts" -- 'POST query_id=lynex-mask lose' 'POST query_id=lynex-plan from=4 reset'
ch_case "a mask that changes nothing" 3 "still have them" "compares them anew" -- 'POST query_id=lynex-mask rewrite find="_part =" put="1 = 0 AND _part ="'
ch_case "space that does not come free" 0 "could not be freed" -- 'POST query_id=lynex-apply exception 341 UNFINISHED'
ch_case "a mask whose answer comes too late" 3 "still waits" -- 'POST query_id=lynex-mask stall seconds=5 after' -- ARCHIVE_DELETE_WAIT_SECONDS=1

# Merges are stopped: the delete waits on the server, we do not wait longer than we were told.
PREPARE='SYSTEM STOP MERGES %t' RESTORE='SYSTEM START MERGES %t'
started=$(date +%s)
ch_case "merges are stopped" 3 "still waits on the server after 2 s" "SYSTEM START MERGES" -- '' -- ARCHIVE_DELETE_WAIT_SECONDS=2
at_most "merges are stopped: seconds" 20 $(($(date +%s) - started))
ch_case "merges are stopped, and the answer lost" 3 "SYSTEM START MERGES" -- 'POST query_id=lynex-mask lose early seconds=2' -- ARCHIVE_DELETE_WAIT_SECONDS=2
PREPARE='' RESTORE=''

# A run that fails while the server is silent does not wait for it: the rest of the answer is of no use. Here the first
# block came, the thread that reads ahead waits for the next, and there is no place for the file.
silent() { # WHAT COMPRESSION
    SETTINGS=("${COMMON[@]}" ARCHIVE_TABLE=silent ARCHIVE_TIME_COLUMN=at ARCHIVE_THREADS=2 CLICKHOUSE_IDLE_SECONDS=60 ARCHIVE_BATCH_SIZE=10000
        "ARCHIVE_URL=file://$T/silent" "CLICKHOUSE_URL=http://127.0.0.1:$PROXY_PORT" "CLICKHOUSE_COMPRESSION=$2")
    faults "$PROXY_PORT" "POST query_id=lynex-read stall seconds=100 at=$3"
    started=$(date +%s)
    out=$(lynex archive 2>&1); status_is "$1: exits 1" 1 $? "$out"
    at_most "$1: seconds" 20 $(($(date +%s) - started))
    contains "$1: says its reason" "$T/silent/events" "$out"
    equal "$1: the read was met" 1 "$(fault_hits "$PROXY_PORT")"
}
sql "CREATE TABLE prod.silent (n Int64, at DateTime('UTC'), s String) ENGINE = MergeTree ORDER BY n"
sql "INSERT INTO prod.silent SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60) + number % 3600, hex(sipHash64(number)) FROM numbers(400000)"
mkdir -p "$T/silent"
: > "$T/silent/events" # where the folder of the files would be
silent "a run that fails before a silent server" none 5000000
silent "a run that fails before a silent server, compressed" lz4 3000000
rm "$T/silent/events"
faults "$PROXY_PORT"
out=$(lynex archive 2>&1); status_is "a silent server: the next run" 0 $? "$out"
equal "a silent server: all is done" "0 400000" "$(sql "SELECT (SELECT count() FROM prod.silent), (SELECT count() FROM deltaLakeLocal('$T/silent'))" | tr '\t' ' ')"

# Old servers.
ch_case "settings that an old server does not know" 0 -- "$(unknown lightweight_delete_mode)" "$(unknown lightweight_deletes_sync)" "$(unknown validate_mutation_query)" \
    "$(unknown mutations_execute_subqueries_on_initiator)" "$(unknown mutations_execute_nondeterministic_on_initiator)" \
    "$(unknown use_query_condition_cache)" "$(unknown apply_patch_parts)" "$(unknown session_timezone)" "$(unknown json_type_escape_dots_in_keys)"
ch_case "a server that says an old version" 0 -- "POST query_id=lynex-version rewrite find=version.. put=\"'23.3.1.1'\""
lacks "a server that says an old version: is not sent what it cannot know" "lightweight_delete_mode" "$(exchanges "$PROXY_PORT" | cut -f5)"
ch_case "no IN PARTITION for masks" 0 -- 'POST query_id=lynex-mask body="^DELETE FROM" exception 62 SYNTAX_ERROR'
contains "no IN PARTITION for masks: a mutation in their place" "ALTER TABLE \`prod\`.\`$TABLE_USED\` DELETE IN PARTITION ID" "$(exchanges "$PROXY_PORT")"
ch_case "masks are disabled" 0 -- 'POST query_id=lynex-mask body="^DELETE FROM" exception 344 SUPPORT_IS_DISABLED'
ch_case "parts that are too large to drop" 0 -- 'POST query_id=lynex-drop nth=1 exception 359 TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT'
contains "parts that are too large to drop: the brake is taken off" "max_partition_size_to_drop=0" "$(exchanges "$PROXY_PORT")"
ch_case "a statement that neither way knows" 3 "SYNTAX_ERROR" -- 'POST query_id=lynex-mask exception 62 SYNTAX_ERROR'

# Columns may have any names: none takes the place of what a statement calls something.
sql "CREATE TABLE prod.named (h Int64, d DateTime('UTC'), s String, n Int64, p Int64, c Int64, i Int64, q Int64, nonce Int64, strange Int64, inside Int64)
    ENGINE = MergeTree PARTITION BY intDiv(h, 100) ORDER BY h"
sql "INSERT INTO prod.named SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(if(number < 160, 60, 1)), 'x', number * 2, 1, 2, 3, 4, 5, 6, 7
    FROM numbers(200)"
SETTINGS=("${COMMON[@]}" ARCHIVE_TABLE=named ARCHIVE_TIME_COLUMN=d "ARCHIVE_URL=file://$T/named")
out=$(lynex archive 2>&1); status_is "columns with the names of aliases" 0 $? "$out"
equal "columns with the names of aliases: part and rows are gone" "40" "$(sql 'SELECT count() FROM prod.named')"
equal "columns with the names of aliases: and archived" "160	25440" "$(sql "SELECT count(), sum(n) FROM deltaLakeLocal('$T/named')")"

# The server is killed while a statement waits: before the server has it, or behind it. Then it is started again, and
# only then the run learns that its connection is gone; or the run ends without the server.
kill_in_mid() { # WHAT STATUS RULE
    local what=$1 want=$2 table=$CASES$((++case_number)) out
    SETTINGS=("${COMMON[@]}")
    little_table "$table"
    little_settings "$table" "CLICKHOUSE_URL=http://127.0.0.1:$PROXY_PORT"
    faults "$PROXY_PORT" "$3"
    lynex_start "$T/killed" archive
    for _ in $(seq 200); do [ "$(fault_hits "$PROXY_PORT")" = 1 ] && break; sleep 0.05; done
    sleep 0.5 # the statement itself takes a tenth of that
    ch_kill
    [ "$want" -eq 1 ] || ch_restart
    faults "$PROXY_PORT"
    wait "$LYNEX_PID"
    status_is "$what" "$want" $? "$(cat "$T/killed")"
    [ "$want" -ne 1 ] || ch_restart
    equal "$what: nothing lost or twice" "" "$(little_safe "$table" "$table")"
    out=$(lynex archive 2>&1); status_is "$what: the next run" 0 $? "$out"
    equal "$what: all is done" "" "$(little_done "$table" "$table")"
}
kill_in_mid "restarted before a part was dropped" 0 'POST query_id=lynex-drop stall seconds=60'
kill_in_mid "restarted behind a part that was dropped" 0 'POST query_id=lynex-drop stall seconds=60 after'
kill_in_mid "restarted behind a mask" 0 'POST query_id=lynex-mask stall seconds=60 after'
kill_in_mid "gone behind a part that was dropped" 1 'POST query_id=lynex-drop stall seconds=60 after'
kill_in_mid "gone behind a mask" 1 'POST query_id=lynex-mask stall seconds=60 after'
kill_in_mid "gone in mid-read" 1 'POST query_id=lynex-read stall seconds=60'

# A server ends an answer that nobody reads for http_send_timeout. Here a run takes longer over each block. What
# values say of exceptions is no reason to give up.
mkdir -p "$T/hasty"
echo '<http_send_timeout>1</http_send_timeout>' > "$T/hasty/default.d.xml"
ch_start hasty
sql "CREATE DATABASE prod"
sums="SELECT count(), sum(n), groupBitXor(cityHash64(n, toUnixTimestamp(at), s))"
said="'Code: 60. DB::Exception: Table default.x does not exist. (UNKNOWN_TABLE) (version 26.1.1.1)'"
hasty() { # COMPRESSION THREADS VALUES
    local table=hasty$2 before first out
    SETTINGS=()
    use_clickhouse
    SETTINGS+=(ARCHIVE_TABLE=$table ARCHIVE_TIME_COLUMN=at ARCHIVE_THREADS=$2 ARCHIVE_MAX_MBPS=3 CLICKHOUSE_COMPRESSION=$1 "ARCHIVE_URL=file://$T/$table")
    sql "CREATE TABLE prod.$table (n Int64, at DateTime('UTC'), s String) ENGINE = MergeTree ORDER BY n"
    sql "SYSTEM STOP MERGES prod.$table"
    for first in 0 200000; do
        sql "INSERT INTO prod.$table SELECT $first + number AS n, toDateTime('$TODAY', 'UTC') - toIntervalDay(60) + number % 3600, $3 FROM numbers(200000)"
    done
    before=$(sql "$sums FROM prod.$table")
    out=$(lynex archive 2>&1); status_is "slower than the server waits, $1: exits 0" 0 $? "$out"
    equal "slower than the server waits, $1: it is said once" 1 "$(grep -c "ended early (break 1)" <<< "$out")"
    equal "slower than the server waits, $1: each row once" "$before" "$(sql "$sums FROM deltaLakeLocal('$T/$table')")"
    equal "slower than the server waits, $1: all deleted" 0 "$(sql "SELECT count() FROM prod.$table")"
}
hasty none 1 "concat($said, toString(n))"
hasty lz4 2 "randomPrintableASCII(110)"
done_testing

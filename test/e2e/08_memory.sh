# The run's memory stays where it is, however much there is to archive; where the time goes is reported.
. "$(dirname "$0")/lib.sh"
ROWS=${ROWS:-"1000000 5000000"}
ch_start
use_clickhouse
use_dir
measured() { # a run; its exit status, peak memory in MiB, CPU seconds
    env -i PATH="$PATH" HOME="$T" "${SETTINGS[@]}" python3 - "$LYNEX_BIN" "$T/report.json" <<'PY'
import resource, subprocess, sys
with open(sys.argv[2], 'w') as out:
    status = subprocess.run([sys.argv[1], 'archive', '--json'], stdout=out, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(status, used.ru_maxrss // 1024, f'{used.ru_utime + used.ru_stime:.2f}')
PY
}
for rows in $ROWS; do
    sql "DROP TABLE IF EXISTS prod.events SYNC"
    rm -rf "$T/archive"
    events_table
    for ((at = 0; at < rows; at += 1000000)); do fill_events 1000000 events 60 "$at"; done
    measured
done > "$T/lines"

# Bodies of 20 MB between small ones: the run's pages, blocks and parts are as large as they are.
sql "DROP TABLE IF EXISTS prod.events SYNC"
rm -rf "$T/archive"
events_table
fill_events 20000 events 60
sql "INSERT INTO prod.events (event_id, project_id, type, timestamp, body) SELECT generateUUIDv4(), concat('proj_', hex(cityHash64(number))), 'log', now64(3) - INTERVAL 45 DAY + number,
    randomPrintableASCII(20000000) FROM numbers(20) SETTINGS max_block_size = 5"
sql "OPTIMIZE TABLE prod.events FINAL"
measured >> "$T/lines"
equal "rows with bodies of 20 MB are archived" 20 "$(sql "SELECT countIf(length(body) = 20000000) FROM deltaLakeLocal('$T/archive')")"

# Twelve rows of 20 MB one behind the other, in each of two parts: more than a block may take. What is left is asked
# for again in smaller blocks, and all rows come once, in the table's order.
sql "CREATE TABLE prod.wide (id UInt64, at DateTime('UTC'), body String) ENGINE = MergeTree ORDER BY id"
sql "SYSTEM STOP MERGES prod.wide"
sql "CREATE TABLE prod.wide_before AS prod.wide"
for part in 1 2; do
    sql "INSERT INTO prod.wide_before SELECT $part * 100000 + number AS id, toDateTime('$TODAY', 'UTC') - toIntervalDay(60) + id % 3600,
        if(number BETWEEN 9000 * $part AND 9000 * $part + 11, repeat(repeat(toString(id), 1000), intDiv(20000, length(toString(id)))), hex(id))
        FROM numbers(20000) SETTINGS max_insert_threads = 1, max_block_size = 1000, min_insert_block_size_rows = 20000, min_insert_block_size_bytes = 0"
done
sql "ALTER TABLE prod.wide ATTACH PARTITION ID 'all' FROM prod.wide_before"
equal "two parts of wide rows" "2	24" "$(sql "SELECT uniq(_part), countIf(length(body) > 19000000) FROM prod.wide")"
proxy_start wide "$CH_PORT"
SETTINGS+=(ARCHIVE_TABLE=wide ARCHIVE_TIME_COLUMN=at "CLICKHOUSE_URL=http://127.0.0.1:$PROXY_PORT")
wide() { # WHAT RULE…
    local what=$1
    shift
    SETTINGS+=("ARCHIVE_URL=file://$T/wide${#SETTINGS[@]}")
    faults "$PROXY_PORT" "$@"
    measured >> "$T/lines"
    [ "$(exchanges "$PROXY_PORT" | grep -c query_id=lynex-place)" -gt 0 ] && pass "$what: asked for again" ||
        fail "$what: asked for again" "$(exchanges "$PROXY_PORT" | cut -c1-100)"
    equal "$what: the same rows" "$(sql "SELECT count(), sum(cityHash64(id, at, body)) FROM prod.wide_before")" \
        "$(sql "SELECT count(), sum(cityHash64(toUInt64(id), toDateTime(at, 'UTC'), body)) FROM deltaLakeLocal('${SETTINGS[-1]#*file://}')")"
    equal "$what: all have left" 0 "$(sql "SELECT count() FROM prod.wide")"
    sql "ALTER TABLE prod.wide ATTACH PARTITION ID 'all' FROM prod.wide_before"
}
wide "wide rows"
equal "wide rows: in the table's order" "$(seq 100000 119999; seq 200000 219999)" \
    "$(sql "SELECT id FROM deltaLakeLocal('${SETTINGS[-1]#*file://}') SETTINGS max_threads = 1, input_format_parquet_preserve_order = 1")"
SETTINGS+=(ARCHIVE_THREADS=1)
wide "wide rows, one thread"
wide "a rest that is not the rest" 'POST query_id=lynex-read body="OFFSET \d" nth=1 rewrite find="OFFSET \d+" put="OFFSET 5"'
equal "a rest that is not the rest: was met" 1 "$(fault_hits "$PROXY_PORT")"

while read -r status mib cpu; do
    status_is "exits 0" 0 "$status"
    at_most "peak memory in MiB" 320 "$mib"
    echo "# CPU $cpu s"
done < "$T/lines"

# A row that is too large alone.
sql "TRUNCATE TABLE prod.wide"
sql "INSERT INTO prod.wide SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60), repeat(repeat('x', 1000), number = 1 ? 40000 : 30000) FROM numbers(2)"
too_large() { lynex archive --archive-url "file://$T/too_large" "$@" 2>&1; }
out=$(too_large); status_is "a row that is too large: exits 1" 1 $? "$out"
contains "a row that is too large: what and where" "one row is too large, row 2 of what is read of the part all_" "$out"
contains "a row that is too large: the column" "column body" "$out"
contains "a row that is too large: what to do" "ARCHIVE_MEMORY_MB must be 7 times what the largest row takes" "$out"
equal "a row that is too large: stays, and what is beside it" 2 "$(sql "SELECT count() FROM prod.wide")"
out=$(too_large --archive-memory-mb 280); status_is "seven times its size: exits 0" 0 $? "$out"
equal "seven times its size: is archived" "2	70000000" "$(sql "SELECT count(), sum(length(body)) FROM deltaLakeLocal('$T/too_large')")"

# Many columns of texts in the least memory: pages, dictionaries, pieces and batches get smaller, so that what was
# written can be proven within half of it.
use_clickhouse
names=$(for i in {1..40}; do echo ", s$i String"; done)
values=$(for i in {1..40}; do echo ", $([ $((i % 4)) -eq 0 ] && echo "randomString(30 + $i)" || echo "randomPrintableASCII(70 + $i)")"; done)
sql "CREATE TABLE prod.columns (id UInt64, at DateTime('UTC')$names) ENGINE = MergeTree ORDER BY id"
sql "INSERT INTO prod.columns SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60)$values FROM numbers(60000)"
SETTINGS+=(ARCHIVE_TABLE=columns ARCHIVE_TIME_COLUMN=at "ARCHIVE_URL=file://$T/columns" ARCHIVE_MEMORY_MB=64 ARCHIVE_THREADS=2)
read -r status mib cpu < <(measured)
status_is "40 columns of texts in 64 MiB: exits 0" 0 "$status" "$(grep -A3 '"error"' "$T/report.json")"
at_most "40 columns of texts in 64 MiB: peak memory" 128 "$mib"
equal "40 columns of texts in 64 MiB: all have left" 0 "$(sql "SELECT count() FROM prod.columns")"
python3 - "$T/report.json" <<'PY' | sed 's/^/# /'
import json, sys
r = json.load(open(sys.argv[1]))
print(json.dumps({k: r[k] for k in r if k in ('result', 'stages', 'milliseconds', 'archived_rows') or 'stage' in k}))
PY

# Rows kept hot are compared by content within the same memory: late ones come, then a column is dropped, so that the
# archived rows are read again and told by their hashes.
SETTINGS+=(ARCHIVE_TABLE=kept "ARCHIVE_URL=file://$T/kept" "ARCHIVE_TMPDIR=$T" DELETE_AFTER_ARCHIVE=false)
sql "CREATE TABLE prod.kept (id UInt64, at DateTime('UTC'), a UInt64, b UInt32) ENGINE = MergeTree ORDER BY id"
kept() { # FIRST COUNT
    sql "INSERT INTO prod.kept SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60) + number % 3600, sipHash64(number), number % 1000 FROM numbers($1, $2)"
}
kept_run() { # WHAT ROWS
    read -r status mib cpu < <(measured)
    status_is "$1: exits 0" 0 "$status" "$(grep -A3 '"error"' "$T/report.json")"
    at_most "$1: peak memory" 128 "$mib"
    equal "$1: each row once" "$2	$2" "$(sql "SELECT count(), uniqExact(id) FROM deltaLakeLocal('$T/kept')")"
}
kept 0 8000000
sql "OPTIMIZE TABLE prod.kept FINAL"
kept_run "eight million rows kept hot in 64 MiB" 8000000
kept 8000000 1000
sql "OPTIMIZE TABLE prod.kept FINAL"
kept_run "compared, with late rows" 8001000
sql "ALTER TABLE prod.kept DROP COLUMN b SETTINGS mutations_sync = 2"
# Interrupted before archived rows are read, and while they are compared: hashes come slowly, for minutes.
pause_at reconcile
kill -TERM "$PAUSED"
resume
status_is "interrupted before rows are compared" 130 $STATUS "$OUT"
faults "$PROXY_PORT" "POST query_id=lynex-compare trickle bytes=20000 ms=20"
SETTINGS+=("CLICKHOUSE_URL=http://127.0.0.1:$PROXY_PORT")
lynex_start "$T/interrupted" archive
for _ in $(seq 600); do [ "$(fault_hits "$PROXY_PORT")" = 1 ] && break; sleep 0.1; done
equal "interrupted while rows are compared: it came so far" 1 "$(fault_hits "$PROXY_PORT")"
sleep 4 # until the first have come: the proxy has the whole answer before
started=$(date +%s%N)
kill -TERM "$LYNEX_PID"
wait "$LYNEX_PID"; status_is "interrupted while rows are compared" 130 $? "$(cat "$T/interrupted")"
at_most "interrupted while rows are compared: milliseconds" 5000 $((($(date +%s%N) - started) / 1000000))
faults "$PROXY_PORT"
use_clickhouse
kept_run "compared, without a column" 8001000

# A file that fails its proof is kept apart in pieces.
SETTINGS+=(ARCHIVE_TABLE=failing "ARCHIVE_URL=file://$T/failing" ARCHIVE_FILE_MB=1024 DELETE_AFTER_ARCHIVE=true)
sql "CREATE TABLE prod.failing (id UInt64, at DateTime('UTC'), s String) ENGINE = MergeTree ORDER BY id"
sql "INSERT INTO prod.failing SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60), randomString(1000) FROM numbers(200000)"
SETTINGS+=(LYNEX_MUTANT=flip-value)
read -r status mib cpu < <(measured)
status_is "a file of 200 MB that fails its proof: exits 4" 4 "$status"
at_most "a file of 200 MB that fails its proof: peak memory" 128 "$mib"
equal "a file of 200 MB that fails its proof: is kept apart" 1 "$(find "$T/failing/_quarantine" -size +190M | wc -l)"
equal "a file of 200 MB that fails its proof: alone" 0 "$(find "$T/failing" -name '*.parquet' -not -path '*/_quarantine/*' | wc -l)"
equal "a file of 200 MB that fails its proof: no row has left" 200000 "$(sql "SELECT count() FROM prod.failing")"
done_testing

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
while read -r status mib cpu; do
    status_is "exits 0" 0 "$status"
    at_most "peak memory in MiB" 320 "$mib"
    echo "# CPU $cpu s"
done < "$T/lines"
python3 - "$T/report.json" <<'PY' | sed 's/^/# /'
import json, sys
r = json.load(open(sys.argv[1]))
print(json.dumps({k: r[k] for k in r if k in ('result', 'stages', 'milliseconds', 'archived_rows') or 'stage' in k}))
PY
done_testing

# The run's memory stays where it is, however much there is to archive; where the time goes is reported.
. "$(dirname "$0")/lib.sh"
ROWS=${ROWS:-"1000000 5000000"}
ch_start
use_clickhouse
use_dir
for rows in $ROWS; do
    sql "DROP TABLE IF EXISTS prod.events SYNC"
    rm -rf "$T/archive"
    events_table
    for ((at = 0; at < rows; at += 1000000)); do fill_events 1000000 events 60 "$at"; done
    old=$(sql "SELECT count() FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")
    from=$(date +%s%N)
    env -i PATH="$PATH" HOME="$T" "${SETTINGS[@]}" python3 - "$LYNEX_BIN" "$T/report.json" <<'PY'
import resource, subprocess, sys
with open(sys.argv[2], 'w') as out:
    status = subprocess.run([sys.argv[1], 'archive', '--json'], stdout=out, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(status, used.ru_maxrss // 1024, f'{used.ru_utime + used.ru_stime:.2f}')
PY
    ms=$((($(date +%s%N) - from) / 1000000))
done > "$T/lines" 
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

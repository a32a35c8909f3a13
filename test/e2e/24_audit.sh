# Who deleted what, when, on which guard's answer: told by the ledger alone, ClickHouse may be gone.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
use_dir
SETTINGS+=("ARCHIVE_AFTER_DAYS=$AFTER")
events_table
fill_events 6000 events $((3 * AFTER))
cutoff="toDateTime64(toStartOfDay(now('UTC')) - INTERVAL $AFTER DAY, 3, 'UTC')"
old=$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")
# What each guard must have seen: rows and sums of each part's old rows, as ClickHouse has them before.
hash="xxh3(tuple(event_id, project_id, type, timestamp, sdk_name, sdk_version, body, context, queued_at, processed_at, queue_latency_ms, estimated_cost_usd, _date, _hour))"
truth=$(sql "SELECT _part, count(), sum($hash), groupBitXor($hash) FROM prod.events WHERE timestamp < $cutoff GROUP BY _part ORDER BY _part")
out=$(lynex audit 2>&1); status_is "an empty ledger: exits 0" 0 $? "$out"
contains "an empty ledger: no deletes" "0 deletes, 0 rows left ClickHouse" "$out"
began=$(date -u +%Y-%m-%dT%H:%M:%S)
out=$(lynex archive 2>&1); status_is "archive exits 0" 0 $? "$out"
ch_stop

out=$(lynex audit 2>&1); status_is "audit exits 0 without ClickHouse" 0 $? "$out"
contains "it counts the rows" "$(python3 -c "print(f'{$old:,}')") rows left ClickHouse" "$out"
contains "who" "$(id -un)@$(hostname)" "$out"
contains "whole parts" "drop part" "$out"
contains "masks" "mask" "$out"
report=$(lynex audit --json)
equal "each part, with the guard's answer: rows, sum, xor" "$truth" "$(python3 -c '
import json, sys
lines = [(g["name"], str(g["rows"]), g["sum"], g["xor"]) for c in json.load(sys.stdin)["commits"] for g in c["lynex"]["guard"]]
print(*("\t".join(line) for line in sorted(lines)), sep="\n")' <<< "$report")"
equal "the same in the table" "$(cut -f1,3,4 <<< "$truth")" "$(awk '$4 == "DELETE"' <<< "$out" | grep -oE '[0-9]{6}_[0-9_]+ .*' | awk '{ print $1 "\t" $5 "\t" $6 }' | sort)"
equal "each statement names its part, and has a query id" "" "$(python3 -c '
import json, sys
for c in json.load(sys.stdin)["commits"]:
    own = c["lynex"]
    for g in own["guard"]:
        if g["name"] not in own["statement"] or not own["query_id"] or not own["by"] or own["at"] <= 0:
            print(c)' <<< "$report")"
equal "the totals" "$old" "$(python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["rows"])' <<< "$report")"

# On a narrow terminal each row takes several lines, none wider than it.
narrow() { # COMMAND…: as a terminal of 80 columns shows it
    (trap - EXIT
        python3 - "$LYNEX_BIN" "$@" <<'PY'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    os.execv(sys.argv[1], ['lynex'] + sys.argv[2:])
text = b''
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    text += piece
os.waitpid(pid, 0)
sys.stdout.write(text.decode().replace('\r\n', '\n'))
PY
    )
}
export TERM=dumb
for setting in "${SETTINGS[@]}"; do export "${setting?}"; done
for command in audit ls; do
    shown=$(narrow $command)
    equal "$command on 80 columns: no line is wider" "" "$(python3 -c 'import sys; print("".join(l for l in sys.stdin if len(l.rstrip("\n")) > 80))' <<< "$shown")"
    equal "$command on 80 columns: all that stands in the wide table" "$(lynex $command | sed '$d' | tr -s ' \n' '\n' | grep -v '^$' | sort)" \
        "$(sed '$d' <<< "$shown" | tr -s ' \n' '\n' | grep -v '^$' | sort)"
done
equal "a pipe gets a line a file, a head and a sum" $(($(find "$T/archive/events" -name '*.parquet' | wc -l) + 2)) "$(lynex ls | wc -l)"

# By time.
out=$(lynex audit --since 2999-01-01 2>&1); contains "--since later: none" "0 deletes" "$out"
equal "--since the run's start: all" "$(python3 -c 'import json,sys; print(json.load(sys.stdin)["deletes"])' <<< "$report")" \
    "$(lynex audit --since "$began" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["deletes"])')"
out=$(lynex audit --since yesterday 2>&1); status_is "--since that is no date: status 2" 2 $? "$out"
contains "--since that is no date: says what is" "2026-01-31" "$out"

# What vacuum takes out of the store is told too.
month=$(ls "$T/archive/events" | head -1)
: > "$T/archive/events/$month/events_20200101_000000.parquet"
out=$(lynex vacuum --min-age 0 --yes 2>&1); status_is "vacuum exits 0" 0 $? "$out"
contains "vacuum is told" "VACUUM" "$(lynex audit)"
contains "and how much it took" "1 file of the archive" "$(lynex audit)"
done_testing

# One wrong bit, in memory, in the encoder's output, in the store: the run stops with status 4, says where,
# and the rows stay hot.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
use_dir
events_table
fill_events 5000 events 60
state() { sql "SELECT count(), sum(cityHash64(event_id, body)) FROM prod.events"; }
before=$(state)
committed() { find "$T/archive/_delta_log" -name '*.json' 2>/dev/null | wc -l; }

LYNEX_MUTANT=flip-value
out=$(lynex archive 2>&1); status_is "a decoded value: status 4" 4 $? "$out"
contains "a decoded value: says the file" "events/" "$out"
contains "a decoded value: says the column" "_hour" "$out"
contains "a decoded value: says what to do" "no row was deleted" "$out"
equal "a decoded value: all rows are hot" "$before" "$(state)"
equal "a decoded value: nothing was recorded" 0 "$(committed)"
equal "a decoded value: the bad file is kept apart" 1 "$(find "$T/archive/_quarantine" -type f | wc -l)"
equal "a decoded value: and not among the good ones" 0 "$(find "$T/archive/events" -name "*.parquet" | wc -l)"

LYNEX_MUTANT=flip-encoded
out=$(lynex archive 2>&1); status_is "the encoder's output: status 4" 4 $? "$out"
contains "the encoder's output: says the file" ".parquet" "$out"
equal "the encoder's output: all rows are hot" "$before" "$(state)"
equal "the encoder's output: nothing was recorded" 0 "$(committed)"
LYNEX_MUTANT=

# In the store, between upload and proof.
LYNEX_STEP=pause@uploaded
lynex archive > "$T/out" 2>&1 &
pid=$!
BACKGROUND+=("$pid")
for _ in $(seq 100); do
    stopped=$(ps -o pid=,stat= --ppid "$pid" -p "$pid" | awk '$2 ~ /^T/ { print $1 }' | tail -1)
    [ -n "$stopped" ] && break
    sleep 0.1
done
LYNEX_STEP=
file=$(find "$T/archive/events" -name '*.parquet' -newer "$T/archive/_quarantine" | sort | tail -1)
[ -n "$file" ] || fail "the run stopped behind the upload" "$(cat "$T/out")"
python3 - "$file" <<'PY'
import os, sys
before = os.stat(sys.argv[1])  # rot leaves the time as it is
with open(sys.argv[1], 'r+b') as f:
    f.seek(0, 2)
    at = f.tell() // 2
    f.seek(at)
    byte = f.read(1)[0]
    f.seek(at)
    f.write(bytes([byte ^ 16]))
os.utime(sys.argv[1], ns=(before.st_atime_ns, before.st_mtime_ns))
PY
kill -CONT "$stopped"
wait "$pid"; status=$?
out=$(cat "$T/out")
status_is "the stored object: status 4" 4 $status "$out"
contains "the stored object: says the file" "$(basename "$file")" "$out"
equal "the stored object: all rows are hot" "$before" "$(state)"
equal "the stored object: nothing was recorded" 0 "$(committed)"

# Without a fault the same run works, and a bit that goes wrong later is found by verify.
out=$(lynex archive 2>&1); status_is "the next run exits 0" 0 $? "$out"
out=$(lynex verify 2>&1); status_is "verify exits 0" 0 $? "$out"
file=$(sed -n 's/.*"add":{"path":"\([^"]*\)".*/\1/p' "$T"/archive/_delta_log/*.json | head -1)
python3 -c '
import sys
b = bytearray(open(sys.argv[1], "rb").read()); b[len(b) // 3] ^= 1; open(sys.argv[1], "wb").write(b)' "$T/archive/$file"
out=$(lynex verify 2>&1); status_is "verify finds a flipped bit: status 4" 4 $? "$out"
contains "verify names the file" "$file" "$out"
rm "$T/archive/$file"
out=$(lynex verify 2>&1); status_is "verify finds a missing file" 4 $? "$out"
contains "verify names the missing file" "$file" "$out"
done_testing

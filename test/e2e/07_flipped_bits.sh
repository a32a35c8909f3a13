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

LYNEX_MUTANT=flip-encoded
out=$(lynex archive 2>&1); status_is "the encoder's output: status 4" 4 $? "$out"
contains "the encoder's output: says the file" ".parquet" "$out"
equal "the encoder's output: all rows are hot" "$before" "$(state)"
equal "the encoder's output: nothing was recorded" 0 "$(committed)"

# One file after the other, in an empty archive: the next is not stored while the first is proven.
rm -rf "$T/archive"
SETTINGS+=(ARCHIVE_THREADS=1)
LYNEX_MUTANT=flip-value
out=$(lynex archive 2>&1); status_is "a decoded value: status 4" 4 $? "$out"
contains "a decoded value: says the file" "events/" "$out"
contains "a decoded value: says the column" "_hour" "$out"
contains "a decoded value: says what to do" "no row was deleted" "$out"
equal "a decoded value: all rows are hot" "$before" "$(state)"
equal "a decoded value: nothing was recorded" 0 "$(committed)"
equal "a decoded value: the bad file is kept apart" 1 "$(find "$T/archive/_quarantine" -type f | wc -l)"
equal "a decoded value: and not among the good ones" 0 "$(find "$T/archive/events" -name "*.parquet" | wc -l)"
LYNEX_MUTANT=

# Stops a run behind an upload, turns a bit of the new file, at so many hundredths of it or where its footer's pairs
# begin, and lets the run go on: flip_stored NAME HUNDREDTHS|pairs
flip_stored() {
    local file
    touch "$T/before"
    pause_at uploaded
    file=$(find "$T/archive/events" -name '*.parquet' -newer "$T/before" | sort | tail -1)
    [ -n "$file" ] || fail "$1: the run stopped behind the upload" "$(cat "$T/paused.out")"
    python3 - "$file" "$2" <<'PY'
import os, sys
before = os.stat(sys.argv[1])  # rot leaves the time as it is
with open(sys.argv[1], 'r+b') as f:
    bytes_ = bytearray(f.read())
    if sys.argv[2] == 'pairs':  # the field's number: then there are none, no batch and no checksum either
        bytes_[bytes_.rindex(b'\x18\x0blynex.batch') - 2] ^= 64
    else:
        bytes_[len(bytes_) * int(sys.argv[2]) // 100] ^= 16
    f.seek(0)
    f.write(bytes_)
os.utime(sys.argv[1], ns=(before.st_atime_ns, before.st_mtime_ns))
PY
    size=$(stat -c %s "$file")
    resume
    status_is "$1: status 4" 4 $STATUS "$OUT"
    contains "$1: says the file" "$(basename "$file")" "$OUT"
    equal "$1: all rows are hot" "$before" "$(state)"
    equal "$1: nothing was recorded" 0 "$(committed)"
}

# In the store, between upload and proof.
flip_stored "the stored object" 50
flip_stored "the names of the stored object" pairs
contains "the names of the stored object: says what" "does not say which batch it is of" "$OUT"

# A large file, which is proven in shares: in each of them.
unset 'SETTINGS[-1]'
sql "CREATE TABLE prod.small AS prod.events"
sql "INSERT INTO prod.small SELECT * FROM prod.events"
sql "TRUNCATE TABLE prod.events"
large_month events
few=$before
before=$(state)
for at in 15 85; do
    flip_stored "a large object, at $at %" $at
    [ "$size" -gt $((8 << 20)) ] || fail "a large object has more than 8 MiB" "$size"
done
sql "TRUNCATE TABLE prod.events"
sql "INSERT INTO prod.events SELECT * FROM prod.small"
before=$few
equal "the few rows are there again" "$before" "$(state)"

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

# A broken log is found and explained; a lost one is made anew from the files, which prove themselves.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
use_dir
events_table
fill_events 12000 events 90
sql "CREATE TABLE prod.before AS prod.events"
sql "INSERT INTO prod.before SELECT * FROM prod.events"
cutoff="toDateTime64(toStartOfDay(now('UTC')) - INTERVAL 30 DAY, 3, 'UTC')"
sums() { sql "SELECT count(), sum(cityHash64(event_id, body)) FROM (SELECT toString(event_id) AS event_id, body FROM $1)"; }
hot() { sql "SELECT count(), sum(cityHash64(event_id, body)) FROM prod.events"; }
old=$(sums "prod.before WHERE timestamp < $cutoff")
rows=$(cut -f1 <<< "$old")
log=$T/archive/_delta_log
version() { printf '%s/%020d.json' "$log" "$1"; }

out=$(lynex ledger check 2>&1); status_is "no log: exits 1" 1 $? "$out"
contains "no log: says so" "there is no log" "$out"
out=$(lynex archive 2>&1); status_is "archive exits 0" 0 $? "$out"
fill_events 600 events 90 5
out=$(lynex archive 2>&1); status_is "archive again exits 0" 0 $? "$out"
old=$(sums "$(cold_table)")
rows=$(cut -f1 <<< "$old")
newest=$(($(ls "$log"/*.json | wc -l) - 1))
[ "$newest" -ge 4 ] || fail "the log has versions to lose" "$newest"
out=$(lynex ledger check 2>&1); status_is "a whole log: exits 0" 0 $? "$out"
contains "a whole log: says so" "the log is whole" "$out"
contains "a whole log: counts" "the newest is $newest; 0 missing, 0 broken, 0 not understood, 0 by other programs" "$out"
cp -a "$T/archive" "$T/copy"
restore() { rm -rf "$T/archive"; cp -a "$T/copy" "$T/archive"; }
before=$(hot)

# broken WHAT NEEDLE CHECK-NEEDLE: the normal commands stop and say what and what to do; check lists it.
broken() {
    local what=$1 needle=$2 found=$3 out status
    out=$(lynex archive 2>&1); status=$?
    [ $status -ne 0 ] && pass "$what: archive stops" || fail "$what: archive stops" "$out"
    contains "$what: archive says $needle" "$needle" "$out"
    contains "$what: archive says what to do" "what to do" "$out"
    out=$(lynex ls 2>&1); contains "$what: ls says $needle" "$needle" "$out"
    out=$(lynex ledger check 2>&1); status_is "$what: check exits 1" 1 $? "$out"
    contains "$what: check lists it" "$found" "$out"
    out=$(lynex ledger rebuild --write 2>&1); status_is "$what: rebuild refuses" 1 $? "$out"
    contains "$what: rebuild says that there is a log" "there is a log at this root" "$out"
    out=$(lynex vacuum --yes --min-age 0 2>&1); [ $? -ne 0 ] && pass "$what: vacuum stops" || fail "$what: vacuum stops" "$out"
    equal "$what: nothing left ClickHouse" "$before" "$(hot)"
    restore
}
rm "$(version 1)" "$(version 2)"
broken "a hole" "version 1 (" "missing  versions 1 to 2"
rm "$(version 0)"
broken "no beginning" "version 0 (" "missing  version 0: not there, though version 1 is"
truncate -s -20 "$(version 2)"
broken "a cut version" "version 2 (" "broken  version 2: version 2 ("
: > "$(version 3)"
broken "an empty version" "no action" "broken  version 3"
sed -i '$s/:/: /' "$(version 1)"
broken "a changed byte" "the object is not what was written" "broken  version 1"
printf '%s\n' '{"commitInfo":{"timestamp":1,"operation":"UPGRADE PROTOCOL","engineInfo":"Other/1.0"}}' \
    '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors","domainMetadata"]}}' > "$(version $((newest + 1)))"
broken "another program's protocol" "deletionVectors" "unsupported  version $((newest + 1))"
printf '%s\n' '{"commitInfo":{"timestamp":1,"operation":"SET TBLPROPERTIES","engineInfo":"Other/1.0"}}' > "$(version $((newest + 1)))"
out=$(lynex ledger check 2>&1); status_is "another program's version that is understood: exits 0" 0 $? "$out"
contains "another program's version is named" "foreign  version $((newest + 1)): written by Other/1.0" "$out"
out=$(lynex ls 2>&1); status_is "it is read" 0 $? "$out"
restore
printf '%s\n' '{"commitInfo":{"timestamp":1,"operation":"UPGRADE PROTOCOL","engineInfo":"Other/1.0"}}' \
    '{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["domainMetadata","rowTracking"]}}' > "$(version $((newest + 1)))"
out=$(lynex ls 2>&1); status_is "a writer feature: ls reads" 0 $? "$out"
out=$(lynex ledger check 2>&1); status_is "a writer feature: check exits 1" 1 $? "$out"
contains "a writer feature: check names it" "rowTracking" "$out"
restore
file=$(lynex ls --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["files"][0]["path"])')
rm "$T/archive/$file"
out=$(lynex ledger check 2>&1); status_is "a listed file is gone: exits 4" 4 $? "$out"
contains "a listed file is gone: named" "$file is not in the store" "$out"
restore
equal "check as JSON" "$newest 0 0" "$(lynex ledger check --json | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["newest"], d["missing"], len(d["findings"]))')"

# A lost log. Some old rows are still hot: archived, and not deleted before the log was lost.
fill_events 900 events 90 11
LYNEX_STEP=kill@guard
lynex archive --archive-threads 1 > "$T/out" 2>&1; status_is "a run dies between commit and delete" 137 $? "$(cat "$T/out")"
LYNEX_STEP=
all=$(sums "$(cold_table)")
rm -rf "$log"
out=$(lynex archive --dry-run 2>&1); contains "archive warns of the lost log" "run lynex ledger rebuild" "$out"
for command in ls audit; do
    lynex $command --json > "$T/out" 2> "$T/err"; status_is "$command exits 0" 0 $?
    contains "$command warns of the lost log" "there is no log at the archive's root, but data files, such as events/" "$(cat "$T/err")"
    contains "$command says what to do" "lynex ledger rebuild" "$(cat "$T/err")"
    python3 -m json.tool "$T/out" > /dev/null; status_is "$command: its document is one" 0 $?
done
for url in "http://127.0.0.1:$CH_PORT" http://127.0.0.1:1; do
    equal "status warns too, once, of ClickHouse at $url" 1 "$(lynex status --clickhouse-url "$url" 2>/dev/null | grep -c "but data files, such as events/.*lynex ledger rebuild")"
    equal "status warns too, once, in its document, of ClickHouse at $url" 1 "$(lynex status --json --clickhouse-url "$url" 2>/dev/null |
        python3 -c 'import json, sys; print(sum("no log" in w for w in json.load(sys.stdin)["warnings"]))')"
done
out=$(lynex ledger rebuild 2>&1); status_is "rebuild looks: exits 0" 0 $? "$out"
contains "rebuild counts what it proved" "$(python3 -c "print(f'{$(cut -f1 <<< "$all"):,}')") rows" "$out"
contains "rebuild says that nothing was written" "nothing was written" "$out"
equal "rebuild wrote nothing" "" "$(ls "$log" 2>/dev/null | grep json)"

# What is no good stops it, with a list.
cp "$T/archive/$file" "$T/keep"
python3 -c '
import sys
b = bytearray(open(sys.argv[1], "rb").read()); b[len(b) // 3] ^= 1; open(sys.argv[1], "wb").write(b)' "$T/archive/$file"
out=$(lynex ledger rebuild --write 2>&1); status_is "a flipped bit: exits 4" 4 $? "$out"
contains "a flipped bit: names the file" "bad       $file" "$out"
contains "a flipped bit: says what to do" "--leave" "$out"
equal "a flipped bit: nothing is written" "" "$(ls "$log" 2>/dev/null | grep json)"
out=$(lynex ledger rebuild --leave "$file" 2>&1); status_is "left out: exits 0" 0 $? "$out"
out=$(lynex ledger rebuild --leave events/none.parquet 2>&1); status_is "a slip of the pen is wrong usage" 2 $? "$out"
cp "$T/keep" "$T/archive/$file"

# The same rows in another batch's file, as an abandoned batch leaves them.
fill_events 300 events 90 13
sql "CREATE TABLE prod.late AS prod.events"
sql "INSERT INTO prod.late SELECT * FROM prod.events"
LYNEX_STEP=kill@uploaded
SETTINGS+=("ARCHIVE_URL=file://$T/other")
lynex archive --archive-threads 1 > "$T/out" 2>&1
LYNEX_STEP=
lynex archive > "$T/out2" 2>&1; status_is "another root: archived after a dead run" 0 $? "$(cat "$T/out2")"
rm -rf "$T/other/_delta_log"
out=$(lynex ledger rebuild --write 2>&1); status_is "the same rows twice: refused" 1 $? "$out"
contains "the same rows twice: listed" "shared" "$out"
contains "the same rows twice: says what to do" "--leave FILE" "$out"
equal "the same rows twice: nothing is written" "" "$(ls "$T/other/_delta_log" 2>/dev/null | grep json)"
orphan=$(lynex ledger rebuild --json 2>/dev/null | python3 -c '
import json, sys
shared = [r for r in json.load(sys.stdin)["results"] if r["verdict"] == "shared rows"]
print(min(r["path"] for r in shared))')
out=$(lynex ledger rebuild --write --leave "$orphan" 2>&1); status_is "one left out: exits 0" 0 $? "$out"
out=$(lynex verify 2>&1); status_is "and its log verifies" 0 $? "$out"
SETTINGS=("${SETTINGS[@]/ARCHIVE_URL=file:\/\/$T\/other/ARCHIVE_URL=file://$T/archive}")
sql "TRUNCATE TABLE prod.events"
sql "INSERT INTO prod.events SELECT * FROM prod.late WHERE timestamp >= $cutoff"

# More files than one version can list: said at the first, not after all were read.
LYNEX_MUTANT=rebuild-small-version
out=$(lynex ledger rebuild --write 2>&1); status_is "too many files: refused" 1 $? "$out"
LYNEX_MUTANT=
contains "too many files: says how many" "$(find "$T/archive/events" -name '*.parquet' | wc -l) files: one version of the log holds about" "$out"
contains "too many files: what to do" "ledger rebuild at each" "$out"
lacks "too many files: none was read in vain" "proven " "$out"
equal "too many files: nothing was written" "" "$(ls "$log" 2>/dev/null | grep json)"

# Written.
young=$(hot)
out=$(lynex ledger rebuild --write 2>&1); status_is "rebuild --write exits 0" 0 $? "$out"
contains "rebuild says what ls shows until the next run" "count all their rows as still in ClickHouse" "$out"
contains "ls says so too" "The log was made anew" "$(lynex ls)"
equal "one version" "00000000000000000000.json" "$(ls "$log")"
for kernel in 1 0; do
    equal "readers see every row once, kernel $kernel" "$all" "$(sql "SELECT count(), sum(cityHash64(event_id, body)) FROM (SELECT toString(event_id) AS event_id, body FROM $(cold_table)) SETTINGS allow_experimental_delta_kernel_rs = $kernel")"
done
out=$(lynex ledger check 2>&1); status_is "check: the log is whole" 0 $? "$out"
out=$(lynex verify 2>&1); status_is "verify exits 0" 0 $? "$out"
out=$(lynex ledger rebuild --write 2>&1); status_is "again: refused, there is a log" 1 $? "$out"

# The next run compares by content: rows that are archived and hot go, late ones are archived, young ones stay.
sql "INSERT INTO prod.events SELECT * FROM prod.before WHERE timestamp < $cutoff LIMIT 700"
fill_events 500 events 90 17
late=$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")
stay=$(sql "SELECT count(), sum(cityHash64(event_id, body)) FROM prod.events WHERE timestamp >= $cutoff")
out=$(lynex archive 2>&1); status_is "the next run exits 0" 0 $? "$out"
contains "it compares by content" "by content" "$out"
equal "no old row is hot" 0 "$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")"
equal "the young ones stay" "$stay" "$(hot)"
equal "the archive: what it had, and the late ones, none twice" "$(($(cut -f1 <<< "$all") + late - 700))" "$(sql "SELECT count() FROM $(cold_table)")"
out=$(lynex verify 2>&1); status_is "verify exits 0 again" 0 $? "$out"
out=$(lynex archive 2>&1); contains "then there is nothing to do" "No events to archive" "$out"
lacks "ls knows again" "The log was made anew" "$(lynex ls)"

# What writers that were killed had begun in the directory goes, once it is old; what people put there stays.
tmp=$T/archive/_lynex/tmp
printf '12345' > "$tmp/0123456789abcdef"
printf '12' > "$tmp/fedcba9876543210"
printf 'mine' > "$tmp/notes.txt"
touch -d '3 days ago' "$tmp/0123456789abcdef" "$tmp/notes.txt"
versions=$(ls "$log" | wc -l)
out=$(lynex vacuum 2>&1); status_is "unfinished writes: vacuum exits 0" 0 $? "$out"
contains "unfinished writes: the old one is named" "_lynex/tmp/0123456789abcdef  unfinished" "$out"
contains "unfinished writes: the dry run deletes nothing" "1 object, 5 B would be deleted" "$out"
out=$(lynex vacuum --yes 2>&1); status_is "unfinished writes: vacuum --yes exits 0" 0 $? "$out"
equal "unfinished writes: the young one and the stranger stay" "fedcba9876543210 notes.txt" "$(ls "$tmp" | paste -sd ' ')"
equal "unfinished writes: no version was needed" "$versions" "$(ls "$log" | wc -l)"
rm "$tmp/fedcba9876543210" "$tmp/notes.txt"

# A flaw before a checkpoint costs history, not the state.
month=$(basename "$(dirname "$file")")
for n in $(seq 60); do
    : > "$T/archive/events/$month/events_20200101_0000$(printf %02d "$n").parquet"
    lynex vacuum --min-age 0 --yes > "$T/out" 2>&1 || fail "vacuum $n" "$(cat "$T/out")"
    [ -n "$(ls "$log" | grep checkpoint)" ] && [ "$n" -gt 8 ] && break
done
rm "$(version 3)"
out=$(lynex ls 2>&1); status_is "a hole before a checkpoint: ls exits 0" 0 $? "$out"
out=$(lynex ledger check 2>&1); status_is "a hole before a checkpoint: check exits 1" 1 $? "$out"
contains "a hole before a checkpoint: listed" "missing  version 3" "$out"
contains "a hole before a checkpoint: what it costs" "the state of the archive is whole all the same" "$out"
out=$(lynex audit 2>&1); status_is "a hole before a checkpoint: audit exits 1" 1 $? "$out"
contains "a hole before a checkpoint: audit says which" "version 3" "$out"
out=$(lynex ledger 2>&1); status_is "ledger alone is wrong usage" 2 $? "$out"
done_testing

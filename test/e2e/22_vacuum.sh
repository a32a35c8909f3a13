# What abandoned batches leave is taken, behind its fence; nothing else is.
. "$(dirname "$0")/lib.sh"
ch_start
rgw_start
use_clickhouse
use_rgw
events_table
fill_events 20000 events 60
sql "CREATE TABLE prod.before AS prod.events"
sql "INSERT INTO prod.before SELECT * FROM prod.events"
cutoff="toDateTime64(toStartOfDay(now('UTC')) - INTERVAL 30 DAY, 3, 'UTC')"
old=$(sql "SELECT count(), sum(cityHash64(event_id, body)) FROM (SELECT toString(event_id) AS event_id, body FROM prod.before WHERE timestamp < $cutoff)")
archived() { sql "SELECT count(), sum(cityHash64(event_id, body)) FROM (SELECT toString(event_id) AS event_id, body FROM $(cold_table))"; }
objects() { aws_ s3api list-objects-v2 --bucket $BUCKET --query 'Contents[].Key' --output text 2>/dev/null | tr '\t' '\n' | grep -v '^None$' | grep -E "${1:-.}" | sort; }
listed() { lynex ls --json 2>/dev/null | python3 -c 'import json,sys; print(*(f["path"] for f in json.load(sys.stdin)["files"]), sep="\n")'; }
versions() { objects '^_delta_log/[0-9]{20}\.json$' | wc -l; }
fates() { python3 -c 'import json,sys; print(*sorted(i["kind"] + ": " + i["fate"] + (" deleted" if i["deleted"] else "") for i in json.load(sys.stdin)["items"]), sep="\n")'; }
vacuum() { lynex vacuum --min-age 0 "$@" 2>&1; }

# A run that dies behind its first upload, before there is a log. (One thread: the other month's file is
# not uploaded at the same time.)
LYNEX_STEP=kill@uploaded
lynex archive --archive-threads 1 > "$T/out" 2>&1; status_is "a run dies behind its upload" 137 $? "$(cat "$T/out")"
LYNEX_STEP=
left=$(objects '^events/')
equal "it left one file" 1 "$(grep -c . <<< "$left")"
out=$(vacuum --yes); status_is "without a log vacuum refuses" 1 $? "$out"
contains "and says why" "there is no log at this root" "$out"
equal "and leaves the file" "$left" "$(objects '^events/')"

# The next run archives the same rows again: then the file is left over.
out=$(lynex archive 2>&1); status_is "the next run exits 0" 0 $? "$out"
contains "the next run warns of files without a log" "there is no log at the archive's root, but data files, such as $left" "$out"
equal "the archive holds the old rows once" "$old" "$(archived)"
out=$(lynex vacuum 2>&1); status_is "a young file: exits 0" 0 $? "$out"
contains "a young file is left" "left: too young" "$out"
before=$(versions)
out=$(vacuum); status_is "the dry run exits 0" 0 $? "$out"
contains "the dry run names the file" "$left" "$out"
contains "the dry run says what it would do" "would be deleted" "$out"
equal "the dry run deletes nothing" "$left" "$(objects '^events/' | grep -F "$left")"
equal "the dry run writes nothing" "$before" "$(versions)"

# What people put there is theirs; a reservation is nobody's; hashes that no segment names.
month=$(dirname "$left")
printf 'mine' | aws_ s3 cp - "s3://$BUCKET/$month/notes.txt" > /dev/null
printf 'mine' | aws_ s3 cp - "s3://$BUCKET/$month/events_copy.parquet" > /dev/null
: | aws_ s3 cp - "s3://$BUCKET/$month/events_20200101_000000.parquet" > /dev/null
printf '12345678' | aws_ s3 cp - "s3://$BUCKET/_lynex/hashes/0123456789abcdef0123456789abcdef-0" > /dev/null
printf 'bad' | aws_ s3 cp - "s3://$BUCKET/_quarantine/01234567_events_20200101_000000.parquet" > /dev/null
kept=$(listed)
out=$(vacuum --json); status_is "json exits 0" 0 $? "$out"
equal "each object and what would become of it" "$(printf 'file: take\nhashes: take\nquarantine: not asked\nreservation: take')" "$(fates <<< "$out")"

# Stopped between the fence and the deletes: the next one goes on without another fence.
LYNEX_MUTANT=vacuum-stop
out=$(vacuum --yes); status_is "stopped behind the fence" 130 $? "$out"
LYNEX_MUTANT=
equal "the fence is one version" "$((before + 1))" "$(versions)"
equal "nothing is deleted yet" "$left" "$(objects '^events/' | grep -F "$left")"
contains "the version removes the path" "\"remove\":{\"path\":\"$left\"" "$(aws_ s3 cp "s3://$BUCKET/$(objects '^_delta_log/[0-9]{20}' | tail -1)" -)"
out=$(vacuum --yes); status_is "the next vacuum exits 0" 0 $? "$out"
contains "it deletes what was fenced" "3 objects" "$out"
equal "without another version" "$((before + 1))" "$(versions)"
equal "the listed files are there, and people's" "$(printf '%s\n%s\n%s\n' "$kept" "$month/events_copy.parquet" "$month/notes.txt" | sort)" "$(objects '^events/')"
equal "the hashes are gone" "" "$(objects '^_lynex/hashes/')"
out=$(vacuum --yes --quarantine); status_is "--quarantine exits 0" 0 $? "$out"
equal "_quarantine is empty" "" "$(objects '^_quarantine/')"
out=$(vacuum --yes --json)
equal "nothing is left to take" "" "$(fates <<< "$out")"
out=$(lynex verify 2>&1); status_is "verify exits 0" 0 $? "$out"
for kernel in 1 0; do
    equal "other readers see the same, kernel $kernel" "$old" "$(sql "SELECT count(), sum(cityHash64(event_id, body)) FROM (SELECT toString(event_id) AS event_id, body FROM $(cold_table)) SETTINGS allow_experimental_delta_kernel_rs = $kernel")"
done

# Rows that are archived nowhere else: left, though no version lists the file.
fill_events 2000 events 60 7
LYNEX_STEP=kill@uploaded
lynex archive --archive-threads 1 > "$T/out" 2>&1; status_is "another run dies" 137 $? "$(cat "$T/out")"
LYNEX_STEP=
out=$(vacuum --yes); status_is "rows that are nowhere else: exits 0" 0 $? "$out"
contains "rows that are nowhere else: left, and says so" "archived nowhere else" "$out"
equal "rows that are nowhere else: nothing is deleted" 1 "$(comm -13 <(listed | sort) <(objects '^events/.*_[0-9_]*\.parquet') | wc -l)"

# A writer that sleeps between upload and commit: vacuum takes its file all the same, and the writer gives
# its batch up, plans again, and archives every row once. (One thread: nothing else waits for its proof.)
sleeper() {
    pause_at commit --archive-threads 1
    [ -n "$PAUSED" ] || fail "the writer sleeps before its commit" "$(cat "$T/paused.out")"
}
sleeper
theirs=$(comm -13 <(listed | sort) <(objects '^events/.*_[0-9_]*\.parquet'))
out=$(vacuum --yes --unproven); status_is "vacuum beside a sleeping writer exits 0" 0 $? "$out"
equal "vacuum took the sleeper's files" "" "$(comm -13 <(listed | sort) <(objects '^events/.*_[0-9_]*\.parquet'))"
resume
status_is "the sleeper ends well" 0 $STATUS "$OUT"
for path in $theirs; do
    lacks "the sleeper did not list what was taken: $path" "$path" "$(listed)"
done
all=$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")
equal "no old row is hot" 0 "$all"
out=$(lynex verify 2>&1); status_is "verify finds every file" 0 $? "$out"
equal "each row is archived once" "$(($(cut -f1 <<< "$old") + $(sql "SELECT count() FROM numbers(2000) WHERE toDateTime64(toStartOfDay(now('UTC')), 3, 'UTC') - toIntervalMillisecond(cityHash64(number, 4, 7) % (60 * 86400000)) < $cutoff")))" "$(archived | cut -f1)"

# A file that is taken before it is proven: the run ends with a clear word, and the next does it again.
fill_events 500 events 60 8
hot() { sql "SELECT count(), sum(cityHash64(event_id, body)) FROM prod.events"; }
before=$(hot)
pause_at prove --archive-threads 1 # one file after the other: all that is stored is unproven
out=$(vacuum --yes --unproven); status_is "vacuum beside a run that is to prove exits 0" 0 $? "$out"
resume
status_is "a file that is gone before its proof: exits 1" 1 $STATUS "$OUT"
contains "a file that is gone before its proof: says which" ".parquet was stored and is gone before it could be proven" "$OUT"
contains "a file that is gone before its proof: says that nothing is lost" "no row of it was deleted" "$OUT"
contains "a file that is gone before its proof: names the likely cause" "lynex vacuum with a --min-age that is shorter than a run" "$OUT"
lacks "a file that is gone before its proof: is no failed proof" "the proof failed" "$OUT"
equal "a file that is gone before its proof: all rows are hot" "$before" "$(hot)"
out=$(lynex archive 2>&1); status_is "the next run archives them" 0 $? "$out"
equal "no old row is hot then" 0 "$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")"

# Without the fence the test would notice.
fill_events 500 events 60 9
sleeper
LYNEX_MUTANT=vacuum-no-fence
out=$(vacuum --yes --unproven); status_is "a vacuum without fence exits 0" 0 $? "$out"
LYNEX_MUTANT=
resume
out=$(lynex verify 2>&1); status_is "a vacuum without fence is noticed: a listed file is gone" 4 $? "$out"
out=$(lynex vacuum --min-age x 2>&1); status_is "a wrong age is wrong usage" 2 $? "$out"
done_testing

# Several runs at once, and deletes that wait on the server: while one run's guarded delete is on its way nobody can
# read the table. Others wait for it, say so where it takes long, and end well; no row is lost or archived twice.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
SETTINGS+=("ARCHIVE_AFTER_DAYS=$AFTER")
COMMON=("${SETTINGS[@]}")
OLD="timestamp < toStartOfDay(now('UTC')) - INTERVAL $AFTER DAY"
events_table
fill_events 20000 events $((2 * AFTER))
sql "RENAME TABLE prod.events TO prod.source"
old=$(sql "SELECT count() FROM prod.source WHERE $OLD")
young=$(sql "SELECT count() FROM prod.source WHERE NOT ($OLD)")

fresh() { # NAME: the table as it was, a new archive
    sql "DROP TABLE IF EXISTS prod.events SYNC"
    sql "CREATE TABLE prod.events AS prod.source"
    sql "INSERT INTO prod.events SELECT * FROM prod.source"
    SETTINGS=("${COMMON[@]}" "ARCHIVE_URL=file://$T/$1")
}
all_done() { # WHAT NAME
    equal "$1: the young stay" "$young" "$(sql "SELECT count() FROM prod.events")"
    equal "$1: the old left" 0 "$(sql "SELECT count() FROM prod.events WHERE $OLD")"
    equal "$1: each is in the archive once" "$old $old" "$(sql "SELECT count(), uniqExact(event_id) FROM deltaLakeLocal('$T/$2')" | tr '\t' ' ')"
}

for round in 1 2 3 4 5 6 7 8; do
    fresh "two$round"
    lynex archive > "$T/first" 2>&1 &
    first=$!
    lynex archive > "$T/second" 2>&1; status_is "round $round: the second ends well" 0 $? "$(cat "$T/second")"
    wait "$first"; status_is "round $round: the first ends well" 0 $? "$(cat "$T/first")"
    lacks "round $round: nothing is called failed" "failed" "$(cat "$T/first" "$T/second")"
    all_done "round $round" "two$round"
done

# Merges are stopped: a delete waits until they go on. Runs behind it wait as long as they may, in all, and name it.
fresh waits
sql "SYSTEM STOP MERGES prod.events"
SETTINGS+=(ARCHIVE_DELETE_WAIT_SECONDS=2)
out=$(lynex archive 2>&1); status_is "a delete that waits: exits 3" 3 $? "$out"
for how in "archive --dry-run" archive; do
    out=$(lynex $how 2>&1); status_is "$how behind it: exits 1" 1 $? "$out"
    equal "$how behind it: warns once" 1 "$(grep -c "a delete still waits on the server: waiting for it" <<< "$out")"
    contains "$how behind it: says what waits" "a guarded delete of \`prod\`.\`events\` still waits on the server" "$out"
    contains "$how behind it: says what to do" "SYSTEM START MERGES" "$out"
    lacks "$how behind it: nobody changed the table" "the table changed" "$out"
done
sql "SYSTEM START MERGES prod.events"
SETTINGS+=(ARCHIVE_DELETE_WAIT_SECONDS=60)
out=$(lynex archive 2>&1); status_is "then: exits 0" 0 $? "$out"
all_done "then" waits
done_testing

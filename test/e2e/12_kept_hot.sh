# DELETE_AFTER_ARCHIVE=false over several runs: nothing is archived twice; turned on later, the old rows go,
# each once. And a table whose TTL would delete rows before they are archived.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
use_dir
events_table
SETTINGS+=(DELETE_AFTER_ARCHIVE=false)
total=0
for run in 1 2 3 4; do
    fill_events 2000 events 60 "$run"
    total=$((total + 2000))
    [ "$run" = 3 ] && sql "OPTIMIZE TABLE prod.events FINAL"
    [ "$run" = 4 ] && sql "INSERT INTO prod.events SELECT * FROM prod.events WHERE event_id IN (SELECT event_id FROM prod.events WHERE timestamp < now() - INTERVAL 40 DAY ORDER BY event_id LIMIT 5)" && total=$((total + 5))
    out=$(lynex archive 2>&1); status_is "run $run exits 0" 0 $? "$out"
    old=$(sql "SELECT count() FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")
    equal "run $run: the archive holds each old row once" "$old" "$(sql "SELECT count() FROM $(cold_table)")"
    equal "run $run: all rows are hot" "$total" "$(sql 'SELECT count() FROM prod.events')"
done
equal "copies were archived as often as they were there" "$(sql "SELECT count(), uniqExact(event_id) FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")" \
    "$(sql "SELECT count(), uniqExact(event_id) FROM $(cold_table)")"
out=$(lynex ls); contains "ls says what is still hot" "$(python3 -c "print(f'{$old:,}')")" "$out"
SETTINGS+=(DELETE_AFTER_ARCHIVE=true)
out=$(lynex archive 2>&1); status_is "turned on: exits 0" 0 $? "$out"
equal "the old rows go, each once" "$old" "$(grep -o 'Deleted [0-9]* events' <<< "$out" | awk '{ n += $2 } END { print n }')"
equal "the young stay" $((total - old)) "$(sql 'SELECT count() FROM prod.events')"
equal "nothing was archived again" "$old" "$(sql "SELECT count() FROM $(cold_table)")"

# The reference's TTL: rows are archived ahead of it, stay hot until they are old enough, and lynex says what to run.
SETTINGS+=(ARCHIVE_TABLE=ttl "ARCHIVE_URL=file://$T/ttl")
events_table ttl UUID "TTL _date + INTERVAL 30 DAY"
sql "SYSTEM STOP TTL MERGES prod.ttl"
sql "INSERT INTO prod.ttl (event_id, project_id, type, timestamp, queued_at) SELECT generateUUIDv4(), 'p', 'log', toStartOfDay(now('UTC')) - toIntervalDay(number) + INTERVAL 1 HOUR, now() FROM numbers(29)"
out=$(lynex archive 2>&1); status_is "with the TTL: exits 0" 0 $? "$out"
contains "warns of the TTL" "TTL" "$out"
contains "prints the statement to run" "MODIFY TTL" "$out"
equal "an event of 28 days is archived before the TTL takes it" 1 "$(sql "SELECT count() FROM $(cold_table | sed 's/archive/ttl/') WHERE timestamp < now() - INTERVAL 28 DAY + INTERVAL 1 HOUR AND timestamp > now() - INTERVAL 30 DAY" | head -1 | awk '{ print ($1 >= 1) ? 1 : 0 }')"
equal "nothing was deleted by lynex" 29 "$(sql 'SELECT count() FROM prod.ttl')"
before=$(sql "SELECT count() FROM deltaLakeLocal('$T/ttl')")
# The TTL takes what is 28 days old: it is in the archive, once.
sql "ALTER TABLE prod.ttl MODIFY TTL _date + INTERVAL 28 DAY SETTINGS mutations_sync = 2, materialize_ttl_after_modify = 1"
sql "SYSTEM START TTL MERGES prod.ttl"
sql "OPTIMIZE TABLE prod.ttl FINAL"
left=$(sql 'SELECT count() FROM prod.ttl')
out=$(lynex archive 2>&1); status_is "after the TTL worked: exits 0" 0 $? "$out"
archived=$(sql "SELECT count() FROM deltaLakeLocal('$T/ttl')")
equal "every event is hot or archived" 29 "$(sql "SELECT uniqExact(event_id) FROM (SELECT toString(event_id) AS event_id FROM prod.ttl UNION ALL SELECT event_id FROM deltaLakeLocal('$T/ttl'))")"
equal "none is archived twice" "$archived" "$(sql "SELECT uniqExact(event_id) FROM deltaLakeLocal('$T/ttl')")"
echo "# $before archived ahead, $left left by the TTL, $archived archived at the end"
done_testing

# The reference's manual test as its users type it: an event of 35 days ago inserted by hand, the archiver
# run, the bucket listed with Debian's awscli.
. "$(dirname "$0")/lib.sh"
ch_start
rgw_start
use_clickhouse
use_rgw

events_table events UUID
sql "INSERT INTO prod.events (event_id, project_id, type, timestamp, sdk_name, sdk_version, body, queued_at)
     VALUES ('5f1d3b1e-6b1f-4a52-9a59-0c6d6c1f9f01', 'proj-1', 'log', now() - INTERVAL 35 DAY, 'sdk', '1', '{\"message\":\"hello\"}', now())"
month=$(sql "SELECT formatDateTime(now() - INTERVAL 35 DAY, '%Y-%m', 'UTC')")
out=$(lynex archive 2>&1); status_is "archive exits 0" 0 $? "$out"
contains "found" "📦 Found 1 events to archive" "$out"
contains "uploaded" "✅ Uploaded to s3://$BUCKET/events/$month/events_" "$out"
contains "deleted" "🗑️  Deleted 1 events from ClickHouse" "$out"
contains "archived" "✅ Archived 1 events to S3" "$out"
equal "every line of the log has the logger's name" "" "$(printf '%s\n' "$out" | grep -v archiv)"
listing=$(aws_ s3 ls "s3://$BUCKET/events/" --recursive)
equal "one object, by the reference's name" 1 "$(printf '%s\n' "$listing" |
    grep -cE "events/$month/events_[0-9]{8}_[0-9]{6}\.parquet$")"
equal "the event left ClickHouse" 0 "$(sql 'SELECT count() FROM prod.events')"
for kernel in 0 1; do
    equal "the event is in the archive (kernel $kernel)" "5f1d3b1e-6b1f-4a52-9a59-0c6d6c1f9f01 proj-1 log {\"message\":\"hello\"}" \
        "$(sql "SELECT concat(event_id, ' ', project_id, ' ', type, ' ', body) FROM $(cold_table) SETTINGS allow_experimental_delta_kernel_rs = $kernel FORMAT TSVRaw")"
done

# With the id as a text, as the document prints it.
SETTINGS+=(S3_ARCHIVE_ROOT=text ARCHIVE_TABLE=text_events)
ROOT=text
events_table text_events String
sql "INSERT INTO prod.text_events (event_id, project_id, type, timestamp, sdk_name, sdk_version, body, queued_at)
     VALUES ('test-123', 'proj-1', 'log', now() - INTERVAL 35 DAY, 'sdk', '1', '{}', now())"
out=$(lynex archive 2>&1); status_is "archive of a text id exits 0" 0 $? "$out"
equal "test-123 is archived" "test-123" "$(sql "SELECT event_id FROM $(cold_table)")"

# With the reference's TTL the row is gone at the insert: nobody can archive it, and lynex says so.
SETTINGS+=(S3_ARCHIVE_ROOT=ttl ARCHIVE_TABLE=ttl_events)
events_table ttl_events UUID "TTL _date + INTERVAL 30 DAY"
sql "INSERT INTO prod.ttl_events (event_id, project_id, type, timestamp, sdk_name, sdk_version, body, queued_at)
     VALUES (generateUUIDv4(), 'proj-1', 'log', now() - INTERVAL 35 DAY, 'sdk', '1', '{}', now())"
equal "the TTL took the event at the insert" 0 "$(sql 'SELECT count() FROM prod.ttl_events')"
out=$(lynex archive 2>&1); status_is "archive exits 0" 0 $? "$out"
contains "says that there is nothing" "✅ No events to archive" "$out"
contains "says why" "TTL" "$out"
contains "says what to run" "MODIFY TTL" "$out"
done_testing

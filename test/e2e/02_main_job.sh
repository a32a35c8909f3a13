# The main job with the least rights: a million events, half of them old; afterwards the table holds exactly
# those younger than the cutoff and the archive exactly the others, compared row by row by ClickHouse itself.
. "$(dirname "$0")/lib.sh"
ROWS=${ROWS:-1000000}
mkdir -p "$T/ch"
cat > "$T/ch/users.d.xml" <<XML
<lynex><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT, ALTER DELETE ON prod.events</query></grants></lynex>
XML
ch_start
rgw_start
# The four actions and nothing more: what \`lynex iam\` prints.
use_clickhouse prod lynex secret
use_rgw
SETTINGS+=("ARCHIVE_AFTER_DAYS=$AFTER")
lynex iam --json | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin)["policy"]))' > "$T/policy.json"
equal "the policy has the four actions" "s3:DeleteObject s3:GetObject s3:ListBucket s3:PutObject" \
    "$(python3 -c 'import json,sys; p=json.load(open(sys.argv[1])); print(*sorted(a for s in p["Statement"] for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])))' "$T/policy.json")"
contains "the grant" 'GRANT SELECT, ALTER DELETE ON `prod`.`events` TO `lynex`;' "$(lynex iam)"
"$BED/rgw" user "$T/rgw" lynex "$T/policy.json" || exit 1

rgw_as lynex
use_rgw

events_table
fill_events "$ROWS" events $((2 * AFTER))
sql "OPTIMIZE TABLE prod.events FINAL"
sql "CREATE TABLE prod.before AS prod.events"
sql "INSERT INTO prod.before SELECT * FROM prod.events"
disk() { sql "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'prod' AND table = 'events'"; }
before=$(disk)
cutoff="toDateTime64(toStartOfDay(now('UTC')) - INTERVAL $AFTER DAY, 3, 'UTC')"
old=$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")

out=$(lynex archive --dry-run 2>&1); status_is "dry run exits 0" 0 $? "$out"
contains "the dry run counts the rows" "Found $old events" "$out"
equal "the dry run wrote nothing" "" "$(aws_ s3 ls "s3://$BUCKET/" --recursive)"

log_before=$(sql "SELECT count() FROM system.mutations WHERE table = 'events'")
out=$(lynex archive 2>&1); status_is "archive exits 0" 0 $? "$out"
contains "a new archive is told from one that is there" "a new archive begins in s3://" "$out"
contains "all were archived" "✅ Archived $old events to S3" "$out"
equal "the table holds no old event" 0 "$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")"
equal "the table holds every young one" "$(sql "SELECT count(), sum(cityHash64(*)) FROM prod.before WHERE timestamp >= $cutoff")" \
    "$(sql "SELECT count(), sum(cityHash64(*)) FROM prod.events")"
columns="toString(event_id) AS a, project_id AS b, toString(type) AS c, toDateTime64(timestamp, 3, 'UTC') AS d, toString(sdk_name) AS e,
    sdk_version AS f, body AS g, context AS h, toDateTime64(queued_at, 3, 'UTC') AS i, toDateTime64(processed_at, 3, 'UTC') AS j,
    queue_latency_ms AS k, estimated_cost_usd AS l, toDate(_date) AS m, toDateTime(_hour, 'UTC') AS n"
oracle=$(sql "SELECT count(), sum(cityHash64(a,b,c,d,e,f,g,h,i,j,k,l,m,n)), groupBitXor(cityHash64(a,b,c,d,e,f,g,h,i,j,k,l,m,n)) FROM (SELECT $columns FROM prod.before WHERE timestamp < $cutoff)")
for kernel in 1 0; do
    equal "the archive holds exactly the old ones: deltaLake(), kernel $kernel" "$oracle" \
        "$(sql "SELECT count(), sum(cityHash64(a,b,c,d,e,f,g,h,i,j,k,l,m,n)), groupBitXor(cityHash64(a,b,c,d,e,f,g,h,i,j,k,l,m,n)) FROM (SELECT $columns FROM $(cold_table)) SETTINGS allow_experimental_delta_kernel_rs = $kernel")"
done
equal "and through s3()" "$oracle" \
    "$(sql "SELECT count(), sum(cityHash64(a,b,c,d,e,f,g,h,i,j,k,l,m,n)), groupBitXor(cityHash64(a,b,c,d,e,f,g,h,i,j,k,l,m,n)) FROM (SELECT $columns FROM s3('$AWS_ENDPOINT_URL/$BUCKET/events/*/*.parquet', '$AWS_ACCESS_KEY_ID', '$AWS_SECRET_ACCESS_KEY', 'Parquet'))")"
equal "row by row: nothing missing" 0 "$(sql "SELECT count() FROM (SELECT $columns FROM prod.before WHERE timestamp < $cutoff EXCEPT SELECT $columns FROM $(cold_table))")"
equal "whole parts left without a mutation, the partly old one by one mask and its clean-up" "at most 2" \
    "$(sql "SELECT if(count() - $log_before <= 2, 'at most 2', toString(count())) FROM system.mutations WHERE table = 'events'")"
share=$(awk -v a="$(disk)" -v b="$before" 'BEGIN { printf "%.3f", a / b }')
at_most "bytes on disk against before" 0.55 "$share"

version=$(aws_ s3 ls "s3://$BUCKET/_delta_log/" | tail -1)
out=$(lynex archive 2>&1); status_is "a second run exits 0" 0 $? "$out"
contains "it finds nothing" "✅ No events to archive" "$out"
equal "it writes nothing" "$version" "$(aws_ s3 ls "s3://$BUCKET/_delta_log/" | tail -1)"

fill_events 1000 events $((2 * AFTER)) 7
more=$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")
out=$(lynex archive 2>&1); status_is "new rows: exits 0" 0 $? "$out"
lacks "the archive is there" "a new archive begins" "$out"
contains "new rows are archived by the next run" "✅ Archived $more events to S3" "$out"
equal "and have left" 0 "$(sql "SELECT count() FROM prod.events WHERE timestamp < $cutoff")"
out=$(lynex verify); status_is "verify exits 0" 0 $? "$out"
contains "verify read all rows" "$(python3 -c "print(f'{$old + $more:,}')") rows" "$out"
out=$(lynex ls); status_is "ls exits 0" 0 $? "$out"
contains "nothing archived is hot" "; 0 of them still in ClickHouse" "$out"
done_testing

# Whatever is wrong: a clear word, what to do, a status that is not 0, and nothing lost.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/ch"
cat > "$T/ch/users.d.xml" <<XML
<full><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT, ALTER DELETE ON prod.events</query></grants></full>
<blind><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT ALTER DELETE ON prod.events</query></grants></blind>
<reader><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT ON prod.events</query></grants></reader>
XML
cat > "$T/ch/config.d.xml" <<XML
<remote_servers><two><shard><replica><host>127.0.0.1</host><port>1</port></replica></shard></two></remote_servers>
XML
ch_start
rgw_start
use_clickhouse
use_rgw
events_table
fill_events 3000 events 60
sql "CREATE TABLE prod.copy AS prod.events"
sql "INSERT INTO prod.copy SELECT * FROM prod.events"
sql "CREATE VIEW prod.a_view AS SELECT * FROM prod.events"
sql "CREATE TABLE prod.spread AS prod.events ENGINE = Distributed('two', 'prod', 'events', rand())"
sql "CREATE TABLE prod.little (id UInt64, at DateTime) ENGINE = Memory"
state() { sql "SELECT count(), sum(cityHash64(event_id, body)) FROM prod.events"; }
before=$(state)
objects() { aws_ s3 ls "s3://$BUCKET/" --recursive 2>/dev/null; }

# wrong STATUS WHAT NEEDLES… -- SETTINGS and arguments of lynex archive
wrong() {
    local want=$1 what=$2 needles=() out status
    shift 2
    while [ "$1" != -- ]; do needles+=("$1"); shift; done
    shift
    local extra=()
    while [ $# -gt 0 ] && [[ $1 = [A-Z]*=* ]]; do extra+=("$1"); shift; done
    local saved=("${SETTINGS[@]}")
    SETTINGS+=("${extra[@]}")
    out=$(lynex archive "$@" 2>&1); status=$?
    SETTINGS=("${saved[@]}")
    status_is "$what: exit status" "$want" "$status" "$out"
    for needle in "${needles[@]}"; do contains "$what: says $needle" "$needle" "$out"; done
    equal "$what: nothing is lost" "$before" "$(state)"
}

# ClickHouse
wrong 1 "wrong password" "password" "CLICKHOUSE_PASSWORD" -- CLICKHOUSE_USER=full CLICKHOUSE_PASSWORD=wrong
wrong 1 "no such table" "nothing_here" "ARCHIVE_TABLE" -- --archive-table nothing_here
wrong 1 "no such database" "nowhere" "CLICKHOUSE_DATABASE" -- --clickhouse-database nowhere
wrong 1 "a view" "View" "ARCHIVE_TABLE" -- --archive-table a_view
wrong 1 "a Distributed table" "Distributed" "shard" "CLICKHOUSE_URL" -- --archive-table spread
wrong 1 "a table without parts" "Memory" -- --archive-table little --archive-time-column at
wrong 2 "no such column" "ARCHIVE_TIME_COLUMN" "timestamp" -- --archive-time-column tmestamp
wrong 2 "a column that is no time" "project_id" "ARCHIVE_TIME_COLUMN" -- --archive-time-column project_id
wrong 1 "missing SELECT" "GRANT SELECT" -- CLICKHOUSE_USER=blind CLICKHOUSE_PASSWORD=secret
wrong 1 "ClickHouse is not there" "127.0.0.1:1" "CLICKHOUSE" -- CLICKHOUSE_URL=http://127.0.0.1:1
wrong 1 "no such host" "no-such-host.invalid" -- CLICKHOUSE_URL=http://no-such-host.invalid:8123
wrong 2 "the native port" "CLICKHOUSE_HTTP_PORT" -- "CLICKHOUSE_URL=http://127.0.0.1:$((CH_PORT + 1))"
wrong 1 "an HTTP server that is no ClickHouse" "CLICKHOUSE_URL" -- "CLICKHOUSE_URL=$AWS_ENDPOINT_URL"

# S3
wrong 1 "wrong S3 secret" "SignatureDoesNotMatch" "AWS_SECRET_ACCESS_KEY" -- AWS_SECRET_ACCESS_KEY=wrong
wrong 1 "wrong S3 key" "InvalidAccessKeyId" "AWS_ACCESS_KEY_ID" -- AWS_ACCESS_KEY_ID=NOSUCHKEY
wrong 1 "placeholders" "AWS_ACCESS_KEY_ID" "placeholder" -- AWS_ACCESS_KEY_ID=your-key-id AWS_SECRET_ACCESS_KEY=your-secret-key
wrong 1 "missing bucket" "NoSuchBucket" "no-such-bucket-here" "S3_ARCHIVE_BUCKET" -- S3_ARCHIVE_BUCKET=no-such-bucket-here
wrong 1 "S3 is not there" "127.0.0.1:1" -- AWS_ENDPOINT_URL=http://127.0.0.1:1
wrong 2 "an endpoint that is none" "AWS_ENDPOINT_URL" -- AWS_ENDPOINT_URL=localhost:9000/bucket
cat > "$T/readonly.json" <<'JSON'
{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::lynex-cold-storage","arn:aws:s3:::lynex-cold-storage/*"]}]}
JSON
"$BED/rgw" user "$T/rgw" looker "$T/readonly.json" > /dev/null || exit 1
saved=("${SETTINGS[@]}")
owner_key=$AWS_ACCESS_KEY_ID owner_secret=$AWS_SECRET_ACCESS_KEY
rgw_as looker
looker=("AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY")
export AWS_ACCESS_KEY_ID=$owner_key AWS_SECRET_ACCESS_KEY=$owner_secret
wrong 1 "AccessDenied" "AccessDenied" "s3:PutObject" "lynex iam" -- "${looker[@]}"
equal "nothing was written so far" "" "$(objects | grep -v _lynex_probe)"

# A store without put-if-absent: a versioned bucket of Ceph.
aws_ s3api create-bucket --bucket versioned-bucket > /dev/null
aws_ s3api put-bucket-versioning --bucket versioned-bucket --versioning-configuration Status=Enabled
wrong 1 "a store without put-if-absent" "put-if-absent" "ARCHIVE_COMMIT=single-writer" -- S3_ARCHIVE_BUCKET=versioned-bucket

# A directory without room, or that may not be written.
mkdir -p "$T/small"
if mount -t tmpfs -o size=12k tmpfs "$T/small" 2>/dev/null; then
    wrong 1 "no space in the directory" "No space left" "free space" -- "ARCHIVE_URL=file://$T/small/archive"
    umount "$T/small"
fi
: > "$T/a-file"
wrong 1 "a file where the directory should be" "a-file" -- "ARCHIVE_URL=file://$T/a-file"

# Settings
wrong 2 "ARCHIVE_BATCH_SIZE=abc" "ARCHIVE_BATCH_SIZE=abc" "whole number" -- ARCHIVE_BATCH_SIZE=abc
wrong 2 "ARCHIVE_BATCH_SIZE=0" "out of range" -- ARCHIVE_BATCH_SIZE=0
wrong 2 "ARCHIVE_AFTER_DAYS=-1" "ARCHIVE_AFTER_DAYS" -- ARCHIVE_AFTER_DAYS=-1
wrong 2 "ARCHIVE_INTERVAL_HOURS=0" "ARCHIVE_INTERVAL_HOURS=0 is out of range: 1 minute to 365 days" -- ARCHIVE_INTERVAL_HOURS=0
wrong 2 "ARCHIVE_DELETE_WAIT_SECONDS=2d" "is out of range: 1 second to 1 day" -- ARCHIVE_DELETE_WAIT_SECONDS=2d
wrong 2 "DELETE_AFTER_ARCHIVE=maybe" "neither yes nor no" -- DELETE_AFTER_ARCHIVE=maybe
wrong 2 "a misspelt flag" "--archive-after-days" -- --archive-after-day 3
wrong 2 "a misspelt variable" "DELETE_AFTER_ARCHIVE" -- DELETE_AFTER_ARCHVE=false
wrong 2 "a URL of another kind" "ARCHIVE_URL" "file:///" -- ARCHIVE_URL=/var/archive
printf 'ARCHIVE_BATCHSIZE=1\n' > "$T/bad.env"
wrong 2 "ARCHIVE_BATCHSIZE=1 in .env" "$T/bad.env:1" "ARCHIVE_BATCHSIZE" "ARCHIVE_BATCH_SIZE" -- --env-file "$T/bad.env"
wrong 2 "an env file that is not there" "$T/none.env" -- --env-file "$T/none.env" 
out=$(lynex archif 2>&1); status_is "a misspelt command" 2 $? "$out"
contains "a misspelt command: names the nearest" "archive" "$out"

out=$(lynex archive --dryrun 2>&1); status_is "a misspelt flag of the command" 2 $? "$out"
contains "a misspelt flag of the command: names the nearest" "the nearest is --dry-run" "$out"
contains "a misspelt flag of the command: where to look" "lynex help archive" "$out"

# Who asked for JSON gets JSON, whatever happens: one document on stdout with the error in it, the words on stderr.
json_error() { # WHAT STATUS NEEDLE ARGUMENT…
    local what=$1 want=$2 needle=$3 out status said
    shift 3
    out=$(lynex "$@" --json 2> "$T/json.err")
    status=$?
    said=$(python3 -c 'import json, sys; e = json.load(sys.stdin)["error"]; print(e["status"][:3], e["text"])' <<< "$out" 2>&1)
    status_is "JSON: $what" "$want" $status "$out"
    contains "JSON: $what: the error" "$needle" "$said"
    contains "JSON: $what: is the document's" "LX_" "$said"
    contains "JSON: $what: and said to people" "$needle" "$(cat "$T/json.err")"
}
json_error "a misspelt command" 2 "there is no command archif" archif
json_error "an unknown flag" 2 "there is no flag --frobnicate" ls --frobnicate=5
json_error "a flag without its value" 2 "--since cannot stand here so: its value is missing" audit --since
json_error "a flag with a value too many" 2 "--dry-run cannot stand here so" archive --dry-run=maybe
json_error "a wrong setting" 2 "ARCHIVE_AFTER_DAYS" archive --archive-after-days soon
json_error "one argument too many" 2 "too many: b" verify a b
json_error "a wrong date" 2 "is no date" audit --since soon
json_error "a file that is not there" 1 "cannot open" inspect "$T/none.parquet"
json_error "no table" 1 "nowhere" archive --archive-table nowhere
json_error "a bucket that is not there" 1 "NoSuchBucket" verify --s3-archive-bucket no-such-bucket
out=$(lynex verify --s3-archive-bucket no-such-bucket 2>&1)
contains "no bucket: the command makes it at this endpoint" "aws --endpoint-url $AWS_ENDPOINT_URL s3 mb s3://no-such-bucket" "$out"

# A column that is not there gets no Bloom filter.
out=$(lynex archive --dry-run --archive-bloom-columns "event_id, evnt_type" 2>&1); status_is "a Bloom filter for no column" 0 $? "$out"
equal "a Bloom filter for no column: is said, once" 1 "$(grep -c "ARCHIVE_BLOOM_COLUMNS names evnt_type, which is no column of prod.events" <<< "$out")"

# A dry run knows that the right is missing.
out=$(lynex archive --dry-run --clickhouse-user reader --clickhouse-password secret 2>&1); status_is "a dry run without ALTER DELETE" 0 $? "$out"
contains "a dry run without ALTER DELETE: says so" "ALTER DELETE is missing" "$out"
contains "a dry run without ALTER DELETE: what to do" "lynex iam" "$out"
out=$(lynex archive --dry-run --json --clickhouse-user full --clickhouse-password secret 2> /dev/null)
contains "a dry run with it" '"may_delete": true' "$out"

# Missing ALTER DELETE: archived, kept hot, status 3, the GRANT to run.
old=$(sql "SELECT count() FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")
wrong 3 "missing ALTER DELETE" "✅ Archived $old events to S3" "ClickHouse DELETE failed" "GRANT ALTER DELETE ON" -- CLICKHOUSE_USER=reader CLICKHOUSE_PASSWORD=secret
equal "missing ALTER DELETE: they are archived" "$old" "$(sql "SELECT count() FROM $(cold_table)")"
out=$(lynex ls); contains "ls says what is still hot" "still in ClickHouse" "$out"
out=$(lynex archive --archive-table copy 2>&1); status_is "another table's ledger" 1 $? "$out"
contains "another table's ledger is named" "prod.events" "$out"
SETTINGS+=(CLICKHOUSE_USER=full CLICKHOUSE_PASSWORD=secret)
out=$(lynex archive 2>&1); status_is "with the grant the next run deletes" 0 $? "$out"
equal "the next run says how many" "$old" "$(grep -o 'Deleted [0-9]* events from ClickHouse' <<< "$out" | awk '{ n += $2 } END { print n }')"
equal "only the young are left" 0 "$(sql "SELECT count() FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")"
equal "hot and cold are all" 3000 "$(($(sql 'SELECT count() FROM prod.events') + $(sql "SELECT count() FROM $(cold_table)")))"

# The breaker and soak.
SETTINGS+=(S3_ARCHIVE_ROOT=copy ARCHIVE_TABLE=copy CLICKHOUSE_USER=default CLICKHOUSE_PASSWORD=)
out=$(lynex archive --archive-mode soak 2>&1); status_is "soak exits 0" 0 $? "$out"
contains "soak says what it would have deleted" "$old" "$out"
equal "soak deletes nothing" 3000 "$(sql 'SELECT count() FROM prod.copy')"
out=$(lynex archive --archive-max-delete-rows 10 2>&1); status_is "the breaker exits 3" 3 $? "$out"
contains "the breaker says why" "ARCHIVE_MAX_DELETE_ROWS" "$out"
equal "the breaker deletes nothing" 3000 "$(sql 'SELECT count() FROM prod.copy')"
out=$(lynex archive --no-delete-after-archive 2>&1); status_is "without deletes exits 0" 0 $? "$out"
equal "without deletes nothing goes" 3000 "$(sql 'SELECT count() FROM prod.copy')"
out=$(lynex archive 2>&1); status_is "turned on later, it deletes" 0 $? "$out"
equal "what was archived meanwhile" 0 "$(sql "SELECT count() FROM prod.copy WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")"
done_testing

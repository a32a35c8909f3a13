# Object keys, sizes of files, and tables of other shapes: by settings alone.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/ch"
echo "<max_partition_size_to_drop>1000000</max_partition_size_to_drop>" > "$T/ch/config.d.xml"
ch_start
use_clickhouse
use_dir
keys() { (cd "$T/${1:-archive}" && find events -name '*.parquet' | sort); }

# Batches of at most 10,000 rows; two runs in one second.
events_table
fill_events 50000 events 40
old=$(sql "SELECT count() FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")
out=$(lynex archive --archive-batch-size=10000 2>&1); status_is "archive in batches exits 0" 0 $? "$out"
contains "all rows in one run, however many" "✅ Archived $old events" "$out"
equal "no file holds more than 10,000 rows" "" "$(for f in $(keys); do lynex inspect --json "$T/archive/$f" |
    python3 -c 'import json,sys; r=json.load(sys.stdin)["rows"]; print("" if r <= 10000 else f"{r} rows")'; done | grep .)"
equal "names are the reference's, numbered within a second" "" "$(keys | grep -vE '^events/[0-9]{4}-[0-9]{2}/events_[0-9]{8}_[0-9]{6}(_[0-9]+)?\.parquet$')"
more=$(keys | wc -l)
at_most "as few files as the limit and the months allow" $((old / 10000 + 3)) "$more"

# Two archivers in one second: the same name is wanted, the second takes _1.
sql "CREATE TABLE prod.events_2 AS prod.events"
SETTINGS+=("ARCHIVE_URL=file://$T/second" DELETE_AFTER_ARCHIVE=false)
month=$(sql "SELECT formatDateTime(now() - INTERVAL 50 DAY, '%Y-%m', 'UTC')")
for i in 1 2; do
    sql "INSERT INTO prod.events_2 (event_id, project_id, type, timestamp, queued_at) VALUES (generateUUIDv4(), 'p', 'log', now() - INTERVAL 50 DAY, now())"
done
sql "SYSTEM STOP MERGES prod.events_2"
mkdir -p "$T/second/events/$month"
now=$(date -u +%s)
# Names of the next seconds are taken by somebody else: whichever second the run begins in, its file is _1.
for s in $(seq 0 20); do : > "$T/second/events/$month/events_2_$(date -u -d "@$((now + s))" +%Y%m%d_%H%M%S).parquet"; done
out=$(lynex archive --archive-table events_2 2>&1); status_is "archive beside taken names exits 0" 0 $? "$out"
equal "the next number was taken" 1 "$(find "$T/second/events" -name '*_1.parquet' -size +0 | wc -l)"
equal "what others had is as it was" 21 "$(find "$T/second/events" -name '*.parquet' -size 0 | wc -l)"
SETTINGS+=(DELETE_AFTER_ARCHIVE=true)

# Other tables.
other() { # name, columns, engine and keys, insert, time column, old rows
    sql "CREATE TABLE prod.$1 ($2) $3"
    sql "INSERT INTO prod.$1 $4"
    local young all
    all=$(sql "SELECT count() FROM prod.$1")
    young=$((all - $6))
    SETTINGS+=("ARCHIVE_TABLE=$1" "ARCHIVE_TIME_COLUMN=$5" "ARCHIVE_URL=file://$T/$1")
    sql "CREATE TABLE prod.$1_before AS prod.$1 ENGINE = MergeTree ORDER BY tuple()"
    sql "INSERT INTO prod.$1_before SELECT * FROM prod.$1"
    out=$(lynex archive 2>&1); status_is "$1: exits 0" 0 $? "$out"
    contains "$1: archived" "✅ Archived $6 events" "$out"
    equal "$1: the young stay" "$young" "$(sql "SELECT count() FROM prod.$1")"
    equal "$1: in the archive" "$6" "$(sql "SELECT count() FROM deltaLakeLocal('$T/$1')")"
    out=$(lynex verify 2>&1); status_is "$1: verify exits 0" 0 $? "$out"
    out=$(lynex archive 2>&1); contains "$1: a second run finds nothing" "No events to archive" "$out"
}
day="toStartOfDay(now('UTC'))"
other no_partition "id UInt64, at DateTime, v String" "ENGINE = MergeTree ORDER BY id" \
    "SELECT number, $day - toIntervalHour(number), toString(number) FROM numbers(960)" at 239
other daily "at Date, id UInt64, v Nullable(String)" "ENGINE = MergeTree PARTITION BY at ORDER BY (id, at)" \
    "SELECT toDate($day) - number % 40, number, if(number % 3 = 0, NULL, toString(number)) FROM numbers(4000)" at 900
other per_project "project LowCardinality(String), id Int64, happened DateTime64(6, 'Asia/Tokyo')" \
    "ENGINE = MergeTree PARTITION BY (project, toYYYYMM(happened)) ORDER BY (happened, id)" \
    "SELECT ['a/b', 'c d', 'e''f', 'g\"h'][1 + number % 4], number, $day - toIntervalMinute(number * 60) - toIntervalMicrosecond(7) FROM numbers(960)" happened 240
other replacing "id UInt64, version UInt32, at DateTime64(3)" "ENGINE = ReplacingMergeTree(version) PARTITION BY toYYYYMM(at) ORDER BY id" \
    "SELECT number % 500, number, $day - toIntervalHour(number) FROM numbers(960)" at 239
other nullable_time "id UInt64, at Nullable(DateTime)" "ENGINE = MergeTree ORDER BY id" \
    "SELECT number, if(number % 10 = 0, NULL, $day - toIntervalHour(number)) FROM numbers(960)" at 216
equal "nullable_time: rows without a time stay" 96 "$(sql 'SELECT countIf(isNull(at)) FROM prod.nullable_time')"
other odd_names "\`ID\` UInt64, \`id\` UInt64, \`a b,c\` String, \`select\` DateTime, \`q\`\`t\` String" "ENGINE = MergeTree ORDER BY \`ID\`" \
    "SELECT number, number, toString(number), $day - toIntervalHour(number), 'x' FROM numbers(960)" select 239
other unsorted "at DateTime, v Float64" "ENGINE = MergeTree ORDER BY tuple()" \
    "SELECT $day - toIntervalHour(number), number FROM numbers(960)" at 239
other materialized "id UInt64, at DateTime, twice UInt64 MATERIALIZED id * 2, thrice UInt64 ALIAS id * 3" "ENGINE = MergeTree ORDER BY id" \
    "(id, at) SELECT number, $day - toIntervalHour(number) FROM numbers(960)" at 239
equal "materialized: the column is archived, the alias is not" "at,id,twice" \
    "$(sql "DESCRIBE TABLE deltaLakeLocal('$T/materialized')" | cut -f1 | grep -v _lynex | sort | paste -sd,)"

# A table with projections refuses masks: a mutation with the same guard takes their place. So it does where
# it is asked for.
other projected "id UInt64, at DateTime, PROJECTION by_at (SELECT * ORDER BY at)" "ENGINE = MergeTree ORDER BY id" \
    "SELECT number, $day - toIntervalHour(number) FROM numbers(960)" at 239
SETTINGS+=(ARCHIVE_DELETE_MODE=mutation)
other by_mutation "id UInt64, at DateTime" "ENGINE = MergeTree ORDER BY id" \
    "SELECT number, $day - toIntervalHour(number) FROM numbers(960)" at 239
contains "by_mutation: by ALTER TABLE … DELETE" "DELETE" "$(sql "SELECT command FROM system.mutations WHERE table = 'by_mutation'")"
lacks "by_mutation: not by a mask" "_row_exists" "$(sql "SELECT command FROM system.mutations WHERE table = 'by_mutation'")"
# Only whole parts, where that is asked for: the rest waits.
SETTINGS+=(ARCHIVE_DELETE_MODE=parts ARCHIVE_TABLE=by_parts ARCHIVE_TIME_COLUMN=at "ARCHIVE_URL=file://$T/by_parts")
sql "CREATE TABLE prod.by_parts (id UInt64, at DateTime) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY id"
sql "INSERT INTO prod.by_parts SELECT number, $day - toIntervalHour(number) FROM numbers(2400)"
out=$(lynex archive 2>&1); status_is "by_parts: exits 0" 0 $? "$out"
equal "by_parts: no mutation" 0 "$(sql "SELECT count() FROM system.mutations WHERE table = 'by_parts'")"
equal "by_parts: months that are old as a whole have left" 0 "$(sql "SELECT count() FROM prod.by_parts WHERE toYYYYMM(at) < toYYYYMM($day - INTERVAL 31 DAY)")"
equal "by_parts: everything old is archived" 1679 "$(sql "SELECT count() FROM deltaLakeLocal('$T/by_parts')")"
SETTINGS+=(ARCHIVE_DELETE_MODE=auto)

# A part that is over max_partition_size_to_drop.
sql "CREATE TABLE prod.large (id UInt64, at DateTime, v String) ENGINE = MergeTree ORDER BY id"
sql "INSERT INTO prod.large SELECT number, $day - INTERVAL 50 DAY, randomString(100) FROM numbers(20000)"
SETTINGS+=(ARCHIVE_TABLE=large "ARCHIVE_URL=file://$T/large")
out=$(lynex archive 2>&1); status_is "a large part: exits 0" 0 $? "$out"
equal "a large part: has left" 0 "$(sql 'SELECT count() FROM prod.large')"
equal "a large part: without a mutation" 0 "$(sql "SELECT count() FROM system.mutations WHERE table = 'large'")"

# Two tables in one bucket under two roots; a root belongs to one table.
SETTINGS+=("ARCHIVE_URL=file://$T/unsorted")
out=$(lynex archive --archive-table daily --archive-time-column at 2>&1); status_is "another table's ledger is refused" 1 $? "$out"
contains "and named" "unsorted" "$out"
contains "with what to do" "S3_ARCHIVE_ROOT" "$out"
done_testing

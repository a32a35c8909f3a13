# A server in another time zone, times before 1970, a DEFAULT now() that was added later, NaN in arrays, hostile
# names, secrets that must not be seen.
. "$(dirname "$0")/lib.sh"
export TZ=America/New_York
ch_start
unset TZ
n=0
use_clickhouse
sql "CREATE DATABASE prod ENGINE = Atomic"
equal "the server is in New York" "America/New_York" "$(sql "SELECT timezone()")"

try() { # TABLE TIME-COLUMN: archives it; the cutoff is midnight UTC whatever the server's zone
    SETTINGS=("ARCHIVE_URL=file://$T/$1" "ARCHIVE_TABLE=$1" "ARCHIVE_TIME_COLUMN=$2")
    use_clickhouse
    out=$(lynex archive 2>&1)
    status_is "$1: exits 0" 0 $? "$out"
}
utc="toDateTime(toDate(now('UTC'), 'UTC'), 'UTC')"
for type in "DateTime" "DateTime64(3)" "DateTime64(6, 'Asia/Tokyo')" "DateTime('Europe/Berlin')"; do
    name=zone$((++n))
    sql "CREATE TABLE prod.$name (id Int32, at $type) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY id"
    sql "INSERT INTO prod.$name SELECT number, $utc - INTERVAL 30 DAY + toIntervalHour(toInt64(number) - 6) FROM numbers(12)"
    sql "INSERT INTO prod.$name SELECT 100 + number, $utc - INTERVAL 30 DAY + toIntervalSecond(toInt64(number) - 1) FROM numbers(2)"
    try "$name" at
    equal "$type: old ones, to the second, in UTC" "0 1 2 3 4 5 100" "$(sql "SELECT arrayStringConcat(arraySort(groupArray(toInt32(id))), ' ') FROM deltaLakeLocal('$T/$name')")"
    equal "$type: the others stay" "6 7 8 9 10 11 101" "$(sql "SELECT arrayStringConcat(arraySort(groupArray(id)), ' ') FROM prod.$name")"
done

sql "CREATE TABLE prod.early (id Int32, at DateTime64(3, 'UTC')) ENGINE = MergeTree PARTITION BY toYear(at) ORDER BY id"
sql "INSERT INTO prod.early VALUES (1, '1969-12-31 23:59:59.999'), (2, '1969-12-31 00:00:00.000'), (3, '1900-01-01 00:00:00.000'), (4, '1970-01-01 00:00:00.000'), (5, '1969-11-30 23:59:59.999')"
try early at
equal "before 1970: each in the folder of its month" "1900-01:1 1969-11:1 1969-12:2 1970-01:1" \
    "$(for m in $(ls "$T/early/events"); do echo "$m:$(sql "SELECT count() FROM file('$T/early/events/$m/*.parquet')")"; done | tr '\n' ' ' | sed 's/ $//')"
equal "before 1970: nothing is left" 0 "$(sql 'SELECT count() FROM prod.early')"

# A default that changes with every reading: what was archived could not be recognised.
sql "CREATE TABLE prod.defaults (id Int32, at DateTime) ENGINE = MergeTree ORDER BY id"
sql "INSERT INTO prod.defaults SELECT number, now() - INTERVAL 50 DAY FROM numbers(10)"
sql "ALTER TABLE prod.defaults ADD COLUMN seen DateTime64(6) DEFAULT now64(6)"
SETTINGS=("ARCHIVE_URL=file://$T/defaults" ARCHIVE_TABLE=defaults ARCHIVE_TIME_COLUMN=at)
use_clickhouse
out=$(lynex archive 2>&1); status=$?
if [ $status -eq 0 ]; then
    fail "a DEFAULT now() on parts without the column is refused" "$out"
else
    pass "a DEFAULT now() on parts without the column is refused ($status)"
    contains "it says what to run" "MATERIALIZE COLUMN" "$out"
fi
equal "nothing is lost" 10 "$(sql 'SELECT count() FROM prod.defaults')"
sql "ALTER TABLE prod.defaults MATERIALIZE COLUMN seen SETTINGS mutations_sync = 2"
try defaults at
equal "materialized, they are archived" 10 "$(sql "SELECT count() FROM deltaLakeLocal('$T/defaults')")"

# So it is where the first row of the part is masked, and for a value that only some rows lack.
for expression in "generateUUIDv4()" "if(id = 0, toUUID('00000000-0000-0000-0000-000000000000'), generateUUIDv4())" "LOCALTIMESTAMP"; do
    name=late$((++n))
    sql "CREATE TABLE prod.$name (id Int32, at DateTime) ENGINE = MergeTree ORDER BY id"
    sql "INSERT INTO prod.$name SELECT number, now() - INTERVAL 50 DAY FROM numbers(10)"
    sql "ALTER TABLE prod.$name ADD COLUMN extra $([ "$expression" = LOCALTIMESTAMP ] && echo DateTime || echo UUID) DEFAULT $expression"
    sql "DELETE FROM prod.$name WHERE id = 5"
    [ "$expression" = "generateUUIDv4()" ] && sql "DELETE FROM prod.$name WHERE id = 0"
    SETTINGS=("ARCHIVE_URL=file://$T/$name" "ARCHIVE_TABLE=$name" ARCHIVE_TIME_COLUMN=at)
    use_clickhouse
    out=$(lynex archive 2>&1); status_is "DEFAULT $expression is refused" 1 $? "$out"
    contains "DEFAULT $expression: what to run" "MATERIALIZE COLUMN" "$out"
    sql "ALTER TABLE prod.$name MATERIALIZE COLUMN extra SETTINGS mutations_sync = 2"
    rows=$(sql "SELECT count() FROM prod.$name")
    out=$(lynex archive 2>&1); status_is "DEFAULT $expression, materialized: exits 0" 0 $? "$out"
    equal "DEFAULT $expression, materialized: archived once" "$rows" "$(sql "SELECT count() FROM deltaLakeLocal('$T/$name')")"
done

sql "CREATE TABLE prod.arrays (id Int32, at DateTime, f Array(Float64), n Array(Nullable(Float64))) ENGINE = MergeTree ORDER BY id"
sql "INSERT INTO prod.arrays VALUES (1, '2024-01-01 00:00:00', [nan, 1], [nan, NULL]), (2, '2024-01-01 00:00:00', [inf, -inf, -0.], [NULL])"
try arrays at
equal "NaN and NULL in arrays stay apart" '["nan",null]' "$(sql "SELECT n FROM deltaLakeLocal('$T/arrays') WHERE id = 1" | tr -d '\\')"
out=$(lynex verify 2>&1); status_is "arrays: verify exits 0" 0 $? "$out"

# A value that takes a page of its own, larger than pages usually may be.
sql "CREATE TABLE prod.huge (id UInt64, at DateTime('UTC'), s String) ENGINE = MergeTree ORDER BY id"
sql "INSERT INTO prod.huge SELECT number, toDateTime('2024-01-01 00:00:00', 'UTC'), if(number = 7, repeat(repeat('x', 1000000), 80), hex(number)) FROM numbers(20)"
huge=$(sql "SELECT count(), sum(length(s)), sum(cityHash64(id, s)) FROM prod.huge")
SETTINGS=("ARCHIVE_URL=file://$T/huge" ARCHIVE_TABLE=huge ARCHIVE_TIME_COLUMN=at ARCHIVE_MEMORY_MB=600)
use_clickhouse
out=$(lynex archive 2>&1); status_is "80 MB in one value: exits 0" 0 $? "$out"
equal "80 MB in one value: as it was" "$huge" "$(sql "SELECT count(), sum(length(s)), sum(cityHash64(toUInt64(id), s)) FROM deltaLakeLocal('$T/huge')")"
equal "80 MB in one value: it left" 0 "$(sql "SELECT count() FROM prod.huge")"
out=$(lynex verify --archive-memory-mb 256 2>&1); status_is "80 MB in one value: verify exits 0" 0 $? "$out"

# Names that want to be SQL, paths or markup.
evil="a'; DROP TABLE prod.early; --"
sql "CREATE TABLE prod.\`$evil\` (\`i\`\`d\` Int32, \`at\\\\'\` DateTime, \`x y/../z\` String) ENGINE = MergeTree PARTITION BY (\`x y/../z\`, toYYYYMM(\`at\\\\'\`)) ORDER BY \`i\`\`d\`"
sql "INSERT INTO prod.\`$evil\` SELECT number, now() - INTERVAL 50 DAY, concat('../../', toString(number % 2), '''; --') FROM numbers(10)"
SETTINGS=("ARCHIVE_URL=file://$T/evil" "ARCHIVE_TABLE=\`$evil\`" "ARCHIVE_TIME_COLUMN=at\\'")
use_clickhouse
out=$(lynex archive 2>&1); status_is "hostile names: exits 0" 0 $? "$out"
equal "hostile names: archived" 10 "$(sql "SELECT count() FROM deltaLakeLocal('$T/evil')")"
equal "hostile names: nothing left the root" "" "$(find "$T/evil" -type f | grep -vE '/evil/(events/[0-9-]+/[A-Za-z0-9_-]+\.parquet|_delta_log/[A-Za-z0-9_.-]+|_lynex/.*)$')"
equal "hostile names: the other table is there" 1 "$(sql "EXISTS prod.early")"

# Secrets are nowhere.
SETTINGS=("ARCHIVE_URL=file://$T/secret" ARCHIVE_TABLE=early ARCHIVE_TIME_COLUMN=at AWS_SECRET_ACCESS_KEY=s3cr3tkey AWS_SESSION_TOKEN=s3cr3ttoken LOG_LEVEL=debug)
use_clickhouse prod default s3cr3tpass
out=$(lynex archive 2>&1; lynex config; lynex config --json; lynex iam; lynex ls; lynex archive --archive-mode nonsense 2>&1)
lacks "no secret is printed" "s3cr3t" "$out"
equal "no secret is stored" "" "$(grep -rl s3cr3t "$T/secret" 2>/dev/null)"
done_testing

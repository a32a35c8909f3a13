# The archive is proved without lynex: scripts/verify-archive, which is Python and ClickHouse's SQL. Every type,
# text that is not UTF-8, both kinds of store; a changed value is found, a changed log too.
. "$(dirname "$0")/lib.sh"
ch_start
rgw_start
use_clickhouse
verify_archive() { env -i PATH="$PATH" HOME="$HOME" "${KEYS[@]}" "$TOP/scripts/verify-archive" --clickhouse "http://127.0.0.1:$CH_PORT/" "$@" 2>&1; }
KEYS=("AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL" "AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY")
saved=("${SETTINGS[@]}")

# Every type, in a directory.
sql "CREATE DATABASE prod ENGINE = Atomic"
sql "CREATE TABLE prod.types (
    ts DateTime64(3), id Int32, s String, low LowCardinality(String), e8 Enum8('a b' = -1, 'c''d' = 2), e16 Enum16('x' = 1000, 'y' = -5),
    u UUID, fs FixedString(5), ns Nullable(String), lns LowCardinality(Nullable(String)), i8 Int8, i16 Int16, i64 Int64, u8 UInt8, u16 UInt16,
    u32 UInt32, u64 UInt64, i128 Int128, u256 UInt256, f32 Float32, f64 Float64, nf Nullable(Float64), b Bool, nb Nullable(Bool),
    d9 Decimal(9, 2), d18 Decimal(18, 4), d38 Decimal(38, 10), d76 Decimal(76, 20), nd Nullable(Decimal(9, 2)), da Date, d32 Date32, dt DateTime('Asia/Tokyo'),
    t0 DateTime64(0), t6 DateTime64(6), t9 DateTime64(9), t5 DateTime64(5, 'America/New_York'), nt Nullable(DateTime64(3)), ip4 IPv4, ip6 IPv6,
    arr Array(Nullable(String)), m Map(String, Array(Int64)), tup Tuple(a Int32, b String), nest Nested(k String, v Float64), at Array(DateTime64(3)),
    \`odd name\` String, mat String MATERIALIZED upper(s))
  ENGINE = MergeTree PARTITION BY toYYYYMM(ts) ORDER BY id"
sql "INSERT INTO prod.types (ts, id, s, low, e8, e16, u, fs, ns, lns, i8, i16, i64, u8, u16, u32, u64, i128, u256, f32, f64, nf, b, nb, d9, d18, d38, d76, nd, da,
    d32, dt, t0, t6, t9, t5, nt, ip4, ip6, arr, m, tup, nest.k, nest.v, at, \`odd name\`)
  SELECT toDateTime64('2024-01-15 12:00:00.123', 3, 'UTC') + number * 977, number, if(number % 7 = 0, unhex('ff00c3'), concat('row \"', toString(number), '\" é\\n')),
    if(number % 11 = 0, unhex('fe'), toString(number % 3)), if(number % 2 = 0, 'a b', 'c''d'), if(number % 2 = 0, 'x', 'y'), reinterpretAsUUID(toUInt128(number) * toUInt128('99999999999999999999')),
    substring(concat(toString(number), 'abcde'), 1, 5), if(number % 3 = 0, NULL, 'n'), if(number % 4 = 0, NULL, 'l'), number % 256 - 128, number * 7 - 300, -toInt64(number) * 1000000000000000, number % 256,
    number % 65536, number * 4294967, 18446744073709551615 - number, -toInt128(number) * 1000000000000000000, toUInt256(number) * toUInt256('100000000000000000000000000000000000000000'),
    [nan, inf, -0., 0.1][number % 4 + 1], [nan, -inf, -0., 1e300][number % 4 + 1], if(number % 5 = 0, NULL, number / 3), number % 2, if(number % 3 = 0, NULL, true),
    number / 100, -number / 1000, number, toDecimal256(number, 20) / 8, if(number % 2 = 0, NULL, -0.05), toDate('1970-01-01') + number, toDate32('1900-01-01') + number,
    toDateTime(number * 1000, 'UTC'), toDateTime64(number, 0, 'UTC'), toDateTime64('1900-01-01 00:00:00.000001', 6, 'UTC') + number, fromUnixTimestamp64Nano(toInt64(number) * 1000000007),
    toDateTime64('2024-03-10 06:59:59.12345', 5, 'UTC') + number, if(number % 3 = 0, NULL, toDateTime64('1969-12-31 23:59:59.999', 3, 'UTC')), toIPv4(number * 1000), toIPv6(concat('2001:db8::', lower(hex(number)))),
    [NULL, '', 'q\"', toString(number)], map('k', [toInt64(number), -toInt64(number)], 'l', []), (number, 'b\\\\'), ['n1', 'n2', '', 'x', 'y'], [1.5, number / 7, -inf, nan, -0.], [toDateTime64('2024-01-01 00:00:00.123', 3, 'UTC') + number], 'odd'
  FROM numbers(400)"
SETTINGS+=(ARCHIVE_TABLE=types ARCHIVE_TIME_COLUMN=ts)
use_dir
out=$(lynex archive 2>&1); status_is "every type: archive exits 0" 0 $? "$out"
out=$(verify_archive --archive file:archive); status_is "every type: proven without lynex" 0 $? "$out"
contains "every type: all rows" "400 rows; 0 bad" "$out"
out=$(verify_archive --archive file:archive --print-sql); status_is "the SQL is printed" 0 $? "$out"
contains "the SQL is printed: hashes" "xxh3(tuple(" "$out"

# The reference's table, in S3.
SETTINGS=("${saved[@]}")
use_rgw
events_table
fill_events 20000 events 90
out=$(lynex archive 2>&1); status_is "S3: archive exits 0" 0 $? "$out"
fill_events 500 events 90 3
sql "ALTER TABLE prod.events ADD COLUMN extra Nullable(UInt64)"
fill_events 500 events 90 4
sql "ALTER TABLE prod.events UPDATE extra = 7 WHERE cityHash64(body) % 2 = 0 SETTINGS mutations_sync = 2"
out=$(lynex archive 2>&1); status_is "S3: archive with a new column exits 0" 0 $? "$out"
out=$(verify_archive --archive "s3://$BUCKET"); status_is "S3: proven without lynex" 0 $? "$out"
contains "S3: as many rows as the archive holds" "$(sql "SELECT count() FROM $(cold_table)") rows; 0 bad" "$out"

# A lost log in S3, of files with two schemas: made anew, and proven without lynex.
count=$(sql "SELECT count() FROM $(cold_table)")
filled=$(sql "SELECT countIf(extra IS NOT NULL) FROM $(cold_table)")
[ "$filled" -gt 0 ] || fail "some archived rows have the new column" "$filled"
aws_ s3 rm --recursive "s3://$BUCKET/_delta_log/" > /dev/null
out=$(lynex ledger rebuild --write 2>&1); status_is "S3: rebuild exits 0" 0 $? "$out"
out=$(verify_archive --archive "s3://$BUCKET"); status_is "S3: the new log is proven without lynex" 0 $? "$out"
contains "S3: the new log has every row" "$count rows; 0 bad" "$out"
equal "S3: readers find the new column" "$filled" "$(sql "SELECT countIf(extra IS NOT NULL) FROM $(cold_table)")"
out=$(lynex archive 2>&1); status_is "S3: the next run exits 0" 0 $? "$out"
equal "S3: it archives nothing twice" "$count" "$(sql "SELECT count() FROM $(cold_table)")"

# One value changed, in a file that is otherwise valid; the same file written anew without a change is proven:
# values count, not bytes.
SETTINGS=("${saved[@]}")
file=$(cd "$T/archive" && find events -name '*.parquet' | sort | head -1)
cp "$T/archive/$file" "$T/original.parquet"
rewrite() { # SELECT list
    rm -f "$T/rewritten.parquet"
    sql "INSERT INTO FUNCTION file('rewritten.parquet', 'Parquet') SELECT $1 FROM file('original.parquet', 'Parquet') SETTINGS output_format_parquet_string_as_string = 1, engine_file_truncate_on_insert = 1, session_timezone = 'UTC'"
    cp "$T/rewritten.parquet" "$T/archive/$file"
}
rewrite "*"
out=$(verify_archive --archive file:archive); status_is "written anew: proven" 0 $? "$out"
rewrite "* REPLACE (if(id = 123, i8 + 1, i8) AS i8)"
out=$(verify_archive --archive file:archive); status_is "one value changed: found" 4 $? "$out"
contains "one value changed: the file is named" "BAD     $file" "$out"
rewrite "* REPLACE (if(id = 5, concat(arr, ' '), arr) AS arr)"
out=$(verify_archive --archive file:archive); status_is "blanks in a JSON text are no change of its value" 0 $? "$out"
rewrite "* REPLACE (if(id = 5, replaceOne(arr, 'q', 'p'), arr) AS arr)"
out=$(verify_archive --archive file:archive); status_is "one element of an array changed: found" 4 $? "$out"
rewrite "* REPLACE (if(id = 0, '{\"s\":\"/wDE\"}', _lynex_raw) AS _lynex_raw)"
out=$(verify_archive --archive file:archive); status_is "one byte of a text that is not UTF-8 changed: found" 4 $? "$out"
sql "INSERT INTO FUNCTION file('fewer.parquet', 'Parquet') SELECT * FROM file('original.parquet', 'Parquet') WHERE id != 7"
cp "$T/fewer.parquet" "$T/archive/$file"
out=$(verify_archive --archive file:archive); status_is "one row missing: found" 4 $? "$out"
rm "$T/archive/$file"
out=$(verify_archive --archive file:archive); status_is "a file missing: found" 4 $? "$out"
contains "a file missing: named" "BAD     $file" "$out"
cp "$T/original.parquet" "$T/archive/$file"
log=$T/archive/_delta_log/00000000000000000000.json
sed -i 's/"size":/"size": /' "$log"
out=$(verify_archive --archive file:archive); status_is "a changed log: found" 4 $? "$out"
contains "a changed log: the version is named" "versions [0] of the log" "$out"
mv "$log" "$T/"
out=$(verify_archive --archive file:archive); status_is "a version missing: status 1" 1 $? "$out"
contains "a version missing: named" "version 0 of the log is missing" "$out"
out=$(verify_archive --archive elsewhere); status_is "a place of another kind: status 1" 1 $? "$out"
done_testing

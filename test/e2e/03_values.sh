# Every type and its extremes: ClickHouse, DuckDB, hyparquet and parquet-wasm read from the archive what
# ClickHouse said of the rows before they left it.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
use_dir
SETTINGS+=(ARCHIVE_TABLE=types ARCHIVE_TIME_COLUMN=ts)
sql "CREATE DATABASE prod ENGINE = Atomic"
# Names say the type that readers meet (test/readers/common.mjs).
sql "CREATE TABLE prod.types (
    ts DateTime64(3), i32_id Int32,
    string_body String, string_low LowCardinality(String), string_enum Enum8('a b' = -1, 'c''d' = 2), string_enum16 Enum16('x' = 1000),
    string_uuid UUID, binary_fixed FixedString(5), string_null Nullable(String), string_lownull LowCardinality(Nullable(String)),
    i8_a Int8, i16_a Int16, i32_a Int32, i64_a Int64, i16_u8 UInt8, i32_u16 UInt16, i64_u32 UInt32, dec20_u64 UInt64,
    string_i128 Int128, string_u128 UInt128, string_i256 Int256, string_u256 UInt256,
    float_a Float32, double_a Float64, double_null Nullable(Float64), bool_a Bool, bool_null Nullable(Bool),
    dec9_a Decimal(9, 2), dec18_a Decimal(18, 4), string_d76 Decimal(76, 20), dec9_null Nullable(Decimal(9, 2)),
    date_a Date, date_b Date32, millis_dt DateTime, millis_0 DateTime64(0), millis_a DateTime64(3), micros_a DateTime64(6), i64_nano DateTime64(9),
    millis_null Nullable(DateTime64(3)), string_ip4 IPv4, string_ip6 IPv6,
    string_arr Array(Nullable(String)), string_map Map(String, Array(Int32)), string_tup Tuple(a Int32, b String),
    string_nest Nested(k String, v Float64), string_arrtime Array(DateTime64(3)), string_arrfloat Array(Float64))
  ENGINE = MergeTree PARTITION BY toYYYYMM(ts) ORDER BY i32_id"
row() { # id, ts, then name = value…; what is not named has a plain value
    local id=$1 ts=$2 names="i32_id, ts" values
    values="$id, $ts"
    shift 2
    while [ $# -gt 0 ]; do
        names="$names, $1" values="$values, $2"
        shift 2
    done
    sql "INSERT INTO prod.types ($names) VALUES ($values)"
}
t="'2024-01-15 12:00:00.000'"
row 1 "$t" string_enum "'a b'" string_enum16 "'x'"
row 2 "'2024-01-31 23:59:59.999'" string_body "'last ms of a month'" i8_a -128 i16_a -32768 i32_a -2147483648 i64_a -9223372036854775808 string_enum16 "'x'" string_enum "2"
row 3 "'2024-02-01 00:00:00.000'" string_body "'first ms of a month'" i8_a 127 i16_a 32767 i32_a 2147483647 i64_a 9223372036854775807 i16_u8 255 i32_u16 65535 i64_u32 4294967295 dec20_u64 18446744073709551615 string_enum16 "'x'" string_enum "2"
row 4 "$t" string_body "'quotes '' \" \\\\ \` end'" string_low "'\"q\"'" string_uuid "'00000000-0000-0000-0000-000000000000'" string_enum16 "'x'" string_enum "2"
row 5 "$t" string_body "'zero\\0byte and \\n line, tab\\t, \\r'" binary_fixed "'a\\0b'" string_uuid "'ffffffff-ffff-ffff-ffff-ffffffffffff'" string_enum16 "'x'" string_enum "2"
row 6 "$t" float_a nan double_a nan double_null nan string_arrfloat "[nan, inf, -0., 0.1]" string_enum16 "'x'" string_enum "2"
row 7 "$t" float_a -0. double_a -0. double_null -0. string_enum16 "'x'" string_enum "2"
row 8 "$t" float_a inf double_a inf double_null "NULL" string_enum16 "'x'" string_enum "2"
row 9 "$t" float_a -inf double_a -inf double_null 5e-324 string_enum16 "'x'" string_enum "2"
row 10 "$t" double_a 1.7976931348623157e308 float_a 3.4028235e38 bool_a true bool_null true string_enum16 "'x'" string_enum "2"
row 11 "$t" string_null "'x'" string_lownull "'y'" dec9_null "'-0.05'" dec9_a "'-9999999.99'" dec18_a "'-99999999999999.9999'" bool_null false string_enum16 "'x'" string_enum "2"
row 12 "$t" string_null "''" string_lownull "''" dec9_a "'9999999.99'" dec18_a "'0.0001'" string_enum16 "'x'" string_enum "2"
row 13 "$t" string_d76 "'-99999999999999999999999999999999999999999999999999999999.00000000000000000001'" string_i256 "'-57896044618658097711785492504343953926634992332820282019728792003956564819968'" string_u256 "'115792089237316195423570985008687907853269984665640564039457584007913129639935'" string_i128 "'-170141183460469231731687303715884105728'" string_u128 "'340282366920938463463374607431768211455'" string_enum16 "'x'" string_enum "2"
row 14 "$t" string_d76 "'0.00000000000000000001'" string_i256 "'57896044618658097711785492504343953926634992332820282019728792003956564819967'" string_enum16 "'x'" string_enum "2"
row 15 "$t" date_a "'1970-01-01'" date_b "'1900-01-01'" millis_dt "'1970-01-01 00:00:00'" millis_a "'1900-01-01 00:00:00.000'" micros_a "'1900-01-01 00:00:00.000001'" i64_nano "'1970-01-01 00:00:00.000000001'" millis_null "'1969-12-31 23:59:59.999'" string_enum16 "'x'" string_enum "2"
row 16 "$t" date_a "'2149-06-06'" date_b "'2299-12-31'" millis_dt "'2106-02-07 06:28:15'" millis_a "'2299-12-31 23:59:59.999'" micros_a "'2299-12-31 23:59:59.999999'" i64_nano "'2262-04-11 23:47:16.854775807'" millis_0 "'2024-06-01 00:00:01'" string_enum16 "'x'" string_enum "2"
row 17 "$t" string_ip4 "'255.1.2.3'" string_ip6 "'2001:db8::1'" string_enum16 "'x'" string_enum "2"
row 18 "$t" string_arr "['a', NULL, '\"', '']" string_map "{'k': [1, -2], 'l': []}" string_tup "(7, 'q\"')" "\`string_nest.k\`" "['n1', 'n2']" "\`string_nest.v\`" "[1.5, nan]" string_arrtime "['2024-01-01 00:00:00.123']" string_enum16 "'x'" string_enum "2"
row 19 "$t" string_body "repeat('20 MB in one text ...', 1000000)" string_enum16 "'x'" string_enum "2"
row 20 "'1900-01-02 00:00:00.000'" string_body "'in the year 1900'" string_enum16 "'x'" string_enum "2"
row 21 "$t" string_body "'emoji 🗑️ and é and 中'" string_low "'é'" string_enum16 "'x'" string_enum "2"
sql "CREATE TABLE prod.types_before AS prod.types"
sql "INSERT INTO prod.types_before SELECT * FROM prod.types"
rows=$(sql "SELECT count() FROM prod.types")

# What ClickHouse says of each column, in the canonical form.
plain="i8_a, i16_a, i32_id, i32_a, i16_u8, i32_u16"
bits() { echo "if(isNaN(assumeNotNull($1)), 'NaN', lower(leftPad(hex(reinterpretAs$2(assumeNotNull($1))), $3, '0')))"; }
unscaled() { echo "toString(toInt64(replaceOne(toDecimalString($1, $2), '.', '')))"; }
say="SELECT $plain, string_body, string_low, toString(string_enum) AS string_enum, toString(string_enum16) AS string_enum16,
    toString(string_uuid) AS string_uuid, lower(hex(binary_fixed)) AS binary_fixed, string_null, string_lownull,
    toString(i64_a) AS i64_a, toString(i64_u32) AS i64_u32, toString(dec20_u64) AS dec20_u64,
    toString(string_i128) AS string_i128, toString(string_u128) AS string_u128, toString(string_i256) AS string_i256, toString(string_u256) AS string_u256,
    $(bits float_a UInt32 8) AS float_a, $(bits double_a UInt64 16) AS double_a, if(isNull(double_null), NULL, $(bits double_null UInt64 16)) AS double_null,
    bool_a, bool_null, $(unscaled dec9_a 2) AS dec9_a, $(unscaled dec18_a 4) AS dec18_a, toString(string_d76) AS string_d76,
    if(isNull(dec9_null), NULL, $(unscaled dec9_null 2)) AS dec9_null, toInt32(date_a) AS date_a, toInt32(date_b) AS date_b,
    toString(toInt64(toUnixTimestamp(millis_dt)) * 1000) AS millis_dt, toString(toInt64(millis_0) * 1000) AS millis_0,
    toString(toUnixTimestamp64Milli(millis_a)) AS millis_a, toString(toUnixTimestamp64Micro(micros_a)) AS micros_a,
    toString(toUnixTimestamp64Nano(i64_nano)) AS i64_nano, if(isNull(millis_null), NULL, toString(toUnixTimestamp64Milli(assumeNotNull(millis_null)))) AS millis_null,
    toString(string_ip4) AS string_ip4, toString(string_ip6) AS string_ip6"
sql "SELECT * FROM ($say FROM prod.types_before) FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0" > "$T/expected.jsonl"
equal "the oracle has all rows" "$rows" "$(wc -l < "$T/expected.jsonl")"

out=$(lynex archive 2>&1); status_is "archive exits 0" 0 $? "$out"
contains "all were archived" "✅ Archived $rows events to" "$out"
equal "nothing is left" 0 "$(sql 'SELECT count() FROM prod.types')"
equal "rows lie in the folder of their month" "1900-01 2024-01 2024-02" "$(ls "$T/archive/events" | tr '\n' ' ' | sed 's/ $//')"
out=$(CHSERVER="$T/ch/chserver" node "$TOP/test/readers/archive.mjs" "$T/expected.jsonl" "$T"/archive/events/*/*.parquet 2>&1)
status_is "four readers read equal values" 0 $? "$out"
printf '%s\n' "$out" | sed 's/^/# /'
# What is JSON text is ClickHouse's own, and comes back as the value it was.
for column in string_arr string_map string_tup string_arrtime string_arrfloat string_nest.k string_nest.v; do
    equal "$column is ClickHouse's JSON" \
        "$(sql "SELECT groupArray((i32_id, toJSONString(\`$column\`))) FROM (SELECT * FROM prod.types_before ORDER BY i32_id) SETTINGS output_format_json_quote_denormals = 1")" \
        "$(sql "SELECT groupArray((i32_id, \`$column\`)) FROM (SELECT * FROM $(cold_table) ORDER BY i32_id)")"
done
for pair in "string_arr|Array(Nullable(String))" "string_map|Map(String, Array(Int32))" "string_tup|Tuple(a Int32, b String)"; do
    column=${pair%%|*} type=${pair#*|}
    equal "$column comes back from its text" "$(sql "SELECT groupArray((i32_id, toString($column))) FROM (SELECT * FROM prod.types_before ORDER BY i32_id)")" \
        "$(sql "SELECT groupArray((i32_id, toString(JSONExtract(assumeNotNull($column), '$type')))) FROM (SELECT * FROM $(cold_table) ORDER BY i32_id)")"
done
out=$(lynex verify 2>&1); status_is "verify exits 0" 0 $? "$out"
schema=$(lynex inspect "$(ls "$T"/archive/events/2024-01/*.parquet)")
for want in "string_body *BYTE_ARRAY" "millis_a *INT64" "date_a *INT32" "dec20_u64 *FIXED.9. DECIMAL.20,0."; do
    if grep -qE "$want" <<< "$schema"; then pass "inspect: $want"; else fail "inspect: $want" "$(head -40 <<< "$schema")"; fi
done
file=$(ls "$T"/archive/events/2024-01/*.parquet)
equal "inspect: bounds of the pages of numbers" "$(sql 'SELECT toString(min(i32_id)), toString(max(i32_id)) FROM prod.types_before FORMAT JSONCompactEachRow')" \
    "$(lynex inspect --json "$file" i32_id | python3 -c 'import json, sys; p = json.load(sys.stdin)["pages"]; print(json.dumps([min((x["min"] for x in p), key=int), max((x["max"] for x in p), key=int)]))')"
out=$(lynex inspect "$file" none 2>&1); status_is "inspect: a column that is not there" 1 $? "$out"

# Texts that are not UTF-8: readers see U+FFFD, lynex keeps and proves the bytes themselves.
sql "CREATE TABLE prod.bytes (i32_id Int32, ts DateTime, string_a String, string_b LowCardinality(String)) ENGINE = MergeTree ORDER BY i32_id"
sql "INSERT INTO prod.bytes SELECT 1, '2024-01-15 00:00:00', 'fine', 'fine'"
sql "INSERT INTO prod.bytes SELECT 2, '2024-01-15 00:00:00', unhex('61ff62'), unhex('fe')"
sql "INSERT INTO prod.bytes SELECT 3, '2024-01-15 00:00:00', unhex('c3'), 'é'"
SETTINGS+=(ARCHIVE_TABLE=bytes "ARCHIVE_URL=file://$T/bytes")
out=$(lynex archive 2>&1); status_is "archive of texts that are not UTF-8 exits 0" 0 $? "$out"
equal "they left" 0 "$(sql 'SELECT count() FROM prod.bytes')"
printf '%s\n' '{"i32_id":1,"string_a":"fine","string_b":"fine"}' '{"i32_id":2,"string_a":"a�b","string_b":"�"}' \
    '{"i32_id":3,"string_a":"�","string_b":"é"}' > "$T/expected.jsonl"
out=$(CHSERVER="$T/ch/chserver" node "$TOP/test/readers/archive.mjs" "$T/expected.jsonl" "$T"/bytes/events/*/*.parquet 2>&1)
status_is "four readers read them, with U+FFFD" 0 $? "$out"
out=$(lynex verify 2>&1); status_is "verify proves the true bytes" 0 $? "$out"
done_testing

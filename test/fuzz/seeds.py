#!/usr/bin/env python3
"""Writes the seeds of the fuzzers that need no other program to be made: test/fuzz/corpus/*.

Run again after a change; what the fuzzers found stays beside (names that do not begin with seed-)."""
import pathlib
import struct

ROOT = pathlib.Path(__file__).parent / "corpus"


def put(target, seeds):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("seed-*"):
        old.unlink()
    for number, seed in enumerate(seeds):
        if isinstance(seed, str):
            seed = seed.encode()
        (folder / f"seed-{number:02}").write_bytes(seed)


# -- Native ------------------------------------------------------------------------------------


def varint(value):
    out = b""
    while True:
        out += bytes([value & 127 | (128 if value > 127 else 0)])
        value >>= 7
        if not value:
            return out


def text(value):
    return varint(len(value)) + value.encode()


def block(rows, *columns):
    return varint(len(columns)) + varint(rows) + b"".join(
        text(name) + text(kind) + data for name, kind, data in columns)


def low(kind_of_index, entries, indexes):
    form = {1: 0, 2: 1, 4: 2, 8: 3}[kind_of_index]
    return (struct.pack("<QQQ", 1, 0x600 | form, len(entries)) + b"".join(entries) +
            struct.pack("<Q", len(indexes)) +
            b"".join(i.to_bytes(kind_of_index, "little") for i in indexes))


def native():
    fixed = [("Int8", 1), ("UInt16", 2), ("Int32", 4), ("UInt64", 8), ("Int128", 16), ("UInt256", 32),
             ("Float32", 4), ("Float64", 8), ("Bool", 1), ("FixedString(5)", 5), ("UUID", 16), ("IPv4", 4),
             ("IPv6", 16), ("Date", 2), ("Date32", 4), ("DateTime('UTC')", 4), ("DateTime64(3)", 8),
             ("Enum8('a' = 1)", 1), ("Enum16('b' = 300)", 2), ("Decimal(9, 2)", 4), ("Decimal(38, 9)", 16),
             ("IntervalDay", 8), ("Time64(3)", 8), ("BFloat16", 2)]
    bodies = [
        b"",
        block(2, *((f"c{i}", kind, bytes(range(1, 2 * width + 1))) for i, (kind, width) in enumerate(fixed))),
        block(3, *((f"n{i}", f"Nullable({kind})", b"\0\1\0" + bytes(3 * width))
                   for i, (kind, width) in enumerate(fixed[:8]))),
        block(3, ("s", "String", text("") + text("abc") + text("z" * 200)),
              ("n", "Nullable(String)", b"\0\1\0" + text("x") + text("waste") + text("ok"))),
        block(4, ("l", "LowCardinality(String)", low(1, [text(""), text("a"), text("bc")], [1, 2, 0, 1])),
              ("m", "LowCardinality(Nullable(String))", low(2, [text(""), text(""), text("x")], [2, 0, 1, 2])),
              ("u", "LowCardinality(UInt8)", low(8, [b"\0", b"\7"], [1, 0, 1, 1]))),
        block(2, ("j", "JSON", struct.pack("<Q", 1) + text('{"a":1}') + text("{}")),
              ("k", "Nullable(JSON)", struct.pack("<Q", 1) + b"\1\0" + text("{}") + text("{}")),
              ("o", "Nullable(Nothing)", b"\1\1" + b"00")),
        block(2, ("a", "Array(UInt8)", struct.pack("<QQ", 1, 3) + b"\1\2\3"), ("b", "UInt8", b"\1\2")),
        block(2, ("a", "UInt8", b"\1\2")) + block(1, ("a", "UInt8", b"\3")) + block(0, ("a", "UInt8", b"")),
    ]

    def frame(body, method):
        packed = body
        if method == 0x82:  # LZ4: one run of literals
            size = len(body)
            packed = (bytes([size << 4]) if size < 15 else
                      b"\xf0" + b"\xff" * ((size - 15) // 255) + bytes([(size - 15) % 255])) + body
        return bytes(16) + bytes([method]) + struct.pack("<II", 9 + len(packed), len(body)) + packed

    def zstd(body):  # one frame of one raw block
        return b"\x28\xb5\x2f\xfd\x60" + struct.pack("<H", len(body) - 256) + (
            len(body) << 3 | 1).to_bytes(3, "little") + body

    for body in bodies:
        yield b"\x00" + body  # in pieces of one byte
        yield b"\x1c" + body  # of eight
        yield b"\x0e" + frame(body, 0x82)
        yield b"\x06" + frame(body[:20], 0x02) + frame(body[20:], 0x82)
        if len(body) >= 256:
            yield b"\x17" + zstd(body)
    yield b"\x01" + frame(bodies[3], 0x82)


put("native", native())

# -- failures of ClickHouse --------------------------------------------------------------------

tag = "abcdefgh12345678"
message = "Code: 60. DB::Exception: Table prod.e does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)"
head = ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n"
        f"X-ClickHouse-Exception-Tag: {tag}\r\nX-ClickHouse-Summary: {{}}\r\n\r\n")
put("exception", [
    f"{tag}\0{head}\0data\r\n__exception__\r\n{tag}\r\n{message}\n90 {tag}\r\n__exception__\r\n",
    f"{tag}\0{head}\0data\r\n__exception__\r\n{tag}\r\nCode: 395. DB::Excep",
    f"\0HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Internal\nNo colon\nA:\n\n\0{message}",
    "\0\0Code: 210. DB::NetException: Code: 497. DB::Exception: reader: Not enough privileges. To execute "
    "this query, it's necessary to have the grant ALTER DELETE ON d.t. (ACCESS_DENIED)",
    "\0\0Code: 241, e.displayText() = DB::Exception: Memory limit (total) exceeded (version 20.8.1)",
    f"\0\0values Code: 1x {message} Code: 100001. DB::Exception: none",
    f"\0\0{message}\r\n".replace("60", "516"),
])

# -- S3 ----------------------------------------------------------------------------------------

top = '<?xml version="1.0" encoding="UTF-8"?>'
entry = ("<Contents><Key>{}</Key><LastModified>2026-11-22T01:02:03.004Z</LastModified>"
         "<ETag>&quot;9b2cf535f27731c974343645a3985328-2&quot;</ETag><Size>{}</Size>"
         "<StorageClass>{}</StorageClass><Owner><ID>1</ID></Owner></Contents>")
put("s3_xml", ["\0\0" + xml for xml in [
    top + '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
    "<NextContinuationToken>a&amp;b</NextContinuationToken><EncodingType>url</EncodingType>" +
    entry.format("x%2Fa%20b%25", 12, "GLACIER") + entry.format("y", 0, "STANDARD") + "</ListBucketResult>",
    top + "<ListBucketResult>" + entry.format("a &lt;", 9223372036854775807, "") +
    "<IsTruncated>false</IsTruncated></ListBucketResult>",
    top + "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>2~abc</UploadId>"
    "</InitiateMultipartUploadResult>",
    top + "<CompleteMultipartUploadResult><ETag>\"x-1\"</ETag></CompleteMultipartUploadResult>",
    top + "<Error><Code>AccessDenied</Code><Message>no</Message><RequestId>1</RequestId></Error>",
    top + "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; "
    "expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>",
    top + "<Error><Code>SlowDown</Code></Error>",
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ListBucketResult><A>&b;</A></ListBucketResult>',
    "<html><body><h1>502 Bad Gateway</h1>",
    "<a>" * 20,
]] + ["\0\xc8".encode("latin-1") + (top + f"<Error><Code>{code}</Code></Error>").encode() for code in [
    "RequestTimeTooSkewed", "NoSuchBucket", "NoSuchKey", "QuotaExceeded", "InvalidObjectState",
    "PreconditionFailed", "ConditionalRequestConflict", "InternalError", "ExpiredToken"]])

# -- settings, keys ----------------------------------------------------------------------------

put("config", [
    "CLICKHOUSE_URL=https://user@h.example.com:8443\nS3_ARCHIVE_BUCKET=cold\nARCHIVE_AFTER_DAYS=30d # no\n"
    "DELETE_AFTER_ARCHIVE=no\nARCHIVE_FILE_MB=512M\nARCHIVE_MEMORY_MB=1G\nARCHIVE_MODE=Soak\n",
    "\ufeffexport A='as it\\'s'\r\nB=\"a\\n${A}${C:-x}\\$\nsecond line\"\r\n# comment\r\nARCHIVE_URL=s3://b/r/s\n"
    "S3_ARCHIVE_PREFIX=${B}\nAWS_ENDPOINT_URL=http://localhost:9000\nS3_STORAGE_CLASS=none\n",
    "ARCHIVE_URL=file:///var/archive\nCLICKHOUSE_URL=http://a:1,http://[::1]:2/,embedded:///d\n"
    "CLICKHOUSE_USER=u\nCLICKHOUSE_DATABASE=d\nARCHIVE_TABLE=`a.b`\nARCHIVE_INTERVAL_HOURS=90m\n",
    "CLICKHOUSE_HOST=h\nCLICKHOUSE_PORT=9000\nCLICKHOUSE_SECURE=1\nAWS_SECRET_ACCESS_KEY=your-key\n"
    "AWS_REGION=eu-west-1\nARCHIVE_MAX_MBPS=7\nARCHIVE_BATCH_SIZE=100000\nLOG_LEVEL=debug\n",
    "ARCHIVE_BATCHSIZE=1\n", "DELETE_AFTER_ARCHVE=false\nLYNEX_IGNORE=DELETE_AFTER_ARCHVE\n", "A=${B\n", "A='\n",
    "CLICKHOUSE_URL=http://u:p%20w@h/?a=b#c\nLYNEX_HTTP=127.0.0.1:9090\n",
])
put("credentials", [
    "# a comment\r\n[default]\r\naws_access_key_id = AKD\r\naws_secret_access_key=SD\r\nregion = eu-west-1\n",
    "[profile a]\naws_access_key_id=AKS\naws_secret_access_key=S/+=S\naws_session_token=TS\n[half]\nx\n",
    "[ a ]\naws_access_key_id=\n;\n[\n[]\naws_secret_access_key", "[default]\nregion=" + "x" * 80,
])

# -- small texts -------------------------------------------------------------------------------

texts = {
    0: ["2026-11-22T01:02:03.123Z", "2026-02-29", "0001-01-01 00:00:00", "9999-12-31T23:59:59.999999", "2024-02-29Z"],
    1: ["18446744073709551615", "-9223372036854775808", "ffffffffffffffff", "0.10", "-0.00000000000000000001",
        "57896044618658097711785492504343953926634992332820282019728792003956564819967", "007"],
    2: ["127.0.0.1", "255.255.255.256", "::ffff:1.2.3.4", "2001:db8::1", "::", "1::2:0:0:3",
        "00112233-4455-6677-8899-aabbccddeeff"],
    3: ["https://h.example.com:8443/a%20b?x=y", "http://[::1]:9000", "file:///dir", "s3://b/r", "http://u:p@h/",
        "http://127.9.0.1:65536", "embedded:///d"],
    4: ["a b/c%&~", "a%2Eb", "%00", "aGVsbG8=", "YQ==", "YR==", "x%zz"],
    5: ["grüße €𝄞", b"\xff\xed\xa0\x80\xc0\x80\xf4\x90\x80\x80a", b"\xe2\x82"],
}
put("text", [bytes([which]) + (seed if isinstance(seed, bytes) else seed.encode())
             for which, seeds in texts.items() for seed in seeds])
put("sql", [
    "202601\x00202601_1_5_2_7", "all\0all_1_1_0", "a_1\0a_1_2_3_4", "x\0x_9223372036854775807_9223372036854775808_0",
    "CREATE TABLE d.t (`id` UInt64, `t` DateTime TTL t + toIntervalDay(1)) ENGINE = MergeTree PARTITION BY "
    "toYYYYMM(t) ORDER BY id TTL t + toIntervalDay(30), t + toIntervalMonth(1) TO DISK 'cold' SETTINGS a = 1",
    "CREATE TABLE t (`a'b` Int8, `TTL` String) ENGINE = MergeTree ORDER BY a TTL t + toIntervalWeek(2) WHERE x = 'TO', "
    "t + toIntervalYear(1) RECOMPRESS CODEC(ZSTD(9)), f(t) COMMENT 'TTL'",
    "ENGINE = MergeTree TTL t + toIntervalQuarter(1) + toIntervalDay(2)", "ENGINE TTL '\\", "a`b\\'\n\x01",
])

# -- types and schemas -------------------------------------------------------------------------

types = ["UInt64", "Nullable(DateTime64(3, 'UTC'))", "LowCardinality(Nullable(String))", "Decimal(38, 10)", "Decimal32(3)",
         "Enum8('a' = 1, 'b\\'c' = -2)", "Enum16('' = 300)", "FixedString(16)", "Array(Array(Nullable(Int8)))",
         "Map(LowCardinality(String), Tuple(a UInt8, `b c` Array(IPv6)))", "Nested(a UInt8, b String)",
         "SimpleAggregateFunction(sum, UInt64)", "AggregateFunction(uniq, UInt64)", "Variant(String, UInt8)", "Dynamic",
         "JSON(max_dynamic_paths = 8, a.b UInt32)", "Object('json')", "Point", "Ring", "IntervalDay", "Time64(6)", "DateTime",
         "Tuple()", "Nullable(Nothing)", "Date32", "BFloat16", "UInt256", "UUID", "IPv4"]
put("types", types)
column = ('{"name":"%s","type":"%s","file_name":"%s","as":"%s","select":"`%s`","hash":"`%s`",'
          '"default_kind":"","default_expression":""}')
schema = '{"columns":[%s],"unit":"ms"}'
field = '{"name":"%s","type":"%s","nullable":true,"metadata":{%s}}'
delta = '{"type":"struct","fields":[%s]}'
put("schema", [
    schema % ",".join([column % ("id", "UInt64", "id", "uint64", "id", "id"),
                       column % ("t", "DateTime", "t", "seconds", "t", "t")]),
    schema % column % ("a b", "Array(String)", "a_b", "json", "a b", "a b"),
    schema % "" + "\0" + delta % ",".join([field % ("id", "decimal(20,0)", '"lynex.name":"id"'),
                                           field % ("ID_2", "string", '"lynex.name":"ID","lynex.type":"String"'),
                                           field % ("_lynex_raw", "string", "")]),
    "{}\0" + delta % ",".join([field % ("id", "string", ""), field % ("t", "timestamp", ""), field % ("t_2", "date", "")]),
    "\0{\"type\":\"struct\",\"fields\":[]}", "[]\0{",
])
values = ["abc", "gr\u00fc", "", "abc", "00112233-4455-6677-8899-aabbccddeeff", "1.2.3.4", "::1", "a", "x", "\1", "\1\0\0\0",
          "\2\0\0\0", "\3\0\0\0", "\4\0\0\0", "\5" + "\0" * 7, "\6" * 8, "\0" * 8 + "\7", "-17", "99999999999999999999", "\1\2\3\4",
          "\0" * 9, "1.5", "\1\0\0\0", "\1\0\0\0", "\0" * 8, "\1" * 8, "\2" * 8, "\3" * 4, "\4" * 8, "[1,-2,3]", '["a",null,"\\u00e9\\n"]',
          '{"a":1.5,"b":"nan"}', '{"1":["x"]}', '{"a":7,"b":"q"}', '["2026-01-02","2026-01-02 03:04:05.000006",1.25]',
          '[["a","00112233-4455-6677-8899-aabbccddeeff","::1"]]', '[{"x":"123","y":true}]', "[1.5,-0]", '{"a":{"b":[1]}}',
          '["ab",null]']
put("values", [bytes([i, 1]) + value.encode() for i, value in enumerate(values)] +
    [bytes([0, 0]) + b'{"c":"/w=="}', bytes([1, 200]) + b'{"c":"YQ=="}' * 6])

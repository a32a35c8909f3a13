# Parquet and readers that nobody here wrote: every encoding x codec x type x NULLs x page version as ClickHouse,
# DuckDB, hyparquet and parquet-wasm see it, with filters that statistics and Bloom filters answer; structs, lists
# and maps; and the files that they and hyparquet-writer write as ours sees them.
. "$(dirname "$0")/lib.sh"
export PARQUET_TOOL=${PARQUET_TOOL:-$(cd "$(dirname "$LYNEX_BIN")" && pwd)/test/tools/parquet_tool}
export CHSERVER=$T/chserver
[ -x "$PARQUET_TOOL" ] || { echo "not ok - $PARQUET_TOOL is missing: build with -Dtests=enabled"; exit 1; }
cc -O1 "$BED/chserver.c" -o "$CHSERVER" -ldl || exit 1

read_by() { # name readers
    mkdir -p "$T/$1"
    (cd "$TOP/test/readers" && ONLY=$2 node run.mjs "$T/$1") > "$T/$1.log" 2>&1
}
# Two at a time: ClickHouse is a process of its own for each file.
read_by clickhouse clickhouse &
read_by others duckdb,hyparquet,wasm,nested,foreign
others=$?
wait $!
clickhouse=$?
status_is "ClickHouse reads every value, and filters by it" 0 "$clickhouse" "$(cat "$T/clickhouse.log")"
status_is "so do DuckDB, hyparquet and parquet-wasm; and ours reads theirs" 0 "$others" "$(cat "$T/others.log")"
for name in clickhouse others; do
    contains "all files were there ($name)" "120 files, 4192 columns: 0 wrong" "$(cat "$T/$name.log")"
done
lacks "ClickHouse was not left out" "left out" "$(cat "$T/clickhouse.log")"
for writer in "DuckDB: 10" "ClickHouse: 5" "parquet-wasm: 20" "hyparquet-writer: 2"; do
    contains "ours read the files of ${writer%:*}" "files of $writer, 0 columns wrong" "$(cat "$T/others.log")"
done

# The matrix is what it says: each encoding stands in a file that is named after it.
encodings() { "$PARQUET_TOOL" schema "$T/others/$1.parquet" | grep -o ' \(PLAIN\|RLE_DICTIONARY\|DELTA_[A-Z_]*\|BYTE_STREAM_SPLIT\)\( \|$\)' | sort -u | xargs; }
contains "dictionaries" RLE_DICTIONARY "$(encodings dict-zstd-v1-null)"
contains "DELTA_BINARY_PACKED" DELTA_BINARY_PACKED "$(encodings dbp-none-v2-full)"
contains "DELTA_LENGTH_BYTE_ARRAY" DELTA_LENGTH_BYTE_ARRAY "$(encodings dlba-snappy-v1-full)"
contains "DELTA_BYTE_ARRAY" DELTA_BYTE_ARRAY "$(encodings dba-lz4-v2-null)"
contains "BYTE_STREAM_SPLIT" BYTE_STREAM_SPLIT "$(encodings bss-zstd-v2-null)"
done_testing

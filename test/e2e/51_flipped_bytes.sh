# Every byte of a small archive turned, all its bits and one: data file, log, checkpoint, what lies beside. Either
# `lynex verify` finds it (or the log cannot be read), or it is harmless: the same state, the same bounds and values
# for us, and what ClickHouse and DuckDB read of it is the same or an error. And no flip lets rows go.
. "$(dirname "$0")/lib.sh"
FLIP=${FLIP_TOOL:-$(cd "$(dirname "$LYNEX_BIN")" && pwd)/test/tools/flip_tool}
[ -x "$FLIP" ] || { echo "not ok - $FLIP is missing: build with -Dtests=enabled"; exit 1; }
ch_start
use_clickhouse
little_setup
COMMON=("${SETTINGS[@]}")
SETTINGS+=("ARCHIVE_URL=file://$T/archive" ARCHIVE_TABLE=pattern ARCHIVE_TIME_COLUMN=at ARCHIVE_DELETE_WAIT_SECONDS=5)
out=$(lynex archive --no-delete-after-archive 2>&1); status_is "archived, all still hot" 0 $? "$out"

turned() { # WHAT DIR REGEX: sets SURVIVORS, a file of those that nobody found
    local status
    SURVIVORS=$T/$1.harmless
    "$FLIP" "$2" "$3" > "$SURVIVORS" 2>&1
    status=$?
    status_is "$1: every turned byte is found or harmless: $(tail -1 "$SURVIVORS")" 0 $status "$(grep -v '^[^W#]' "$SURVIVORS" | head -20)"
}
# What readers that nobody here wrote see of a file with each of these bytes turned.
cat > "$T/read.mjs" <<'JS'
import { readFileSync, writeFileSync } from 'node:fs'
const { query } = await import(process.argv[2] + '/test/readers/duckdb.mjs')
const [, , , dir, list] = process.argv
const asked = file => query(`SELECT count(*)::VARCHAR, sum(hash(n, at2, s))::VARCHAR, count(*) FILTER (n > 100)::VARCHAR,
  (SELECT count(*) FROM read_parquet('${file}') WHERE n = 77)::VARCHAR, (SELECT count(*) FROM read_parquet('${file}') WHERE s >= '8')::VARCHAR
  FROM (SELECT n, "at"::VARCHAR AS at2, s FROM read_parquet('${file}'))`).then(c => c.join(' '))
const lines = readFileSync(list, 'utf8').trim().split('\n').filter(l => !l.startsWith('#')).map(l => l.split(' '))
let same = 0, refused = 0, wrong = 0, number = 0
for (const [key, at, mask] of lines) {
  const bytes = readFileSync(`${dir}/${key}`), good = await asked(`${dir}/${key}`)
  bytes[Number(at)] ^= Number(mask)
  const file = `${dir}/../turned-${number++}.parquet`
  writeFileSync(file, bytes)
  try {
    if (await asked(file) === good) same++
    else { wrong++; console.log(`DuckDB reads other rows: ${key} ${at} ${mask}`) }
  } catch { refused++ }
}
console.log(`${lines.length} harmless flips: DuckDB reads ${same} the same, refuses ${refused}, reads ${wrong} otherwise`)
process.exit(wrong > 0 || lines.length === 0 ? 1 : 0)
JS
others_read() { # WHAT DIR
    local out status
    out=$(node "$T/read.mjs" "$TOP" "$2" "$SURVIVORS" 2>&1)
    status=$?
    status_is "$1: harmless for DuckDB too: $(tail -1 <<< "$out")" 0 $status "$out"
}

turned "data file" "$T/archive" '^events/'
grep -v '^#' "$SURVIVORS" | cut -d' ' -f2 | sort -un > "$T/offsets"
at_most "data file: bytes that no checksum covers" 50 "$(wc -l < "$T/offsets")"
others_read "data file" "$T/archive"
SETTINGS+=("ARCHIVE_URL=file://$T/compat" ARCHIVE_PARQUET=compat)
out=$(lynex archive --no-delete-after-archive 2>&1); status_is "compat: archived" 0 $? "$out"
turned "data file, compat" "$T/compat" '^events/'
others_read "data file, compat" "$T/compat"
SETTINGS=("${COMMON[@]}" "ARCHIVE_URL=file://$T/archive" ARCHIVE_TABLE=pattern ARCHIVE_TIME_COLUMN=at ARCHIVE_DELETE_WAIT_SECONDS=5)
turned "log" "$T/archive" '^_delta_log/'
# What is left is the line that says who wrote, when and how long it took; and what names the file.
turned "beside the log" "$T/archive" '^_lynex/'

# An archive with a checkpoint, without the versions before it, so that nothing else can tell the state.
sql "CREATE TABLE prod.many (n Int64, at DateTime('UTC')) ENGINE = MergeTree PARTITION BY n ORDER BY n"
sql "INSERT INTO prod.many SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60) + number FROM numbers(50)"
SETTINGS=("${COMMON[@]}" "ARCHIVE_URL=file://$T/many" ARCHIVE_TABLE=many ARCHIVE_TIME_COLUMN=at ARCHIVE_BATCH_SIZE=1)
out=$(lynex archive 2>&1); status_is "many versions" 0 $? "$out"
[ -f "$T/many/_delta_log/_last_checkpoint" ] || fail "a checkpoint was written" "$(ls "$T/many/_delta_log" | tail -3)"
rm "$T/many/_delta_log/"000000000000000000[0-4]?.json "$T/many/_delta_log/00000000000000000051.json"
out=$(lynex verify 2>&1); status_is "the checkpoint stands for itself" 0 $? "$out"
turned "checkpoint" "$T/many" '^_delta_log/.*checkpoint'

# Deletes wait: with a turned byte in file or log no row goes; put right, all of it is done.
hot() { sql "SELECT count(), sum(cityHash64(n, toUnixTimestamp(at), s)) FROM prod.pattern"; }
SETTINGS=("${COMMON[@]}" "ARCHIVE_URL=file://$T/archive" ARCHIVE_TABLE=pattern ARCHIVE_TIME_COLUMN=at ARCHIVE_DELETE_WAIT_SECONDS=5)
file=$(cd "$T/archive" && find events -name '*.parquet')
log=_delta_log/00000000000000000000.json
before=$(hot)
turn() { # KEY OFFSET
    cp -p "$T/archive/$1" "$T/kept"
    python3 -c '
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2])); byte = f.read(1)[0]; f.seek(int(sys.argv[2])); f.write(bytes([byte ^ 0x20]))' "$T/archive/$1" "$2"
}
behind=$(head -1 "$T/archive/$log" | wc -c) # the first line is the writer's own story
for spot in $(for at in 10 300 900 1700 2500 3100; do echo "$file:$at"; done; for at in 40 400 1100 1900 2600; do echo "$log:$((behind + at))"; done); do
    key=${spot%:*} at=${spot##*:}
    [ "$at" -lt "$(stat -c %s "$T/archive/$key")" ] || { fail "byte $at is within $key" "$(stat -c %s "$T/archive/$key")"; continue; }
    turn "$key" "$at"
    out=$(lynex archive 2>&1); status=$?
    equal "byte $at of ${key##*/}: no row goes" "$before" "$(hot)"
    [ $status -ne 0 ] || fail "byte $at of ${key##*/}: the run says so" "$out"
    cp -p "$T/kept" "$T/archive/$key"
done
touch "$T/archive/$file"
out=$(lynex verify 2>&1); status_is "put right, the archive verifies" 0 $? "$out"
done_testing

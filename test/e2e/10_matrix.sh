# A table that lives: what others do to it, at each moment of a run, with and without deletes. After each
# cell a clean run must find hot and archive to be exactly what was inserted: nothing lost, nothing twice.
#
# EVENTS, MOMENTS, MODES (lists) choose cells.
. "$(dirname "$0")/lib.sh"
EVENTS=${EVENTS:-late copy optimize light_update heavy_update pending_update delete row_ttl column_ttl exchange_copy
    exchange_other refill recreate drop_partition add_column add_and_update drop_column rename_column retype_column}
MOMENTS=${MOMENTS:-read commit guard record between}
MODES=${MODES:-on off}
ch_start
use_clickhouse
sql "CREATE DATABASE prod ENGINE = Atomic"
day="toStartOfDay(now('UTC'))"
FAR=$((AFTER + 65)) NEAR=$((AFTER + 5)) # days: in months before the cutoff's, in the cutoff's
columns="id UInt64, at DateTime64(3, 'UTC'), v String, w Int32 DEFAULT 7"
engine="ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY id SETTINGS enable_block_number_column = 1, enable_block_offset_column = 1"

truth() { # LEAST MOST AGE VALUE ID…; VALUE: what is in v, % for the id
    local said="$1"$'\t'"$2"$'\t'"$3" value=$4 id
    shift 4
    for id in "$@"; do printf '%s\t%s %s\n' "$said" "$id" "${value//%/$id}"; done >> "$T/truth"
}
# What is old is so by its id: ids below 100,000 are old.
insert() { # TABLE FIRST COUNT DAYS-AGO [LEAST MOST]
    local rows="SELECT $2 + number AS id, $day - INTERVAL $4 DAY + toIntervalSecond(number) AS at, concat('v', toString(id)) AS v, 7 AS w FROM numbers($3)"
    local age=old
    [ "$2" -lt 100000 ] || age=young
    sql "INSERT INTO prod.$1 (id, at, v, w) $rows"
    truth "${5:-1}" "${6:-1}" $age v% $(seq "$2" $(($2 + $3 - 1)))
}
# Rows that others take or change: they may be in the archive, and need not.
loosen() { # CONDITION on `id`
    awk -F'\t' -v OFS='\t' "{ split(\$4, p, \" \"); id = p[1]; if ($1) \$1 = 0; print }" "$T/truth" > "$T/truth.new"
    mv "$T/truth.new" "$T/truth"
}

fill() {
    : > "$T/truth"
    sql "CREATE TABLE prod.$M ($columns) $engine"
    insert "$M" 1 20 $FAR
    insert "$M" 21 20 $FAR
    insert "$M" 101 20 $NEAR
    # The month of the cutoff has young rows beside.
    sql "INSERT INTO prod.$M (id, at, v, w) SELECT if(number < 10, 201, 100000) + number, if(number < 10, $day - INTERVAL $((AFTER + 1)) DAY, $day - INTERVAL $((AFTER - 1)) DAY), concat('v', toString(if(number < 10, 201, 100000) + number)), 7 FROM numbers(20)"
    truth 1 1 old v% {201..210}
    truth 1 1 young v% {100010..100019}
}

event_late() { insert "$M" 1000 7 $FAR; insert "$M" 1100 3 $((AFTER + 1)); }
event_copy() {
    sql "INSERT INTO prod.$M (id, at, v, w) SELECT number + 1, $day - INTERVAL $FAR DAY + toIntervalSecond(number), concat('v', toString(number + 1)), 7 FROM numbers(3)"
    truth 1 1 old v% 1 2 3
}
event_optimize() { sql "OPTIMIZE TABLE prod.$M FINAL"; }
updated() { loosen "id == 2 || id == 102"; truth 0 1 old changed 2 102; }
event_light_update() { sql "UPDATE prod.$M SET v = 'changed' WHERE id IN (2, 102) SETTINGS enable_lightweight_update = 1"; updated; }
event_heavy_update() { sql "ALTER TABLE prod.$M UPDATE v = 'changed' WHERE id IN (2, 102) SETTINGS mutations_sync = 2"; updated; }
event_pending_update() {
    sql "SYSTEM STOP MERGES prod.$M"
    sql "ALTER TABLE prod.$M UPDATE v = 'changed' WHERE id IN (2, 102) SETTINGS mutations_sync = 0"
    updated
}
event_delete() { sql "DELETE FROM prod.$M WHERE id IN (3, 103)"; loosen "id == 3 || id == 103"; }
event_row_ttl() {
    loosen "id < 100000"
    sql "ALTER TABLE prod.$M MODIFY TTL toDateTime(at) + INTERVAL $((AFTER + 30)) DAY SETTINGS mutations_sync = 2"
}
event_column_ttl() {
    loosen "id < 100"
    truth 0 1 old "" {1..40}
    sql "ALTER TABLE prod.$M MODIFY COLUMN v String TTL toDateTime(at) + INTERVAL $((AFTER + 30)) DAY SETTINGS mutations_sync = 2"
    sql "OPTIMIZE TABLE prod.$M FINAL"
}
event_exchange_copy() {
    sql "CREATE TABLE prod.${M}_2 AS prod.$M"
    sql "INSERT INTO prod.${M}_2 SELECT * FROM prod.$M"
    sql "EXCHANGE TABLES prod.$M AND prod.${M}_2"
}
event_exchange_other() {
    loosen "1"
    sql "CREATE TABLE prod.${M}_2 AS prod.$M"
    insert "${M}_2" 2000 10 $FAR
    insert "${M}_2" 2100 5 $NEAR
    insert "${M}_2" 200000 5 2
    sql "EXCHANGE TABLES prod.$M AND prod.${M}_2"
}
event_refill() { # part names come back after the restart
    loosen "1"
    sql "TRUNCATE TABLE prod.$M SYNC"
    ch_stop
    ch_restart
    # The same rows again may be seen as those that are archived, or as copies.
    sql "INSERT INTO prod.$M (id, at, v, w) SELECT 1 + number, $day - INTERVAL $FAR DAY + toIntervalSecond(number), concat('v', toString(1 + number)), 7 FROM numbers(20)"
    truth 1 1 old v% {1..20}
    insert "$M" 3000 20 $FAR
}
event_recreate() {
    loosen "1"
    sql "DROP TABLE prod.$M SYNC"
    sql "CREATE TABLE prod.$M ($columns) $engine"
    insert "$M" 4000 10 $FAR
    insert "$M" 400000 5 2
}
event_drop_partition() {
    sql "ALTER TABLE prod.$M DROP PARTITION ID '$(sql "SELECT toYYYYMM($day - INTERVAL $FAR DAY)")'"
    loosen "id < 100"
}
event_add_column() { sql "ALTER TABLE prod.$M ADD COLUMN x Int32 DEFAULT 5"; }
event_add_and_update() {
    sql "ALTER TABLE prod.$M ADD COLUMN x Int32 DEFAULT 5"
    sql "ALTER TABLE prod.$M UPDATE x = 9 WHERE id IN (2, 102) SETTINGS mutations_sync = 2"
    truth 0 1 old v% 2 102
}
event_drop_column() { sql "ALTER TABLE prod.$M DROP COLUMN w SETTINGS mutations_sync = 2"; }
event_rename_column() { sql "ALTER TABLE prod.$M RENAME COLUMN w TO w2 SETTINGS mutations_sync = 2"; }
event_retype_column() { sql "ALTER TABLE prod.$M MODIFY COLUMN w Int64 SETTINGS mutations_sync = 2"; }

N=0
cell() { # EVENT MOMENT MODE
    local what="$1, $2, deletion $3" first again
    N=$((N + 1))
    M=m$N
    SETTINGS=()
    use_clickhouse
    SETTINGS+=("ARCHIVE_URL=file://$T/$M" "ARCHIVE_TABLE=$M" ARCHIVE_TIME_COLUMN=at "ARCHIVE_AFTER_DAYS=$AFTER" ARCHIVE_DELETE_WAIT_SECONDS=2)
    [ "$3" = on ] || SETTINGS+=(DELETE_AFTER_ARCHIVE=false)
    fill
    if [ "$2" = between ]; then
        OUT=$(lynex archive 2>&1); STATUS=$?
        "event_$1"
    else
        pause_at "$2"
        "event_$1"
        resume
    fi
    first=$STATUS
    sql "SYSTEM START MERGES prod.$M"
    again=$(lynex archive 2>&1); STATUS=$?
    sql "SELECT concat(toString(id), ' ', v) FROM prod.$M FORMAT TSVRaw" > "$T/hot"
    sql "SELECT concat(toString(id), ' ', v) FROM deltaLakeLocal('$T/$M') FORMAT TSVRaw" > "$T/cold"
    if [ $STATUS -ne 0 ]; then
        fail "$what" "the next run ended with $STATUS" "$(tail -4 <<< "$again")" "the first with $first" "$(tail -4 <<< "$OUT")"
    elif wrong=$(python3 "$TOP/test/tools/oracle.py" "$T/truth" "$T/hot" "$T/cold" "$3"); then
        wrong=$(lynex archive 2>&1)
        case $wrong in
            *"No events to archive"*) pass "$what (first run: $first)" ;;
            *) fail "$what: a third run finds something" "$(tail -4 <<< "$wrong")" ;;
        esac
    else
        fail "$what" "$wrong" "first run ($first): $(tail -4 <<< "$OUT")" "next: $(tail -4 <<< "$again")"
    fi
    sql "DROP TABLE prod.$M SYNC"
    sql "DROP TABLE IF EXISTS prod.${M}_2 SYNC"
}
for event in $EVENTS; do
    for moment in $MOMENTS; do
        for mode in $MODES; do cell "$event" "$moment" "$mode"; done
    done
done
done_testing

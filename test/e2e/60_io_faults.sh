# Each call on a file fails once: opening, reading, writing, flushing, naming, making folders, deleting, listing,
# closing, on the archive's directory, the temporary files and .env. Every run ends with success or a clear error;
# calls that were interrupted or did a part are gone on with; the next run finishes, and every row is archived
# exactly once.
#
# IO_FAULTS=all: every call and every way to fail (15 minutes); else every few of them, others each time.
. "$(dirname "$0")/lib.sh"
LIBRARY=${IO_FAULTS_LIBRARY:-$(dirname "$LYNEX_BIN")/test/tools/io_faults.so}
[ -f "$LIBRARY" ] || { echo "not ok - $LIBRARY is not built"; exit 1; }
ch_start
little_setup
N=0
fresh() { # a table and an archive of its own; what was archived before makes the next run read it
    N=$((N + 1))
    M=io$N
    little_table $M
    mkdir -p "$T/$M/tmp"
    printf '%s\n' "CLICKHOUSE_URL=http://127.0.0.1:$CH_PORT" CLICKHOUSE_DATABASE=prod CLICKHOUSE_USER=default "ARCHIVE_TABLE=$M" \
        ARCHIVE_TIME_COLUMN=at "ARCHIVE_URL=file://$T/$M/archive" ARCHIVE_DELETE_WAIT_SECONDS=20 > "$T/$M/.env"
}
run() { # [NAME=value…]: with faults on what lies in $T/$M
    OUT=$(env -i PATH="$PATH" HOME="$T" TMPDIR="$T/$M/tmp" TERM=dumb LD_PRELOAD="$LIBRARY" IO_FAULT_ROOT="$T/$M" "$@" \
        timeout 60 "$LYNEX_BIN" --env-file "$T/$M/.env" archive 2>&1)
    STATUS=$?
}
clean() { OUT=$(env -i PATH="$PATH" HOME="$T" TMPDIR="$T" TERM=dumb "$LYNEX_BIN" --env-file "$T/$M/.env" archive 2>&1); STATUS=$?; }
forget() {
    sql "DROP TABLE prod.$M SYNC"
    rm -rf "${T:?}/$M"
}

fresh
run IO_FAULT_LIST="$T/calls"
status_is "a run without faults" 0 $STATUS "$OUT"
equal "all is done" "" "$(little_done $M $M/archive)"
forget
for call in open create read write fsync link mkdir unlink stat close readdir; do
    grep -q " $call " "$T/calls" && pass "a run has calls of $call" || fail "a run has no call of $call" "$(cat "$T/calls")"
done

# The ways of each call: see test/tools/io_faults.c.
tolerated() { # CALL KIND: does the run have to go on?
    case "$1 $2" in "read 1" | "read 2" | "write 2" | "write 3") return 0 ;; esac
    return 1
}
while read -r number call kinds; do
    for ((kind = 0; kind < kinds; kind++)); do echo "$number $call $kind"; done
done < "$T/calls" > "$T/cases"
every=1
[ "${IO_FAULTS:-}" = all ] || every=$(($(wc -l < "$T/cases") / 40 + 1))
from=$((${IO_FAULTS_FROM:-$RANDOM} % every)) # to play the same ones again
wrong=0 played=0 failed=0
while read -r number call kind; do
    fresh
    run IO_FAULT_AT="$number" IO_FAULT_KIND="$kind"
    what="call $number, $call, way $kind"
    problem=
    case $STATUS in
        0 | 3) ;;
        1 | 2) failed=$((failed + 1)); grep -qiE 'error|failed|no space|cannot|denied' <<< "$OUT" || problem="status $STATUS without a word" ;;
        *) problem="status $STATUS" ;;
    esac
    [ $STATUS -ne 0 ] && tolerated "$call" "$kind" && problem="status $STATUS, although the call had only to be repeated"
    [ -n "$problem" ] || problem=$(little_safe $M $M/archive)
    if [ -z "$problem" ]; then
        first=$OUT
        clean
        [ $STATUS -eq 0 ] || problem="the next run: status $STATUS"
        [ -n "$problem" ] || problem=$(little_done $M $M/archive)
    fi
    if [ -n "$problem" ]; then
        fail "$what" "$problem" "$(tail -4 <<< "${first:-}")" "$(tail -4 <<< "$OUT")"
        wrong=$((wrong + 1))
    fi
    first=
    played=$((played + 1))
    forget
done < <(awk -v every="$every" -v from=$from 'NR % every == from' "$T/cases")
echo "# $played of $(wc -l < "$T/cases") faults at $(wc -l < "$T/calls") places, $failed of them ended the run (IO_FAULTS_FROM=$from)"
equal "every fault was borne" 0 $wrong
[ $failed -gt 0 ] && pass "some ended the run" || fail "no fault ended a run" "$(head -3 "$T/cases")"
done_testing

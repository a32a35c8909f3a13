# Killed at every step of the protocol and at random instants, stopped while another finishes, two and four at
# once: every row is archived and deleted exactly once.
#
# KILLS=N random instants (default 12).
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-12}
STEPS="start settle plan read upload uploaded prove commit committed guard delete deleted record recorded mask done"
ch_start
use_clickhouse
sql "CREATE DATABASE prod ENGINE = Atomic"
day="toStartOfDay(now('UTC'))"
N=0
fresh() { # ROWS: a table of its own, three partitions, the last one partly old
    N=$((N + 1))
    M=k$N
    SETTINGS=()
    use_clickhouse
    SETTINGS+=("ARCHIVE_URL=file://$T/$M" "ARCHIVE_TABLE=$M" ARCHIVE_TIME_COLUMN=at ARCHIVE_DELETE_WAIT_SECONDS=30)
    sql "CREATE TABLE prod.$M (id UInt64, at DateTime64(3, 'UTC'), v String) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY id"
    sql "INSERT INTO prod.$M SELECT number, $day - toIntervalSecond(cityHash64(number) % (100 * 86400)), hex(cityHash64(number, 7)) FROM numbers($1)"
    sql "CREATE TABLE prod.${M}_all AS prod.$M"
    sql "INSERT INTO prod.${M}_all SELECT * FROM prod.$M"
}
settled() { # WHAT: one run more must leave everything exactly once
    local out status old young
    out=$(lynex archive 2>&1); status=$?
    if [ $status -ne 0 ]; then fail "$1: the next run" "$(tail -3 <<< "$out")"; return; fi
    old="SELECT count(), sum(cityHash64(toUInt64(id), v)) FROM prod.${M}_all WHERE at < $day - INTERVAL 30 DAY"
    young="SELECT count(), sum(cityHash64(toUInt64(id), v)) FROM prod.${M}_all WHERE at >= $day - INTERVAL 30 DAY"
    if [ "$(sql "$old")" != "$(sql "SELECT count(), sum(cityHash64(toUInt64(id), v)) FROM deltaLakeLocal('$T/$M')")" ]; then
        fail "$1: the archive" "should be $(sql "$old")" "is $(sql "SELECT count(), sum(cityHash64(toUInt64(id), v)) FROM deltaLakeLocal('$T/$M')")" "$(tail -3 <<< "$out")"
    elif [ "$(sql "$young")" != "$(sql "SELECT count(), sum(cityHash64(toUInt64(id), v)) FROM prod.$M")" ]; then
        fail "$1: what is hot" "should be $(sql "$young")" "is $(sql "SELECT count(), sum(cityHash64(toUInt64(id), v)) FROM prod.$M")" "$(tail -3 <<< "$out")"
    else
        pass "$1"
    fi
    sql "DROP TABLE prod.$M SYNC"
    sql "DROP TABLE prod.${M}_all SYNC"
    rm -rf "${T:?}/$M"
}

for step in $STEPS; do
    for nth in 1 2; do
        fresh 600
        LYNEX_STEP=kill@$step#$nth lynex archive > "$T/out" 2>&1
        status=$?
        [ $status -eq 137 ] || [ $status -eq 0 ] || fail "kill at $step#$nth" "status $status" "$(tail -3 "$T/out")"
        settled "killed at $step, time $nth ($status)"
    done
    # Stopped there while another finishes, then continued.
    fresh 600
    pause_at "$step"
    stopped=$PAUSED
    out=$(lynex archive 2>&1); status=$?
    [ $status -eq 0 ] || [ "$step" = mask ] || fail "another while one is stopped at $step" "status $status" "$(tail -3 <<< "$out")"
    resume
    [ $STATUS -eq 0 ] || [ $STATUS -eq 3 ] || fail "continued at $step" "status $STATUS" "$(tail -3 <<< "$OUT")"
    settled "stopped at $step while another finished${stopped:+ (really)}"
done

# Random instants: a run of this size takes some 200 ms.
for ((i = 1; i <= KILLS; i++)); do
    fresh 20000
    lynex_start "$T/out" archive
    sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
    kill -KILL $LYNEX_PID 2>/dev/null
    wait $LYNEX_PID
    settled "killed at a random instant $i"
done

# Several at once, of which some are killed.
for many in 2 4; do
    for victims in 0 1; do
        fresh 20000
        jobs=()
        for ((i = 0; i < many; i++)); do
            lynex_start "$T/out$i" archive
            jobs+=($LYNEX_PID)
        done
        if [ $victims = 1 ]; then
            sleep 0.15
            kill -KILL "${jobs[0]}" 2>/dev/null
        fi
        bad=0
        for ((i = 0; i < many; i++)); do
            wait "${jobs[$i]}"
            status=$?
            { [ $status -eq 0 ] || [ $status -eq 3 ] || [ $status -eq 137 ]; } || { bad=1; fail "$many at once: status $status" "$(tail -3 "$T/out$i")"; }
        done
        settled "$many at once, $victims killed"
    done
done

# Signals end it soon, without a half state.
for signal in TERM INT; do
    fresh 300000
    lynex_start "$T/out" archive
    sleep 0.3
    from=$(date +%s%N)
    kill -$signal $LYNEX_PID 2>/dev/null
    wait $LYNEX_PID
    status=$?
    at_most "SIG$signal: seconds until it has ended" 5 "$(awk -v ns=$(($(date +%s%N) - from)) 'BEGIN { printf "%.2f", ns / 1e9 }')"
    if [ $status -eq 130 ] || [ $status -eq 0 ]; then pass "SIG$signal: status $status"; else fail "SIG$signal" "status $status" "$(tail -3 "$T/out")"; fi
    settled "after SIG$signal"
done
done_testing

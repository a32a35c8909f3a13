# Checkpoints: after many commits the log has them, other readers and lynex read the table from one alone,
# and one that is broken is passed over with a word.
. "$(dirname "$0")/lib.sh"
ch_start
use_clickhouse
use_dir

# Rows of 30 months: a batch and a delete, and so two versions, for each.
events_table
fill_events 20000 events 900
out=$(lynex archive 2>&1); status_is "archive exits 0" 0 $? "$out"
log=$T/archive/_delta_log
at_most "there are more than 50 versions" "$(ls "$log" | grep -c '^[0-9]*\.json$')" 51
equal "one checkpoint, of version 50" 00000000000000000050.checkpoint.parquet "$(ls "$log" | grep checkpoint.parquet)"
contains "the hint names it" '"version":50,' "$(cat "$log/_last_checkpoint")"
contains "with the files that it lists" '"numOfAddFiles":' "$(cat "$log/_last_checkpoint")"

sums() { # directory kernel
    sql "SELECT count(), uniqExact(toString(event_id)), sum(cityHash64(toString(event_id), body, context, toString(timestamp)))
        FROM deltaLakeLocal('$T/$1') SETTINGS allow_experimental_delta_kernel_rs = $2"
}
drop_versions() { # directory from to
    local i
    for i in $(seq "$2" "$3"); do rm -f "$T/$1/_delta_log/$(printf %020d "$i").json"; done
}

# The table as of version 50: by its versions, and by its checkpoint alone.
newest=$(ls "$log" | grep '^[0-9]*\.json$' | tail -1)
newest=$((10#${newest%.json}))
cp -r "$T/archive" "$T/versions"
drop_versions versions 51 "$newest"
rm "$T/versions/_delta_log/_last_checkpoint" "$T/versions/_delta_log/"*.checkpoint.parquet
cp -r "$T/archive" "$T/alone"
drop_versions alone 0 "$newest"
equal "nothing but the checkpoint and its hint is left" "00000000000000000050.checkpoint.parquet _last_checkpoint" \
    "$(ls "$T/alone/_delta_log" | xargs)"
for kernel in 1 0; do
    expected=$(sums versions $kernel)
    case $expected in [1-9]*) pass "kernel $kernel reads the versions" ;; *) fail "kernel $kernel reads the versions" "$expected" ;; esac
    equal "kernel $kernel reads the same from the checkpoint alone" "$expected" "$(sums alone $kernel)"
    equal "kernel $kernel reads the whole log" "$(sql "SELECT count(), uniqExact(event_id) FROM file('archive/events/*/*.parquet', Parquet)")" \
        "$(sql "SELECT count(), uniqExact(toString(event_id)) FROM deltaLakeLocal('$T/archive') SETTINGS allow_experimental_delta_kernel_rs = $kernel")"
done

# The checkpoint is a plain Parquet file with the columns that Delta asks for.
equal "its columns" "txn add remove metaData protocol domainMetadata" \
    "$(sql "DESCRIBE TABLE file('alone/_delta_log/00000000000000000050.checkpoint.parquet', Parquet)" | cut -f 1 | xargs)"
equal "one protocol, one metaData" "1 1" "$(sql "SELECT countIf(protocol.minReaderVersion IS NOT NULL), countIf(metaData.id IS NOT NULL)
    FROM file('alone/_delta_log/00000000000000000050.checkpoint.parquet', Parquet) FORMAT TSVRaw" | tr '\t' ' ')"

# lynex itself: the same files and what is hot, by versions, by the checkpoint, by what is left behind one.
with_archive() { # directory
    local kept=("${SETTINGS[@]}")
    SETTINGS=("${SETTINGS[@]/file:\/\/$T\/archive/file://$T/$1}")
    shift
    lynex "$@"
    local status=$?
    SETTINGS=("${kept[@]}")
    return $status
}
files() { with_archive "$1" ls --json 2>/dev/null | python3 -c 'import json,sys
for f in json.load(sys.stdin)["files"]: print(f["path"], f["rows"], f.get("version"))'; }
equal "lynex lists the same from the checkpoint alone" "$(files versions)" "$(files alone)"
cp -r "$T/archive" "$T/behind"
drop_versions behind 0 50
equal "and from the checkpoint with the versions behind it" "$(files archive)" "$(files behind)"
out=$(with_archive behind archive 2>&1); status_is "a run goes on from there" 0 $? "$out"
contains "and has nothing to do" "No events to archive" "$out"

# Broken: cut short.
cp -r "$T/archive" "$T/broken"
truncate -s 2000 "$T/broken/_delta_log/00000000000000000050.checkpoint.parquet"
equal "a broken one is passed over" "$(files archive)" "$(files broken)"
contains "with a word" "passed over: the checkpoint of version 50" "$(with_archive broken ls 2>&1)"
drop_versions broken 0 3
out=$(with_archive broken archive 2>&1); status_is "without the versions it is an error" 1 $? "$out"
contains "which names what is missing" "00000000000000000000.json" "$out"

# More commits: a second checkpoint, and readers take the newest.
sql "INSERT INTO prod.events (event_id, project_id, type, timestamp, sdk_name, sdk_version, body, queued_at)
    SELECT generateUUIDv4(), 'late', 'log', now64(3) - INTERVAL 40 DAY - INTERVAL number MONTH, 's', 'v', 'late', now64(3) FROM numbers(25)"
out=$(lynex archive 2>&1); status_is "late rows are archived" 0 $? "$out"
contains "a second checkpoint" 00000000000000000100.checkpoint.parquet "$(ls "$log")"
contains "the hint follows" '"version":100,' "$(cat "$log/_last_checkpoint")"
for kernel in 1 0; do
    equal "kernel $kernel sees all of it" "$(sql "SELECT count() FROM file('archive/events/*/*.parquet', Parquet)")" \
        "$(sql "SELECT count() FROM deltaLakeLocal('$T/archive') SETTINGS allow_experimental_delta_kernel_rs = $kernel")"
done
done_testing

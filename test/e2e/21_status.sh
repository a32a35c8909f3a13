# lynex status: what is pending and why, held against what ClickHouse and the archive say themselves, and against
# what the next run then does.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/ch"
cat > "$T/ch/users.d.xml" <<XML
<reader><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT ON prod.events</query></grants></reader>
<full><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT, ALTER DELETE ON prod.*</query></grants></full>
<seer><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT, ALTER DELETE ON prod.*</query><query>GRANT SELECT ON system.mutations</query></grants></seer>
XML
ch_start
use_clickhouse prod full secret
use_dir
SETTINGS+=("ARCHIVE_AFTER_DAYS=$AFTER")

OLD="timestamp < toStartOfDay(now('UTC')) - INTERVAL $AFTER DAY"
# status [FLAG…]: as JSON, into $T/status.json; sets STATUS.
status() { lynex status --json "$@" > "$T/status.json" 2> "$T/status.err"; STATUS=$?; }
# field EXPRESSION-OF-d
field() { python3 -c "import json; d = json.load(open('$T/status.json')); print($1)"; }
# reasons: "why rows" of each reason, sorted
reasons() {
    field '", ".join("%s %d" % (w, sum(g["rows"] for g in d["archived_and_hot"]["groups"] if g["why"] == w)) for w in sorted({g["why"] for g in d["archived_and_hot"]["groups"]}))'
}
objects() { find "$T/archive" -type f -printf '%p %s %T@\n' 2>/dev/null | sort; }

# -- before, and after the first run ------------------------------------------------------------------------
events_table
fill_events 20000 events $((2 * AFTER))
old=$(sql "SELECT count() FROM prod.events WHERE $OLD")
status
equal "a new archive: exits 0" 0 "$STATUS"
equal "a new archive: no version, nothing in it, no error" "-1 0 0 None" "$(field 'd["archive"]["version"], d["archive"]["rows"], d["archived_and_hot"]["rows"], d["error"]' | tr -d '(),')"
equal "what is due is what is old" "$old of 20000" "$(field '"%d of %d" % (d["clickhouse"]["due_rows"], d["clickhouse"]["rows"])')"
equal "before the cutoff" "$(sql "SELECT toDate(now('UTC')) - $AFTER")T00:00:00.000Z" "$(field 'd["clickhouse"]["cutoff"]')"
equal "in so many parts" "$(sql "SELECT uniqExact(_part) FROM prod.events WHERE $OLD")" "$(field 'd["clickhouse"]["due_parts"]')"
contains "for people too" "nothing is archived here yet" "$(lynex status)"
equal "and no word of a lost log" "[]" "$(field 'd["warnings"]')"
equal "it writes nothing" "" "$(objects)"
out=$(lynex archive 2>&1); contains "the next run finds just that" "Found $old events" "$out"
status
equal "after it: files, rows, bytes" "$(find "$T/archive/events" -name '*.parquet' | wc -l) $old $(find "$T/archive/events" -name '*.parquet' -printf '%s\n' | awk '{ n += $1 } END { print n }')" \
    "$(field '"%d %d %d" % tuple(d["archive"][n] for n in ("files", "rows", "bytes"))')"
equal "the last version, by its file" "$(find "$T/archive/_delta_log" -name '0*.json' | sort | tail -1 | xargs basename | sed 's/^0*//; s/.json//')" "$(field 'd["archive"]["version"]')"
equal "and what it was" "DELETE True" "$(field 'd["archive"]["operation"] + " " + str(abs(__import__("time").time() - __import__("datetime").datetime.fromisoformat(d["archive"]["committed"][:-1] + "+00:00").timestamp()) < 60)')"
equal "nothing is due, nothing is hot" "0 0" "$(field '"%d %d" % (d["clickhouse"]["due_rows"], d["archived_and_hot"]["rows"])')"

# -- each reason ----------------------------------------------------------------------------------------------
fill_events 20000 events $((2 * AFTER)) 2
old=$(sql "SELECT count() FROM prod.events WHERE $OLD")
lynex archive --no-delete-after-archive > /dev/null 2>&1
before=$(objects)
status --no-delete-after-archive; equal "kept as asked" "kept $old" "$(reasons)"
status --archive-mode soak; equal "kept by a soak" "soak $old" "$(reasons)"
status --archive-after-days $((AFTER + 15)); equal "too young" "age $old" "$(reasons)"
equal "and when it leaves" "$(sql "SELECT toDate(now('UTC')) + 15")" "$(field 'd["archived_and_hot"]["groups"][0]["leaves"][:10]')"
status; equal "due" "due $old" "$(reasons)"
equal "with the right" True "$(field 'd["clickhouse"]["may_delete"]')"
status --archive-max-delete-rows $((old - 1)); equal "more than the breaker allows" "breaker $old" "$(reasons)"
status --archive-max-delete-rows "$old"; equal "as many as it allows" "due $old" "$(reasons)"
whole=$(sql "SELECT sum(n) FROM (SELECT _part, count() AS n, countIf($OLD) AS old FROM prod.events GROUP BY _part HAVING n = old)")
status --archive-delete-mode parts; equal "whole parts only" "due $whole, partly $((old - whole))" "$(reasons)"
status --clickhouse-user reader; equal "without ALTER DELETE" "no_right $old" "$(reasons)"
contains "without ALTER DELETE, for people" "ALTER DELETE is missing" "$(lynex status --clickhouse-user reader)"
equal "every group names the partition, and they add up" "$(sql "SELECT _partition_id, count() FROM prod.events WHERE $OLD GROUP BY 1 ORDER BY 1" | tr '\t' ' ')" \
    "$(field '"\n".join("%s %d" % (g["partition"], g["rows"]) for g in d["archived_and_hot"]["groups"])')"
equal "looking wrote nothing" "$before" "$(objects)"

# Late rows that are merged in: the part is not as it was.
late=$((2 * $(sql "SELECT uniqExact(toYYYYMM(_date)) FROM prod.events WHERE $OLD")))
sql "INSERT INTO prod.events SELECT * REPLACE (generateUUIDv4() AS event_id) FROM prod.events WHERE $OLD LIMIT 2 BY toYYYYMM(_date)"
sql "OPTIMIZE TABLE prod.events FINAL"
status
lacks "merged with late rows: nothing is simply due any more" "due " "$(reasons)"
contains "merged with late rows" "changed " "$(reasons)"
equal "merged with late rows: these are due" $late "$(field 'd["clickhouse"]["due_rows"]')"
equal "parts to compare" "$(sql "SELECT uniqExact(_part) FROM prod.events WHERE $OLD")" "$(field 'd["clickhouse"]["parts_to_compare"]')"
out=$(lynex archive 2>&1); status_is "the next run exits 0" 0 $? "$out"
contains "and archives just these" "✅ Archived $late events" "$out"
status; equal "after it nothing is hot or due" "0 0 0" "$(field '"%d %d %d" % (d["archived_and_hot"]["rows"], d["clickhouse"]["due_rows"], d["clickhouse"]["parts_to_compare"])')"

# A delete that waits on the server.
fill_events 20000 events $((2 * AFTER)) 3
sql "SYSTEM STOP MERGES prod.events"
out=$(lynex archive --archive-delete-wait-seconds 1 2>&1); status_is "a run whose delete has to wait" 3 $? "$out"
status; status_is "a waiting delete: exits 1, for what is hot cannot be read" 1 "$STATUS" "$(cat "$T/status.err")"
contains "a waiting delete is the reason" "waiting " "$(reasons)"
equal "who may not read system.mutations hears nothing of it" "None" "$(field 'd["clickhouse"]')"
out=$(lynex status --clickhouse-user seer 2>&1)
contains "who may, sees the statement" "waits on the server since " "$out"
contains "its text" "DELETE" "$out"
sql "SYSTEM START MERGES prod.events"
out=$(lynex archive 2>&1); status_is "once merges run, the next run exits 0" 0 $? "$out"

# Pending mutations of others.
sql "SYSTEM STOP MERGES prod.events"
sql "ALTER TABLE prod.events DELETE WHERE project_id = 'nobody' SETTINGS mutations_sync = 0"
status --clickhouse-user seer
equal "a mutation of another" "(DELETE WHERE project_id = 'nobody')" "$(field 'd["clickhouse"]["pending_mutations"][0]["command"]')"
status
equal "not said where it may not be seen" "None 0" "$(field '"%s %d" % (d["clickhouse"]["pending_mutations"], '$STATUS')')"
sql "SYSTEM START MERGES prod.events"

# Rows that somebody else took; a table in the place of another.
fill_events 3000 events $((2 * AFTER)) 4
old=$(sql "SELECT count() FROM prod.events WHERE $OLD")
lynex archive --no-delete-after-archive > /dev/null 2>&1
sql "CREATE TABLE prod.empty AS prod.events"
sql "EXCHANGE TABLES prod.events AND prod.empty"
status; equal "another table has the place" "replaced $old" "$(reasons)"
sql "EXCHANGE TABLES prod.events AND prod.empty"
sql "TRUNCATE TABLE prod.events"
status; equal "gone" "gone $old" "$(reasons)"
lynex archive > /dev/null 2>&1
status; equal "which the next run records" "0" "$(field 'd["archived_and_hot"]["segments"]')"

# The table's own TTL.
events_table ttl UUID "TTL toDate(timestamp) + INTERVAL 32 DAY"
SETTINGS+=(ARCHIVE_TABLE=ttl "ARCHIVE_URL=file://$T/ttl")
out=$(lynex status 2>&1); status_is "a TTL that comes too soon: exits 0" 0 $? "$out"
contains "and is warned of" "MODIFY TTL" "$out"
SETTINGS+=(ARCHIVE_TABLE=events "ARCHIVE_URL=file://$T/archive")

# -- ClickHouse is down -------------------------------------------------------------------------------------------
fill_events 3000 events $((2 * AFTER)) 5
old=$(sql "SELECT count() FROM prod.events WHERE $OLD")
lynex archive --no-delete-after-archive > /dev/null 2>&1
status; files=$(field 'd["archive"]')
ch_stop
status; status_is "ClickHouse is down: exits 1" 1 "$STATUS" "$(cat "$T/status.err")"
equal "the archive is known all the same" "$files" "$(field 'd["archive"]')"
equal "and what is hot, not why" "unknown $old" "$(reasons)"
equal "ClickHouse is not made up" "None True" "$(field 'str(d["clickhouse"]) + " " + str("connect" in d["error"]["text"])')"
status --no-delete-after-archive; equal "but for what the settings say" "kept $old" "$(reasons)"
status --archive-after-days $((AFTER + 15)); equal "or the age" "age $old" "$(reasons)"
out=$(lynex status 2>&1); contains "for people: it is said" "what is in ClickHouse is not known" "$out"
contains "for people: the ledger is shown" "of them still hot" "$out"

out=$(lynex status --frobnicate 2>&1); status_is "an unknown flag" 2 $? "$out"
out=$(lynex status something 2>&1); status_is "an operand" 2 $? "$out"
: > "$T/file"
out=$(lynex status --archive-url "file://$T/file" 2>&1); status_is "no archive to be had" 1 $? "$out"
done_testing

# lynex serve: runs against a real ClickHouse, metrics that promtool passes and whose counts are the oracle's,
# health, back-off after failures, an end within five seconds wherever it is.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/ch"
cat > "$T/ch/users.d.xml" <<XML
<reader><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT ON prod.events</query></grants></reader>
XML
ch_start
use_clickhouse
use_dir
PORT=$(free_ports)
SETTINGS+=("LYNEX_HTTP=127.0.0.1:$PORT" ARCHIVE_RETRY_SECONDS=1)

# serve_start LOG [SETTING…]: sets SERVE to its pid.
serve_start() {
    local log=$1
    shift
    env -i PATH="$PATH" HOME="$T" TMPDIR="$T" LIBCHDB="$LIBCHDB" "${SETTINGS[@]}" "$@" "$LYNEX_BIN" serve > "$log" 2>&1 &
    SERVE=$!
    BACKGROUND+=("$SERVE")
}
# serve_stop [SIGNAL]: sets STATUS and TOOK (seconds).
serve_stop() {
    local from
    from=$(date +%s.%N)
    kill -"${1:-TERM}" "$SERVE"
    wait "$SERVE"
    STATUS=$?
    TOOK=$(awk -v a="$from" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')
}
get() { curl -s -m 5 "http://127.0.0.1:$PORT$1"; }
code() { curl -s -m 5 -o /dev/null -w '%{http_code}' "${@:2}" "http://127.0.0.1:$PORT$1"; }
series_of() { NAME="$1 " awk 'index($0, ENVIRON["NAME"]) == 1 { print $NF }'; } # of a scrape
metric() { get /metrics | series_of "$1"; }
field() { get /healthz | python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; }
# until_true SECONDS COMMAND…
until_true() {
    local tries=$(($1 * 20))
    shift
    while ! "$@" > /dev/null 2>&1; do
        [ $((tries--)) -gt 0 ] || { fail "in time: $*"; return 1; }
        sleep 0.05
    done
}
log_has() { grep -qF -- "$2" "$1"; }

events_table
fill_events 60000
old=$(sql "SELECT count() FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")

# -- while ClickHouse is away: tried again, later each time -------------------------------------------
# It does not answer before it ends: the first scrape comes before any run has failed.
kill -STOP "$(cat "$CH_DIR/pid")"
serve_start "$T/first.log"
until_true 5 get /livez
get /metrics > "$T/first.prom"
python3 - "$PORT" "$T/watching" > "$T/pauses" <<'PY' &
import datetime, json, sys, time, urllib.request
print("yes", file=open(sys.argv[2], "w"))
seen, until = {}, time.time() + 12
parse = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
while time.time() < until and len(seen) < 3:
    d = json.load(urllib.request.urlopen("http://127.0.0.1:%s/healthz" % sys.argv[1]))
    if d["next_run"] and d["last_run"]:
        seen[d["failures"]] = round((parse(d["next_run"]) - parse(d["last_run"]["ended"])).total_seconds())
    time.sleep(0.05)
print(seen)
PY
watcher=$!
BACKGROUND+=("$watcher")
until_true 10 test -s "$T/watching"
ch_kill
wait "$watcher"
equal "the pause doubles with each failure" "{1: 1, 2: 2, 3: 4}" "$(cat "$T/pauses")"
equal "health says what is going on" "failing error True" "$(field 'd["status"], d["last_run"]["result"], d["failing_since"] is not None' | tr -d "(),'")"
equal "which is no 503 yet" 200 "$(code /healthz)"
contains "and why" "Failed to connect" "$(field 'd["last_run"]["error"]["text"]')"
equal "the alert's series has risen" True "$(python3 -c "print($(metric 'lynex_events_archived_total{status="error"}') >= 3)")"
get /metrics > "$T/failing.prom"
equal "failed runs are counted alike" "$(series_of lynex_archive_errors_total < "$T/failing.prom")" \
    "$(series_of 'lynex_archive_runs_total{result="error"}' < "$T/failing.prom")"

# -- ClickHouse is back: the next try does it -----------------------------------------------------------
ch_restart
until_true 20 log_has "$T/first.log" "✅ Archived $old events to"
until_true 5 log_has "$T/first.log" "⏳ Next archival run at"
healthy() { [ "$(field 'd["status"]')" = healthy ]; }
until_true 5 healthy
get /metrics > "$T/last.prom"
for file in first last; do
    out=$(promtool check metrics < "$T/$file.prom" 2>&1); status_is "promtool passes the $file scrape" 0 $? "$out"
    equal "and has nothing to say" "" "$out"
done
series() { grep -v '^#' "$1" | sed 's/ [^ ]*$//'; }
equal "every series is there from the first scrape on" "$(series "$T/last.prom")" "$(series "$T/first.prom")"
equal "at 0, all but the process's own and times to come" "" "$(grep -v '^#' "$T/first.prom" |
    grep -vE ' 0(\.000)?$|^process_|^lynex_build_info|next_run|archive_running')"
equal "rows archived are the oracle's" "$old" "$(metric 'lynex_events_archived_total{status="success"}')"
equal "rows deleted too" "$old" "$(metric lynex_events_deleted_total)"
equal "batches add up to them" "$old.000" "$(metric lynex_archive_batch_size_sum)"
equal "one batch a file" "$(find "$T/archive/events" -name '*.parquet' | wc -l)" "$(metric lynex_archive_batch_size_count)"
equal "bytes are the files'" "$(find "$T/archive/events" -name '*.parquet' -printf '%s\n' | awk '{ n += $1 } END { print n }')" "$(metric lynex_archive_bytes_total)"
equal "every run was timed" "$(($(metric lynex_archive_errors_total) + 1))" "$(metric lynex_archive_duration_seconds_count)"
equal "the last run" "1 $old $old 0" "$(metric lynex_archive_last_run_success) $(metric lynex_archive_last_run_archived_rows) $(metric lynex_archive_last_run_deleted_rows) $(metric lynex_archive_consecutive_errors)"
equal "nothing is left to do" 0 "$(metric lynex_archive_backlog_rows)"
equal "health says when the next comes: a day after the last began" 86400 "$(field 'round((__import__("datetime").datetime.fromisoformat(d["next_run"][:-1]) - __import__("datetime").datetime.fromisoformat(d["last_run"]["started"][:-1])).total_seconds())')"
equal "buckets are the reference's" "1.0 5.0 10.0 30.0 60.0 300.0 +Inf | 100.0 1000.0 5000.0 10000.0 50000.0 +Inf" \
    "$(for name in duration_seconds batch_size; do grep -o "archive_${name}_bucket{le=\"[^\"]*" "$T/last.prom" | sed 's/.*"//' | paste -sd ' '; done | paste -sd '|' | sed 's/|/ | /')"

# -- HTTP ------------------------------------------------------------------------------------------------
equal "the content type is Prometheus'" "text/plain; version=0.0.4" "$(curl -s -o /dev/null -w '%{content_type}' "http://127.0.0.1:$PORT/metrics")"
equal "HEAD is answered" 200 "$(code /metrics -I)"
for method in POST PUT DELETE OPTIONS NONSENSE; do equal "$method is refused" 405 "$(code /metrics -X $method)"; done
equal "a body is not waited for" 405 "$(code /livez --data-binary "@$LYNEX_BIN")"
equal "other paths are not there" "404 404 404 404" "$(code /) $(code /metrics/) $(code /etc/passwd) $(code //livez)"
equal "a query does not matter" 200 "$(code '/livez?x=1')"
equal "it lives" ok "$(get /livez)"
curl -s -m 5 -o /dev/null "http://$(hostname -I | awk '{ print $1 }'):$PORT/livez"
equal "it listens on loopback only" 7 $?
equal "a head that is too large is refused" 431 "$(code /livez -H "X-Long: $(head -c 100000 /dev/zero | tr '\0' x)")"
idle=()
for _ in $(seq 60); do exec {fd}<>"/dev/tcp/127.0.0.1/$PORT" && idle+=("$fd"); done 2>/dev/null
until_true 15 get /livez
equal "idle connections do not keep others out for long" ok "$(get /livez)"
for fd in "${idle[@]}"; do exec {fd}>&-; done

out=$(lynex serve 2>&1); status_is "a port in use fails" 1 $? "$out"
contains "and says so" "LYNEX_HTTP=127.0.0.1:$PORT: cannot listen there: Address already in use" "$out"
for bad in nonsense 127.0.0.1 127.0.0.1:0 127.0.0.1:70000 :9464 http://x:1 127.0.0.1:9464/metrics no-such-host.invalid:9464 192.0.2.1:; do
    out=$(lynex serve --lynex-http "$bad" 2>&1); status_is "LYNEX_HTTP=$bad is refused" 2 $? "$out"
    contains "LYNEX_HTTP=$bad: says what to do" "HOST:PORT" "$out"
done
out=$(lynex serve --lynex-http 192.0.2.1:9464 2>&1); status_is "an address of another machine fails" 1 $? "$out"
contains "and says so" "no such address" "$out"
out=$(lynex serve --json 2>&1); status_is "there is no --json" 2 $? "$out"

# -- the end, and the log ----------------------------------------------------------------------------------
serve_stop TERM
status_is "SIGTERM in the pause: exits 0" 0 "$STATUS" "$(tail -3 "$T/first.log")"
at_most "SIGTERM in the pause: seconds" 5 "$TOOK"
out=$(grep archiv "$T/first.log")
equal "grep archiv shows all lines" "" "$(grep -v archiv "$T/first.log")"
for line in "🗄️  Starting S3 archival loop (every 24h)" "📦 Found $old events to archive" "✅ Uploaded to file://$T/archive/events/" \
    "🗑️  Deleted " "✅ Archived $old events to " "❌ Archival job failed"; do contains "the log has: $line" "$line" "$out"; done

# -- stopped in mid-run, by each signal, and with a ClickHouse that does not answer ---------------------------
fill_events 400000 events 60 2
archived=$(lynex ls --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["rows"])')
recent=$(sql "SELECT count() FROM prod.events WHERE timestamp >= toStartOfDay(now('UTC')) - INTERVAL 30 DAY")
old=$(($(sql "SELECT count() FROM prod.events") - recent))
for signal in TERM INT; do
    serve_start "$T/$signal.log" ARCHIVE_MAX_MBPS=4
    until_true 10 log_has "$T/$signal.log" "📦 Found"
    sleep 0.5
    equal "$signal: it runs" 1 "$(metric lynex_archive_running)"
    equal "$signal: while it runs there is no next" None "$(field 'd["next_run"]')"
    serve_stop $signal
    status_is "$signal in mid-run: exits 0" 0 "$STATUS" "$(tail -3 "$T/$signal.log")"
    at_most "$signal in mid-run: seconds" 5 "$TOOK"
    contains "$signal in mid-run: is said" "Archival interrupted" "$(cat "$T/$signal.log")"
    lacks "$signal in mid-run: no error" "ERROR" "$(cat "$T/$signal.log")"
done
# Each gets rows of its own: a machine may be fast enough to archive all that the one before left. They are counted
# elsewhere: a delete that the one before left on its way may still take rows.
seed=2
sql "CREATE TABLE prod.more AS prod.events"
for at in 0 0.15 0.3 0.6; do
    fill_events 100000 more 60 $((++seed))
    sql "INSERT INTO prod.events SELECT * FROM prod.more"
    new=$(sql "SELECT countIf(timestamp >= toStartOfDay(now('UTC')) - INTERVAL 30 DAY) FROM prod.more")
    old=$((old + 100000 - new)) recent=$((recent + new))
    sql "TRUNCATE TABLE prod.more"
    serve_start "$T/late$at.log"
    until_true 10 log_has "$T/late$at.log" "📦 Found"
    sleep $at
    serve_stop
    status_is "$at s into a run at full speed: exits 0" 0 "$STATUS" "$(tail -3 "$T/late$at.log")"
    at_most "$at s into a run at full speed: seconds" 5 "$TOOK"
done
kill -STOP "$(cat "$CH_DIR/pid")"
serve_start "$T/hang.log"
until_true 10 log_has "$T/hang.log" "Archiving events older than"
sleep 0.5
serve_stop
kill -CONT "$(cat "$CH_DIR/pid")"
status_is "while ClickHouse does not answer: exits 0" 0 "$STATUS" "$(tail -3 "$T/hang.log")"
at_most "while ClickHouse does not answer: seconds" 5 "$TOOK"
out=$(lynex archive 2>&1); status_is "the next run finishes the job" 0 $? "$out"
equal "all that was old is in the archive, once" "$old" "$(($(lynex ls --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["rows"])') - archived))"
equal "nothing is lost" "$recent 0" \
    "$(sql "SELECT count(), countIf(timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY) FROM prod.events FORMAT TSV" | tr '\t' ' ')"

# -- archived, but not deleted ----------------------------------------------------------------------------------
fill_events 1000 events 60 3
old=$(sql "SELECT count() FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")
serve_start "$T/kept.log" CLICKHOUSE_USER=reader CLICKHOUSE_PASSWORD=secret LYNEX_HTTP="127.0.0.1:$PORT"
until_true 20 log_has "$T/kept.log" "⏳ Next archival run at"
equal "without ALTER DELETE: healthy, not deleted, so many kept" "healthy not_deleted 1 0 $old" \
    "$(field 'd["status"] + " " + d["last_run"]["result"]') $(metric 'lynex_archive_runs_total{result="not_deleted"}') $(metric lynex_archive_errors_total) $(metric lynex_archive_kept_rows)"
contains "health says which right" "GRANT ALTER DELETE" "$(field 'd["last_run"]["error"]["what_to_do"]')"
serve_stop

# -- a proof that fails is not tried again at once ---------------------------------------------------------------
sql "CREATE TABLE prod.other AS prod.events"
fill_events 5000 other 60
serve_start "$T/proof.log" ARCHIVE_TABLE=other "ARCHIVE_URL=file://$T/other" LYNEX_MUTANT=flip-encoded
until_true 20 log_has "$T/proof.log" "⏳ Next archival run at"
equal "a failed proof is unhealthy at once" "503 unhealthy" "$(code /healthz) $(field 'd["status"]')"
equal "it lives all the same" 200 "$(code /livez)"
sleep 2
equal "and is tried again a day later" "1 1" "$(metric lynex_archive_errors_total) $(field 'd["failures"]')"
equal "the rows that it planned are counted" "$(sql "SELECT count() FROM prod.other WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")" \
    "$(metric 'lynex_events_archived_total{status="error"}')"
serve_stop

# -- an upload that fails ----------------------------------------------------------------------------------------
mkdir -p "$T/small"
if mount -t tmpfs -o size=64k tmpfs "$T/small" 2>/dev/null; then
    serve_start "$T/small.log" ARCHIVE_THREADS=1 ARCHIVE_TABLE=other "ARCHIVE_URL=file://$T/small/archive" ARCHIVE_RETRY_SECONDS=60
    until_true 20 log_has "$T/small.log" "⏳ Next archival run at"
    equal "no space: counted by type, once" "1 0" "$(metric 'lynex_s3_upload_errors_total{error_type="no_space"}') $(metric 'lynex_s3_upload_errors_total{error_type="other"}')"
    listed=$(lynex ls --json --archive-url "file://$T/small/archive" | python3 -c 'import json, sys; print(json.load(sys.stdin)["rows"])')
    equal "no space: what counts as archived is what the log lists" "$listed" "$(metric 'lynex_events_archived_total{status="success"}')"
    serve_stop
    umount "$T/small"
fi

# -- other addresses ----------------------------------------------------------------------------------------------
serve_start "$T/none.log" LYNEX_HTTP=none
until_true 20 log_has "$T/none.log" "⏳ Next archival run at"
equal "none: nothing listens" "" "$(get /livez)"
serve_stop
status_is "none: exits 0" 0 "$STATUS"
if grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6; then
    serve_start "$T/six.log" "LYNEX_HTTP=[::1]:$PORT"
    until_true 10 curl -s -o /dev/null "http://[::1]:$PORT/livez"
    equal "IPv6 answers" ok "$(curl -s "http://[::1]:$PORT/livez")"
    serve_stop
fi
done_testing

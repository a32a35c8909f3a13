# What must not be seen is not: passwords, keys and tokens are in nothing that a run leaves or shows; files are their
# owner's alone; nobody who is not known is spoken to; names and keys stay what and where they are.
. "$(dirname "$0")/lib.sh"
PASSWORD='p4ss-Zx9/Qw7+Rt5=word' URL_PASSWORD='url-Hj3-Kl8-secret' TOKEN='t0ken-Mn6-Bv4-session'
WRONG_KEY='wrong-Yu2-Io1-secretkey' AWS_WRONG=$WRONG_KEY
mkdir -p "$T/ch"
cat > "$T/ch/users.d.xml" <<XML
<careful><password>$PASSWORD</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></careful>
<linked><password>$URL_PASSWORD</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></linked>
XML
ch_start
rgw_start --tls "$(free_ports)"
eval "$("$BED/rgw" env "$T/rgw")"
unset AWS_CA_BUNDLE
little_setup
umask 022
mkdir "$T/home" "$T/seen" "$T/tmp"
S3_SECRET=$AWS_SECRET_ACCESS_KEY
BASE=("CLICKHOUSE_DATABASE=prod" "S3_ARCHIVE_BUCKET=$BUCKET" "AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL" "AWS_REGION=us-east-1"
    "AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY=$S3_SECRET" ARCHIVE_TIME_COLUMN=at ARCHIVE_THREADS=1
    "ARCHIVE_TMPDIR=$T/tmp" LOG_LEVEL=debug)
CAREFUL=("CLICKHOUSE_URL=http://127.0.0.1:$CH_PORT" CLICKHOUSE_USER=careful "CLICKHOUSE_PASSWORD=$PASSWORD")
LINKED=("CLICKHOUSE_URL=http://linked:$URL_PASSWORD@127.0.0.1:$CH_PORT/prod")

n=0
# see WHAT STATUS [SETTING…] -- COMMAND…: all it says goes to $T/seen. Sets OUT.
see() {
    local what=$1 want=$2 settings=() status file
    shift 2
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    shift
    file=$T/seen/$((++n))
    env -i PATH="$PATH" HOME="$T/home" TMPDIR="$T/tmp" LIBCHDB="$LIBCHDB" ${LYNEX_STEP:+LYNEX_STEP="$LYNEX_STEP"} "${BASE[@]}" "${settings[@]}" \
        "$LYNEX_BIN" "$@" > "$file" 2> "$file.err"
    status=$?
    [ -z "${SHOW_TIMES:-}" ] || echo "# $SECONDS s"
    OUT=$(cat "$file" "$file.err")
    status_is "$what" "$want" $status "$OUT"
}
secrets=("$PASSWORD" "$URL_PASSWORD" "$TOKEN" "$WRONG_KEY" "$S3_SECRET")
unseen() { # WHERE PATH…: none of the secrets, nor what HTTP makes of them
    local where=$1 secret found
    shift
    for secret in "${secrets[@]}"; do
        printf '%s\n' "$secret" "${secret:0:12}"
        sed 's|/|%2F|g; s|+|%2B|g; s|=|%3D|g' <<< "$secret"
        printf '%s' "$secret" | base64 -w0 | sed 's/$/\n/'
        printf 'careful:%s' "$secret" | base64 -w0 | sed 's/$/\n/'
        printf 'linked:%s' "$secret" | base64 -w0 | sed 's/$/\n/'
    done > "$T/forms"
    found=$(grep -raF -m1 -f "$T/forms" "$@" 2>/dev/null | head -5)
    equal "$where: no secret in it" "" "$found"
    [ -n "$(find "$@" -type f -size +0 2>/dev/null | head -1)" ] || fail "$where: there is something to look at"
}

# Good runs, every command that says something, both kinds of log.
for way in CAREFUL LINKED; do
    table=good_${way,,}
    declare -n keys=$way
    little_table "$table"
    at=("${keys[@]}" "ARCHIVE_TABLE=$table" "S3_ARCHIVE_ROOT=$table")
    [ $way = CAREFUL ] || { see "$way: archive" 0 "${at[@]}" -- archive --json; see "$way: config" 0 "${at[@]}" -- config; continue; }
    see "$way: dry run" 0 "${at[@]}" -- archive --dry-run
    see "$way: archive" 0 "${at[@]}" LOG_FORMAT=json -- archive --no-delete-after-archive
    see "$way: archive, as JSON" 0 "${at[@]}" -- archive --json
    for command in "ls --json" "ls" "status" "status --json" "verify" "verify --json" "audit" "audit --json" "vacuum --min-age 0" "vacuum --json --yes --min-age 0" \
        "ledger check" "ledger check --json" "config" "config --json" "iam" "iam --json" "config --markdown" "config --env-example" "help archive"; do
        read -ra words <<< "$command"
        see "$way: $command" 0 "${at[@]}" -- "${words[@]}"
    done
done
contains "config says that there is one" "CLICKHOUSE_PASSWORD" "$(cat "$T"/seen/*)"

# Failures of every kind.
at=("ARCHIVE_TABLE=pattern" "S3_ARCHIVE_ROOT=bad")
dead=$(free_ports)
see "a wrong password" 1 "${CAREFUL[@]}" "CLICKHOUSE_PASSWORD=$TOKEN" "${at[@]}" -- archive
see "a wrong password in a URL" 1 "CLICKHOUSE_URL=http://linked:$WRONG_KEY@127.0.0.1:$CH_PORT/prod" "${at[@]}" -- archive
see "nobody there, a password in the URL" 1 "CLICKHOUSE_URL=http://linked:$URL_PASSWORD@127.0.0.1:$dead/prod" "${at[@]}" -- archive
see "no such host, a password in the URL" 1 "CLICKHOUSE_URL=http://linked:$URL_PASSWORD@no-such-host.invalid:1/prod" "${at[@]}" -- archive
see "a broken URL" 2 "CLICKHOUSE_URL=http://linked:$URL_PASSWORD@127.0.0.1:port/prod" "${at[@]}" -- archive
see "a URL of another kind" 2 "CLICKHOUSE_URL=ftp://linked:$URL_PASSWORD@127.0.0.1:1/prod" "${at[@]}" -- archive
see "a password where the host should be" 2 "CLICKHOUSE_HOST=linked:$URL_PASSWORD@127.0.0.1" CLICKHOUSE_PORT=x "${at[@]}" -- archive
see "a wrong secret key" 1 "${CAREFUL[@]}" "AWS_SECRET_ACCESS_KEY=$WRONG_KEY" "${at[@]}" -- archive
see "a token that the store does not look at" 0 "${CAREFUL[@]}" "AWS_SESSION_TOKEN=$TOKEN" "${at[@]}" -- archive --no-delete-after-archive
env -i PATH="$PATH" HOME="$T/home" "${BASE[@]}" "AWS_SESSION_TOKEN=$TOKEN" "AWS_ENDPOINT_URL=http://127.0.0.1:$dead" "$LYNEX_BIN" ls > "$T/seen/no-store" 2>&1 &
no_store=$! # its tries last for half a minute
BACKGROUND+=("$no_store")
see "keys in the store's URL" 2 "${CAREFUL[@]}" "AWS_ENDPOINT_URL=http://key:$WRONG_KEY@127.0.0.1:port" "${at[@]}" -- archive
see "no such bucket" 1 "${CAREFUL[@]}" S3_ARCHIVE_BUCKET=no-such-bucket "${at[@]}" -- archive
see "no such table" 1 "${CAREFUL[@]}" "S3_ARCHIVE_ROOT=bad" ARCHIVE_TABLE=no_such_table -- archive
see "a misspelt setting" 2 "${CAREFUL[@]}" "CLICKHOUSE_PASSWROD=$WRONG_KEY" "${at[@]}" -- archive
see "a misspelt flag" 2 "${CAREFUL[@]}" "${at[@]}" -- archive "--clickhouse-passwort=$WRONG_KEY"
printf 'CLICKHOUSE_PASSWORD="%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$PASSWORD" "$WRONG_KEY" > "$T/home/broken.env"
see "a broken .env" 2 "${at[@]}" -- archive --env-file "$T/home/broken.env"
mkdir -p "$T/home/.aws"
printf '[default]\naws_access_key_id = %s\naws_secret_access_key %s\n' "$AWS_ACCESS_KEY_ID" "$WRONG_KEY" > "$T/home/.aws/credentials"
see "broken credentials" 1 "${CAREFUL[@]}" AWS_ACCESS_KEY_ID= AWS_SECRET_ACCESS_KEY= "${at[@]}" -- archive
rm -r "$T/home/.aws"
unseen "what was said, at debug level, as text and JSON" "$T/seen"

# While it runs: what ps shows, also where a secret was given by flag; and no core with secrets if it crashes.
little_table shown
ulimit -c unlimited 2>/dev/null
env -i PATH="$PATH" HOME="$T/home" LYNEX_STEP=pause@read "${BASE[@]}" "${CAREFUL[@]}" CLICKHOUSE_PASSWORD= ARCHIVE_TABLE=shown S3_ARCHIVE_ROOT=shown \
    "$LYNEX_BIN" archive --clickhouse-password "$PASSWORD" "--aws-secret-access-key=$S3_SECRET" > "$T/seen/shown" 2>&1 &
pid=$!
BACKGROUND+=("$pid")
for _ in $(seq 200); do [[ $(ps -o stat= -p "$pid") = T* ]] && break; sleep 0.05; done
tr '\0' ' ' < "/proc/$pid/cmdline" > "$T/seen/cmdline"
ps -o args= -p "$pid" > "$T/seen/ps"
contains "ps shows the command" "archive" "$(cat "$T/seen/ps")"
contains "and which setting was given" "--clickhouse-password" "$(cat "$T/seen/ps")"
unseen "ps and /proc/PID/cmdline" "$T/seen/cmdline" "$T/seen/ps"
equal "a crash leaves no core" "0" "$(awk '/^Max core file size/ { print $5 }' "/proc/$pid/limits")"
kill -CONT "$pid"
wait "$pid"; status_is "the run with secrets in flags" 0 $? "$(cat "$T/seen/shown")"

# The daemon's pages, well and ill.
PORT=$(free_ports)
env -i PATH="$PATH" HOME="$T/home" "${BASE[@]}" "${LINKED[@]}" ARCHIVE_TABLE=shown S3_ARCHIVE_ROOT=shown "LYNEX_HTTP=127.0.0.1:$PORT" ARCHIVE_RETRY_SECONDS=1 \
    "$LYNEX_BIN" serve > "$T/seen/serve" 2>&1 &
pid=$!
BACKGROUND+=("$pid")
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$PORT/livez" > /dev/null && break; sleep 0.1; done
sleep 2
for page in metrics healthz livez "" status config; do curl -s "http://127.0.0.1:$PORT/$page" > "$T/seen/page-$page"; done
contains "metrics are there" "lynex_" "$(cat "$T/seen/page-metrics")"
kill -TERM "$pid"; wait "$pid"
env -i PATH="$PATH" HOME="$T/home" "${BASE[@]}" "CLICKHOUSE_URL=http://linked:$WRONG_KEY@127.0.0.1:$CH_PORT/prod" ARCHIVE_TABLE=shown S3_ARCHIVE_ROOT=shown \
    "LYNEX_HTTP=127.0.0.1:$PORT" ARCHIVE_RETRY_SECONDS=1 "$LYNEX_BIN" serve > "$T/seen/serve-ill" 2>&1 &
pid=$!
BACKGROUND+=("$pid")
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$PORT/livez" > /dev/null && break; sleep 0.1; done
sleep 2
for page in metrics healthz; do curl -s "http://127.0.0.1:$PORT/$page" > "$T/seen/ill-$page"; done
kill -TERM "$pid"; wait "$pid"
contains "the last error is told" "AUTHENTICATION_FAILED" "$(cat "$T/seen/ill-healthz" "$T/seen/serve-ill")"
unseen "the daemon's pages and log" "$T/seen"

wait "$no_store"; status_is "no store there" 1 $? "$(cat "$T/seen/no-store")"
unseen "what was said of a store that is away" "$T/seen/no-store"

# What stays: in the bucket, and on this machine.
mkdir "$T/bucket"
aws_ s3 sync "s3://$BUCKET" "$T/bucket" > /dev/null
unseen "the bucket: files, log, side objects" "$T/bucket"
equal "nothing stays on the machine" "" "$(find "$T/home" "$T/tmp" -mindepth 1 ! -name broken.env)"
SETTINGS=("${CAREFUL[@]}" CLICKHOUSE_DATABASE=prod "ARCHIVE_URL=file://$T/dir/deep/archive" ARCHIVE_TABLE=pattern ARCHIVE_TIME_COLUMN=at)
out=$(lynex archive --no-delete-after-archive 2>&1); status_is "into a directory" 0 $? "$out"
unseen "the directory" "$T/dir"
equal "its files are 0600" "" "$(find "$T/dir" -type f ! -perm 0600)"
equal "its directories are 0700" "" "$(find "$T/dir" -mindepth 1 -type d ! -perm 0700)"

# TLS: nobody who cannot prove who he is gets a key or a password.
see "a store whose certificate nobody signed" 1 "${CAREFUL[@]}" "AWS_ENDPOINT_URL=$RGW_TLS_ENDPOINT_URL" "${at[@]}" -- archive
contains "it says so" "certificate" "$OUT"
contains "it names the setting" "AWS_CA_BUNDLE" "$OUT"
see "the same, with its authority named" 0 "${CAREFUL[@]}" "AWS_ENDPOINT_URL=$RGW_TLS_ENDPOINT_URL" "AWS_CA_BUNDLE=$T/rgw/tls.crt" ARCHIVE_TABLE=pattern S3_ARCHIVE_ROOT=tls -- archive --no-delete-after-archive
cat > "$T/tls.py" <<'PY'
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + '/tls.crt', sys.argv[1] + '/tls.key')
listener = socket.create_server(('', 0))
print(listener.getsockname()[1], flush=True)
def pipe(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(raw):
    try:
        client = context.wrap_socket(raw, server_side=True)
    except OSError:
        return
    server = socket.create_connection(('127.0.0.1', int(sys.argv[2])))
    threading.Thread(target=pipe, args=(client, server), daemon=True).start()
    pipe(server, client)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
PY
mkfifo "$T/tls.port"
python3 "$T/tls.py" "$T/rgw" "$CH_PORT" > "$T/tls.port" 2> /dev/null &
BACKGROUND+=("$!")
read -r TLS_PORT < "$T/tls.port"
secure=("CLICKHOUSE_URL=https://127.0.0.1:$TLS_PORT" CLICKHOUSE_USER=careful "CLICKHOUSE_PASSWORD=$PASSWORD")
see "a ClickHouse whose certificate nobody signed" 1 "${secure[@]}" "${at[@]}" -- archive
contains "it says so" "certificate" "$OUT"
contains "it names the setting" "CLICKHOUSE_CA" "$OUT"
see "the same, with its authority named" 0 "${secure[@]}" "CLICKHOUSE_CA=$T/rgw/tls.crt" ARCHIVE_TABLE=pattern S3_ARCHIVE_ROOT=tls -- archive --no-delete-after-archive
see "a certificate of another name" 1 "${secure[@]}" "CLICKHOUSE_URL=https://127.0.0.2:$TLS_PORT" "CLICKHOUSE_CA=$T/rgw/tls.crt" "${at[@]}" -- archive
contains "it says so" "127.0.0.2" "$(grep -i "certificate" <<< "$OUT")"
unseen "what was said of certificates" "$T/seen"

# Nothing leaves the root: settings, names, paths in a log that somebody else wrote, links.
outside() { (cd "$T" && find . -path ./ch -prune -o -path ./rgw -prune -o -path ./seen -prune -o -newer "$T/mark" -type f -print | grep -v '^./\(roots/\|mark\|tls\|home/\)' | sort); }
touch "$T/mark"
sleep 1.1
SETTINGS=("${CAREFUL[@]}" CLICKHOUSE_DATABASE=prod ARCHIVE_TABLE=pattern ARCHIVE_TIME_COLUMN=at)
for bad in "S3_ARCHIVE_PREFIX=../evil" "S3_ARCHIVE_PREFIX=a/../../evil" "S3_ARCHIVE_PREFIX=.." "S3_ARCHIVE_PREFIX=/../evil"; do
    out=$(lynex archive --archive-url "file://$T/roots/prefix" --no-delete-after-archive $(printf -- '--s3-archive-prefix %s' "${bad#*=}") 2>&1); status_is "$bad is refused" 2 $? "$out"
done
sql "CREATE TABLE prod.\`../../evil\` (\`../n\` Int64, \`at\` DateTime('UTC')) ENGINE = MergeTree PARTITION BY intDiv(\`../n\`, 100) ORDER BY \`../n\`"
sql "INSERT INTO prod.\`../../evil\` SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60) FROM numbers(10)"
SETTINGS=("${CAREFUL[@]}" CLICKHOUSE_DATABASE=prod "ARCHIVE_TABLE=\`../../evil\`" ARCHIVE_TIME_COLUMN=at "ARCHIVE_URL=file://$T/roots/names")
out=$(lynex archive 2>&1); status_is "a table that wants out: exits 0" 0 $? "$out"
equal "a table that wants out: its rows are in the archive" 10 "$(sql "SELECT count() FROM deltaLakeLocal('$T/roots/names')")"
printf 'theirs\n' > "$T/roots/theirs.parquet"
for path in "../theirs.parquet" "events/../../theirs.parquet" "%2e%2e/theirs.parquet" "$T/roots/theirs.parquet" "file://$T/roots/theirs.parquet"; do
    rm -rf "$T/roots/forged"
    cp -r "$T/roots/names" "$T/roots/forged"
    next=$(printf '%020d' $(($(ls "$T/roots/forged/_delta_log" | grep -c json))))
    printf '{"add":{"path":"%s","partitionValues":{},"size":7,"modificationTime":1,"dataChange":true}}\n' "$path" > "$T/roots/forged/_delta_log/$next.json"
    out=$(lynex verify --archive-url "file://$T/roots/forged" 2>&1); [ $? -ne 0 ] && pass "a log that lists $path does not verify" || fail "a log that lists $path does not verify" "$out"
    out=$(lynex vacuum --yes --min-age 0 --removed --unproven --archive-url "file://$T/roots/forged" 2>&1)
    equal "nor is $path touched" theirs "$(cat "$T/roots/theirs.parquet")"
done
mkdir "$T/roots/links" "$T/elsewhere"
ln -s "$T/elsewhere" "$T/roots/links/events"
SETTINGS=("${CAREFUL[@]}" CLICKHOUSE_DATABASE=prod ARCHIVE_TABLE=pattern ARCHIVE_TIME_COLUMN=at "ARCHIVE_URL=file://$T/roots/links")
out=$(lynex archive --no-delete-after-archive 2>&1); [ $? -ne 0 ] && pass "a link out of the root is not followed" || fail "a link out of the root is not followed" "$(ls -R "$T/elsewhere")"
equal "nothing was written outside the roots" "" "$(outside)"
done_testing

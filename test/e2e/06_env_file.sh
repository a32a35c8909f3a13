# The .env that users of the reference have: comments behind values, quotes, CRLF, the native port.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/ch"
cat > "$T/ch/users.d.xml" <<'XML'
<writer><password>se#cr et</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT, ALTER DELETE ON prod.events</query></grants></writer>
XML
# Where it can be had, the server stands on the port that lynex guesses from CLICKHOUSE_PORT=9000.
if ! (: <>/dev/tcp/127.0.0.1/8123) 2>/dev/null; then echo 8123 > "$T/ch/http_port"; fi
ch_start
events_table
fill_events 2000 events 60
old=$(sql "SELECT count() FROM prod.events WHERE timestamp < toStartOfDay(now('UTC')) - INTERVAL 30 DAY")
mkdir -p "$T/project/deep/er"
printf '%s\r\n' '# the reference'"'"'s file' \
    'CLICKHOUSE_HOST=127.0.0.1   # the server' \
    'export CLICKHOUSE_PORT=9000' \
    'CLICKHOUSE_USER = "writer"' \
    "CLICKHOUSE_PASSWORD='se#cr et'  # quoted: the # is part of it" \
    'CLICKHOUSE_DATABASE=prod' \
    'REDIS_URL=redis://localhost:6379' \
    'BATCH_SIZE=500' \
    'MAX_BATCH_SIZE=1000' \
    'SENTRY_DSN=' \
    'LOG_LEVEL=INFO' \
    'AWS_SESSION_TOKEN=   # none, only this comment' \
    "ROOT_DIR=$T" \
    'ARCHIVE_URL="file://${ROOT_DIR}/archive"' \
    'ARCHIVE_AFTER_DAYS=30d  # days' \
    'DELETE_AFTER_ARCHIVE=True' > "$T/project/.env"
[ "$CH_PORT" = 8123 ] || printf 'CLICKHOUSE_HTTP_PORT=%s\n' "$CH_PORT" >> "$T/project/.env"

config=$(cd "$T/project/deep/er" && lynex config); status_is "config reads it from below" 0 $?
shown() { grep -E "^ +$1 " <<< "$config" | sed -E 's/^ +[A-Z_0-9]+ +//; s/  +/ | /g'; }
equal "a comment behind a value" "127.0.0.1 | $T/project/.env:2" "$(shown CLICKHOUSE_HOST)"
equal "export, and CRLF" "9000 | $T/project/.env:3" "$(shown CLICKHOUSE_PORT)"
equal "blanks and quotes" "writer | $T/project/.env:4" "$(shown CLICKHOUSE_USER)"
equal "a secret is not shown" "(set, 8 characters) | $T/project/.env:5" "$(shown CLICKHOUSE_PASSWORD)"
equal "a comment behind nothing is nothing" "- | default" "$(shown AWS_SESSION_TOKEN)"
equal "a variable" "file://$T/archive | $T/project/.env:14" "$(shown ARCHIVE_URL)"
lacks "the password is nowhere" "se#cr" "$config"
if [ "$CH_PORT" = 8123 ]; then contains "the native port is said" "8123" "$(grep note <<< "$config")"; fi

out=$(cd "$T/project/deep/er" && lynex archive 2>&1); status_is "archive exits 0" 0 $? "$out"
contains "archived" "✅ Archived $old events" "$out"
[ "$CH_PORT" != 8123 ] || contains "CLICKHOUSE_PORT=9000 works, and is said once" "native port" "$out"

# Precedence: flag, environment, file.
printf 'ARCHIVE_AFTER_DAYS=7\n' > "$T/other.env"
days() { lynex config "$@" | grep -E "^ +ARCHIVE_AFTER_DAYS " | awk '{ print $2, $4 }'; }
equal "a file" "7 $T/other.env:1" "$(days --env-file "$T/other.env")"
printf 'ARCHIVE_AFTER_DAYS=8\n' > "$T/third.env"
equal "a later file" "8 $T/third.env:1" "$(days --env-file "$T/other.env" --env-file "$T/third.env")"
SETTINGS+=(ARCHIVE_AFTER_DAYS=9)
equal "the environment wins" "9 environment" "$(days --env-file "$T/other.env")"
equal "a flag wins" "10 flag" "$(days --archive-after-days=10)"
equal "a yes/no flag" "false flag" "$(lynex config --no-delete-after-archive | grep -E '^ +DELETE_AFTER_ARCHIVE ' | awk '{ print $2, $3 }')"
equal "a file read from a pipe" "7 $T/pipe:1" "$(mkfifo "$T/pipe"; (cat "$T/other.env" > "$T/pipe" &); SETTINGS=(); days --env-file "$T/pipe")"
out=$(lynex config --s3-part-mb 512 --archive-memory-mb 128 2>&1); status_is "parts that do not fit the memory" 2 $? "$out"
contains "what would fit is said" "ARCHIVE_MEMORY_MB=2048" "$out"

# The reference and the example are made from the table.
equal "docs/settings.md is what lynex prints" "" "$(diff <(lynex config --markdown) "$TOP/docs/settings.md" | head -5)"
equal ".env.example is what lynex prints" "" "$(diff <(lynex config --env-example) "$TOP/.env.example" | head -5)"
cp "$TOP/.env.example" "$T/all.env"
sed -i 's/^#\([A-Z]\)/\1/' "$T/all.env"
SETTINGS=()
out=$(lynex config --env-file "$T/all.env" 2>&1); status_is "every line of the example is a setting" 0 $? "$out"
done_testing

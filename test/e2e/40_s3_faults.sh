# A store on its bad days: errors, resets, lost answers, wrong bytes. Whatever happens: no row is lost or archived
# twice, the message names the cause and what to do, and the next run without faults does the rest.
#
# A bit that is wrong in what was read back fails the proof (status 4), although the next read might be right: a
# machine or network that turns bits is not trusted with deletes until a run without it has proved the rows.
. "$(dirname "$0")/lib.sh"
ch_start
rgw_start
use_clickhouse
use_rgw
little_setup
S3_PORT=${AWS_ENDPOINT_URL##*:}
COMMON=("${SETTINGS[@]}")

# s3_case WHAT STATUS NEEDLE… -- RULE… [-- SETTING…]: one run with faults, then one without if it did not do all.
# Sets OUT, EXCHANGES, TABLE_USED.
case_number=0
s3_case() {
    local what=$1 want=$2 needles=() rules=() out status table
    shift 2
    while [ "$1" != -- ]; do needles+=("$1"); shift; done
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do rules+=("$1"); shift; done
    shift
    table=$CASES$((++case_number))
    SETTINGS=("${COMMON[@]}" "$@")
    little_table "$table"
    little_settings "$table" "AWS_ENDPOINT_URL=http://127.0.0.1:$PROXY_PORT"
    faults "$PROXY_PORT" "${rules[@]}"
    out=$(lynex archive 2>&1)
    status=$?
    OUT=$out
    status_is "$what" "$want" $status "$out"
    for needle in "${needles[@]}"; do contains "$what: says $needle" "$needle" "$out"; done
    case " $(fault_hits "$PROXY_PORT") " in *" 0 "*) fail "$what: every fault was met" "$(fault_hits "$PROXY_PORT")" "$(exchanges "$PROXY_PORT" | cut -c1-120)" ;; esac
    EXCHANGES=$(exchanges "$PROXY_PORT")
    TABLE_USED=$table
    if [ "$want" -ne 0 ]; then
        equal "$what: nothing lost or twice" "" "$(little_safe "$table" "$table")"
        faults "$PROXY_PORT"
        out=$(lynex archive 2>&1)
        status_is "$what: the next run" 0 $? "$out"
    fi
    equal "$what: all is done" "" "$(little_done "$table" "$table")"
}
objects() { aws_ s3api list-objects-v2 --bucket $BUCKET --prefix "$1" --query 'Contents[].[Size, Key]' --output text 2>/dev/null | grep -v '^None'; }

# What takes long waits in the background, beside the sweep: the tries of one request end after 12 seconds.
endless() {
    trap - EXIT
    CASES=endless
    proxy_start endless "$S3_PORT"
    s3_case "SlowDown without end" 1 SlowDown "what to do" "nothing is lost" -- '* . s3 503 SlowDown'
    s3_case "500 for a data file, without end" 1 InternalError "what to do" "nothing is lost" -- 'PUT /events/ s3 500 InternalError'
    s3_case "a commit that the store takes at the ninth try" 0 "trying again" -- 'PUT /_delta_log/0+\.json nth=1,2,3,4,5,6,7,8 reset'
    s3_case "resets without end" 1 "GET" -- 'GET /events/ reset answer=50'
    pass "the endless ones ended"
    kill "${BACKGROUND[-1]}"
}
endless > "$T/endless" 2>&1 &
endless=$!
BACKGROUND+=("$endless")

# Three parts of 5 MiB under a reserved key.
multipart() {
    local parts=(S3_PART_MB=5)
    trap - EXIT
    CASES=parts
    LITTLE_TEXT='if(number < 160, randomPrintableASCII(80000), toString(number))' little_setup large
    proxy_start parts "$S3_PORT"
    s3_case "an upload in parts" 0 -- '' -- "${parts[@]}"
    equal "an upload in parts: reserved, begun, three parts, completed, looked at" "PUT POST PUT PUT PUT POST HEAD" \
        "$(grep /events/ <<< "$EXCHANGES" | cut -f2 | head -7 | paste -sd ' ')"
    s3_case "lost answers of all its requests" 0 -- 'PUT parquet$ nth=1 lose' 'POST uploads= nth=1 lose' 'PUT partNumber=[12]& nth=1,3 lose' \
        'POST uploadId nth=1 lose' 'HEAD parquet nth=1,2 lose' -- "${parts[@]}"
    equal "lost answers of all its requests: one object" 1 "$(objects "$TABLE_USED/events/" | wc -l)"
    s3_case "500s that acted" 0 -- 'PUT parquet$ nth=1 s3 500 InternalError acting' 'PUT partNumber=2 nth=1 s3 500 InternalError acting' \
        'POST uploadId nth=1 s3 500 InternalError acting' -- "${parts[@]}"
    s3_case "200, and an error in it" 0 -- 'POST uploadId nth=1 s3 200 InternalError' -- "${parts[@]}"
    s3_case "200, and an error in it, without end" 1 "completing the upload failed: InternalError" -- 'POST uploadId= s3 200 InternalError' -- "${parts[@]}"
    s3_case "a reserved key that is taken" 0 "_1.parquet" -- 'PUT parquet$ nth=1 s3 412 PreconditionFailed' -- "${parts[@]}"
    s3_case "completed, its answer lost, and then forgotten, as Amazon does" 0 -- 'POST uploadId nth=1 lose' \
        'POST uploadId nth=1 s3 404 NoSuchUpload' -- "${parts[@]}"
    s3_case "forgotten before it was completed" 1 NoSuchUpload "lifecycle" "nothing is lost" -- 'POST uploadId s3 404 NoSuchUpload' -- "${parts[@]}"
    equal "forgotten before it was completed: the reservation went" 1 "$(objects "$TABLE_USED/events/" | wc -l)"
    s3_case "quota between the parts, and no right to tidy up" 1 QuotaExceeded "raise the quota" s3:AbortMultipartUpload -- \
        'PUT partNumber=2 s3 403 QuotaExceeded' 'DELETE uploadId s3 403 AccessDenied' -- "${parts[@]}"
    s3_case "a wrong bit in a large file" 4 "the proof failed" "no row was deleted" -- 'GET parquet nth=3 flip at=-1000' -- "${parts[@]}"
    pass "the uploads in parts ended"
    kill "${BACKGROUND[-1]}"
}

# Each exchange of a run, with each fault: all heal within the run.
sweep s3 "$S3_PORT" "AWS_ENDPOINT_URL=http://127.0.0.1:" "0" reset lose "s3 500 InternalError" cut
multipart > "$T/multipart" 2>&1 &
multipart=$!
BACKGROUND+=("$multipart")
CASES=one
proxy_start one "$S3_PORT"

# Short troubles are overcome.
s3_case "SlowDown, then fine" 0 "SlowDown" "trying again" "the store asks for fewer requests (SlowDown, HTTP 503): at most" -- '* . nth=1,2,3 s3 503 SlowDown'
s3_case "a store that refuses checksums" 0 "refuses x-amz-checksum-sha256: objects go without it" -- 'PUT . nth=1 s3 501 NotImplemented'
s3_case "500 that acted" 0 -- 'PUT . s3 500 InternalError acting nth=1,3,4'
s3_case "200, and an error in it, for writes" 0 -- 'PUT . s3 200 InternalError nth=1,3,4'
s3_case "200, and an error in it, for the commit" 0 -- 'PUT /_delta_log/0 s3 200 InternalError nth=1,2,4'
s3_case "200, and an error in it, after it acted" 0 -- 'PUT . s3 200 InternalError acting nth=1,3,4'
s3_case "200, and a refusal in it, after it acted" 0 -- 'PUT /_delta_log/0 s3 200 AccessDenied acting nth=1,2'
s3_case "a conflict of conditional writes" 0 -- 'PUT /events/ nth=1 s3 409 ConditionalRequestConflict' 'PUT /_delta_log/0 nth=1 s3 409 ConditionalRequestConflict'
s3_case "a body that was damaged on its way" 0 -- 'PUT /events/ nth=1 s3 400 BadDigest'
s3_case "resets within requests" 0 -- 'PUT /events/ nth=1 reset request=1000' 'PUT /_delta_log/0 nth=1,2 reset request=50'
s3_case "resets within answers" 0 -- 'GET /events/ nth=1 reset answer=500' 'GET list-type nth=2 reset answer=300'
s3_case "refused connections" 0 -- '- nth=1,2 refuse'
s3_case "silence, and answers in drops" 0 -- 'GET /events/ nth=1 stall seconds=2' 'GET . nth=2,4 trickle bytes=150 ms=2' 'PUT /_delta_log/0 stall seconds=1 after'
s3_case "a lost answer for the data file" 0 -- 'PUT /events/ nth=1 lose'
equal "a lost answer for the data file: there is one" 1 "$(objects "$TABLE_USED/events/" | wc -l)"
s3_case "lost answers of probe and commits" 0 -- 'PUT /_delta_log/ lose nth=1,2,3,5'
s3_case "doubled requests" 0 -- 'PUT /_delta_log/ twice' 'DELETE . twice'
s3_case "a doubled upload" 0 "_1.parquet" -- 'PUT /events/ nth=1 twice'
s3_case "answers that were cut" 0 -- 'GET /events/ nth=1 cut at=20' 'GET /events/ nth=1 length add=10' 'GET list-type nth=1 cut at=100'

# Wrong bytes: no proof. Rows stay hot, nothing is recorded, and the bad bytes are kept.
for at in 40 1000 -300; do # a small file is read at once: a page, a later one, the footer
    s3_case "a wrong bit, byte $at" 4 "the proof failed" ".parquet" "no row was deleted" "_quarantine/" -- "GET /events/ nth=1 flip at=$at"
    lacks "a wrong bit, byte $at: was not recorded" "_delta_log/00000000000000000000.json" "$EXCHANGES"
done
s3_case "a short answer that says so" 4 "the proof failed" "no row was deleted" -- 'GET /events/ nth=1 cut at=10 honest'
s3_case "a length that is too small" 4 "the proof failed" "no row was deleted" -- 'GET /events/ nth=1 length add=-10'

# A wrong bit in a version of the log, which says what is archived already: refused before anything is done.
for at in 900 1800 3100 -300; do
    table=log${at#-}
    little_table "$table"
    SETTINGS=("${COMMON[@]}")
    little_settings "$table" "AWS_ENDPOINT_URL=http://127.0.0.1:$PROXY_PORT"
    out=$(lynex archive --no-delete-after-archive 2>&1); status_is "archived, all still hot" 0 $? "$out"
    faults "$PROXY_PORT" "GET /_delta_log/0+\.json flip at=$at"
    out=$(lynex archive 2>&1); status_is "a wrong bit in the log, byte $at" 4 $? "$out"
    contains "a wrong bit in the log, byte $at: says where" "00000000000000000000.json), line 1" "$out"
    faults "$PROXY_PORT"
    out=$(lynex archive 2>&1); status_is "a wrong bit in the log, byte $at: the next run" 0 $? "$out"
    equal "a wrong bit in the log, byte $at: all is done, nothing twice" "" "$(little_done "$table" "$table")"
done

# The store says no.
s3_case "quota" 1 QuotaExceeded "raise the quota" -- 'PUT /events/ s3 403 QuotaExceeded'
s3_case "quota at the commit" 1 QuotaExceeded "raise the quota" -- 'PUT /_delta_log/0 s3 403 QuotaExceeded'
s3_case "a clock that is wrong" 1 RequestTimeTooSkewed "set this machine's clock: the store says that it is" "GMT" -- '* . s3 403 RequestTimeTooSkewed'
s3_case "an expired session" 1 ExpiredToken AWS_SESSION_TOKEN -- '* . s3 403 ExpiredToken'
s3_case "a session that expires between upload and commit" 1 ExpiredToken AWS_SESSION_TOKEN -- 'PUT /_delta_log/0 s3 403 ExpiredToken'
s3_case "a session that expires between delete and record" 1 ExpiredToken AWS_SESSION_TOKEN -- 'PUT /_delta_log/0+1.json s3 403 ExpiredToken'
s3_case "an object that is frozen" 1 InvalidObjectState restore-object -- 'GET /events/ s3 403 InvalidObjectState'
s3_case "a right that is missing for the commit" 1 AccessDenied s3:PutObject "lynex iam" -- 'PUT /_delta_log/0 s3 403 AccessDenied'
s3_case "a listing that fails behind its 200" 1 "answered 200 and an error: InternalError" -- 'GET [?&]list-type= nth=1 s3 200 InternalError'
s3_case "no right to delete" 0 -- 'DELETE . s3 403 AccessDenied'
s3_case "a listed file that is gone at the delete" 4 "the store does not have it" "stay in ClickHouse" -- 'HEAD /events/ s3 404 NoSuchKey'

# What ran in the background, before its bucket has a quota.
wait "$endless" "$multipart"
results_of "$T/endless"
results_of "$T/multipart"
equal "both background parts came to their ends" 2 "$(grep -c '^ok - the .* ended$' < <(cat "$T/endless" "$T/multipart"))"

# The quota of the store itself.
"$BED/rgw" quota "$T/rgw" owner 1 || fail "a quota could be set"
little_table real_quota
SETTINGS=("${COMMON[@]}")
little_settings real_quota "AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL"
out=$(lynex archive 2>&1); status_is "the store's own quota" 1 $? "$out"
contains "the store's own quota: says so" QuotaExceeded "$out"
contains "the store's own quota: says what to do" "raise the quota" "$out"
"$BED/rgw" quota "$T/rgw" owner 10000000000 || fail "the quota could be lifted"
out=$(lynex archive 2>&1); status_is "with more room" 0 $? "$out"
equal "with more room all is done" "" "$(little_done real_quota real_quota)"

# A bucket whose versions make the condition void.
aws_ s3api create-bucket --bucket versioned-bucket > /dev/null
aws_ s3api put-bucket-versioning --bucket versioned-bucket --versioning-configuration Status=Enabled
little_table versioned
SETTINGS=("${COMMON[@]}" S3_ARCHIVE_BUCKET=versioned-bucket)
little_settings versioned "AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL"
out=$(lynex archive 2>&1); status_is "a versioned bucket" 1 $? "$out"
contains "a versioned bucket: says what is wrong" "put-if-absent" "$out"
contains "a versioned bucket: says what to do" "Suspend versioning" "$out"
aws_ s3api put-bucket-versioning --bucket versioned-bucket --versioning-configuration Status=Suspended
out=$(lynex archive 2>&1); status_is "with versioning suspended" 0 $? "$out"
equal "with versioning suspended all is done" "" "$(BUCKET=versioned-bucket little_done versioned versioned)"

# An interrupted run answers at once, also while the store is silent.
little_table interrupted
SETTINGS=("${COMMON[@]}")
little_settings interrupted "AWS_ENDPOINT_URL=http://127.0.0.1:$PROXY_PORT"
faults "$PROXY_PORT" 'PUT /_delta_log/0 stall seconds=60'
lynex_start "$T/interrupted" archive
for _ in $(seq 100); do [ "$(fault_hits "$PROXY_PORT")" = 1 ] && break; sleep 0.1; done
started=$(date +%s%N)
kill -INT "$LYNEX_PID"
wait "$LYNEX_PID"; status_is "interrupted while a commit waits" 130 $? "$(cat "$T/interrupted")"
at_most "interrupted while a commit waits: milliseconds" 5000 $((($(date +%s%N) - started) / 1000000))
faults "$PROXY_PORT"
out=$(lynex archive 2>&1); status_is "after the interruption" 0 $? "$out"
equal "after the interruption all is done" "" "$(little_done interrupted interrupted)"

# A file that fails in the background ends the run, also while ClickHouse is silent, within an answer or before it: no
# more of it is waited for. The store gives the file up only when all rows that came are long encoded.
sql "CREATE TABLE prod.silent (n Int64, at DateTime('UTC'), s String) ENGINE = MergeTree ORDER BY n"
sql "INSERT INTO prod.silent SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60) + number % 3600, hex(sipHash64(number)) FROM numbers(400000)"
sql "INSERT INTO prod.silent SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(100) + number % 3600, hex(sipHash64(number)) FROM numbers(400000)"
STORE_PORT=$PROXY_PORT
proxy_start clickhouse "$CH_PORT"
SETTINGS=("${COMMON[@]}")
SETTINGS+=(ARCHIVE_TABLE=silent ARCHIVE_TIME_COLUMN=at ARCHIVE_THREADS=4 ARCHIVE_BATCH_SIZE=30000 CLICKHOUSE_IDLE_SECONDS=300 CLICKHOUSE_COMPRESSION=none
    S3_ARCHIVE_ROOT=silent "CLICKHOUSE_URL=http://127.0.0.1:$PROXY_PORT" "AWS_ENDPOINT_URL=http://127.0.0.1:$STORE_PORT")
while_silent() { # WHAT RULE
    faults "$PROXY_PORT" "$2"
    faults "$STORE_PORT" "PUT silent/events/ s3 500 InternalError"
    started=$(date +%s)
    out=$(lynex archive 2>&1); status_is "a file that fails while ClickHouse is silent $1" 1 $? "$out"
    at_most "a file that fails while ClickHouse is silent $1: seconds" 100 $(($(date +%s) - started))
    contains "a file that fails while ClickHouse is silent $1: says its reason" InternalError "$out"
    equal "a file that fails while ClickHouse is silent $1: the read was met" 1 "$(fault_hits "$PROXY_PORT")"
}
while_silent "within an answer" "POST query_id=lynex-read stall seconds=300 at=5000000"
while_silent "before the next" "POST query_id=lynex-read nth=2 stall seconds=300"
faults "$PROXY_PORT"
faults "$STORE_PORT"
out=$(lynex archive 2>&1); status_is "a file that failed while ClickHouse was silent: the next run" 0 $? "$out"
equal "a file that failed while ClickHouse was silent: all is done" "0 800000" \
    "$(sql "SELECT (SELECT count() FROM prod.silent), (SELECT count() FROM deltaLake('$AWS_ENDPOINT_URL/$BUCKET/silent/', '$AWS_ACCESS_KEY_ID', '$AWS_SECRET_ACCESS_KEY'))" | tr '\t' ' ')"

# The same while several uploads have begun and their parts hang; their tidying up hangs, too.
sql "CREATE TABLE prod.begun (n Int64, at DateTime('UTC'), s String) ENGINE = MergeTree ORDER BY n"
sql "INSERT INTO prod.begun SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay(60) + number % 3600, randomPrintableASCII(100) FROM numbers(480000)"
SETTINGS=("${COMMON[@]}" ARCHIVE_TABLE=begun ARCHIVE_TIME_COLUMN=at ARCHIVE_THREADS=2 ARCHIVE_BATCH_SIZE=80000 S3_PART_MB=5
    S3_ARCHIVE_ROOT=begun "AWS_ENDPOINT_URL=http://127.0.0.1:$STORE_PORT")
faults "$STORE_PORT" 'PUT partNumber=2 stall seconds=100' 'PUT partNumber=1& nth=5 length add=0' 'DELETE uploadId= stall seconds=100' 'DELETE begun/events/ stall seconds=100'
lynex_start "$T/begun.out" archive
for _ in $(seq 200); do [ "$(fault_hits "$STORE_PORT" | paste -sd ' ')" = "4 1 0 0" ] && break; sleep 0.1; done
equal "interrupted while parts hang: four are on their way, a fifth upload has begun" "4 1 0 0" "$(fault_hits "$STORE_PORT" | paste -sd ' ')"
started=$(date +%s%N)
kill -TERM "$LYNEX_PID"
wait "$LYNEX_PID"; status_is "interrupted while parts hang" 130 $? "$(cat "$T/begun.out")"
at_most "interrupted while parts hang: milliseconds" 5000 $((($(date +%s%N) - started) / 1000000))
hits=$(fault_hits "$STORE_PORT" | paste -sd ' ')
at_most "interrupted while parts hang: the empty objects were tidied up first" "${hits##* }" 1
faults "$STORE_PORT"
out=$(lynex archive 2>&1); status_is "after parts that hung" 0 $? "$out"
equal "after parts that hung: all is done" "0 480000" \
    "$(sql "SELECT (SELECT count() FROM prod.begun), (SELECT count() FROM deltaLake('$AWS_ENDPOINT_URL/$BUCKET/begun/', '$AWS_ACCESS_KEY_ID', '$AWS_SECRET_ACCESS_KEY'))" | tr '\t' ' ')"

# The last file of a plan is read back in two shares, where there is a second thread: one footer more.
sql "CREATE TABLE prod.shares (n Int64, at DateTime('UTC'), s String) ENGINE = MergeTree ORDER BY n"
for days in 100 60; do
    sql "INSERT INTO prod.shares SELECT number, toDateTime('$TODAY', 'UTC') - toIntervalDay($days) + number % 3600,
        concat(hex(sipHash128(number, $days)), hex(sipHash128(number, $days, 1))) FROM numbers(320000)"
done
reads_of() { # THREADS: GETs of each data file, in the order of their months
    local out
    SETTINGS=("${COMMON[@]}" ARCHIVE_TABLE=shares ARCHIVE_TIME_COLUMN=at "ARCHIVE_THREADS=$1" DELETE_AFTER_ARCHIVE=false
        "S3_ARCHIVE_ROOT=shares$1" "AWS_ENDPOINT_URL=http://127.0.0.1:$STORE_PORT")
    faults "$STORE_PORT"
    out=$(lynex archive 2>&1) || fail "files of 320,000 rows, $1 threads" "$out"
    exchanges "$STORE_PORT" | awk -F'\t' '$2 == "GET" && $5 ~ /\.parquet/ { n[$5]++ } END { for (key in n) print key, n[key] }' |
        sort | awk '{ print $2 }' | paste -sd ' '
}
equal "footer, first bytes, three row groups, indexes of each file" "6 6" "$(reads_of 1)"
equal "the last file's proof in two shares" "6 7" "$(reads_of 2)"

done_testing

# Users whose profile or policies bend results: refused or right, never wrong.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/ch"
{
    user() { # NAME [MORE]
        echo "<$1><password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>p_$1</profile><quota>default</quota>
        <grants><query>GRANT SELECT, ALTER DELETE ON prod.events</query></grants>${2:-}</$1>"
    }
    for u in breaking limited final offset filtered empty_set nulls threads strict; do user $u; done
    user reading
    user narrow | sed 's/SELECT,/SELECT(id, project_id, timestamp, _part, _partition_id, _part_offset),/'
    user hidden "<databases><prod><events><filter>project_id != 'p3'</filter></events></prod></databases>"
} > "$T/ch/users.d.xml"
cat > "$T/ch/profiles.d.xml" <<'XML'
<p_breaking><max_rows_to_read>100</max_rows_to_read><read_overflow_mode>break</read_overflow_mode><max_result_rows>50</max_result_rows><result_overflow_mode>break</result_overflow_mode><max_execution_time>1</max_execution_time><timeout_overflow_mode>break</timeout_overflow_mode></p_breaking>
<p_limited><limit>10</limit></p_limited>
<p_final><final>1</final></p_final>
<p_offset><offset>3</offset></p_offset>
<p_filtered><additional_table_filters>{'prod.events': 'project_id = ''p1'''}</additional_table_filters></p_filtered>
<p_empty_set><empty_result_for_aggregation_by_empty_set>1</empty_result_for_aggregation_by_empty_set><extremes>1</extremes><aggregate_functions_null_for_empty>1</aggregate_functions_null_for_empty></p_empty_set>
<p_nulls><join_use_nulls>1</join_use_nulls><transform_null_in>1</transform_null_in><session_timezone>Asia/Tokyo</session_timezone></p_nulls>
<p_threads><max_threads>1</max_threads><max_block_size>100</max_block_size><use_query_cache>1</use_query_cache></p_threads>
<p_strict><max_block_size>1000</max_block_size><constraints><max_threads><max>1</max></max_threads><priority><readonly/></priority><max_block_size><readonly/></max_block_size><log_comment><readonly/></log_comment></constraints></p_strict>
<p_reading><readonly>1</readonly></p_reading>
<p_hidden/>
<p_narrow/>
XML
echo "<query_log><database>system</database><table>query_log</table><flush_interval_milliseconds>100</flush_interval_milliseconds></query_log>" > "$T/ch/config.d.xml"
ch_start
sql "CREATE DATABASE prod ENGINE = Atomic"
n=0
for user in breaking limited final offset filtered empty_set nulls threads strict reading hidden narrow; do
    sql "DROP TABLE IF EXISTS prod.events SYNC"
    # A Replacing table: final=1 would hide versions that the archive must hold.
    sql "CREATE TABLE prod.events (id UInt64, project_id String, timestamp DateTime64(3), v Nullable(Int32)) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY id SETTINGS min_rows_for_wide_part = 1"
    for part in 1 2 3; do
        sql "INSERT INTO prod.events SELECT number, concat('p', toString(number % 5)), toStartOfDay(now('UTC')) - INTERVAL 50 DAY + toIntervalSecond($part), if(number % 7 = 0, NULL, $part) FROM numbers(400)"
    done
    sql "INSERT INTO prod.events SELECT number, 'p1', now(), 0 FROM numbers(20000)"
    n=$((n + 1))
    before=$(sql "SELECT count(), sum(cityHash64(toUInt64(id), toString(project_id), toUnixTimestamp64Milli(timestamp), ifNull(v, -1))) FROM prod.events")
    want=$(sql "SELECT count(), sum(cityHash64(toUInt64(id), toString(project_id), toUnixTimestamp64Milli(timestamp), ifNull(v, -1))) FROM prod.events WHERE timestamp < now() - INTERVAL 40 DAY")
    SETTINGS=("ARCHIVE_URL=file://$T/archive$n" CLICKHOUSE_MAX_THREADS=3)
    use_clickhouse prod "$user" secret
    out=$(lynex archive 2>&1); status=$?
    if [ $status -eq 0 ]; then
        equal "$user: right" "$want" "$(sql "SELECT count(), sum(cityHash64(toUInt64(id), toString(project_id), toUnixTimestamp64Milli(timestamp), ifNull(v, -1))) FROM deltaLakeLocal('$T/archive$n')")"
        equal "$user: only the young are left" 20000 "$(sql 'SELECT count() FROM prod.events')"
    else
        pass "$user: refused ($status): $(grep -o 'failed: .*' <<< "$out" | head -1 | cut -c1-150)"
        equal "$user: nothing is lost" "$before" "$(sql "SELECT count(), sum(cityHash64(toUInt64(id), toString(project_id), toUnixTimestamp64Milli(timestamp), ifNull(v, -1))) FROM prod.events")"
        contains "$user: what to do" "what to do" "$out"
    fi
    case $user in
        breaking | limited | final | offset | filtered | empty_set | nulls | threads | strict) status_is "$user: works" 0 $status "$out" ;;
        reading) status_is "a read-only profile is refused" 1 $status "$out"; contains "and named" "profile" "$out" ;;
        # Who may delete is shown all columns, so that all are asked for, and none is left behind.
        narrow) status_is "some columns alone are refused" 1 $status "$out"; contains "and named" "SELECT(v)" "$out" ;;
        hidden) status_is "a row policy is refused" 1 $status "$out"; contains "and named" "row policy" "$out" ;;
    esac
    # What only makes lynex a better guest is left out where it is refused, each said once.
    if [ "$user" = strict ]; then
        for wish in max_threads=3 priority=10 max_block_size "log_comment=lynex archive prod.events run "; do
            equal "strict: $wish is said to be left out, once" 1 "$(grep -c "refuses the setting $wish" <<< "$out")"
        done
    else
        lacks "$user: nothing is left out" "refuses the setting" "$out"
    fi
done

# Who asks, and how gently, stands in the server's log of queries.
sql "SYSTEM FLUSH LOGS"
log() { sql "SELECT $1 FROM system.query_log WHERE type = 'QueryFinish' AND user = 'breaking' AND query_id LIKE 'lynex-%'"; }
equal "all queries of a run but the first, for the version, say who they are" "1 1" "$(log "uniqExactIf(log_comment, log_comment != ''), countIf(log_comment = '')" | tr '\t' ' ')"
contains "by command, table and run" "lynex archive prod.events run $(log "any(splitByChar('-', query_id)[3])")" "$(log "max(log_comment)")"
equal "they carry the priority" 1 "$(log "countIf(Settings['priority'] != '10')")"
equal "and the threads: one for rows" "read" "$(log "arrayStringConcat(groupUniqArrayIf(splitByChar('-', query_id)[2], Settings['max_threads'] = '1'))")"
equal "three for the others" 1 "$(log "countIf(Settings['max_threads'] NOT IN ('1', '3'))")"
contains "ids tell what is asked" "guard" "$(log "arraySort(groupUniqArray(splitByChar('-', query_id)[2]))")"
# What is asked again and again must not read the rows that stay: most of a large table.
equal "the plan reads old rows alone" "1 1" "$(log "countIf(query_id LIKE 'lynex-plan-%') > 0, max(if(query_id LIKE 'lynex-plan-%', read_rows, 0)) <= 1210" | tr '\t' ' ')"
done_testing

"""What the benchmarks of the archive share: a ClickHouse with the generator's rows, an S3 store, lynex and its
peers on them, and what each of them takes."""
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = int(os.environ.get('BENCH_ROWS', 3_000_000))
REPEATS = int(os.environ.get('BENCH_REPEATS', 5))
LOOP_BATCHES = int(os.environ.get('BENCH_LOOP_BATCHES', 5))
LOOP_ROWS = 10_000  # a batch of the plain loop
LYNEX = os.environ.get('LYNEX_BIN', f'{TOP}/build/lynex')
LIBCHDB = os.environ.get('LIBCHDB', f'{TOP}/.deps/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so')
BUCKET = 'lynex-bench'
OUT = f'{TOP}/build/bench'
DOCS = f'{TOP}/docs/performance.md'
COLUMNS = ('event_id UUID, project_id String, type LowCardinality(String), timestamp DateTime64(3), '
           'sdk_name LowCardinality(String), sdk_version String, body String, context String, '
           'queued_at DateTime64(3), processed_at DateTime64(3), queue_latency_ms Float32, '
           'estimated_cost_usd Float64, _date Date, _hour DateTime')
ENGINE = 'ENGINE = MergeTree PARTITION BY toYYYYMM(_date) ORDER BY (project_id, type, timestamp, event_id)'
# The same columns as the archive has them.
SELECT = ('SELECT toString(event_id) AS event_id, project_id, toString(type) AS type, timestamp, '
          'toString(sdk_name) AS sdk_name, sdk_version, body, context, queued_at, processed_at, '
          'queue_latency_ms, estimated_cost_usd, toDate32(_date) AS _date, toDateTime64(_hour, 3) AS _hour')
HZ = os.sysconf('SC_CLK_TCK')


def free_port(count=2):
    import random
    import socket
    while True:
        base = random.randrange(10000, 30000)
        try:
            for port in range(base, base + count):
                with socket.socket() as s:
                    s.bind(('127.0.0.1', port))
            return base
        except OSError:
            continue


def cpu_of(pids):
    """CPU seconds of processes that run."""
    total = 0
    for pid in pids:
        try:
            with open(f'/proc/{pid}/stat') as f:
                fields = f.read().rsplit(')', 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / HZ
        except FileNotFoundError:
            pass
    return total


def pids_of(directory):
    """Processes whose command line names the directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as f:
                if directory.encode() in f.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found


class Bench:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='lynex-bench.', dir=os.environ.get('TMPDIR', '/tmp'))
        self.ch_port = free_port(2)
        self.env = dict(os.environ, LIBCHDB=LIBCHDB)
        self.s3 = None

    def close(self):
        subprocess.run([f'{TOP}/test/testbed/clickhouse', 'kill', f'{self.dir}/ch'], env=self.env)
        if self.s3:
            subprocess.run([f'{TOP}/test/testbed/rgw', 'clean', f'{self.dir}/rgw'])
        shutil.rmtree(self.dir, ignore_errors=True)

    def start_clickhouse(self):
        os.makedirs(f'{self.dir}/ch')
        subprocess.run([f'{TOP}/test/testbed/clickhouse', 'start', f'{self.dir}/ch', str(self.ch_port),
                        str(self.ch_port + 1)], env=self.env, check=True)
        with open(f'{self.dir}/ch/pid') as f:
            self.ch_pid = int(f.read())

    def start_rgw(self):
        port = free_port(12)
        subprocess.run([f'{TOP}/test/testbed/rgw', 'start', f'{self.dir}/rgw', str(port)], check=True)
        lines = subprocess.run([f'{TOP}/test/testbed/rgw', 'env', f'{self.dir}/rgw'], check=True,
                               capture_output=True, text=True).stdout
        self.s3 = dict(re.findall(r"export (\w+)='?([^'\n]*)'?", lines))
        self.rgw_pids = pids_of(f'{self.dir}/rgw')
        subprocess.run(['aws', '--endpoint-url', self.s3['AWS_ENDPOINT_URL'], 's3api', 'create-bucket', '--bucket',
                        BUCKET], env=dict(os.environ, **self.s3), check=True, capture_output=True)

    def sql(self, text, settings=''):
        """The answer to a query; settings: name=value&…, for those that the query's parser needs."""
        request = urllib.request.Request(f'http://127.0.0.1:{self.ch_port}/?{settings}', data=text.encode())
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            sys.exit(f'{text[:200]}: {error.read().decode()[:500]}')

    def load(self, rows=ROWS, source='source'):
        """bench.SOURCE with so many of the generator's rows, one part a month."""
        pool = f'{OUT}/pool.txt'
        os.makedirs(OUT, exist_ok=True)
        subprocess.run([f'{TOP}/scripts/textpool', pool], check=True)
        subprocess.run(['ninja', '-C', f'{TOP}/build', 'bench/datagen'], check=True, stdout=subprocess.DEVNULL)
        self.sql('CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic')
        self.sql(f'CREATE TABLE bench.{source} ({COLUMNS}) {ENGINE}')
        query = urllib.parse.quote(f'INSERT INTO bench.{source} FORMAT RowBinary')
        generator = subprocess.Popen([f'{TOP}/build/bench/datagen', pool, str(rows)], stdout=subprocess.PIPE)
        subprocess.run(['curl', '-sS', '--fail-with-body', '-X', 'POST', '-T', '-', '-H', 'Expect:',
                        f'http://127.0.0.1:{self.ch_port}/?query={query}'], stdin=generator.stdout, check=True)
        if generator.wait() != 0:
            sys.exit('datagen failed')
        self.sql(f'OPTIMIZE TABLE bench.{source} FINAL')

    def fresh_table(self, source='source'):
        """bench.events with the rows of bench.SOURCE, whose files it shares."""
        self.sql('DROP TABLE IF EXISTS bench.events SYNC')
        self.sql(f'CREATE TABLE bench.events AS bench.{source}')
        self.attach(source)

    def attach(self, source, table='events'):
        for partition in self.sql(f'SELECT DISTINCT _partition_id FROM bench.{source} ORDER BY 1').split():
            self.sql(f"ALTER TABLE bench.{table} ATTACH PARTITION ID '{partition}' FROM bench.{source}")

    def measure(self, action):
        """Wall seconds, CPU seconds of ClickHouse, store and children, and what the action says."""
        os.sync()  # a small run is not to wait for what a large one before it wrote
        ch, store = cpu_of([self.ch_pid]), cpu_of(self.rgw_pids if self.s3 else [])
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        said = action() or {}
        wall = time.monotonic() - start
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        return dict(said, wall=wall, clickhouse_cpu=cpu_of([self.ch_pid]) - ch,
                    store_cpu=cpu_of(self.rgw_pids if self.s3 else []) - store,
                    own_cpu=now.ru_utime + now.ru_stime - own.ru_utime - own.ru_stime)

    def lynex(self, target, number, more=(), left=0, rows=ROWS):
        """One run, of so many rows; `left`: rows that it must leave. Its bytes, times of stages and peak memory in MiB."""
        settings = {'PATH': os.environ['PATH'], 'HOME': self.dir, 'CLICKHOUSE_URL': f'http://127.0.0.1:{self.ch_port}',
                    'CLICKHOUSE_DATABASE': 'bench'}
        if target == 's3':
            settings.update(self.s3, S3_ARCHIVE_BUCKET=BUCKET, S3_ARCHIVE_ROOT=f'lynex{number}', S3_STORAGE_CLASS='none')
        else:
            settings['ARCHIVE_URL'] = f'file://{self.dir}/lynex{number}'
        with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as errors:
            process = subprocess.Popen([LYNEX, 'archive', '--json', *more], env=settings, stdout=out, stderr=errors)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            errors.seek(0)
            if process.returncode != 0:
                sys.exit(f'lynex archive ended with {process.returncode}: {errors.read()[-800:]}')
            report = json.load(out)
        found = int(self.sql('SELECT count() FROM bench.events'))
        if found != left or report['archived_rows'] != rows:
            sys.exit(f'lynex archived {report["archived_rows"]} of {rows} rows, {found} are left')
        return {'bytes': report['archived_bytes'], 'stages': report.get('stage_milliseconds'),
                'peak': usage.ru_maxrss / 1024}

    def url(self, name):
        return f"{self.s3['AWS_ENDPOINT_URL']}/{BUCKET}/{name}"

    def keys(self):
        return f"'{self.s3['AWS_ACCESS_KEY_ID']}', '{self.s3['AWS_SECRET_ACCESS_KEY']}'"

    def export_s3(self, number):
        self.sql(f"INSERT INTO FUNCTION s3('{self.url(f'peer{number}.parquet')}', {self.keys()}, 'Parquet') "
                 f'{SELECT} FROM bench.source')

    def export_piped(self, number):
        query = urllib.parse.quote(f'{SELECT} FROM bench.source FORMAT Parquet')
        pipe = subprocess.Popen(['curl', '-sS', '-f', f'http://127.0.0.1:{self.ch_port}/?query={query}'],
                                stdout=subprocess.PIPE)
        subprocess.run(['aws', '--endpoint-url', self.s3['AWS_ENDPOINT_URL'], 's3', 'cp', '--only-show-errors', '-',
                        f's3://{BUCKET}/piped{number}.parquet'], stdin=pipe.stdout, env=dict(os.environ, **self.s3),
                       check=True)
        if pipe.wait() != 0:
            sys.exit('the export failed')

    def export_file(self, number):
        self.sql(f"INSERT INTO FUNCTION file('{self.dir}/peer{number}.parquet', 'Parquet') {SELECT} FROM bench.source")

    def loop_batch(self, name):
        """One batch as the reference does it: rows by LIMIT, one file, one DELETE by ids. Its seconds."""
        start = time.monotonic()
        self.sql(f"INSERT INTO FUNCTION s3('{self.url(f'{name}.parquet')}', {self.keys()}, 'Parquet') "
                 f'{SELECT} FROM bench.looped ORDER BY timestamp LIMIT {LOOP_ROWS}')
        ids = self.sql("SELECT concat('\\'', toString(event_id), '\\'') FROM bench.looped ORDER BY timestamp "
                       f'LIMIT {LOOP_ROWS} FORMAT TSVRaw').split('\n')
        self.sql('DELETE FROM bench.looped WHERE event_id IN (' + ','.join(ids) + ')', 'max_query_size=100000000')
        return time.monotonic() - start

    def plain_loop(self, number):
        """Seconds that a loop of batches takes for all rows. A batch sorts all rows that are left, so that its time
        falls from batch to batch: some are timed on the whole table and some on the last rows, and the mean of both
        is every batch's."""
        means = []
        for rows in (ROWS, LOOP_BATCHES * LOOP_ROWS):
            self.sql('DROP TABLE IF EXISTS bench.looped SYNC')
            self.sql('CREATE TABLE bench.looped AS bench.source')
            if rows == ROWS:
                self.attach('source', 'looped')
            else:
                self.sql(f'INSERT INTO bench.looped SELECT * FROM bench.source LIMIT {rows}')
            means.append(sum(self.loop_batch(f'loop{number}-{rows}-{i}') for i in range(LOOP_BATCHES)) / LOOP_BATCHES)
        self.sql('DROP TABLE bench.looped SYNC')
        return ROWS / LOOP_ROWS * sum(means) / 2


def docs_around(name):
    """What stands in docs/performance.md before and behind the markers of that name; ends where there are none."""
    first, last = f'<!-- {name} -->', f'<!-- end {name} -->'
    with open(DOCS) as f:
        before, _, rest = f.read().partition(first)
    _, found, after = rest.partition(last)
    if not found:
        sys.exit(f'{DOCS} has no {first} … {last}')
    return before + first, last + after


def put_into_docs(name, block):
    """Replaces what stands there between the markers."""
    before, after = docs_around(name)
    with open(DOCS, 'w') as f:
        f.write(f'{before}\n{block}\n{after}')

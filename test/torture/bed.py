"""The servers of the campaign, and what is asked of them past all proxies: ClickHouse, the Ceph gateway,
the log and the files that it lists, DuckDB."""
import datetime
import hashlib
import hmac
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUCKET = 'lynex-cold-storage'
os.environ.setdefault('LIBCHDB', os.path.join(TOP, '.deps/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so'))


class SqlError(Exception):
    """ClickHouse refused, or was not there."""


def free_ports(count):
    """So many in a row, below the range that the kernel hands out."""
    for _ in range(200):
        base = random.SystemRandom().randrange(10000, 30000)
        try:
            socks = []
            for port in range(base, base + count):
                socks.append(socket.create_server(('127.0.0.1', port)))
            return base
        except OSError:
            continue
        finally:
            for sock in socks:
                sock.close()
    raise RuntimeError('no free ports')


class ClickHouse:
    script = os.path.join(TOP, 'test/testbed/clickhouse')

    def __init__(self, directory):
        self.dir, self.port = directory, free_ports(2)
        os.makedirs(directory)
        with open(os.path.join(directory, 'config.d.xml'), 'w', encoding='ascii') as file:
            for log in ('query_log', 'part_log'):  # evidence: who did what to which part
                file.write('<%s><database>system</database><table>%s</table>'
                           '<flush_interval_milliseconds>1000</flush_interval_milliseconds></%s>\n' % (log, log, log))

    def call(self, *args):
        done = subprocess.run([self.script, *map(str, args)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError('clickhouse %s: %s' % (args[0], done.stderr))

    def start(self):
        self.call('start', self.dir, self.port, self.port + 1)

    def kill(self):
        self.call('kill', self.dir)

    def sql(self, text, timeout=60, **settings):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)
        try:
            connection.request('POST', '/?' + urllib.parse.urlencode(settings), text.encode())
            answer = connection.getresponse()
            body = answer.read().decode('utf-8', 'replace')
        except (OSError, http.client.HTTPException) as error:
            raise SqlError('no answer: %r' % error) from None
        finally:
            connection.close()
        if answer.status != 200 or '__exception__' in body:
            raise SqlError(body.strip()[:2000])
        return body.rstrip('\n')


class Gateway:
    """S3. Objects live in the OSD's memory: the gateway may be killed, they stay."""
    script = os.path.join(TOP, 'test/testbed/rgw')

    def __init__(self, directory):
        self.dir, self.port = directory, free_ports(12)
        self.key = self.secret = None

    def call(self, *args):
        done = subprocess.run([self.script, *map(str, args)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError('rgw %s: %s' % (args[0], done.stderr))
        return done.stdout

    def start(self):
        self.call('start', self.dir, self.port)
        for line in self.call('env', self.dir).splitlines():
            name, _, value = line.removeprefix('export ').partition('=')
            if name == 'AWS_ACCESS_KEY_ID':
                self.key = value
            elif name == 'AWS_SECRET_ACCESS_KEY':
                self.secret = value
        self.request('PUT', '')

    def kill(self):
        with open(os.path.join(self.dir, 'gateway.pid'), encoding='ascii') as file:
            pid = int(file.read())
        os.kill(pid, signal.SIGKILL)
        while os.path.exists('/proc/%d' % pid) and not self.zombie(pid):
            time.sleep(0.02)

    @staticmethod
    def zombie(pid):
        try:
            with open('/proc/%d/stat' % pid, encoding='ascii') as file:
                return file.read().rpartition(')')[2].split()[0] == 'Z'
        except OSError:
            return True

    def up(self):
        self.call('up', self.dir)

    def clean(self):
        self.call('clean', self.dir)

    def request(self, method, key, query=''):
        """Signed; (status, body)."""
        path = urllib.parse.quote('/%s/%s' % (BUCKET, key) if key or query else '/' + BUCKET, safe='/')
        now = datetime.datetime.now(datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')
        host, empty = '127.0.0.1:%d' % self.port, hashlib.sha256(b'').hexdigest()
        canonical = '\n'.join([method, path, query, 'host:' + host, 'x-amz-content-sha256:' + empty,
                               'x-amz-date:' + now, '', 'host;x-amz-content-sha256;x-amz-date', empty])
        scope = now[:8] + '/us-east-1/s3/aws4_request'
        text = '\n'.join(['AWS4-HMAC-SHA256', now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key_bytes = ('AWS4' + self.secret).encode()
        for part in (now[:8], 'us-east-1', 's3', 'aws4_request'):
            key_bytes = hmac.new(key_bytes, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key_bytes, text.encode(), hashlib.sha256).hexdigest()
        headers = {'Host': host, 'X-Amz-Content-Sha256': empty, 'X-Amz-Date': now, 'Authorization':
                   'AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=host;x-amz-content-sha256;x-amz-date, '
                   'Signature=%s' % (self.key, scope, signature)}
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        try:
            connection.request(method, path + ('?' + query if query else ''), headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, key):
        status, body = self.request('GET', key)
        if status == 404:
            return None
        if status != 200:
            raise RuntimeError('GET %s: %d %r' % (key, status, body[:300]))
        return body


class Log:
    """The Delta log of one root, read version by version; which files it lists."""

    def __init__(self, gateway, root):
        self.gateway, self.root, self.version, self.files = gateway, root, -1, set()
        self.added = self.removed = 0
        self.taken = []

    def read(self):
        while (text := self.gateway.get('%s/_delta_log/%020d.json' % (self.root, self.version + 1))) is not None:
            self.version += 1
            for line in text.decode().splitlines():
                action = json.loads(line)
                if 'remove' in action:
                    path = action['remove']['path']
                    if path in self.files:  # nobody here may take rows out of the archive
                        self.taken.append('version %d removes %s, which was listed' % (self.version, path))
                    self.files.discard(path)
                    self.removed += 1
                if 'add' in action:
                    self.files.add(action['add']['path'])
                    self.added += 1
        return sorted(self.files)


class Duck:
    """DuckDB in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(['node', os.path.join(HERE, 'duck.mjs')], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, encoding='utf-8')

    def rows(self, paths):
        if not paths:
            return []
        self.process.stdin.write(json.dumps(paths) + '\n')
        self.process.stdin.flush()
        rows = []
        while (line := self.process.stdout.readline()) != '':
            if line.startswith('.') and '\t' not in line:
                assert int(line[1:]) == len(rows)
                return rows
            rows.append(line.rstrip('\n'))
        raise RuntimeError('DuckDB could not read the files that the log lists: ' + ' '.join(paths))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Proxy:
    """test/tools/fault_proxy.py in front of a port."""

    def __init__(self, port, log):
        with open(log, 'wb') as errors:
            self.process = subprocess.Popen(
                ['python3', os.path.join(TOP, 'test/tools/fault_proxy.py'), '127.0.0.1', str(port)],
                stdout=subprocess.PIPE, stderr=errors, text=True)
        self.port = int(self.process.stdout.readline())
        self.connection = None

    def control(self, method, target, body=None):
        for _ in range(2):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
                self.connection.request(method, '/-/' + target, body)
                return self.connection.getresponse().read().decode('utf-8', 'replace')
            except (OSError, http.client.HTTPException):
                self.connection = None
        return ''

    def rules(self, lines):
        said = self.control('POST', 'rules', '\n'.join(lines).encode())
        if said:
            raise RuntimeError('the fault proxy refused: %s of %s' % (said, lines))

    def hits(self):
        return [int(line) for line in self.control('GET', 'hits').split()]

    def log(self):
        return [line.split('\t') for line in self.control('GET', 'log').splitlines()]

    def close(self):
        self.process.kill()
        self.process.wait()


class Gate:
    """Workers pass it between their works; who closes it waits until all stand still."""

    def __init__(self):
        self.condition = threading.Condition()
        self.opened = self.ended = False
        self.busy = 0

    def enter(self):
        """False: it is over."""
        with self.condition:
            self.condition.wait_for(lambda: self.opened or self.ended)
            if self.ended:
                return False
            self.busy += 1
            return True

    def leave(self):
        with self.condition:
            self.busy -= 1
            self.condition.notify_all()

    def open(self):
        with self.condition:
            self.opened = True
            self.condition.notify_all()

    def close(self):
        with self.condition:
            self.opened = False
            return self.condition.wait_for(lambda: self.busy == 0, 180)

    def end(self):
        with self.condition:
            self.ended = True
            self.condition.notify_all()

"""One run of an archiver: how it is set up, what befalls it, how it ends, what may be said of that."""
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import faults
from bed import BUCKET, Proxy, SqlError

STEPS = ('start settle plan read upload uploaded prove commit committed guard delete deleted record recorded '
         'mask reconcile done').split()
OF_A_BATCH = STEPS[3:14]  # come only with a batch
# Where a run is killed while a request waits: before the server has it, or after it acted.
POINTS = {
    'checkpoint': ('store', 'PUT /_delta_log/.*[.]checkpoint'),
    'last checkpoint': ('store', 'PUT /_delta_log/_last_checkpoint'),
    'vacuum: fence': ('store', 'PUT /_delta_log/0'), 'vacuum: delete': ('store', 'DELETE /(events|_lynex)/'),
    'data sent': ('store', 'PUT /events/'), 'hashes sent': ('store', 'PUT /_lynex/hashes/'),
    'commit sent': ('store', 'PUT /_delta_log/[0-9]+[.]json'), 'drop sent': ('house', 'POST query_id=lynex-drop'),
    'mask sent': ('house', 'POST query_id=lynex-mask'), 'apply sent': ('house', 'POST query_id=lynex-apply'),
    'hashes read': ('house', 'POST query_id=lynex-compare'),
}
# What a run may say without a fault of its own: others were faster, time and again; a delete that another began
# waits for the server; a vacuum took what was uploaded just now (`--min-age 0` is not for every day).
GAVE_WAY = r'changed under each of \d+ plans|still waits on the server|reading back .*NoSuchKey'
OVERDUE = 25  # seconds after which a run is killed: its faults may make it wait for long


class Plan:
    """All that is decided before a run, by random numbers of its slot alone (and what was seen least)."""

    def __init__(self, rng, stats, chapter):
        self.command, self.settings, self.faults = ['archive'], {}, []
        self.step = self.point = self.kill_after = self.after_pause = None
        self.pause = False
        self.death(rng, stats)
        if self.command == ['archive']:
            self.choose_settings(rng, chapter)
        if rng.random() < (0.35 if self.step or self.point else 0.6):
            for _ in range(rng.choice([1, 1, 2])):
                side = rng.choice(['store', 'house'])
                kind, rule = faults.draw(rng, side, stats.faults)
                self.faults.append((side, kind, rule))

    def death(self, rng, stats):
        dice = rng.random()
        if dice < 0.42:
            name = min(rng.sample(STEPS, 9), key=lambda s: stats.kills[s])
            self.step = 'kill@%s#%d' % (name, rng.choice([1, 1, 1, 1, 2]))
        elif dice < 0.53:
            self.kill_after = rng.choice([rng.uniform(0.02, 0.3), rng.uniform(0.1, 1.0)])
        elif dice < 0.59:
            self.pause, self.step = True, 'pause@%s#%d' % (rng.choice(STEPS), rng.choice([1, 1, 2]))
            self.after_pause = rng.choice([None, rng.uniform(0, 0.5)])
        elif dice < 0.92:
            name = min(rng.sample(sorted(POINTS), rng.choice([3, len(POINTS)])), key=lambda p: stats.kills[p])
            self.set_point(rng, name)
        patient = self.point is not None and self.point[0] == 'apply sent'  # few runs come so far: behind all else
        if not self.pause and dice < 0.92 and self.kill_after is None and not patient and rng.random() < 0.8:
            self.kill_after = rng.uniform(1.5, 5.0)  # where it does not come so far
        if self.point is None and rng.random() < 0.6:  # comes once in fifty versions: whoever is there
            self.set_point(rng, min(['last checkpoint', 'checkpoint'], key=lambda p: stats.kills[p]))
        if self.point and self.point[0].startswith('vacuum') or dice > 0.96:
            self.command = ['vacuum', '--yes', '--min-age', '0']
            if rng.random() < 0.5:
                self.command.append('--unproven')

    def set_point(self, rng, name):
        side, rule = POINTS[name]
        acted = rng.random() < 0.5
        rare = name in ('checkpoint', 'last checkpoint', 'apply sent')
        self.point = (name, side, '%s nth=%d stall seconds=60%s' % (rule, 1 if rare else rng.choice([1, 1, 1, 2]),
                                                                    ' after' if acted else ''), acted)

    def choose_settings(self, rng, chapter):
        size = rng.choice([6, 20, None, None])
        if size:
            self.settings['ARCHIVE_BATCH_SIZE'] = size
        if rng.random() < 0.25:
            self.settings['DELETE_AFTER_ARCHIVE'] = 'false'
        self.settings['ARCHIVE_DELETE_MODE'] = rng.choice(['auto'] * 6 + ['mutation', 'parts'])
        self.settings['ARCHIVE_THREADS'] = rng.choice([1, 2])
        if rng.random() < 0.1:
            self.settings['ARCHIVE_PARQUET'] = 'compat'
        if rng.random() < 0.03:
            self.settings['ARCHIVE_MODE'] = 'soak'
        if self.point and self.point[0] in ('drop sent', 'mask sent', 'apply sent'):
            self.settings.update({'DELETE_AFTER_ARCHIVE': 'true', 'ARCHIVE_DELETE_MODE': 'auto'})
        elif self.point and self.point[0] == 'hashes sent':
            self.settings['DELETE_AFTER_ARCHIVE'] = 'false'
        if chapter % 3 == 2 and rng.random() < 0.3:
            self.settings['ARCHIVE_MAX_DELETE_ROWS'] = 10

    def uses(self, side):
        """Does anything befall the run on this side? Else it goes past the proxy, which costs time."""
        return any(where == side for where, _, _ in self.faults) or (self.point is not None and self.point[1] == side)

    def text(self):
        return 'lynex %s\n%s\nstep %s, point %s, killed after %s, faults:\n%s\n' % (
            ' '.join(self.command), self.settings, self.step, self.point, self.kill_after,
            '\n'.join('  %s: %s: %s' % fault for fault in self.faults))


class Slot(threading.Thread):
    """An archiver's place: one run after the other, each through two proxies of the slot's own."""

    def __init__(self, campaign, number, rng):
        super().__init__(daemon=True)
        self.campaign, self.number, self.rng, self.process = campaign, number, rng, None
        base = os.path.join(campaign.dir, 'proxy%d' % number)
        self.proxies = {'store': Proxy(campaign.gateway.port, base + '.store'),
                        'house': Proxy(campaign.house.port, base + '.house')}

    def run(self):
        while self.campaign.gate.enter():
            try:
                if self.number < self.campaign.active:
                    self.one()
            except Exception as error:  # the harness itself: shown as what it is
                self.campaign.violation('the harness failed: %r' % error)
                raise
            finally:
                self.campaign.gate.leave()
            if self.number >= self.campaign.active or self.campaign.down:
                time.sleep(self.rng.choice([0.1, 1.0]))

    def environment(self, plan, home):
        campaign = self.campaign
        through = {side: proxy.port for side, proxy in self.proxies.items() if plan.uses(side)}
        settings = campaign.settings(home, through.get('house', campaign.house.port),
                                     through.get('store', campaign.gateway.port))
        settings.update({name: str(value) for name, value in plan.settings.items()})
        if plan.step:
            settings['LYNEX_STEP'] = plan.step
        if campaign.mutant:
            settings['LYNEX_MUTANT'] = campaign.mutant
        return settings

    def one(self):
        campaign, plan = self.campaign, Plan(self.rng, self.campaign.stats, self.campaign.chapter)
        if plan.command[0] == 'vacuum' and not campaign.has_log():
            plan.command = ['archive']  # without a log a vacuum has nothing to go by, and refuses
        number = campaign.stats.next_run()
        base = os.path.join(campaign.runs, '%05d' % number)
        home = base + '.home'
        os.mkdir(home, 0o700)
        self.hand_out(plan)
        began = time.monotonic()
        with open(base, 'w', encoding='utf-8') as out:
            out.write(plan.text())
            out.flush()
            process = subprocess.Popen([campaign.lynex, *plan.command], stdout=out, stderr=subprocess.STDOUT,
                                       env=self.environment(plan, home), cwd=home)
        self.process = process
        killed = self.watch(process, plan, began)
        status = process.wait()
        self.process = None
        self.ended(plan, status, killed, base, began)
        if os.listdir(home):
            campaign.violation('run %05d left files behind on its machine: %s' % (number, os.listdir(home)))
        shutil.rmtree(home)

    def hand_out(self, plan):
        for side, proxy in self.proxies.items():
            if not plan.uses(side):
                continue
            lines = [rule for where, _, rule in plan.faults if where == side]
            if plan.point and plan.point[1] == side:
                lines.insert(0, plan.point[2])
            proxy.rules(lines)

    def watch(self, process, plan, began):
        """Until it has ended; what killed it, if it was us."""
        paused = False
        looked = 0.0
        while process.poll() is None:
            now = time.monotonic()
            if plan.kill_after is not None and now - began > plan.kill_after:
                process.kill()
                return 'random'
            if now - began > OVERDUE:
                process.kill()
                return 'overdue'
            if plan.pause and not paused and self.stopped(process):
                paused = True
                self.let_others(plan)
                began += time.monotonic() - now
                process.send_signal(signal.SIGCONT)
                if plan.after_pause is not None:
                    plan.kill_after = time.monotonic() - began + plan.after_pause
            if plan.point and now - looked > 0.03:
                looked = now
                hits = self.proxies[plan.point[1]].hits()
                if hits and hits[0] > 0:
                    time.sleep(0.03 if plan.point[3] else 0)
                    process.kill()
                    return plan.point[0]
            time.sleep(0.008)
        return None

    @staticmethod
    def stopped(process):
        try:
            return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG) is not None
        except ChildProcessError:
            return False

    def let_others(self, plan):
        """Waits until another run has ended well."""
        stats, until = self.campaign.stats, time.monotonic() + 8
        finished = stats.finished
        while time.monotonic() < until and self.campaign.gate.opened:
            if stats.finished > finished:
                stats.count_pause(plan.step, True)
                return
            time.sleep(0.02)
        stats.count_pause(plan.step, False)

    # -- the end ---------------------------------------------------------------------------------

    def ended(self, plan, status, killed, base, began):
        met = self.faults_met(plan)
        stats = self.campaign.stats
        stats.count_faults(met)
        if status == -signal.SIGKILL:
            name = killed or plan.step.partition('@')[2].partition('#')[0]
            stats.count_kill(name, self.in_flight(name))
            return
        stats.count_end(plan.command[0], status)
        with open(base, encoding='utf-8', errors='replace') as file:
            text = file.read()
        wrong = self.judge(plan, status, met, text, began)
        if wrong:
            self.campaign.violation('run %s: status %d: %s' % (os.path.basename(base), status, wrong))
        elif status == 0 and not met:
            os.remove(base)

    def faults_met(self, plan):
        met = []
        for side, proxy in self.proxies.items():
            mine = [(side, kind) for where, kind, _ in plan.faults if where == side]
            hits = proxy.hits()[-len(mine):] if mine else []
            met += [fault for fault, count in zip(mine, hits) if count > 0]
        return met

    def in_flight(self, step):
        """Had the run begun a batch, or does the table hold rows that are to be archived, or to go?"""
        if step in OF_A_BATCH:
            return True
        try:
            return self.campaign.old_rows() > 0
        except SqlError:
            return False

    def judge(self, plan, status, met, text, began):
        """What is wrong with this end, or None."""
        kinds, outage = {kind for _, kind in met}, self.campaign.outage_since(began)
        if status == 0:
            return None
        if status not in (1, 3, 4):
            return 'no such end'
        if status == 3 and plan.command[0] != 'archive':
            return 'vacuum deletes no rows'
        if status == 4 and not kinds & faults.CORRUPTING:
            return 'a proof failed, and nothing was corrupted'
        if '❌' not in text and 'lynex:' not in text:
            return 'no word of the failure'
        if status == 1 and re.search(GAVE_WAY, text):
            return None
        if status == 1 and not met and not outage:
            return 'it failed without a fault'
        if len(kinds) == 1 and not outage and status != 3:
            cause = faults.CAUSES.get(min(kinds), faults.GONE)
            said = ' '.join(line for line in text.splitlines() if '❌' in line or 'lynex: ' in line or 'to do' in line)
            if not re.search(cause, said):
                return 'the message does not name the cause (%s)' % min(kinds)
        return None


def checked(campaign, *command, settings=None, seconds=300):
    """A run past the proxies, without faults: (status, output)."""
    home = os.path.join(campaign.dir, 'home')
    os.makedirs(home, mode=0o700, exist_ok=True)
    environment = campaign.settings(home, campaign.house.port, campaign.gateway.port)
    environment.update(settings or {})
    try:
        done = subprocess.run([campaign.lynex, *command], env=environment, cwd=home, timeout=seconds,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired as error:
        return 124, (error.output or b'').decode('utf-8', 'replace') + '\nit did not end within %d s' % seconds
    return done.returncode, done.stdout.decode('utf-8', 'replace')


def settings_of(campaign, home, house, store):
    return {'PATH': os.environ['PATH'], 'HOME': home, 'TMPDIR': home, 'TERM': 'dumb',
            'CLICKHOUSE_URL': 'http://127.0.0.1:%d' % house, 'CLICKHOUSE_DATABASE': 'prod',
            'CLICKHOUSE_IDLE_SECONDS': '5', 'ARCHIVE_TABLE': campaign.table, 'ARCHIVE_TIME_COLUMN': 'at',
            'ARCHIVE_DELETE_WAIT_SECONDS': '3', 'S3_ARCHIVE_BUCKET': BUCKET, 'S3_ARCHIVE_ROOT': campaign.table,
            'AWS_ENDPOINT_URL': 'http://127.0.0.1:%d' % store, 'AWS_REGION': 'us-east-1',
            'AWS_ACCESS_KEY_ID': campaign.gateway.key, 'AWS_SECRET_ACCESS_KEY': campaign.gateway.secret,
            'S3_STORAGE_CLASS': 'STANDARD_IA'}

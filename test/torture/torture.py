#!/usr/bin/env python3
"""The campaign on real servers: archivers are killed, stopped, cheated and interrupted, over and over, while
others insert, merge, update and delete; an oracle that knows each row looks for one that is lost or twice.

  torture.py      TORTURE_SECONDS (600), TORTURE_SEED (random, printed), TORTURE_DIR (a new one), LYNEX_BIN,
                  LIBCHDB, LYNEX_MUTANT; KILLS_WANTED, STEP_KILLS_WANTED: fewer fail the campaign;
                  TORTURE_GO_ON: does not end at the first violation

A seed gives the same decisions again: which run is set up how, what is inserted when. Real servers and
schedulers give no more than that. Exit status 1 on any violation; the directory is kept then.

  bed.py      the servers, the log's files, DuckDB     faults.py   what the proxies do, and what may be said of it
  runs.py     one run of an archiver                    truth.py    the rows
"""
import collections
import http.client
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

import faults
import runs
from bed import ClickHouse, Duck, Gate, Gateway, Log, SqlError, TOP
from truth import DAY_MS, Truth

SLOTS, INSERTERS = 4, 4
CHAPTER_SECONDS = 75     # one table and its archive
LOOK_SECONDS = 20        # from one look of the oracle to the next
HOT = "SELECT id, toUnixTimestamp64Milli(at), v, coalesce(toString(w), 'NULL') FROM %s FORMAT TSVRaw"


class Stats:
    def __init__(self):
        self.lock = threading.Lock()
        self.kills, self.batch, self.faults, self.ends = (collections.Counter() for _ in range(4))
        self.pauses, self.events = collections.Counter(), collections.Counter()
        self.runs = self.finished = 0

    def next_run(self):
        with self.lock:
            self.runs += 1
            return self.runs

    def count_kill(self, name, in_flight):
        with self.lock:
            self.kills[name] += 1
            self.batch[name] += in_flight

    def count_faults(self, met):
        with self.lock:
            self.faults.update(met)

    def count_end(self, command, status):
        with self.lock:
            self.ends[command, status] += 1
            self.finished += command == 'archive' and status == 0

    def count_pause(self, step, another_finished):
        with self.lock:
            self.pauses[another_finished] += 1

    def event(self, name, count=1):
        with self.lock:
            self.events[name] += count


class Campaign:
    def __init__(self):
        self.seed = int(os.environ.get('TORTURE_SEED') or random.SystemRandom().randrange(1 << 32))
        self.seconds = float(os.environ.get('TORTURE_SECONDS') or 600)
        self.dir = os.environ.get('TORTURE_DIR') or tempfile.mkdtemp(prefix='lynex-torture.')
        self.lynex = os.environ.get('LYNEX_BIN') or os.path.join(TOP, 'build-test/lynex')
        self.mutant = os.environ.get('LYNEX_MUTANT')
        self.runs = os.path.join(self.dir, 'runs')
        os.makedirs(self.runs, exist_ok=True)
        self.history = open(os.path.join(self.dir, 'history'), 'w', encoding='utf-8', buffering=1)
        self.house = ClickHouse(os.path.join(self.dir, 'ch'))
        self.gateway = Gateway(os.path.join(self.dir, 'rgw'))
        self.stats, self.gate, self.violations = Stats(), Gate(), []
        self.chapter, self.active, self.table, self.truth, self.merges = 0, SLOTS, 't0', None, True
        self.outages, self.down = [], False
        self.rows = self.commits = self.files = self.absorbed = self.looks = 0
        self.failed = threading.Event()

    def rng(self, *name):
        return random.Random('%d %s' % (self.seed, ' '.join(map(str, name))))

    def settings(self, home, house, store):
        return runs.settings_of(self, home, house, store)

    def violation(self, text):
        self.violations.append(text)
        print('VIOLATION: ' + text, flush=True)
        if not os.environ.get('TORTURE_GO_ON'):
            self.failed.set()

    def others_say(self, sql):
        """A statement of others, with its times, for who looks for a row's story."""
        began = time.strftime('%H:%M:%S') + '%.3f' % (time.time() % 1)
        result = 'refused'
        try:
            self.house.sql(sql, timeout=20)
            result = 'done'
        finally:
            self.history.write('%s %s %.3f %s: %s\n' % (began, time.strftime('%H:%M:%S'), time.time() % 1, result, sql))

    def old_rows(self):
        return int(self.house.sql("SELECT count() FROM prod.%s WHERE at < toDateTime64('%s', 3, 'UTC')" % (
            self.table, time.strftime('%Y-%m-%d', time.gmtime(self.truth.today / 1000 - 30 * 86400)))))

    # -- outages: the servers go and come ----------------------------------------------------------

    def outage_since(self, began):
        return self.down or any(end > began - 1 for _, end in self.outages)

    def outage(self, rng):
        kind = rng.choice(['ClickHouse killed', 'gateway killed', 'ClickHouse killed in mid-mutation'])
        if kind.endswith('mutation') and not self.mutation_waits():
            return
        began, self.down = time.monotonic(), True
        if kind == 'gateway killed':
            self.gateway.kill()
            time.sleep(rng.uniform(0, 1.5))
            self.gateway.up()
        else:
            self.house.kill()
            self.house.start()
        self.outages.append((began, time.monotonic()))
        self.down = False
        self.stats.event(kind)

    def mutation_waits(self):
        """Merges stop until a delete waits for them; so the server is killed. Its start lets them go on."""
        until = time.monotonic() + 6
        try:
            self.house.sql('SYSTEM STOP MERGES prod.' + self.table)
            self.house.sql("ALTER TABLE prod.%s UPDATE w = w WHERE id = 0 SETTINGS mutations_sync = 0" % self.table)
            while time.monotonic() < until:
                if self.house.sql("SELECT count() FROM system.mutations WHERE NOT is_done") != '0':
                    time.sleep(0.5)
                    return True
                time.sleep(0.1)
            self.house.sql('SYSTEM START MERGES prod.' + self.table)
        except SqlError:
            pass
        return False

    def outages_forever(self, rng):
        while not self.gate.ended:
            time.sleep(rng.uniform(18, 34))
            if self.gate.opened and self.gate.enter():
                try:
                    self.outage(rng)
                except Exception as error:
                    self.violation('a server did not come back: %r' % error)
                finally:
                    self.gate.leave()

    # -- others ------------------------------------------------------------------------------------

    def insert_forever(self, rng):
        while self.gate.enter():
            try:
                self.insert(rng)
            finally:
                self.gate.leave()
            time.sleep(rng.uniform(0.3, 1.2))

    def insert(self, rng):
        copies = rng.random() < 0.3
        rows = self.truth.copies(rng) if copies else self.truth.new_rows(rng, rng.choice([1, 2, 4, 8]), self.merges)
        if not copies and rng.random() < 0.2:
            rows = rows + rows[:2]  # copies within one part
        if not rows:
            return
        self.truth.sending(rows, copies)
        try:
            self.others_say('INSERT INTO prod.%s (id, at, v, w, k) VALUES %s' % (
                self.table, ', '.join(row.values() for row in rows)))
            self.truth.arrived(rows, copies)
            self.stats.event('copies inserted' if copies else 'rows inserted', len(rows))
        except SqlError as error:  # it may be there, or not
            if 'no answer' not in str(error):
                self.violation('an insert was refused: %s' % error)

    def disturb_forever(self, rng):
        while self.gate.enter():
            try:
                name, sql = self.disturbance(rng)
                if sql:
                    self.others_say(sql)
                    self.stats.event(name)
            except SqlError:
                self.stats.event(name + ', refused')
            finally:
                self.gate.leave()
            time.sleep(rng.uniform(0.5, 2.0))

    def disturbance(self, rng):
        table, dice = 'prod.' + self.table, rng.random()
        if dice < 0.55:
            if not self.merges:
                return 'none', None
            return 'merges forced', 'OPTIMIZE TABLE %s PARTITION %d%s' % (table, rng.randrange(4),
                                                                          rng.choice(['', ' FINAL']))
        rows = self.truth.touch(rng, rng.randrange(1, 4), rng.random() < 0.8)
        ids = ', '.join(str(row.id) for row in rows)
        if not rows:
            return 'none', None
        if dice < 0.75:
            text = 'changed %d' % rng.randrange(1000)
            self.truth.updating(rows, text)
            if rng.random() < 0.6:
                return 'lightweight updates', ("UPDATE %s SET v = '%s' WHERE id IN (%s) SETTINGS "
                                               "enable_lightweight_update = 1" % (table, text, ids))
            return 'updates', "ALTER TABLE %s UPDATE v = '%s' WHERE id IN (%s) SETTINGS mutations_sync = 1" % (
                table, text, ids)
        self.truth.deleting(rows)
        if rng.random() < 0.6:
            return 'lightweight deletes', 'DELETE FROM %s WHERE id IN (%s)' % (table, ids)
        return 'deletes', 'ALTER TABLE %s DELETE WHERE id IN (%s) SETTINGS mutations_sync = 1' % (table, ids)

    # -- the oracle --------------------------------------------------------------------------------

    def look(self, log, cache, deletion):
        """Compares hot and archive with what was inserted. All stand still."""
        hot = collections.Counter(self.house.sql(HOT % ('prod.' + self.table)).splitlines())
        paths = log.read()
        for text in log.taken:
            self.violation('%s: %s' % (self.table, text))
        log.taken = []
        by_duck = collections.Counter()
        for path in paths:
            by_duck.update(cache.rows(path))
        if log.version >= 0:
            cold = "deltaLake('http://127.0.0.1:%d/%s/%s', '%s', '%s')" % (
                self.gateway.port, runs.BUCKET, self.table, self.gateway.key, self.gateway.secret)
            by_house = collections.Counter(self.house.sql(HOT % cold).splitlines())
            if by_house != by_duck:
                self.violation('ClickHouse and DuckDB see different archives: %s' % (
                    list((by_house - by_duck).items())[:3] + list((by_duck - by_house).items())[:3]))
        wrong, absorbed = self.truth.judge(hot, by_duck, deletion, self.merges)
        for text in wrong[:10]:
            self.violation('%s (%s): %s' % (self.table, deletion, text))
        self.looks += 1
        return hot, by_duck, absorbed

    def begin_chapter(self, rng):
        self.table, self.merges = 't%d' % self.chapter, self.chapter % 2 == 0
        self.truth = Truth(int(time.time()) // 86400 * DAY_MS)
        self.active = rng.choice([2, 4, 4]) if self.chapter else 4
        still = '' if self.merges else ', max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1'
        self.house.sql("CREATE TABLE prod.%s (id UInt64, at DateTime64(3, 'UTC'), v String, w Nullable(Int32), k UInt8) "
                       "ENGINE = MergeTree PARTITION BY k ORDER BY id SETTINGS enable_block_number_column = 1, "
                       "enable_block_offset_column = 1, old_parts_lifetime = 5%s" % (self.table, still))

    def play_chapter(self, seconds):
        rng, until = self.rng('chapter', self.chapter), time.monotonic() + seconds
        self.begin_chapter(rng)
        log, cache = Log(self.gateway, self.table), FileCache(self)
        while (left := until - time.monotonic()) > 0 and not self.failed.is_set():
            self.gate.open()
            self.failed.wait(min(left, LOOK_SECONDS))
            if not self.gate.close():
                self.violation('a worker does not end')
                break
            if not self.failed.is_set():
                self.look(log, cache, 'midway')
        if not self.failed.is_set():
            self.end_chapter(log, cache)
        cache.close()
        self.chapter += 1

    def has_log(self):
        """Has anything been committed to this chapter's root, as far as the gateway tells?"""
        try:
            return self.gateway.get('%s/_delta_log/%020d.json' % (self.table, 0)) is not None
        except (OSError, RuntimeError, http.client.HTTPException):
            return False

    def end_chapter(self, log, cache):
        """Without faults one run does all; then everything is exactly once."""
        self.house.sql('SYSTEM START MERGES prod.' + self.table)
        wait = {'ARCHIVE_DELETE_WAIT_SECONDS': '60'}
        commands = [(('archive',), wait), (('verify',), None), (('ledger', 'check'), None),
                    (('vacuum', '--yes', '--min-age', '0', '--unproven'), None), (('verify',), None), (('archive',), wait)]
        for number, (command, settings) in enumerate(commands):
            status, out = runs.checked(self, *command, settings=settings)
            with open(os.path.join(self.runs, '%s-end-%d' % (self.table, number)), 'w', encoding='utf-8') as file:
                file.write(out)
            if status != 0:
                self.violation('%s: behind all faults `lynex %s` ended with %d: %s' % (
                    self.table, ' '.join(command), status, out.strip()[-1500:]))
                return
        if 'No events to archive' not in out:
            self.violation('%s: the second run finds something: %s' % (self.table, out[-800:]))
        cache.forget()
        _, archived, absorbed = self.look(log, cache, 'on')
        self.rows += sum(archived.values())
        self.absorbed += absorbed
        self.commits += log.version + 1
        self.files += log.added
        print('%s: %d rows inserted, %d archived in %d versions, %d files; %d kills so far' % (
            self.table, self.truth.inserted, sum(archived.values()), log.version + 1, log.added,
            sum(self.stats.kills.values())), flush=True)
        self.house.sql('DROP TABLE prod.%s SYNC' % self.table)

    # -- all ---------------------------------------------------------------------------------------

    def play(self):
        self.house.start()
        self.gateway.start()
        self.house.sql('CREATE DATABASE prod ENGINE = Atomic')
        slots = [runs.Slot(self, i, self.rng('slot', i)) for i in range(SLOTS)]
        workers = slots + [threading.Thread(target=work, args=(self.rng(name),), daemon=True) for name, work in
                           [('others', self.disturb_forever), ('outages', self.outages_forever)] +
                           [('inserter %d' % i, self.insert_forever) for i in range(INSERTERS)]]
        for worker in workers:
            worker.start()
        started = time.monotonic()
        try:
            while (left := started + self.seconds - time.monotonic()) > 3 and not self.failed.is_set():
                self.play_chapter(left if left < 1.5 * CHAPTER_SECONDS else CHAPTER_SECONDS)
        finally:
            self.gate.end()
            self.seconds = time.monotonic() - started
            for slot in slots:
                if slot.process is not None:
                    slot.process.kill()
                for proxy in slot.proxies.values():
                    proxy.close()

    def close(self):
        if self.violations:
            print('evidence: %s (server and gateway are stopped; the bucket was copied to it)' % self.dir)
            self.keep_bucket()
            try:
                self.house.sql('SYSTEM FLUSH LOGS')
            except SqlError:
                pass
        self.house.call('kill', self.house.dir)
        self.gateway.clean()
        if not self.violations and not os.environ.get('KEEP'):
            shutil.rmtree(self.dir)

    def keep_bucket(self):
        try:
            log = Log(self.gateway, self.table)
            log.read()
            keys = ['%s/_delta_log/%020d.json' % (self.table, v) for v in range(log.version + 1)]
            for key in keys + ['%s/%s' % (self.table, path) for path in log.files]:
                path = os.path.join(self.dir, 'bucket', key)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'wb') as file:
                    file.write(self.gateway.get(key) or b'')
        except Exception as error:
            print('the bucket could not be copied whole: %r' % error)


class FileCache:
    """Rows of the listed files as DuckDB reads them; a file never changes."""

    def __init__(self, campaign):
        self.campaign, self.duck, self.known, self.count = campaign, Duck(), {}, 0

    def rows(self, path):
        if path not in self.known:
            body = self.campaign.gateway.get('%s/%s' % (self.campaign.table, path))
            if body is None:
                self.campaign.violation('%s: the log lists %s, which is not there' % (self.campaign.table, path))
                return []
            self.count += 1  # DuckDB remembers what a path held
            local = os.path.join(self.campaign.dir, 'read-%d.parquet' % self.count)
            with open(local, 'wb') as file:
                file.write(body)
            self.known[path] = self.duck.rows([local])
            os.remove(local)
        return self.known[path]

    def forget(self):
        self.known = {}

    def close(self):
        self.duck.close()


def summary(campaign):
    stats, kills = campaign.stats, campaign.stats.kills
    print('\n%-22s %6s %16s' % ('killed at', 'kills', 'batch in flight'))
    for name in runs.STEPS + sorted(runs.POINTS) + ['random', 'overdue']:
        print('%-22s %6d %16d' % (name, kills[name], stats.batch[name]))
    print('%-22s %6d %16d' % ('in all', sum(kills.values()), sum(stats.batch.values())))
    print('\n%-28s %8s %12s' % ('faults that were met', 'store', 'ClickHouse'))
    of_store, of_house = faults.of_store(random), faults.of_house(random)
    for kind in sorted({*of_store, *of_house}):
        print('%-28s %8s %12s' % (kind, stats.faults['store', kind] if kind in of_store else '',
                                  stats.faults['house', kind] if kind in of_house else ''))
    print('\nothers: ' + ', '.join('%s %d' % item for item in sorted(stats.events.items()) if item[0] != 'none'))
    print('stopped (SIGSTOP) while another run finished: %d, continued without: %d' % (
        stats.pauses[True], stats.pauses[False]))
    print('ends: ' + ', '.join('%s %d: %d' % (*end, count) for end, count in sorted(stats.ends.items())))
    print('runs %d, each on an empty machine; chapters %d; looks of the oracle %d; commits %d; files %d; rows archived %d'
          % (stats.runs, campaign.chapter, campaign.looks, campaign.commits, campaign.files, campaign.rows))
    print('copies merged into the place of a row that was deleted and not yet recorded: %d' % campaign.absorbed)


def missing(campaign):
    """What the campaign was to show, and did not."""
    kills, batch = sum(campaign.stats.kills.values()), campaign.stats.batch
    wanted = int(os.environ.get('KILLS_WANTED') or campaign.seconds * 500 / 600)
    each = int(os.environ.get('STEP_KILLS_WANTED') or 5)
    if kills < wanted:
        yield 'only %d kills, not %d' % (kills, wanted)
    for name in runs.STEPS + sorted(runs.POINTS):
        if batch[name] < each:
            yield 'only %d kills at "%s" with a batch in flight, not %d' % (batch[name], name, each)


def ended_from_outside(*_):
    sys.exit('ended by a signal')


def main():
    signal.signal(signal.SIGTERM, ended_from_outside)
    campaign = Campaign()
    print('TORTURE_SEED=%d TORTURE_SECONDS=%d' % (campaign.seed, campaign.seconds), flush=True)
    try:
        campaign.play()
    except BaseException as error:
        campaign.violation('the harness failed: %r' % error)
        raise
    finally:
        summary(campaign)
        campaign.close()
    short = list(missing(campaign))
    for text in short:
        print('NOT SHOWN: ' + text)
    print('%d s: lost or twice or wrong: %d' % (campaign.seconds, len(campaign.violations)))
    return 1 if campaign.violations or short else 0


if __name__ == '__main__':
    try:
        result = main()
    except BaseException:
        traceback.print_exc()
        result = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(result)  # threads that wait for ever do not matter any more

"""What was ever inserted: the rows, how many copies of each, and which of them others may have changed."""
import collections
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'tools'))
from oracle import judge  # noqa: E402

DAY_MS = 86400000
TEXTS = ['', 'plain', 'ünïcødé ✓', 'quotes \' " `', 'back\\slash', '{"a": [1, 2]}', ' blanks ', 'x' * 300]


def escaped(text):
    return text.replace('\\', '\\\\').replace("'", "\\'")


class Row:
    __slots__ = ('id', 'at', 'text', 'w', 'part', 'old')

    def __init__(self, id_, at, text, w, part, old):
        self.id, self.at, self.text, self.w, self.part, self.old = id_, at, text, w, part, old

    def line(self, text=None):
        return '%d\t%d\t%s\t%s' % (self.id, self.at, self.text if text is None else text,
                                   'NULL' if self.w is None else self.w)

    def values(self):
        return "(%d, fromUnixTimestamp64Milli(%d, 'UTC'), '%s', %s, %d)" % (
            self.id, self.at, escaped(self.text), 'NULL' if self.w is None else self.w, self.part)


class Truth:
    """`least` of a row must be there, `most` may; a group is an updated row's versions, of which so many must be."""

    def __init__(self, today_ms):
        self.lock, self.today, self.next_id = threading.Lock(), today_ms, 1
        self.least, self.most, self.age = collections.Counter(), collections.Counter(), {}
        self.late, self.groups, self.clean, self.inserted = collections.Counter(), {}, [], 0

    def new_rows(self, rng, count, merges):
        """Of one partition: 0 and 1 hold old rows, 2 old and young ones, 3 young ones."""
        part, rows = rng.choice([0, 0, 0, 1, 1, 1, 1, 2, 2, 3] if merges else [0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 3]), []
        for _ in range(count):
            old = part < 2 or (part == 2 and rng.random() < 0.6)
            days = rng.choice([33, 34, 34, 64]) if old else rng.choice([1, 12, 27])
            with self.lock:
                id_, self.next_id = self.next_id, self.next_id + 1
            text = 'v%x %s' % (id_ * 2654435761 % 4294967296, rng.choice(TEXTS))
            rows.append(Row(id_, self.today - days * DAY_MS + rng.randrange(DAY_MS), text,
                            rng.choice([None, 0, rng.randrange(-9, 9)]), part, old))
        return rows

    def copies(self, rng):
        """Rows that are there already, once more: of one partition, untouched by others."""
        with self.lock:
            if not self.clean:
                return []
            first = rng.choice(self.clean)
            near = [row for row in self.clean[-200:] if row.part == first.part and row is not first]
            return [first] + rng.sample(near, min(len(near), rng.randrange(4)))

    def sending(self, rows, copies):
        with self.lock:
            for row in rows:
                line = row.line()
                for version in {line, *self.groups.get(line, [0])[1:]}:
                    self.most[version] += 1
                self.age[line] = 'old' if row.old else 'young'
                if copies:
                    self.late[line] += 1

    def arrived(self, rows, copies):
        with self.lock:
            for row in rows:
                group = self.groups.get(row.line())
                if group is not None:
                    group[0] += 1
                else:
                    self.least[row.line()] += 1
            self.inserted += len(rows)
            if not copies:
                self.clean.extend(dict.fromkeys(rows))  # each is touched by others once
                del self.clean[:-3000]

    def touch(self, rng, count, old):
        """Takes rows that others are about to change or delete: nothing is sure of them any more."""
        with self.lock:
            mine = [row for row in rng.sample(self.clean, min(len(self.clean), 40)) if row.old == old][:count]
            for row in mine:
                self.clean.remove(row)
            return mine

    def updating(self, rows, text):
        """From now on each is what it was or has this text; all of them are somewhere."""
        with self.lock:
            for row in rows:
                line, new = row.line(), row.line(text)
                self.groups[line] = self.groups[new] = [self.least[line], line, new]
                self.least[line] = 0
                self.most[new], self.age[new] = self.most[line], self.age[line]

    def deleting(self, rows):
        with self.lock:
            for row in rows:
                line = row.line()
                self.groups[line] = [float('-inf'), line, line]  # copies on their way may go too
                self.least[line] = 0

    def judge(self, hot, archive, deletion, merges):
        """(what is wrong, copies that a merge put into a deleted row's place: docs/reliability.md)."""
        wrong, absorbed = [], 0
        truth = {line: (self.least[line], self.most[line], self.age[line]) for line in self.age}
        for line, text in judge(truth, hot, archive, deletion):
            missing = self.least[line] - archive[line] - (hot[line] if deletion == 'midway' else 0)
            lone = hot[line] == 0 or deletion == 'midway'
            if merges and 0 < missing <= self.late[line] and archive[line] >= 1 and lone and hot[line] <= self.most[line]:
                absorbed += missing
            else:
                wrong.append(text)
        for least, old, new in {id(group): group for group in self.groups.values()}.values():
            there = sum(archive[line] + hot[line] for line in {old, new})
            if there < least and not (merges and there >= 1 and least - there <= self.late[old]):
                wrong.append('updated row %s: %d of %d versions are there' % (old, there, least))
        return wrong, absorbed

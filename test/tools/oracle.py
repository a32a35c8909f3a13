#!/usr/bin/env python3
"""Compares what is hot and what is archived with what was ever inserted.

  oracle.py TRUTH HOT ARCHIVE on|off     each a file of lines; deletion on or off

TRUTH: "LEAST MOST AGE ROW" by tabs: how many copies of the row there must be (others may have taken or
changed some), and whether it is `old` (to be archived) or `young`. HOT and ARCHIVE: one ROW a line.
Prints what is wrong; exit status 1 then.
"""
import sys
from collections import Counter

truth_path, hot_path, archive_path, deletion = sys.argv[1:5]


def rows(path):
    with open(path, encoding='utf-8') as lines:
        return Counter(line.rstrip('\n') for line in lines)


hot, archive = rows(hot_path), rows(archive_path)
truth = {}
with open(truth_path, encoding='utf-8') as lines:
    for line in lines:
        least, most, age, row = line.rstrip('\n').split('\t', 3)
        old = truth.get(row, (0, 0, age))
        truth[row] = (old[0] + int(least), old[1] + int(most), age)
wrong = 0


def complain(text):
    global wrong
    wrong += 1
    if wrong <= 10:
        print(text)


for row, (least, most, age) in sorted(truth.items()):
    a, h = archive[row], hot[row]
    if age == 'young':
        if not least <= h <= most or a != 0:
            complain(f'young row {row}: {h} hot, {a} archived, should be {least} to {most} hot')
    elif deletion == 'on':
        if h != 0 or not least <= a <= most:
            complain(f'row {row}: {a} archived, {h} hot, should be {least} to {most} archived')
    elif not (least <= a <= most and least <= max(h, a)):
        complain(f'row {row}: {a} archived, {h} hot, should be {least} to {most} archived')
for row in set(hot) | set(archive):
    if row not in truth:
        complain(f'row {row} was never inserted: {hot[row]} hot, {archive[row]} archived')
if wrong:
    print(f'{wrong} rows are wrong')
sys.exit(1 if wrong else 0)

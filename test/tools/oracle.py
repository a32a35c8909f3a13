#!/usr/bin/env python3
"""Compares what is hot and what is archived with what was ever inserted.

  oracle.py TRUTH HOT ARCHIVE on|off     each a file of lines; deletion on or off

TRUTH: "LEAST MOST AGE ROW" by tabs: how many copies of the row there must be (others may have taken or
changed some), and whether it is `old` (to be archived) or `young`. HOT and ARCHIVE: one ROW a line.
Prints what is wrong; exit status 1 then. The campaign of test/torture uses judge() itself.
"""
import sys
from collections import Counter


def judge(truth, hot, archive, deletion):
    """What is wrong, as (row, text). `truth`: row -> (least, most, age); `deletion`: "on" or "off" behind
    a run that did all, or "midway": wherever runs were stopped."""
    for row, (least, most, age) in sorted(truth.items()):
        a, h = archive[row], hot[row]
        if age == 'young':
            if not least <= h <= most or a != 0:
                yield row, f'young row {row}: {h} hot, {a} archived, should be {least} to {most} hot'
        elif deletion == 'on':
            if h != 0 or not least <= a <= most:
                yield row, f'row {row}: {a} archived, {h} hot, should be {least} to {most} archived'
        elif deletion == 'midway':
            if a > most or h > most or a + h < least:
                yield row, f'row {row}: {a} archived, {h} hot, should be {least} to {most}'
        elif not (least <= a <= most and least <= max(h, a)):
            yield row, f'row {row}: {a} archived, {h} hot, should be {least} to {most} archived'
    for row in sorted(set(hot) | set(archive)):
        if row not in truth:
            yield row, f'row {row} was never inserted: {hot[row]} hot, {archive[row]} archived'


def rows(path):
    with open(path, encoding='utf-8') as lines:
        return Counter(line.rstrip('\n') for line in lines)


def main(truth_path, hot_path, archive_path, deletion):
    truth = {}
    with open(truth_path, encoding='utf-8') as lines:
        for line in lines:
            least, most, age, row = line.rstrip('\n').split('\t', 3)
            old = truth.get(row, (0, 0, age))
            truth[row] = (old[0] + int(least), old[1] + int(most), age)
    wrong = [text for _, text in judge(truth, rows(hot_path), rows(archive_path), deletion)]
    for text in wrong[:10]:
        print(text)
    if wrong:
        print(f'{len(wrong)} rows are wrong')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:5]))

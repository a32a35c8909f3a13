"""Faults for one run: rules of test/tools/fault_proxy.py, drawn at random, and what the run may say of them."""

# Where they strike. The store's side by key and method, ClickHouse's by the purpose of the query.
STORE = ['* .', 'PUT /events/', 'GET /events/', 'PUT /_delta_log/0', 'GET /_delta_log/', 'HEAD .',
         'GET [?&]list-type=', 'PUT /_lynex/', 'GET /_lynex/', 'PUT /_delta_log/.*checkpoint', 'DELETE .']
HOUSE = ['POST .', 'POST query_id=lynex-plan', 'POST query_id=lynex-read', 'POST query_id=lynex-guard',
         'POST query_id=lynex-drop', 'POST query_id=lynex-mask', 'POST query_id=lynex-apply',
         'POST query_id=lynex-compare', 'POST query_id=lynex-sums', 'POST query_id=lynex-judge']
# Where others get in: the next run may find anything, but never a wrong row.
GONE = r'connect|reset|closed|ended|refused|no answer|timed? ?out|moved for|broke|cut|short|bytes|transfer|recv|send|lynex-'


def spot(rng, places):
    nth = rng.choice(['nth=1', 'nth=2', 'nth=%d' % rng.randrange(1, 12), 'every=%d' % rng.randrange(3, 9)])
    return rng.choice(places), nth


def one(rng, places, action, narrow=None):
    place, nth = spot(rng, narrow or places)
    return '%s %s %s' % (place, nth, action)


def on_both(rng, places):
    """kind -> the rule; of either side."""
    return {
        # To ClickHouse a run keeps a connection or two.
        'refused': lambda: '- from=%d every=%d refuse' % (
            rng.randrange(1, 3 if places is HOUSE else 12), rng.choice([2, 3, 1000000])),
        'reset': lambda: one(rng, places, rng.choice(['reset', 'reset request=%d' % rng.randrange(2000),
                                                      'reset answer=%d' % rng.randrange(3000)])),
        'stall': lambda: one(rng, places, 'stall seconds=%.1f%s' % (rng.uniform(0.1, 2.5),
                                                                    rng.choice(['', ' after']))),
        'trickle': lambda: one(rng, places, 'trickle bytes=%d ms=%d' % (rng.randrange(20, 200), rng.randrange(1, 4))),
        'answer lost': lambda: one(rng, places, rng.choice(['lose', 'lose early'])),
        'sent twice': lambda: one(rng, places, rng.choice(['twice', 'twice first'])),
        '500': lambda: one(rng, places, 's3 500 InternalError'),
        'error behind the act': lambda: one(rng, places, 's3 500 InternalError acting'),
        'body cut': lambda: one(rng, places, 'cut at=%d' % rng.randrange(600)),
    }


def of_store(rng):
    kinds = on_both(rng, STORE)
    gets = ['GET /events/', 'GET /_delta_log/', 'GET /_lynex/']
    kinds.update({
        'storm of 503': lambda: '%s nth=%s s3 503 SlowDown' % (rng.choice(STORE), rng.choice(['1,2,3', '2,3,4,5', '1,2'])),
        '200 with an error': lambda: one(rng, STORE, 's3 200 InternalError'),
        'body cut, honestly': lambda: one(rng, gets, 'cut at=%d honest' % rng.randrange(3000)),
        'bit flipped': lambda: one(rng, gets, 'flip at=%d' % rng.randrange(-500, 3000)),
        'wrong length': lambda: one(rng, gets, 'length add=%d' % rng.choice([-10, -1, 1, 10])),
        'clock skew': lambda: one(rng, STORE, 's3 403 RequestTimeTooSkewed'),
        'expired token': lambda: one(rng, STORE, 's3 403 ExpiredToken'),
        'quota': lambda: one(rng, STORE, 's3 403 QuotaExceeded', ['PUT /events/', 'PUT /_delta_log/0']),
        'right missing': lambda: one(rng, STORE, 's3 403 AccessDenied'),
    })
    return kinds


def of_house(rng):
    kinds = on_both(rng, HOUSE)
    reads, writes = ['POST query_id=lynex-read'], HOUSE[4:7]
    kinds.update({
        'exception': lambda: one(rng, HOUSE, 'exception %s%s' % (
            rng.choice(['241 MEMORY_LIMIT_EXCEEDED', '394 QUERY_WAS_CANCELLED', '159 TIMEOUT_EXCEEDED',
                        '210 NETWORK_ERROR', '202 TOO_MANY_SIMULTANEOUS_QUERIES']), rng.choice(['', ' acting']))),
        'exception in mid-stream': lambda: one(
            rng, HOUSE, 'midway 241 MEMORY_LIMIT_EXCEEDED at=%d' % rng.choice([0, 100, 1000, 1000000])),
        'mutation refused': lambda: one(rng, HOUSE, 'exception 692 TOO_MANY_MUTATIONS', writes),
        'disk full': lambda: one(rng, HOUSE, 'exception 243 NOT_ENOUGH_SPACE', writes),
        'table read-only': lambda: one(rng, HOUSE, 'exception 242 TABLE_IS_READ_ONLY', writes),
        'body cut, honestly': lambda: one(rng, HOUSE, 'cut at=%d honest' % rng.randrange(3000), reads),
        'bit flipped': lambda: one(rng, HOUSE, 'flip at=%d' % rng.randrange(3000), reads),
        'wrong length': lambda: one(rng, HOUSE, 'length add=%d' % rng.choice([-10, -1, 1, 10])),
    })
    return kinds


def draw(rng, side, counts):
    """(kind, rule); kinds that were met least come first."""
    kinds = of_store(rng) if side == 'store' else of_house(rng)
    names = sorted(kinds)
    rng.shuffle(names)
    if rng.random() < 0.6:
        names.sort(key=lambda kind: counts.get((side, kind), 0))
    return names[0], kinds[names[0]]()


# Faults behind which a failed proof (status 4) is right: wrong bytes were read.
CORRUPTING = {'200 with an error', 'bit flipped', 'body cut, honestly', 'wrong length', 'body cut'}
# What a message must hold, if this fault alone is the cause.
CAUSES = {
    '500': 'InternalError|HTTP status 500', 'error behind the act': 'InternalError|HTTP status 500',
    'storm of 503': 'SlowDown|503', '200 with an error': 'InternalError|bytes|line|corrupt',
    'clock skew': 'RequestTimeTooSkewed|clock', 'expired token': 'ExpiredToken', 'quota': 'QuotaExceeded',
    'right missing': 'AccessDenied|refuse|may not|right', 'exception in mid-stream': 'MEMORY_LIMIT_EXCEEDED',
    'exception': 'MEMORY_LIMIT|CANCELLED|TIMEOUT|NETWORK_ERROR|TOO_MANY|fault proxy',
    'mutation refused': 'TOO_MANY_MUTATIONS', 'disk full': 'NOT_ENOUGH_SPACE', 'table read-only': 'READ_ONLY',
    'bit flipped': 'proof failed|corrupt|not |bytes|sum|differ|line|invalid|changed',
    'body cut, honestly': 'proof failed|ends|short|bytes|not |too',
}

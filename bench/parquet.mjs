// make bench-parquet: our Parquet files against DuckDB's and ClickHouse's, on the same rows.
//
// One run, all sides in turns, each on one thread; what counts are ratios of CPU seconds and of bytes. Rows come
// from bench/datagen.c, through a MergeTree table with the events' usual key, as ClickHouse returns them.
// Prints a table and saves build/bench/parquet.json: a list of {name, unit, ours, peer, ratio, must, goal},
// ratio = ours / peer (of "GB/s": ours alone), low and high its range over the rounds; and puts the table (columns
// left out) into docs/performance.md.
//
//   BENCH_ROWS=3000000   BENCH_ROUNDS=5   BENCH_DIR: where files lie, default build/bench
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'

const top = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const build = resolve(process.env.BUILD ?? join(top, 'build'))
const base = resolve(process.env.BENCH_DIR ?? join(build, 'bench'))
const rows = Number(process.env.BENCH_ROWS ?? 3000000)
const rounds = Number(process.env.BENCH_ROUNDS ?? 5)
const require = createRequire(join(top, '.deps', 'package.json'))
const { DuckDBInstance } = await import(pathToFileURL(require.resolve('@duckdb/node-api')).href)

const files = join(base, 'files')
const server = join(base, 'clickhouse')
const testbed = join(top, 'test', 'testbed', 'clickhouse')
const env = { ...process.env, LIBCHDB: process.env.LIBCHDB ?? require.resolve('@chdb/lib-linux-x64-gnu/libchdb.so') }
const say = text => process.stderr.write(text + '\n')

// -- ClickHouse ---------------------------------------------------------------------------------------

const port = 20000 + (process.pid % 20000)
const startServer = () => execFileSync(testbed, ['start', server, String(port), String(port + 1)], { env, stdio: 'inherit' })
const stopServer = () => execFileSync(testbed, ['stop', server], { env })

const url = parameters => `http://127.0.0.1:${port}/?${new URLSearchParams(parameters)}`
const clickhouse = (sql, parameters = {}) =>
  execFileSync('curl', ['-sS', '--fail-with-body', url({ max_threads: 1, ...parameters }), '--data-binary', '@-'],
    { input: sql, encoding: 'utf8', maxBuffer: 1 << 26 })
const clickhouseTo = (file, sql, parameters = {}) =>
  execFileSync('curl', ['-sS', '--fail', '-o', file, url({ max_threads: 1, ...parameters }), '--data-binary', '@-'], { input: sql })

// CPU seconds of the server so far: user and system, in hundredths.
const serverCpu = () => {
  const pid = readFileSync(join(server, 'pid'), 'utf8').trim()
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
const measured = action => {
  const cpu = serverCpu(), wall = performance.now()
  action()
  return { cpu: serverCpu() - cpu, wall: (performance.now() - wall) / 1000 }
}

const columns = `event_id UUID, project_id String, type LowCardinality(String), timestamp DateTime64(3, 'UTC'),
  sdk_name LowCardinality(String), sdk_version String, body String, context String, queued_at DateTime64(3, 'UTC'),
  processed_at DateTime64(3, 'UTC'), queue_latency_ms Float32, estimated_cost_usd Float64, _date Date, _hour DateTime('UTC')`
const asText = 'SELECT toString(event_id) AS event_id, * EXCEPT event_id FROM events'

const fill = async () => {
  clickhouse(`CREATE TABLE events (${columns}) ENGINE = MergeTree PARTITION BY toYYYYMM(_date)
    ORDER BY (project_id, type, timestamp, event_id)`)
  const generator = spawn(join(build, 'bench', 'datagen'), [join(base, 'pool.txt'), String(rows)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const curl = spawn('curl', ['-sS', '--fail-with-body', '-X', 'POST', '-H', 'Expect:', '-T', '-',
    url({ query: 'INSERT INTO events FORMAT RowBinary' })], { stdio: [generator.stdout, 'inherit', 'inherit'] })
  const status = await new Promise(done => curl.on('close', done))
  if (status !== 0) throw new Error('the rows could not be inserted')
  clickhouse('OPTIMIZE TABLE events FINAL')
  const count = Number(clickhouse('SELECT count() FROM events'))
  if (count !== rows) throw new Error(`${count} rows, not ${rows}`)
}

// -- ours ---------------------------------------------------------------------------------------------

const startOurs = native => {
  const child = spawn(join(build, 'bench', 'bench_parquet'), [native, files], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('bench_parquet ended')
    return JSON.parse(value)
  }
  return { next, ask: command => { child.stdin.write(command + '\n'); return next() }, end: () => child.stdin.end() }
}

// -- DuckDB -------------------------------------------------------------------------------------------

const duck = await (await DuckDBInstance.create(':memory:')).connect()
await duck.run("SET threads = 1; SET TimeZone = 'UTC'")
const duckRows = async sql => (await duck.runAndReadAll(sql)).getRowsJS()
const duckMeasured = async sql => {
  const from = process.cpuUsage(), wall = performance.now()
  await duckRows(sql)
  const used = process.cpuUsage(from)
  return { cpu: (used.user + used.system) / 1e6, wall: (performance.now() - wall) / 1000 }
}
const duckCopy = (name, level) => duckMeasured(`COPY events TO '${path(name)}'
  (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL ${level}, PARQUET_VERSION V2)`)
const columnBytes = async name => Object.fromEntries((await duckRows(`SELECT path_in_schema, sum(total_compressed_size)::DOUBLE
  FROM parquet_metadata('${path(name)}') GROUP BY 1`)).map(([column, bytes]) => [column, bytes]))

// -- results ------------------------------------------------------------------------------------------

const path = name => join(files, `${name}.parquet`)
const size = name => statSync(path(name)).size
const median = list => { const s = [...list].sort((a, b) => a - b), m = s.length >> 1; return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2 }
const results = []
const add = (name, unit, ours, peer, must = null, goal = null) => {
  const all = peer === null ? ours : ours.map((value, i) => value / peer[i])
  results.push({ name, unit, ours: median(ours), peer: peer === null ? null : median(peer),
    ratio: peer === null ? null : median(all), low: Math.min(...all), high: Math.max(...all), must, goal })
}
const holds = r => r.must === null ? null : r.peer === null ? r.ours >= r.must : r.ratio <= r.must
const number = (value, unit) => value === null ? '' : unit === 'bytes' ? (value / 1e6).toFixed(3) + ' MB' : value.toFixed(unit === 's' ? 2 : 3)

const print = () => {
  const table = [['what', 'ours', 'peer', 'ratio', 'range', 'must', 'goal', '']]
  for (const r of results)
    table.push([r.name, number(r.ours, r.unit) + (r.unit === 'bytes' ? '' : ' ' + r.unit), number(r.peer, r.unit),
      r.ratio === null ? '' : r.ratio.toFixed(3), r.low === r.high ? '' : `${r.low.toFixed(3)}-${r.high.toFixed(3)}`,
      r.must ?? '', r.goal ?? '', holds(r) === null ? '' : holds(r) ? 'ok' : 'MISSED'])
  const widths = table[0].map((_, i) => Math.max(...table.map(line => String(line[i]).length)))
  for (const line of table)
    console.log(line.map((cell, i) => i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i])).join('  ').trimEnd())
}

// The same for docs/performance.md, between its markers.
const writeDocs = () => {
  const file = join(top, 'docs', 'performance.md')
  const lines = [`${rows.toLocaleString('en')} rows, ${rounds} rounds, one thread each; ${cpus()[0].model.trim()}.`, '',
    '| | ours | peer | ratio: median (least-most) | must | goal | |', '|---|---|---|---|---|---|---|']
  for (const r of results.filter(r => !r.name.startsWith('column ')))
    lines.push(`| ${r.name} | ${number(r.ours, r.unit)}${r.unit === 'bytes' ? '' : ' ' + r.unit} | ${number(r.peer, r.unit)} | ` +
      `${r.peer === null ? '' : r.ratio.toFixed(3)}${r.low === r.high ? '' : ` (${r.low.toFixed(3)}-${r.high.toFixed(3)})`} | ` +
      `${r.must ?? ''} | ${r.goal ?? ''} | ${holds(r) === false ? 'missed' : ''} |`)
  const block = `<!-- make bench-parquet -->\n${lines.join('\n')}\n<!-- end bench-parquet -->`
  const text = readFileSync(file, 'utf8')
  const marked = /<!-- make bench-parquet -->[^]*?<!-- end bench-parquet -->/
  writeFileSync(file, marked.test(text) ? text.replace(marked, () => block) : text + `\n## Files (\`make bench-parquet\`)\n\n${block}\n`)
}

// -- the run ------------------------------------------------------------------------------------------

const push = (record, name, value) => (record[name] ??= []).push(value)

const encodeRounds = async ours => {
  const m = {}
  for (let round = 0; round < rounds; round++) {
    say(`bench: round ${round + 1} of ${rounds}`)
    push(m, 'balanced', await ours.ask('encode balanced balanced'))
    push(m, 'duck3', await duckCopy('duck3', 3))
    push(m, 'null', measured(() => clickhouse('SELECT * FROM events FORMAT Null')))
    push(m, 'ch', measured(() => clickhouseTo(path('ch'), `${asText} FORMAT Parquet`)))
    push(m, 'fast', await ours.ask('encode fast fast'))
    push(m, 'duck1', await duckCopy('duck1', 1))
    push(m, 'small', await ours.ask('encode small small'))
    push(m, 'decode', await ours.ask('decode balanced'))
  }
  m.chOnly = m.ch.map((value, i) => ({ cpu: value.cpu - m.null[i].cpu }))
  return m
}

const reportEncode = async (m, ours) => {
  const cpu = name => m[name].map(value => value.cpu)
  const bytes = name => [size(name)]
  add('balanced: CPU, DuckDB zstd 3 V2', 's', cpu('balanced'), cpu('duck3'), 0.60, 0.50)
  add('balanced: bytes, DuckDB zstd 3 V2', 'bytes', bytes('balanced'), bytes('duck3'), 0.95, 0.93)
  add('balanced: CPU, ClickHouse FORMAT Parquet', 's', cpu('balanced'), cpu('chOnly'), 0.45, 0.38)
  add('balanced: bytes, ClickHouse FORMAT Parquet', 'bytes', bytes('balanced'), bytes('ch'), 0.85, 0.82)
  add('fast: CPU, DuckDB zstd 1 V2', 's', cpu('fast'), cpu('duck1'), 0.58, 0.48)
  add('fast: bytes, DuckDB zstd 1 V2', 'bytes', bytes('fast'), bytes('duck1'), 0.97)
  add('small: CPU, ClickHouse FORMAT Parquet', 's', cpu('small'), cpu('chOnly'), 1)
  add('small: bytes, ClickHouse FORMAT Parquet', 'bytes', bytes('small'), bytes('ch'), 0.80, 0.76)
  add('decode for the proof, hashes included', 'GB/s', m.decode.map(d => d.bytes / d.cpu / 1e9), null, 0.8, 1.1)
  for (const level of [1, 3]) {
    const floor = await ours.ask(`floor ${level}`)
    add(`floor: zstd ${level} alone, CPU of balanced beside it`, 's', cpu('balanced'), cpu('balanced').map(() => floor.cpu))
    add(`floor: zstd ${level} alone, bytes of balanced beside it`, 'bytes', bytes('balanced'), [floor.bytes])
  }
  const [mine, theirs, house] = [await columnBytes('balanced'), await columnBytes('duck3'), await columnBytes('ch')]
  for (const column of Object.keys(mine)) {
    add(`column ${column}: bytes, DuckDB`, 'bytes', [mine[column]], [theirs[column]])
    add(`column ${column}: bytes, ClickHouse`, 'bytes', [mine[column]], [house[column]])
  }
}

// Every reader scans our file and its own.
const scans = async () => {
  const [[id, project, day]] = await duckRows(`SELECT event_id, project_id, timestamp::DATE::VARCHAR FROM events
    WHERE rowid = ${Math.floor(rows / 3)}`)
  const queries = {
    'full scan': ['SELECT sum(cityHash64(*)) FROM $', "SELECT bit_xor(hash(e)) FROM $ e"],
    'one column': ['SELECT sum(length(body)) FROM $', 'SELECT sum(strlen(body)) FROM $'],
    'look-up by event_id': [`SELECT body FROM $ WHERE event_id = '${id}'`, `SELECT body FROM $ WHERE event_id = '${id}'`],
    'one project, one day': [
      `SELECT count(), sum(length(body)) FROM $ WHERE project_id = '${project}' AND timestamp >= toDateTime64('${day} 00:00:00', 3, 'UTC') AND timestamp < toDateTime64('${day} 00:00:00', 3, 'UTC') + INTERVAL 1 DAY`,
      `SELECT count(*), sum(strlen(body)) FROM $ WHERE project_id = '${project}' AND timestamp >= '${day}T00:00:00Z'::TIMESTAMPTZ AND timestamp < '${day}T00:00:00Z'::TIMESTAMPTZ + INTERVAL 1 DAY`],
  }
  for (const [what, [house, duckdb]] of Object.entries(queries)) {
    const m = {}
    const times = what.startsWith('look-up') || what.startsWith('one p') ? 10 : 1   // short ones add up
    const inHouse = file => measured(() => {
      for (let i = 0; i < times; i++) clickhouse(house.replace('$', `file('${path(file)}', Parquet)`))
    })
    const inDuck = async file => {
      const sum = { cpu: 0 }
      for (let i = 0; i < times; i++) sum.cpu += (await duckMeasured(duckdb.replace('$', `read_parquet('${path(file)}')`))).cpu
      return sum
    }
    for (let round = 0; round < Math.max(rounds, 3); round++) {
      push(m, 'houseOurs', inHouse('balanced').cpu)
      push(m, 'houseOwn', inHouse('ch').cpu)
      push(m, 'duckOurs', (await inDuck('balanced')).cpu)
      push(m, 'duckOwn', (await inDuck('duck3')).cpu)
    }
    add(`scan by ClickHouse, ${what}`, 's', m.houseOurs, m.houseOwn, 1)
    add(`scan by DuckDB, ${what}`, 's', m.duckOurs, m.duckOwn, 1)
  }
}

const run = async () => {
  mkdirSync(files, { recursive: true })
  if (!existsSync(join(base, 'pool.txt')))
    execFileSync(join(top, 'scripts', 'textpool'), [join(base, 'pool.txt')], { stdio: 'inherit' })
  rmSync(server, { recursive: true, force: true })
  startServer()
  try {
    say(`bench: ${rows} rows are made`)
    await fill()
    clickhouseTo(join(files, 'rows.native'), 'SELECT * FROM events FORMAT Native')
    clickhouseTo(path('ch'), `${asText} FORMAT Parquet`)
    await duck.run(`CREATE TABLE events AS SELECT * FROM read_parquet('${path('ch')}')`)
    const ours = startOurs(join(files, 'rows.native'))
    const loaded = await ours.next()
    if (loaded.rows !== rows) throw new Error(`${loaded.rows} rows were loaded`)
    await reportEncode(await encodeRounds(ours), ours)
    ours.end()
    say('bench: scans')
    await scans()
  } finally {
    stopServer()
    if (!process.env.BENCH_KEEP) {
      rmSync(server, { recursive: true, force: true })
      rmSync(files, { recursive: true, force: true })
    }
  }
  const processor = cpus()[0].model
  console.log(`${rows} rows, ${rounds} rounds, one thread each; ${processor}`)
  print()
  writeDocs()
  writeFileSync(join(base, 'parquet.json'), JSON.stringify(results, null, 1) + '\n')
  process.exit(0)
}

await run()

// ClickHouse: libchdb as `clickhouse local`, through the launcher chserver.c of test/testbed.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { countWhere, probes, SCALES, typeOf, unscaled } from './common.mjs'

const library = process.env.LIBCHDB
  ?? join(dirname(createRequire(import.meta.url).resolve('@chdb/lib-linux-x64-gnu/package.json')),
    'libchdb.so')
const launcher = process.env.CHSERVER

export const available = existsSync(library) && launcher !== undefined

export const execute = sql => execFileSync(launcher, [library, '--query', sql,
  '--output_format_json_quote_64bit_integers', '1', '--session_timezone', 'UTC'],
{ encoding: 'utf8', maxBuffer: 1 << 30 })

export const query = sql =>
  execute(sql).split('\n').filter(line => line !== '').map(line => JSON.parse(line))

const select = column => {
  const name = `\`${column}\``
  switch (typeOf(column)) {
    case 'i64': case 'dec9': case 'dec18': case 'dec20': return `toString(${name})`
    case 'date': return `toInt32(${name})`
    case 'millis': return `toString(toUnixTimestamp64Milli(${name}))`
    case 'micros': return `toString(toUnixTimestamp64Micro(${name}))`
    case 'binary': case 'fixed': return `lower(hex(${name}))`
    case 'uuid': return `replaceAll(toString(${name}), '-', '')`
    case 'float': return `if(isNaN(${name}), 'NaN', toString(reinterpretAsUInt32(${name})))`
    case 'double': return `if(isNaN(${name}), 'NaN', toString(reinterpretAsUInt64(${name})))`
    default: return name
  }
}

const canonical = (type, value) => {
  if (value === null) return null
  switch (type) {
    case 'float': return value === 'NaN' ? value : Number(value).toString(16).padStart(8, '0')
    case 'double': return value === 'NaN' ? value : BigInt(value).toString(16).padStart(16, '0')
    case 'dec9': case 'dec18': case 'dec20': {
      const scale = SCALES[type], [whole, part = ''] = value.split('.')
      return unscaled(whole + '.' + part.padEnd(scale, '0'))
    }
    default: return value
  }
}

export const readColumns = async (path, columns) => {
  const rows = query(`SELECT ${columns.map(select).join(', ')} FROM file('${path}', Parquet) `
    + 'FORMAT JSONCompactEachRow SETTINGS max_threads = 1, input_format_parquet_preserve_order = 1')
  return Object.fromEntries(columns.map((c, i) =>
    [c, rows.map(row => canonical(typeOf(c), row[i]))]))
}

const literal = (type, value) => {
  switch (type) {
    case 'i64': return `toInt64('${value}')`
    case 'date': return `toDate32(${value})`
    case 'millis': return `fromUnixTimestamp64Milli(toInt64('${value}'), 'UTC')`
    case 'micros': return `fromUnixTimestamp64Micro(toInt64('${value}'), 'UTC')`
    case 'dec9': return `toDecimal128('${value}', 0) / 100`
    case 'dec18': return `toDecimal128('${value}', 0) / 10000`
    case 'dec20': return `toDecimal128('${value}', 0)`
    case 'float': return `reinterpretAsFloat32(toUInt32(${parseInt(value, 16)}))`
    case 'double': return `reinterpretAsFloat64(toUInt64('${BigInt('0x' + value)}'))`
    case 'string': return `unhex('${Buffer.from(value, 'utf8').toString('hex')}')`
    case 'binary': return `unhex('${value}')`
    case 'fixed': return `toFixedString(unhex('${value}'), 5)`
    case 'uuid': return `toUUID('${value}')`
    default: return String(value)
  }
}

export const checkFilters = async (what, path, expected, columns) => {
  const asked = [], parts = []
  for (const c of columns) {
    const type = typeOf(c), values = expected.map(row => row[c])
    // A quotient of decimals has another scale; those are compared by value in the other readers.
    if (type === 'dec9' || type === 'dec18') continue
    for (const probe of probes(type, values)) {
      for (const op of type === 'bool' || type === 'uuid' ? ['='] : ['=', '>=', '<=']) {
        asked.push([c, op, probe, countWhere(type, values, op, probe)])
        parts.push(`SELECT ${parts.length} AS i, count() AS n FROM file('${path}', Parquet)`
          + ` WHERE \`${c}\` ${op} ${literal(type, probe)}`)
      }
    }
  }
  let wrong = 0
  for (let at = 0; at < parts.length; at += 400) {
    const sql = parts.slice(at, at + 400).join(' UNION ALL ')
    for (const { i, n } of query(`SELECT * FROM (${sql}) FORMAT JSONEachRow`)) {
      const [c, op, probe, count] = asked[i]
      if (Number(n) === count) continue
      wrong++
      console.log(`${what}: ${c} ${op} ${probe}: ${n} rows, not ${count}`)
    }
  }
  return wrong
}

// DuckDB: reads with the values brought to the canonical form by SQL; filters that can prune.

import { DuckDBInstance } from '@duckdb/node-api'
import { doubleBits, floatBits, probes, countWhere, SCALES, typeOf, unscaled } from './common.mjs'

const instance = await DuckDBInstance.create(':memory:')
const connection = await instance.connect()
await connection.run("SET TimeZone = 'UTC'; SET threads = 2")

export const query = async sql => (await connection.runAndReadAll(sql)).getColumns()
export const execute = async sql => { await connection.run(sql) }

const select = column => {
  const name = `"${column}"`
  switch (typeOf(column)) {
    case 'i64': case 'dec9': case 'dec18': case 'dec20': return `${name}::VARCHAR`
    case 'date': return `${name} - DATE '1970-01-01'`
    case 'millis': return `(epoch_us(${name}) // 1000)::VARCHAR`
    case 'micros': return `epoch_us(${name})::VARCHAR`
    case 'binary': case 'fixed': return `lower(hex(${name}))`
    case 'uuid': return `replace(${name}::VARCHAR, '-', '')`
    case 'float': return `${name}::DOUBLE`
    default: return name
  }
}

const canonical = (type, value) => {
  if (value === null) return null
  switch (type) {
    case 'i8': case 'i16': case 'i32': case 'date': return Number(value)
    case 'dec9': case 'dec18': case 'dec20': return unscaled(value)
    case 'float': return floatBits(value)
    case 'double': return doubleBits(value)
    default: return value
  }
}

export const readColumns = async (path, columns) => {
  const read = await query(`SELECT ${columns.map(select).join(', ')} FROM read_parquet('${path}')`)
  return Object.fromEntries(columns.map((c, i) =>
    [c, Array.from(read[i] ?? [], v => canonical(typeOf(c), v))]))
}

const iso = micros => {
  const ms = micros / 1000n, text = new Date(Number(ms)).toISOString()
  return text.replace(/\.\d+Z$/, `.${String(micros % 1000000n).padStart(6, '0')}Z`)
}

export const literal = (type, value) => {
  const decimal = digits => {
    const scale = SCALES[type], negative = digits.startsWith('-')
    const abs = (negative ? digits.slice(1) : digits).padStart(scale + 1, '0')
    return (negative ? '-' : '') + (scale ? abs.slice(0, -scale) + '.' + abs.slice(-scale) : abs)
  }
  switch (type) {
    case 'date': return `(DATE '1970-01-01' + ${value})`
    case 'millis': return `TIMESTAMPTZ '${iso(BigInt(value) * 1000n)}'`
    case 'micros': return `TIMESTAMPTZ '${iso(BigInt(value))}'`
    case 'dec9': return `'${decimal(value)}'::DECIMAL(9,2)`
    case 'dec18': return `'${decimal(value)}'::DECIMAL(18,4)`
    case 'dec20': return `'${decimal(value)}'::DECIMAL(20,0)`
    case 'float': return `'${Buffer.from(value, 'hex').readFloatBE()}'::FLOAT`
    case 'double': return `'${Buffer.from(value, 'hex').readDoubleBE()}'::DOUBLE`
    case 'string': return `'${value.replaceAll("'", "''")}'`
    case 'binary': case 'fixed': return `unhex('${value}')`
    case 'uuid': return `'${value}'::UUID`
    default: return String(value)
  }
}

// NaN is the largest number for DuckDB: a range above holds it too.
export const checkFilters = async (what, path, expected, columns) => {
  const asked = [], parts = []
  for (const c of columns) {
    const type = typeOf(c), values = expected.map(row => row[c])
    for (const probe of probes(type, values)) {
      for (const op of type === 'bool' || type === 'uuid' ? ['='] : ['=', '>=', '<=']) {
        let count = countWhere(type, values, op, probe)
        if (op === '>=' && (type === 'float' || type === 'double'))
          count += values.filter(v => v === 'NaN').length
        asked.push([c, op, probe, count])
        parts.push(`(SELECT count(*) FROM read_parquet('${path}')`
          + ` WHERE "${c}" ${op} ${literal(type, probe)})`)
      }
    }
  }
  let wrong = 0
  for (let at = 0; at < parts.length; at += 100) {
    const counts = await query('SELECT ' + parts.slice(at, at + 100).join(', '))
    counts.forEach((column, i) => {
      const [c, op, probe, count] = asked[at + i]
      if (Number(column[0]) === count) return
      wrong++
      console.log(`${what}: ${c} ${op} ${probe}: ${column[0]} rows, not ${count}`)
    })
  }
  return wrong
}

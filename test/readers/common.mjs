// The canonical form of values (see parquet_tool.c), and counting with it.

import { readFileSync } from 'node:fs'

// "i64_rising" -> "i64"
export const typeOf = column => column.slice(0, column.lastIndexOf('_'))

export const readJsonLines = path =>
  readFileSync(path, 'utf8').trimEnd().split('\n').map(line => JSON.parse(line))

export const hex = bytes => Buffer.from(bytes).toString('hex')

export const floatBits = value => {
  if (Number.isNaN(value)) return 'NaN'
  const b = Buffer.alloc(4)
  b.writeFloatBE(value)
  return b.toString('hex')
}

export const doubleBits = value => {
  if (Number.isNaN(value)) return 'NaN'
  const b = Buffer.alloc(8)
  b.writeDoubleBE(value)
  return b.toString('hex')
}

// "12.30" -> "1230": the unscaled integer, for text with the full scale.
export const unscaled = text => BigInt(text.replace('.', '')).toString()

export const SCALES = { dec9: 2, dec18: 4, dec20: 0 }

// The canonical value as something that < and === order as its type does.
export const comparable = (type, value) => {
  if (value === null) return null
  switch (type) {
    case 'i64': case 'millis': case 'micros': case 'dec9': case 'dec18': case 'dec20':
      return BigInt(value)
    case 'float': return value === 'NaN' ? NaN : Buffer.from(value, 'hex').readFloatBE()
    case 'double': return value === 'NaN' ? NaN : Buffer.from(value, 'hex').readDoubleBE()
    // Hexadecimal digits order like the bytes.
    case 'string': return Buffer.from(value, 'utf8').toString('hex')
    default: return value
  }
}

// Which values a filter is asked for: some of the column, and one that is not there.
export const probes = (type, values) => {
  const present = values.filter(v => v !== null && v !== 'NaN')
  const picked = [0, 7, Math.floor(present.length / 2), present.length - 1]
    .map(i => present[i]).filter(v => v !== undefined)
  return [...new Set(picked)]
}

export const countWhere = (type, values, op, probe) => {
  const p = comparable(type, probe)
  let n = 0
  for (const v of values) {
    if (v === null) continue
    const c = comparable(type, v)
    if (Number.isNaN(c)) continue
    if (op === '=' ? c === p || (typeof c === 'number' && c === 0 && p === 0)
      : op === '>=' ? c >= p : c <= p) n++
  }
  return n
}

// Says what differs; the number of columns that do.
export const compareRows = (what, expected, columns) => {
  let wrong = 0
  for (const [name, values] of Object.entries(columns)) {
    const at = values.length !== expected.length ? 0
      : expected.findIndex((row, i) => row[name] !== values[i])
    if (values.length === expected.length && at < 0) continue
    wrong++
    console.log(`${what}: column ${name}, row ${at} of ${expected.length} (${values.length} read): `
      + `${JSON.stringify(values[at])} should be ${JSON.stringify(expected[at]?.[name])}`)
  }
  return wrong
}

// hyparquet: a reader in plain JavaScript.

import { parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { readFileSync } from 'node:fs'
import { doubleBits, floatBits, hex, SCALES, typeOf } from './common.mjs'

const bufferOf = path => {
  const bytes = readFileSync(path)
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
}

// Times as they are stored: a Date would cut microseconds.
const parsers = {
  timestampFromMilliseconds: v => v,
  timestampFromMicroseconds: v => v,
  timestampFromNanoseconds: v => v,
  dateFromDays: v => v,
}

// What it makes of a decimal.
const asFloat = (type, digits) => Number(BigInt(digits)) * 10 ** -SCALES[type]

const bytesOf = v => typeof v === 'string' ? Buffer.from(v, 'latin1') : v

const canonical = (type, value) => {
  if (value === null || value === undefined) return null
  switch (type) {
    case 'i64': case 'millis': case 'micros': return String(value)
    // It makes decimals floating-point numbers: what is left of their digits.
    case 'dec9': case 'dec18': case 'dec20': return value
    case 'float': return floatBits(value)
    case 'double': return doubleBits(value)
    case 'binary': case 'fixed': return hex(bytesOf(value))
    case 'uuid': return typeof value === 'string' ? value.replaceAll('-', '') : hex(value)
    default: return value
  }
}

export const expectation = rows => rows.map(row => Object.fromEntries(Object.entries(row)
  .map(([c, v]) => [c, typeOf(c) in SCALES && v !== null ? asFloat(typeOf(c), v) : v])))

export const readColumns = async (path, columns) => {
  const rows = await parquetReadObjects({ file: bufferOf(path), compressors, parsers, utf8: false })
  return Object.fromEntries(columns.map(c => [c, rows.map(row => canonical(typeOf(c), row[c]))]))
}

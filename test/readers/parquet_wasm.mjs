// parquet-wasm: the Rust implementation (arrow-rs), read through Arrow's columns.

import { tableFromIPC } from 'apache-arrow'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { doubleBits, floatBits, hex, typeOf } from './common.mjs'

const wasm = createRequire(import.meta.url)('parquet-wasm')

export const tableOf = path =>
  tableFromIPC(wasm.readParquet(readFileSync(path)).intoIPCStream())

const decimal = words => {
  let value = 0n
  for (let i = words.length; i-- > 0;) value = value << 32n | BigInt(words[i] >>> 0)
  return BigInt.asIntN(32 * words.length, value).toString()
}

const canonical = (type, vector, data, i) => {
  switch (type) {
    case 'i64': return data.values[i].toString()
    case 'millis': case 'micros': return data.values[i].toString()
    case 'date': return data.values[i]
    case 'dec9': case 'dec18': case 'dec20': {
      const words = data.values.length / data.length
      return decimal(data.values.subarray(i * words, (i + 1) * words))
    }
    case 'float': return floatBits(data.values[i])
    case 'double': return doubleBits(data.values[i])
    case 'binary': case 'fixed': case 'uuid': return hex(vector.get(i))
    default: return vector.get(i)
  }
}

export const readColumns = async (path, columns) => {
  const read = Object.fromEntries(columns.map(c => [c, []]))
  for (const batch of tableOf(path).batches) {
    for (const c of columns) {
      const vector = batch.getChild(c), data = vector.data[0]
      for (let i = 0; i < vector.length; i++)
        read[c].push(vector.isValid(i) ? canonical(typeOf(c), vector, data, i) : null)
    }
  }
  return read
}

// Structs, lists and maps as other readers see them.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { readJsonLines } from './common.mjs'
import * as clickhouse from './clickhouse.mjs'
import * as duckdb from './duckdb.mjs'
import { tableOf } from './parquet_wasm.mjs'

const differ = (what, expected, read) => {
  const at = expected.findIndex((row, i) => JSON.stringify(row) !== JSON.stringify(read[i]))
  if (at < 0 && expected.length === read.length) return 0
  console.log(`${what} nested, row ${at} of ${expected.length} (${read.length} read): `
    + `${JSON.stringify(read[at])} should be ${JSON.stringify(expected[at])}`)
  return 1
}

const ofArrow = row => {
  const map = row.m === null ? null : {}
  if (map !== null) for (const [k, v] of row.m) map[k] = v
  return {
    id: row.id,
    s: row.s === null ? null : { a: row.s.a === null ? null : row.s.a.toString(), b: row.s.b },
    l: row.l === null ? null : [...row.l],
    m: map,
  }
}

export const checkNested = async (tool, dir) => {
  execFileSync(tool, ['nested', dir])
  const path = join(dir, 'nested.parquet'), expected = readJsonLines(join(dir, 'nested.jsonl'))
  let wrong = 0
  const [json] = await duckdb.query(`SELECT to_json({id: id,
    s: CASE WHEN s IS NULL THEN NULL ELSE {a: s.a::VARCHAR, b: s.b} END, l: l, m: m})::VARCHAR
    FROM read_parquet('${path}')`)
  wrong += differ('duckdb', expected, Array.from(json, text => JSON.parse(text)))
  const table = tableOf(path)
  wrong += differ('parquet-wasm', expected, table.toArray().map(ofArrow))
  if (clickhouse.available) {
    // ClickHouse has no NULL for lists and maps: they come empty.
    const rows = clickhouse.query(`SELECT id, l, m FROM file('${path}', Parquet)
      FORMAT JSONEachRow SETTINGS max_threads = 1`)
    const plain = expected.map(row => ({ id: row.id, l: row.l ?? [], m: row.m ?? {} }))
    wrong += differ('clickhouse', plain, rows)
  }
  return wrong
}

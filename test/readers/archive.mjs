// Reads files of an archive with readers that nobody here wrote, and compares with what ClickHouse said
// of the rows before they left it.
//
//   CHSERVER=… LIBCHDB=… node archive.mjs EXPECTED.jsonl FILE…
//
// Columns are named TYPE_anything, their values in the canonical form of common.mjs; rows are matched by
// the column i32_id.

import * as clickhouse from './clickhouse.mjs'
import { compareRows, readJsonLines } from './common.mjs'
import * as duckdb from './duckdb.mjs'
import * as hyparquet from './hyparquet.mjs'
import * as wasm from './parquet_wasm.mjs'

const [expectedPath, ...files] = process.argv.slice(2)
const expected = readJsonLines(expectedPath).sort((a, b) => a.i32_id - b.i32_id)
const columns = Object.keys(expected[0])
if (!clickhouse.available) throw new Error('CHSERVER and LIBCHDB do not name a ClickHouse')

let wrong = 0
const check = async (name, reader, rows) => {
  const all = Object.fromEntries(columns.map(c => [c, []]))
  for (const file of files) {
    const read = await reader.readColumns(file, columns)
    for (const c of columns) for (const value of read[c]) all[c].push(value)
  }
  const order = all.i32_id.map((id, i) => [id, i]).sort((a, b) => a[0] - b[0]).map(x => x[1])
  for (const c of columns) all[c] = order.map(i => all[c][i])
  const bad = compareRows(name, rows, all)
  wrong += bad
  console.log(`${name}: ${all.i32_id.length} rows, ${columns.length} columns, ${bad} differ`)
}

await check('clickhouse', clickhouse, expected)
await check('duckdb', duckdb, expected)
await check('hyparquet', hyparquet, hyparquet.expectation(expected))
await check('parquet-wasm', wasm, expected)
process.exit(wrong === 0 ? 0 : 1)

// Reads a test matrix of Parquet files with readers that nobody here wrote, and files of theirs with
// ours.
//
//   PARQUET_TOOL=… [CHSERVER=… LIBCHDB=…] node run.mjs [DIR]
//
// DIR: where the files go; default a fresh directory. ONLY=duckdb,… names some of the readers.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as clickhouse from './clickhouse.mjs'
import { compareRows, readJsonLines } from './common.mjs'
import * as duckdb from './duckdb.mjs'
import * as hyparquet from './hyparquet.mjs'
import * as wasm from './parquet_wasm.mjs'
import { checkForeign } from './foreign.mjs'
import { checkNested } from './nested.mjs'

const tool = process.env.PARQUET_TOOL
if (!tool) throw new Error('PARQUET_TOOL does not name parquet_tool')
const dir = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'parquet-'))
mkdirSync(dir, { recursive: true })
const only = (process.env.ONLY ?? 'duckdb,clickhouse,hyparquet,wasm,nested,foreign').split(',')

const names = execFileSync(tool, ['matrix', dir], { encoding: 'utf8' }).trim().split('\n')
let wrong = 0, files = 0, columnsRead = 0

const attempt = async (what, action) => {
  try {
    wrong += await action()
  } catch (error) {
    wrong++
    console.log(`${what}: ${String(error.message ?? error).split('\n')[0]}`)
  }
}

// Statistics, page index and Bloom filters do not depend on the codec.
const filters = name => name.includes('-zstd-')

for (const name of names) {
  const path = join(dir, name + '.parquet')
  const expected = readJsonLines(join(dir, name + '.jsonl'))
  const columns = Object.keys(expected[0])
  files++
  columnsRead += columns.length
  if (only.includes('duckdb')) {
    await attempt(`duckdb ${name}`, async () =>
      compareRows(`duckdb ${name}`, expected, await duckdb.readColumns(path, columns)))
    if (filters(name))
      await attempt(`duckdb ${name}`, () =>
        duckdb.checkFilters(`duckdb ${name}`, path, expected, columns))
  }
  if (only.includes('clickhouse') && clickhouse.available) {
    await attempt(`clickhouse ${name}`, async () =>
      compareRows(`clickhouse ${name}`, expected, await clickhouse.readColumns(path, columns)))
    if (filters(name))
      await attempt(`clickhouse ${name}`, () =>
        clickhouse.checkFilters(`clickhouse ${name}`, path, expected, columns))
  }
  if (only.includes('hyparquet')) {
    await attempt(`hyparquet ${name}`, async () => compareRows(`hyparquet ${name}`,
      hyparquet.expectation(expected), await hyparquet.readColumns(path, columns)))
  }
  if (only.includes('wasm'))
    await attempt(`parquet-wasm ${name}`, async () =>
      compareRows(`parquet-wasm ${name}`, expected, await wasm.readColumns(path, columns)))
}
if (only.includes('nested')) await attempt('nested', () => checkNested(tool, dir))
if (only.includes('foreign')) await attempt('foreign', () => checkForeign(tool, dir))

if (only.includes('clickhouse') && !clickhouse.available)
  console.log('ClickHouse was left out: CHSERVER names no launcher')
console.log(`${files} files, ${columnsRead} columns: ${wrong} wrong`)
process.exit(wrong === 0 ? 0 : 1)

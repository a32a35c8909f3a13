// Files of other writers, read by ours: the rows of the matrix go through DuckDB, ClickHouse, parquet-wasm
// (arrow-rs) and hyparquet-writer, with every codec and version that each writes.

import { ByteWriter, parquetWrite } from 'hyparquet-writer'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import * as clickhouse from './clickhouse.mjs'
import { compareRows, readJsonLines, typeOf } from './common.mjs'
import * as duckdb from './duckdb.mjs'
import { tableOf } from './parquet_wasm.mjs'

const wasm = createRequire(import.meta.url)('parquet-wasm')

// Rows as ours reads them, by column.
const readOurs = (tool, path, columns) => {
  const rows = execFileSync(tool, ['rows', path, ...columns], { encoding: 'utf8', maxBuffer: 1 << 30 })
    .trimEnd().split('\n').map(line => JSON.parse(line))
  return Object.fromEntries(columns.map(c => [c, rows.map(row => row[c])]))
}

const without = (columns, ...types) => columns.filter(c => !types.includes(typeOf(c)))
const changed = (rows, change) => rows.map(row =>
  Object.fromEntries(Object.entries(row).map(([c, v]) => [c, v === null ? null : change(typeOf(c), v)])))

// DuckDB keeps times in microseconds.
const ofDuckdb = async (tool, dir, source, expected, columns) => {
  let wrong = 0, files = 0
  const micros = changed(expected, (type, v) => type === 'millis' ? String(BigInt(v) * 1000n) : v)
  for (const version of ['V1', 'V2']) {
    for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'lz4_raw']) {
      const path = join(dir, `duckdb-${version}-${codec}.parquet`)
      await duckdb.execute(`COPY (SELECT * FROM read_parquet('${source}')) TO '${path}'
        (FORMAT parquet, COMPRESSION ${codec}, PARQUET_VERSION ${version}, ROW_GROUP_SIZE 500)`)
      wrong += compareRows(`ours of duckdb ${version} ${codec}`, micros, readOurs(tool, path, columns))
      files++
    }
  }
  return [wrong, files]
}

// ClickHouse has no type for bytes that are no text: it writes them as text.
const ofClickhouse = (tool, dir, source, expected, all) => {
  let wrong = 0, files = 0
  const columns = without(all, 'binary')
  for (const codec of ['none', 'snappy', 'gzip', 'zstd', 'lz4']) {
    const path = join(dir, `clickhouse-${codec}.parquet`)
    clickhouse.execute(`SELECT ${columns.map(c => `\`${c}\``).join(', ')} FROM file('${source}', Parquet)
      INTO OUTFILE '${path}' TRUNCATE FORMAT Parquet SETTINGS max_threads = 1,
      output_format_parquet_compression_method = '${codec}', output_format_parquet_row_group_size = 500,
      input_format_parquet_preserve_order = 1`)
    wrong += compareRows(`ours of clickhouse ${codec}`, expected, readOurs(tool, path, columns))
    files++
  }
  return [wrong, files]
}

const ofWasm = (tool, dir, source, expected, columns) => {
  let wrong = 0, files = 0
  const { Compression, Encoding, WriterPropertiesBuilder, WriterVersion } = wasm
  const delta = { i32: Encoding.DELTA_BINARY_PACKED, i64: Encoding.DELTA_BINARY_PACKED,
    millis: Encoding.DELTA_BINARY_PACKED, string: Encoding.DELTA_BYTE_ARRAY,
    binary: Encoding.DELTA_LENGTH_BYTE_ARRAY }
  const codecs = { none: Compression.UNCOMPRESSED, snappy: Compression.SNAPPY, gzip: Compression.GZIP,
    zstd: Compression.ZSTD, lz4: Compression.LZ4_RAW }
  for (const version of [1, 2]) {
    for (const dictionary of [true, false]) {
      for (const [codec, number] of Object.entries(codecs)) {
        const path = join(dir, `wasm-${version}-${dictionary ? 'dict' : 'delta'}-${codec}.parquet`)
        let properties = new WriterPropertiesBuilder().setCompression(number).setDictionaryEnabled(dictionary)
          .setMaxRowGroupSize(500).setDataPageSizeLimit(4096)
          .setWriterVersion(version === 1 ? WriterVersion.V1 : WriterVersion.V2)
        if (!dictionary)
          for (const c of columns)
            if (delta[typeOf(c)] !== undefined) properties = properties.setColumnEncoding(c, delta[typeOf(c)])
        writeFileSync(path, wasm.writeParquet(wasm.readParquet(
          execFileSync('cat', [source], { maxBuffer: 1 << 30 })), properties.build()))
        wrong += compareRows(`ours of parquet-wasm ${path}`, expected, readOurs(tool, path, columns))
        files++
      }
    }
  }
  return [wrong, files]
}

const hyTypes = {
  bool: ['BOOLEAN', v => v], i32: ['INT32', v => v], i64: ['INT64', v => BigInt(v)],
  double: ['DOUBLE', v => v === 'NaN' ? NaN : Buffer.from(v, 'hex').readDoubleBE()],
  float: ['FLOAT', v => v === 'NaN' ? NaN : Buffer.from(v, 'hex').readFloatBE()],
  string: ['STRING', v => v], binary: ['BYTE_ARRAY', v => new Uint8Array(Buffer.from(v, 'hex'))],
}

const ofHyparquet = (tool, dir, source, expected, all) => {
  let wrong = 0, files = 0
  const columns = all.filter(c => typeOf(c) in hyTypes)
  for (const codec of ['UNCOMPRESSED', 'SNAPPY']) {
    const path = join(dir, `hyparquet-${codec}.parquet`), writer = new ByteWriter()
    parquetWrite({ writer, codec, rowGroupSize: 500, columnData: columns.map(name => {
      const [type, value] = hyTypes[typeOf(name)]
      return { name, type, nullable: true, data: expected.map(row => row[name] === null ? null : value(row[name])) }
    }) })
    writeFileSync(path, Buffer.from(writer.getBytes()))
    wrong += compareRows(`ours of hyparquet-writer ${codec}`, expected, readOurs(tool, path, columns))
    files++
  }
  return [wrong, files]
}

export const checkForeign = async (tool, dir) => {
  const source = join(dir, 'auto-zstd-v1-null.parquet')
  const expected = readJsonLines(join(dir, 'auto-zstd-v1-null.jsonl')), columns = Object.keys(expected[0])
  let wrong = 0
  for (const [name, write] of Object.entries({ DuckDB: ofDuckdb, ClickHouse: ofClickhouse,
    'parquet-wasm': ofWasm, 'hyparquet-writer': ofHyparquet })) {
    if (write === ofClickhouse && !clickhouse.available) continue
    const [bad, files] = await write(tool, dir, source, expected, columns)
    console.log(`files of ${name}: ${files}, ${bad} columns wrong`)
    wrong += bad
  }
  return wrong
}

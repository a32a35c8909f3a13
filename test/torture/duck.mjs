// Rows of Parquet files as DuckDB reads them, for torture.py: a line of JSON in, ["FILE", …], and out the
// rows of those files as lines of tab-separated text, then "." and the number of rows.

import { createInterface } from 'node:readline'
import { query } from '../readers/duckdb.mjs'

for await (const line of createInterface({ input: process.stdin })) {
  const files = JSON.parse(line).map(f => `'${f}'`).join(', ')
  const columns = await query(`SELECT id::VARCHAR, (epoch_us("at") // 1000)::VARCHAR, v, coalesce(w::VARCHAR, 'NULL')
    FROM read_parquet([${files}], union_by_name = true)`)
  const count = columns[0]?.length ?? 0
  const rows = []
  for (let i = 0; i < count; i++) rows.push(columns.map(c => c[i]).join('\t') + '\n')
  process.stdout.write(rows.join('') + `.${count}\n`)
}

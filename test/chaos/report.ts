import type { Row } from './cell.ts'
import { KINDS } from './findings.ts'

type Column = [name: string, value: (row: Row) => string | number]

const COLUMNS: Column[] = [
  ['topology', ({ topology }) => topology],
  ['fault', ({ fault }) => fault],
  ['checked', ({ checked }) => checked],
  ['errors', ({ errors }) => errors],
  ['unknown', ({ unknown }) => unknown],
  ['reconnects', ({ reconnected }) => reconnected],
  ...KINDS.map((kind): Column => [kind, ({ counts }) => counts[kind]]),
  ['recovery ms', ({ recovery }) => Math.round(recovery)],
]

/** One line for each row, under one of names. */
export function table(rows: readonly Row[]): string {
  const cells = [COLUMNS.map(([name]) => name), ...rows.map((row) => COLUMNS.map(([, value]) => `${value(row)}`))]
  const widths = COLUMNS.map((_, nth) => Math.max(...cells.map((line) => line[nth].length)))
  const pad = (text: string, nth: number) => (nth < 2 ? text.padEnd(widths[nth]) : text.padStart(widths[nth]))
  return cells.map((line) => line.map(pad).join('  ')).join('\n')
}

export function sum(rows: readonly Row[]): string {
  const total = (value: (row: Row) => number) => rows.reduce((all, row) => all + value(row), 0)
  const found = KINDS.map((kind) => `${total(({ counts }) => counts[kind])} ${kind}`).join(', ')
  const checked = total(({ checked }) => checked)
  const unknown = total(({ unknown }) => unknown)
  return `${rows.length} faults, ${checked} replies checked, ${total(({ errors }) => errors)} errors, ${unknown} unknown outcomes: ${found}`
}

/** What was found, and the errors that applications got. */
export function details({ topology, fault, texts, errorTexts, forgiven }: Row): string[] {
  const errors = [...errorTexts].map(([text, count]) => `${count} × ${text}`)
  const lost = forgiven > 0 ? [`${forgiven} older values after a failover of Redis`] : []
  return [...texts, ...errors, ...lost].map((text) => `  ${topology}, ${fault}: ${text}`)
}

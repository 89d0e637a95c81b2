import { inspect, styleText } from 'node:util'
import { format } from 'prettier'

const coloured = process.stdout.isTTY && !process.env['NO_COLOR']

function styled(format: Parameters<typeof styleText>[0], text: string): string {
  return coloured ? styleText(format, text) : text
}

export function heading(text: string): void {
  console.log(`\n${styled('bold', text)}\n`)
}

export function line(text = ''): void {
  console.log(text && `  ${text}`)
}

/** Something typed or run, and below it what came back. */
export function exchange(input: string, output: string): void {
  for (const part of input.split('\n')) line(styled('cyan', part))
  for (const part of output.split('\n')) line(`  ${part}`)
}

/** Runs an expression, and shows its own source text with its result. */
export async function show(expression: () => Promise<unknown>): Promise<void> {
  exchange(await sourceOf(expression), styled('green', inspect(await expression(), INSPECTION)))
}

/** The same for an expression that is refused. */
export async function showRefusal(expression: () => Promise<unknown>): Promise<void> {
  const refusal = await expression().then(
    (result) => Promise.reject(new Error(`not refused: ${inspect(result)}`)),
    (error: unknown) => String(error),
  )
  exchange(await sourceOf(expression), styled('yellow', refusal))
}

const INSPECTION = { breakLength: 100, compact: 6, depth: 6 } as const

/** Columns as wide as their widest cell. */
export function table(rows: string[][]): void {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  for (const row of rows)
    line(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
}

/** What stands after the arrow, as a program would have it: tsx runs it squeezed. */
async function sourceOf(expression: () => unknown): Promise<string> {
  const body = expression.toString().replace(/^\(\)\s*=>\s*/, '')
  const formatted = await format(body, { parser: 'babel', semi: false, singleQuote: true, printWidth: 100 })
  return formatted.trim()
}

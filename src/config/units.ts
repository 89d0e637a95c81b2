import { Mistake } from './mistake.js'

type Units = Record<string, number>

const DURATIONS: Units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** As in Redis's own configuration: kb is 1024 bytes. */
const SIZES: Units = { gb: 1024 ** 3, mb: 1024 ** 2, kb: 1024 }

export const DURATION_PATTERN = '^\\d+(\\.\\d+)?(ms|s|m|h)$|^\\d+$'
export const SIZE_PATTERN = '^\\d+(\\.\\d+)?([kK]|[mM]|[gG])[bB]$|^\\d+$'

/** Milliseconds of `2.5s`, `250ms`, `5m`, `1h`, or a bare number of milliseconds; the text must match `DURATION_PATTERN`. */
export function parseDuration(given: string | number): number {
  return parse(given, DURATIONS, 'milliseconds')
}

/** Bytes of `64kb`, `1.5mb`, `1gb`, or a bare number of bytes; the text must match `SIZE_PATTERN`. */
export function parseSize(given: string | number): number {
  return parse(given, SIZES, 'bytes')
}

/** The shortest exact way to write milliseconds. */
export function formatDuration(milliseconds: number): string | number {
  return format(milliseconds, DURATIONS)
}

/** The shortest exact way to write bytes. */
export function formatSize(bytes: number): string | number {
  return format(bytes, SIZES)
}

function parse(given: string | number, units: Units, smallest: string): number {
  const text = String(given).toLowerCase()
  const amount = Number.parseFloat(text)
  const exact = amount * (units[text.replace(/^[\d.]+/, '')] ?? 1)
  const whole = Math.round(exact)
  // 2.3 * 1000 is a little less than 2300, and that must pass.
  if (Math.abs(whole - exact) > 1e-6) throw new Mistake(`must be a whole number of ${smallest}`)
  return whole
}

function format(value: number, units: Units): string | number {
  if (value === 0) return 0
  const unit = Object.keys(units).find((name) => value % units[name] === 0)
  return unit === undefined ? value : `${value / units[unit]}${unit}`
}

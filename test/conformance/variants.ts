import type { Family, Protocol, Script } from './corpus/script.ts'
import { stepsOf, type Mode } from './play.ts'

// Which scripts are played, and in how many ways; how failures are told.

export const ONLY = process.env['CONFORMANCE_ONLY'] ?? ''

/** A stream up to this long is cut at each of its bytes in turn, a longer one at some. */
const EVERY_CUT = 64
const SOME_CUTS = 5
const SHOWN_FAILURES = 12

/** @param most cuts of one script, if all of them would take too long */
export function variantsOf(script: Script, protocol: Protocol, mode: Mode['name'], most = Infinity): Mode[] {
  if (mode !== 'cut in two') return [{ name: mode }]
  const length = stepsOf(script, protocol).reduce((sum, step) => sum + step.bytes.length, 0)
  const count = Math.min(most, length <= EVERY_CUT ? length - 1 : SOME_CUTS)
  // Each script's cuts lie elsewhere in its commands, but always at the same places.
  const shift = count <= SOME_CUTS ? (script.name.length % 10) / 10 : 0
  return Array.from({ length: count }, (_, nth) => ({
    name: mode,
    at: 1 + Math.floor(((nth + shift) * (length - 1)) / count),
  }))
}

export function isWanted(family: Family, script: Script, protocol: Protocol): boolean {
  return (script.only ?? protocol) === protocol && `${family.name}: ${script.name}`.includes(ONLY)
}

export function report(failures: string[]): string {
  const shown = failures.slice(0, SHOWN_FAILURES)
  const more = failures.length > shown.length ? [`… and ${failures.length - shown.length} more scripts`] : []
  return [`${failures.length} scripts differ`, ...shown, ...more].join('\n')
}

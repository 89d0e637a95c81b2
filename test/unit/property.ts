import type { TestContext } from 'node:test'
import { randomInt } from 'node:crypto'
import fc from 'fast-check'

/** Seed of the random inputs; PROPERTY_SEED=n repeats those of a run. */
const SEED = Number(process.env['PROPERTY_SEED'] ?? randomInt(2 ** 31))

/**
 * Checks a property on so many random inputs. The seed is printed, and the smallest failing input with it.
 *
 * @param more `endOnFailure` if one failure leaves something behind that makes all that follow fail
 */
export function check<T>(
  t: TestContext,
  runs: number,
  property: fc.IRawProperty<T>,
  more: fc.Parameters<T> = {},
): Promise<void> | void {
  t.diagnostic(`PROPERTY_SEED=${SEED}`)
  return fc.assert(property, { seed: SEED, numRuns: runs, includeErrorInReport: true, ...more })
}

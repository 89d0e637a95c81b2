import type { Sample } from './sample.ts'

/** Growth of the last third over the middle one that counts as none. */
const GROWTH = 1.05
/** Differences of so many bytes are noise, whatever they are a part of. */
const NOISE = 2 * 1024 * 1024

/** What has to be as it was before the load, once that is over. */
const RETURNING = ['descriptors', 'timers', 'handles', 'connections', 'buffered'] as const

/**
 * What is wrong after a soak; nothing if memory has stopped growing, and everything else is back to where it was.
 *
 * @param during samples under load, the first of which is of the warm-up and in no third
 */
export function faults(before: Sample, during: readonly Sample[], after: Sample): string[] {
  return [...growth(during), ...leftOver(before, after)]
}

/** The level of the quieter quarter: what lies above is large values on their way, which come and go, while a leak lifts the floor. */
function floor(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 4)]
}

export function growth(during: readonly Sample[]): string[] {
  const third = Math.floor(during.length / 3)
  if (third === 0) return []
  const middle = during.slice(-2 * third, -third)
  const last = during.slice(-third)
  return (['rss', 'heapUsed'] as const).flatMap((key) => {
    const [then, now] = [middle, last].map((samples) => floor(samples.map((sample) => sample[key])))
    if (now <= then * GROWTH || now - then < NOISE) return []
    return [`${key} has grown by ${(100 * (now / then - 1)).toFixed(1)} % from the middle third to the last`]
  })
}

/** What is more than before: less is no leak. */
export function leftOver(before: Sample, after: Sample): string[] {
  return RETURNING.filter((key) => after[key] > before[key]).map(
    (key) => `${key}: ${before[key]} before the load, ${after[key]} after it`,
  )
}

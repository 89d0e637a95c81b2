import { boundsOf, type Tally } from './histogram.js'
import { TIMES, type Recorder } from './recorder.js'
import { byName } from './tallies.js'

/** Commands that are listed, at most. */
const MOST_COMMANDS = 64

/**
 * What the status page draws. All counts are since the start, so that whoever compares two of these needs no memory of ours, and
 * those of several processes can be added up.
 */
export interface Vitals {
  /** Upper bounds of the time buckets, ms; behind them comes one more bucket for all that took longer. */
  bounds: number[]
  /** Commands as applications see them. */
  succeeded: number[]
  failed: number[]
  /** The part that Redis and the way to it took. */
  upstream: number[]
  poolWaits: number[]
  /** The same for each command, those that came most often first. */
  commands: { name: string; failed: number; times: number[] }[]
  bytesIn: number
  bytesOut: number
}

export function vitalsOf(recorder: Recorder, commandName: (id: number) => string): Vitals {
  const succeeded = byName(recorder.succeeded, commandName)
  const failed = byName(recorder.failed, commandName)
  const names = new Set([...succeeded.keys(), ...failed.keys()])
  const commands = [...names].map((name) => ({
    name,
    failed: failed.get(name)?.total ?? 0,
    times: sum([succeeded.get(name), failed.get(name)]),
  }))
  const byCount = commands.map((command) => ({ command, count: total(command.times) }))
  byCount.sort((a, b) => b.count - a.count)
  return {
    bounds: boundsOf(TIMES),
    succeeded: sum(succeeded.values()),
    failed: sum(failed.values()),
    upstream: sum(byName(recorder.upstreamTimes, commandName).values()),
    poolWaits: [...recorder.poolWaits.read(0).counts],
    commands: byCount.slice(0, MOST_COMMANDS).map(({ command }) => command),
    bytesIn: recorder.bytesIn,
    bytesOut: recorder.bytesOut,
  }
}

function sum(tallies: Iterable<Tally | undefined>): number[] {
  const buckets = new Array<number>(TIMES.finite + 1).fill(0)
  for (const tally of tallies) tally?.counts.forEach((count, bucket) => (buckets[bucket] += count))
  return buckets
}

function total(buckets: readonly number[]): number {
  return buckets.reduce((all, count) => all + count, 0)
}

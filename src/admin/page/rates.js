// What lies between two samples. A sample's counts are since the start of respool.

/** Null if the second does not continue the first: respool was started anew, or nothing lies between them. */
export function between(before, after) {
  const seconds = after.uptime - before.uptime
  if (seconds <= 0) return null
  const [a, b] = [before.vitals, after.vitals]
  const known = new Map(a.commands.map((command) => [command.name, command]))
  const answered = minus(add(b.succeeded, b.failed), add(a.succeeded, a.failed))
  const failed = minus(b.failed, a.failed)
  return {
    seconds,
    commands: sum(answered) / seconds,
    errors: sum(failed) / seconds,
    times: answered,
    upstream: minus(b.upstream, a.upstream),
    waits: minus(b.poolWaits, a.poolWaits),
    bytesIn: (b.bytesIn - a.bytesIn) / seconds,
    bytesOut: (b.bytesOut - a.bytesOut) / seconds,
    // What was not listed before may be new, or have been too rare: its first second shows no rate.
    byCommand: b.commands.map((command) => commandRate(known.get(command.name) ?? command, command, seconds)),
  }
}

function commandRate(before, after, seconds) {
  const times = minus(after.times, before.times)
  return {
    name: after.name,
    total: sum(after.times),
    rate: sum(times) / seconds,
    errors: (after.failed - before.failed) / seconds,
    times,
  }
}

/**
 * The value below which the given part of the observations lies, as exactly as buckets can tell: evenly spread within each.
 * Null without observations; the last bound for what lies beyond it.
 */
export function quantile(part, bounds, counts) {
  const wanted = part * sum(counts)
  if (wanted === 0) return null
  let below = 0
  for (let bucket = 0; bucket < bounds.length; bucket++) {
    const upTo = below + counts[bucket]
    if (upTo >= wanted) {
      const floor = bucket === 0 ? 0 : bounds[bucket - 1]
      return floor + ((bounds[bucket] - floor) * (wanted - below)) / counts[bucket]
    }
    below = upTo
  }
  return bounds.at(-1)
}

/** Figures one by one over several differences, so that a quiet second does not make a quantile jump. */
export function pooled(list) {
  return list.reduce(add)
}

export function sum(list) {
  return list.reduce((total, value) => total + value, 0)
}

function add(a, b) {
  return a.map((value, index) => value + b[index])
}

function minus(a, b) {
  return a.map((value, index) => value - b[index])
}

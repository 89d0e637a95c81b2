import type { ReadPreference } from '../config/config.js'
import type { ErrorCode } from '../errors.js'
import type { Fitness } from '../upstream/fitness.js'

/** A server that can be read from. */
export interface Candidate {
  /** Null while it is up. */
  readonly downSince: number | null
  /** Why waiting for it makes no sense; null if it does. */
  readonly outage: ErrorCode | null
  readonly fitness: Fitness
}

/**
 * The server to read from; null if there is none.
 *
 * @param primary null if it must not be read from
 * @param seat decides among equals: the same one, given the same seat, for as long as that is up
 */
export function chooseReader<T extends Candidate>(
  preference: ReadPreference,
  primary: T | null,
  replicas: readonly T[],
  seat: number,
  now: number,
): T | null {
  switch (preference) {
    case 'primary':
      return primary
    case 'prefer-replica':
      return pick(isWell, replicas, null, seat, now) ?? primary
    case 'replica':
      return pick(isWell, replicas, null, seat, now) ?? lastResort(replicas, seat, now)
    case 'random':
      return pick(isWell, replicas, primary, seat, now) ?? primary ?? lastResort(replicas, seat, now)
    case 'nearest':
      return (
        pick(isNear, replicas, primary, seat, now) ??
        pick(isWell, replicas, primary, seat, now) ??
        primary ??
        lastResort(replicas, seat, now)
      )
  }
}

/** One that is avoided, or that may come up soon. */
function lastResort<T extends Candidate>(replicas: readonly T[], seat: number, now: number): T | null {
  return pick(isUp, replicas, null, seat, now) ?? pick(mayCome, replicas, null, seat, now)
}

/** The first that will do, from the place of the seat on; the primary, if given, is the last. */
function pick<T extends Candidate>(
  willDo: (candidate: T, now: number) => boolean,
  replicas: readonly T[],
  primary: T | null,
  seat: number,
  now: number,
): T | null {
  const count = replicas.length + (primary === null ? 0 : 1)
  for (let i = 0; i < count; i++) {
    const at = (seat + i) % count
    const candidate = at === replicas.length ? primary! : replicas[at]
    if (willDo(candidate, now)) return candidate
  }
  return null
}

const isUp = ({ downSince, outage }: Candidate): boolean => downSince === null && outage === null
const isWell = (candidate: Candidate, now: number): boolean => isUp(candidate) && !candidate.fitness.isAvoided(now)
const isNear = (candidate: Candidate, now: number): boolean => candidate.fitness.near && isWell(candidate, now)
const mayCome = ({ outage }: Candidate): boolean => outage === null

/** What a server's latency may be to become one of the nearest, and to stay so, given the best one's: a factor, and ms on top. */
const ENTER = { factor: 1.25, slack: 0.2 }
const STAY = { factor: 1.75, slack: 0.6 }

/** Notes which of the servers of one shard are the nearest. Who is one stays one until it is clearly worse, so that reads do not move to and fro. */
export function noteNearest(servers: readonly Candidate[]): void {
  const up = servers.filter(isUp)
  const best = Math.min(...up.map(({ fitness }) => fitness.latency))
  for (const { fitness } of up) {
    const { factor, slack } = fitness.near ? STAY : ENTER
    fitness.near = fitness.latency <= best * factor + slack
  }
}

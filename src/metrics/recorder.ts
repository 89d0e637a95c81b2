import { ERRORS } from '../errors.js'
import { Histograms, type Doubling } from './histogram.js'
import { LabelCounter } from './label-counter.js'

/** Why a session was given an upstream connection of its own. */
export const PIN_REASONS = [
  'watch',
  'multi',
  'blocking',
  'subscribe',
  'tracking',
  'monitor',
  'session',
  'large',
] as const
export type PinReason = (typeof PIN_REASONS)[number]

/** Why a command was sent again. */
export const RETRY_REASONS = [
  'noscript',
  'lost',
  'tryagain',
  'clusterdown',
  'loading',
  'masterdown',
  'readonly',
  'unblocked',
] as const
export type RetryReason = (typeof RETRY_REASONS)[number]

/**
 * Why kept replies were dropped: Redis said that the key has changed, a command was sent that writes it, or one that may write any; whoever
 * would tell is lost; no room; too old.
 */
export const DROP_CAUSES = ['redis', 'write', 'unknown', 'lost', 'room', 'age'] as const
export type DropCause = (typeof DROP_CAUSES)[number]

export const REDIRECTS = ['moved', 'ask'] as const
export type Redirect = (typeof REDIRECTS)[number]

/** Times in ms: bounds 0.1 × 2ⁿ, n = 0 … 15. */
export const TIMES: Doubling = { scale: 10, finite: 16 }
/** Numbers of commands: bounds 1, 2, 4, … 4096. */
export const SIZES: Doubling = { scale: 1, finite: 13 }

/**
 * What the proxy counts while it works, in plain arrays: no call allocates. Times are in ms, differences of `performance.now()`;
 * a command's id is its number in the command table. The exporter reads the public fields at scrape time.
 */
export class Recorder {
  readonly succeeded: Histograms
  readonly failed: Histograms
  readonly upstreamTimes: Histograms
  readonly pipelineTimes = new Histograms(TIMES)
  readonly poolWaits = new Histograms(TIMES)
  readonly batches = new Histograms(SIZES)
  readonly pipelines = new Histograms(SIZES)
  readonly pins = new LabelCounter(PIN_REASONS)
  readonly retries = new LabelCounter(RETRY_REASONS)
  readonly redirects = new LabelCounter(REDIRECTS)
  readonly errors = new LabelCounter(Object.keys(ERRORS))
  /** What the guard has found: the deed and the rule, with a space between. */
  readonly guard = new LabelCounter([], 256)
  /** Attempts to learn the topology, and how often it was another one. */
  readonly topologyRefreshes = new LabelCounter(['ok', 'failed'])
  topologyChanges = 0
  /** Connections that TLS could not be spoken on, by whose they were. */
  readonly logins = new LabelCounter(['ok', 'refused'])
  readonly tlsErrors = new LabelCounter(['downstream', 'upstream'])

  readonly reloads = new LabelCounter(['ok', 'failed'])
  /** The configuration that runs: a number made of it, when it was read (ms since 1970), how many changed keys need a restart. */
  configHash = 0
  configLoadedAt = 0
  configPending = 0

  /** 1 from when it was told to stop. */
  draining = 0

  /** Bytes read from and written to downstreams. */
  bytesIn = 0
  bytesOut = 0
  /** Bytes read from and written to upstreams. */
  upstreamBytesIn = 0
  upstreamBytesOut = 0
  /** Messages passed on, counted for each subscriber; losses of what carried subscriptions; subscribers that did not read. */
  messagesDelivered = 0
  subscriptionGaps = 0
  slowSubscribers = 0
  /** Reads of keys that may be kept, by whether they were answered with what was kept; and what was dropped of that, by cause. */
  cacheHits = 0
  cacheMisses = 0
  readonly cacheDrops = new LabelCounter(DROP_CAUSES)
  /** Scripts loaded on respool's own account. */
  scriptLoads = 0
  /** Workers that have ended unasked. */
  workerLosses = 0
  connectionsAccepted = 0
  connectionsRefused = 0
  /** Reads after which an application had to wait. */
  paced = 0

  /** @param commandCapacity how many command ids to make room for; larger ids grow the arrays */
  constructor(commandCapacity = 512) {
    this.succeeded = new Histograms(TIMES, commandCapacity)
    this.failed = new Histograms(TIMES, commandCapacity)
    this.upstreamTimes = new Histograms(TIMES, commandCapacity)
  }

  /** A command answered downstream, from its arrival to its reply. A nil reply is no failure. */
  command(id: number, ms: number, failed: boolean): void {
    if (failed) this.failed.observe(id, ms)
    else this.succeeded.observe(id, ms)
  }

  /** A command answered upstream, from its write to its reply. */
  upstream(id: number, ms: number): void {
    this.upstreamTimes.observe(id, ms)
  }

  /** Time spent waiting for an upstream connection. */
  poolWait(ms: number): void {
    this.poolWaits.observe(0, ms)
  }

  /** Commands in one upstream write. */
  batch(commands: number): void {
    this.batches.observe(0, commands)
  }

  /** Commands in one downstream read. */
  pipeline(commands: number): void {
    this.pipelines.observe(0, commands)
  }

  /** A client's pipeline as a whole, from its read to its last reply. */
  pipelineDuration(ms: number): void {
    this.pipelineTimes.observe(0, ms)
  }

  pin(reason: PinReason): void {
    this.pins.add(reason)
  }

  retry(reason: RetryReason): void {
    this.retries.add(reason)
  }

  redirect(kind: Redirect): void {
    this.redirects.add(kind)
  }

  /** An error reply that respool itself made, by its metric label. */
  error(label: string): void {
    this.errors.add(label)
  }
}

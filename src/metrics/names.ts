import { buildInfo } from './build-info.js'
import type { EndpointStats, Snapshot } from './gauges.js'
import { boundsOf, type Tally } from './histogram.js'
import type { LabelCounter } from './label-counter.js'
import { SIZES, TIMES, type Recorder } from './recorder.js'
import { byName } from './tallies.js'

/** Where the values come from at scrape time. */
export interface Source {
  recorder: Recorder
  /** Name of a command id; several ids may bear one name, such as `other`. */
  commandName: (id: number) => string
  snapshot: () => Snapshot
}

export type Sample = [labels: string[], value: number]
export type HistogramSample = [labels: string[], tally: Tally]

interface Described {
  name: string
  help: string
  labels: string[]
}

export interface ScalarMetric extends Described {
  type: 'counter' | 'gauge'
  collect: (source: Source) => Sample[]
}

export interface HistogramMetric extends Described {
  type: 'histogram'
  /** How many of the recorder's units make one of the metric's: 1000 from ms to seconds. */
  divisor: number
  /** Finite bounds in the metric's unit. */
  bounds: number[]
  collect: (source: Source) => HistogramSample[]
}

export type MetricRow = ScalarMetric | HistogramMetric

const SECONDS = { type: 'histogram', divisor: 1000, bounds: boundsOf(TIMES).map((ms) => ms / 1000) } as const
const COMMANDS = { type: 'histogram', divisor: 1, bounds: boundsOf(SIZES) } as const
const BREAKER_STATES: EndpointStats['breaker'][] = ['closed', 'open', 'half-open']

/** Every metric of respool's own, in the order of the exposition. */
export const METRICS: MetricRow[] = [
  {
    name: 'respool_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say which respool runs on which Node.js.',
    labels: ['version', 'node'],
    collect: () => [[[buildInfo.version, buildInfo.node], 1]],
  },
  byLabel('respool_config_reloads_total', 'result', 'Times that the configuration was read again.', (r) => r.reloads),
  figure('respool_draining', '1 once it was told to stop, else 0.', (r) => r.draining),
  figure(
    'respool_config_hash',
    'A number made of the configuration that runs: the same for the same one.',
    (r) => r.configHash,
  ),
  figure(
    'respool_config_loaded_timestamp_seconds',
    'When the configuration that runs was read, in seconds since 1970.',
    (r) => r.configLoadedAt / 1000,
  ),
  figure(
    'respool_config_pending_keys',
    'Changed keys of the configuration that wait for a restart.',
    (r) => r.configPending,
  ),
  {
    ...SECONDS,
    name: 'redis_cmd_duration_seconds',
    help: 'Time from a command\'s arrival to its reply, as the application sees it; cmd "pipeline" is a client\'s pipeline as a whole.',
    labels: ['cmd', 'status'],
    collect: commandTimes,
  },
  {
    name: 'redis_cmd_errors_total',
    type: 'counter',
    help: 'Commands answered with an error; a nil reply is none.',
    labels: ['cmd'],
    collect: commandErrors,
  },
  {
    ...SECONDS,
    name: 'respool_upstream_duration_seconds',
    help: "Time from a command's write to an upstream to its reply.",
    labels: ['cmd'],
    collect: ({ recorder, commandName }) => label(byName(recorder.upstreamTimes, commandName)),
  },
  {
    ...SECONDS,
    name: 'respool_pool_wait_seconds',
    help: 'Time that requests waited for an upstream connection.',
    labels: [],
    collect: ({ recorder }) => [[[], recorder.poolWaits.read(0)]],
  },
  {
    ...COMMANDS,
    name: 'respool_batch_commands',
    help: 'Commands per write to an upstream.',
    labels: [],
    collect: ({ recorder }) => [[[], recorder.batches.read(0)]],
  },
  {
    ...COMMANDS,
    name: 'respool_pipeline_commands',
    help: 'Commands per read from a downstream.',
    labels: [],
    collect: ({ recorder }) => [[[], recorder.pipelines.read(0)]],
  },
  byLabel('respool_pins_total', 'reason', 'Upstream connections given to one session alone.', (r) => r.pins),
  byLabel('respool_retries_total', 'reason', 'Requests sent again.', (r) => r.retries),
  byLabel('respool_redirects_total', 'kind', 'Redirections by the cluster that were followed.', (r) => r.redirects),
  byLabel('respool_errors_total', 'code', 'Error replies made by respool itself.', (r) => r.errors),
  {
    name: 'respool_guard_total',
    type: 'counter',
    help: 'Commands that a rule or a limit of the guard fits, by what became of them: warn, deny, or spared by an audit.',
    labels: ['rule', 'action'],
    collect: ({ recorder }) => recorder.guard.entries().map(([found, n]) => [ruleAndAction(found), n]),
  },
  byLabel(
    'respool_topology_refreshes_total',
    'result',
    'Attempts to learn who serves what.',
    (r) => r.topologyRefreshes,
  ),
  count(
    'respool_topology_changes_total',
    'Times that commands had to go elsewhere than before.',
    (r) => r.topologyChanges,
  ),
  count('respool_script_loads_total', 'Scripts that respool loaded ahead of an EVALSHA.', (r) => r.scriptLoads),
  count('respool_worker_losses_total', 'Workers that ended unasked and were replaced.', (r) => r.workerLosses),
  count('respool_downstream_accepted_total', 'Downstream connections accepted.', (r) => r.connectionsAccepted),
  count('respool_downstream_refused_total', 'Downstream connections refused by a limit.', (r) => r.connectionsRefused),
  count(
    'respool_downstream_paced_total',
    "Times that an application had to wait because its listener's commands for the second were used up.",
    (r) => r.paced,
  ),
  byLabel('respool_logins_total', 'result', 'Logins of applications, by what became of them.', (r) => r.logins),
  now('respool_passthrough_logins', 'Logins that have connections to Redis of their own now.', (s) => s.identities),
  byLabel('respool_tls_errors_total', 'side', 'Connections that ended because TLS failed.', (r) => r.tlsErrors),
  bytes('respool_downstream_bytes_total', 'Bytes read from (in) and written to (out) downstreams.', (r) => [
    r.bytesIn,
    r.bytesOut,
  ]),
  bytes('respool_upstream_bytes_total', 'Bytes read from (in) and written to (out) upstreams.', (r) => [
    r.upstreamBytesIn,
    r.upstreamBytesOut,
  ]),
  now('respool_downstream_connections', 'Downstream connections open now.', (s) => s.downstreamConnections),
  now('respool_buffered_bytes', 'Bytes held in queues now.', (s) => s.bufferedBytes),
  {
    name: 'respool_upstream_up',
    type: 'gauge',
    help: '1 if the endpoint can be used, else 0.',
    labels: ['endpoint', 'role'],
    collect: ({ snapshot }) => snapshot().endpoints.map((e) => [[e.endpoint, e.role], e.up ? 1 : 0]),
  },
  perEndpoint('gauge', 'respool_breaker_state', 'Circuit breaker: 0 closed, 1 open, 2 half-open.', (e) =>
    BREAKER_STATES.indexOf(e.breaker),
  ),
  {
    name: 'respool_pool_connections',
    type: 'gauge',
    help: 'Upstream connections by what they are doing.',
    labels: ['endpoint', 'state'],
    collect: ({ snapshot }) => snapshot().endpoints.flatMap((e) => nested(e, e.connections)),
  },
  perEndpoint('gauge', 'respool_pool_waiters', 'Requests waiting for a connection now.', (e) => e.waiters),
  perEndpoint('counter', 'respool_pool_hits_total', 'Requests that found a connection ready.', (e) => e.hits),
  perEndpoint('counter', 'respool_pool_misses_total', 'Requests that found no connection ready.', (e) => e.misses),
  perEndpoint('counter', 'respool_pool_timeouts_total', 'Requests that waited too long.', (e) => e.timeouts),
  perEndpoint('counter', 'respool_pool_stale_total', 'Connections discarded as unfit for use.', (e) => e.stale),
  perEndpoint('counter', 'respool_upstream_opened_total', 'Upstream connections opened.', (e) => e.opened),
  {
    name: 'respool_pubsub_subscriptions',
    type: 'gauge',
    help: 'Channels, patterns and shard channels that applications are subscribed to, counted for each of them.',
    labels: ['endpoint', 'kind'],
    collect: ({ snapshot }) => snapshot().endpoints.flatMap((e) => nested(e, e.subscriptions)),
  },
  count('respool_pubsub_messages_total', 'Messages passed on to subscribers.', (r) => r.messagesDelivered),
  count(
    'respool_pubsub_gaps_total',
    'Times that subscribers may have missed messages: connections lost, and subscriptions moved to other servers.',
    (r) => r.subscriptionGaps,
  ),
  count('respool_pubsub_slow_total', 'Subscribers disconnected because they did not read.', (r) => r.slowSubscribers),
  count('respool_cache_hits_total', 'Reads that were answered with replies that were kept.', (r) => r.cacheHits),
  count('respool_cache_misses_total', 'Reads of keys that may be kept that had to go to Redis.', (r) => r.cacheMisses),
  byLabel('respool_cache_drops_total', 'cause', 'Kept replies that were dropped, by cause.', (r) => r.cacheDrops),
  now('respool_cache_entries', 'Replies that are kept now.', ({ cache }) => cache?.entries ?? 0),
  now('respool_cache_bytes', 'Memory for the replies that are kept now.', ({ cache }) => cache?.bytes ?? 0),
  {
    name: 'respool_cache_ready',
    type: 'gauge',
    help: '1 if the endpoint tells what changes, so that its replies may be kept, else 0.',
    labels: ['endpoint'],
    collect: ({ snapshot }) => (snapshot().cache?.servers ?? []).map((s) => [[s.endpoint], s.ready ? 1 : 0]),
  },
  {
    name: 'respool_upstream_closed_total',
    type: 'counter',
    help: 'Upstream connections closed, by reason.',
    labels: ['endpoint', 'reason'],
    collect: ({ snapshot }) => snapshot().endpoints.flatMap((e) => nested(e, e.closed)),
  },
]

function count(name: string, help: string, value: (recorder: Recorder) => number): ScalarMetric {
  return { name, type: 'counter', help, labels: [], collect: ({ recorder }) => [[[], value(recorder)]] }
}

function figure(name: string, help: string, value: (recorder: Recorder) => number): ScalarMetric {
  return { ...count(name, help, value), type: 'gauge' }
}

function bytes(name: string, help: string, inOut: (recorder: Recorder) => [number, number]): ScalarMetric {
  const collect = ({ recorder }: Source): Sample[] => {
    const [read, written] = inOut(recorder)
    return [
      [['in'], read],
      [['out'], written],
    ]
  }
  return { name, type: 'counter', help, labels: ['direction'], collect }
}

function byLabel(name: string, label: string, help: string, of: (recorder: Recorder) => LabelCounter): ScalarMetric {
  const collect = ({ recorder }: Source): Sample[] =>
    of(recorder)
      .entries()
      .map(([value, n]) => [[value], n])
  return { name, type: 'counter', help, labels: [label], collect }
}

function ruleAndAction(found: string): [rule: string, action: string] {
  const [action, ...rule] = found.split(' ')
  return rule.length === 0 ? [action, action] : [rule.join(' '), action]
}

function now(name: string, help: string, value: (snapshot: Snapshot) => number): ScalarMetric {
  return { name, type: 'gauge', help, labels: [], collect: ({ snapshot }) => [[[], value(snapshot())]] }
}

function perEndpoint(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: (endpoint: EndpointStats) => number,
): ScalarMetric {
  const collect = ({ snapshot }: Source): Sample[] => snapshot().endpoints.map((e) => [[e.endpoint], value(e)])
  return { name, type, help, labels: ['endpoint'], collect }
}

function nested({ endpoint }: EndpointStats, values: Record<string, number>): Sample[] {
  return Object.entries(values).map(([key, value]) => [[endpoint, key], value])
}

function commandTimes({ recorder, commandName }: Source): HistogramSample[] {
  const ok = byName(recorder.succeeded, commandName)
  const pipelines = byName(recorder.pipelineTimes, () => 'pipeline')
  return [...label(ok, 'ok'), ...label(byName(recorder.failed, commandName), 'error'), ...label(pipelines, 'ok')]
}

/** A command that was seen but never failed shows as 0, so that its first failure is seen as an increase. */
function commandErrors({ recorder, commandName }: Source): Sample[] {
  const errors = new Map<string, number>()
  for (const name of byName(recorder.succeeded, commandName).keys()) errors.set(name, 0)
  for (const [name, { total }] of byName(recorder.failed, commandName)) errors.set(name, total)
  return [...errors].map(([name, total]) => [[name], total])
}

function label(tallies: Map<string, Tally>, ...more: string[]): HistogramSample[] {
  return [...tallies].map(([name, tally]) => [[name, ...more], tally])
}

import { describeAddress } from '../config/address.js'
import type { Address, Config } from '../config/config.js'
import { sentinelTls } from '../config/tls.js'
import type { EndpointStats } from '../metrics/gauges.js'
import { ClientTls } from '../tls/client.js'
import type { UpstreamContext } from '../upstream/connection.js'
import { ControlClient } from '../upstream/control.js'
import { Endpoint, type UpstreamSettings } from '../upstream/endpoint.js'
import type { EventLog } from '../util/log.js'
import { Carriers } from './carriers.js'
import { ClusterTopology } from './cluster.js'
import type { Logins } from './logins.js'
import { measure } from './measuring.js'
import { SentinelWatch } from './sentinel.js'
import { ServiceTopology } from './service.js'
import { slotRanges } from './slot-map.js'
import { StaticTopology } from './static.js'
import type { Topology } from './topology.js'

/** Time for a node to tell the slot map, ms. */
const PATIENCE = 500

/** The servers behind, whatever kind of upstream they are, and whatever finds them. */
export class Upstreams {
  readonly topology: Topology
  readonly carriers: Carriers
  readonly context: UpstreamContext
  readonly #cluster: ClusterTopology | null = null
  readonly #service: StaticTopology | null = null
  readonly #sentinels: SentinelWatch | null = null
  /** What all of it goes by: the same object for as long as it lives, whose values change. */
  readonly #settings: UpstreamSettings
  /** True if somebody reads from the nearest server. */
  #measures = false
  /** For questions to the home, and which server it asks. */
  #control: { client: ControlClient; name: string } | null = null

  /**
   * @param context with the login that commands are sent with
   * @param logins respool's own, to ask where the servers are
   * @param onHome called each time the server comes up to which commands without keys go, or another one takes its place
   */
  constructor(
    config: Config,
    context: Omit<UpstreamContext, 'tls'>,
    readonly logins: Logins,
    readonly log: EventLog,
    readonly clientName: string,
    onHome: (home: Endpoint) => void,
  ) {
    this.#settings = { upstream: { ...config.upstream }, pool: config.pool }
    const { target, tls } = config.upstream
    this.context = { ...context, tls: target.tls ? new ClientTls(tls, 'upstream.tls', context.recorder, log) : null }
    if (target.kind === 'cluster') {
      const cluster = (this.topology = this.#cluster = this.#findCluster())
      const carriers = (this.carriers = new Carriers(cluster))
      cluster.onHome = onHome
      cluster.onChange = () => carriers.follow()
      this.apply(config)
      return
    }
    const endpoint = this.#endpoint(target.kind === 'standalone' ? target.endpoints[0] : null)
    if (target.kind === 'sentinel') {
      const service = new ServiceTopology(
        endpoint,
        () => this.#sentinels?.refresh(),
        (address) => this.#replica(address),
        () => context.clock.tick(),
      )
      this.topology = this.#service = service
      this.#sentinels = this.#watchSentinels(endpoint)
    } else {
      this.topology = this.#service = new StaticTopology(endpoint, () => {})
    }
    this.carriers = new Carriers(this.topology)
    endpoint.onUp = () => onHome(endpoint)
    endpoint.onUnreachable = () => this.#sentinels?.refresh()
    this.apply(config)
  }

  /** Goes by another configuration from now on, as far as it differs in what needs no restart. */
  apply({ upstream, pool, listen }: Config): void {
    Object.assign(this.#settings.upstream, upstream)
    this.#settings.pool = pool
    // Applications of a listener that is gone may go on reading so.
    this.#measures ||= listen.some(({ reads }) => reads === 'nearest')
    const service = this.#service
    if (service instanceof ServiceTopology && listen.some(({ reads }) => reads !== 'primary'))
      this.#sentinels?.reportReplicas((addresses) => service.takeReplicas(addresses))
  }

  start(): void {
    for (const endpoint of this.topology.endpoints) endpoint.ensureMinimum()
    this.topology.refresh()
  }

  /** Resolves when commands can be sent somewhere. */
  async whenUp(): Promise<void> {
    while (this.missing !== null) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  /** To be called every 50 to 100 ms. */
  sweep(now: number): void {
    ;(this.#cluster ?? this.#service)!.sweep(now)
    this.carriers.sweep(now)
    if (this.#measures) measure(this.topology, now)
  }

  stop(): void {
    this.#control?.client.close()
    this.#sentinels?.stop()
    ;(this.#cluster ?? this.#service)!.stop()
    this.context.tls?.stop()
  }

  /** Asks the home a question of the proxy's own. */
  ask(...question: string[]): Promise<unknown> {
    const { name, address } = this.topology.home
    if (address === null) return Promise.reject(new Error('no server is known yet'))
    if (this.#control?.name !== name) {
      this.#control?.client.close()
      this.#control = { client: this.#client(address, this.#settings.upstream.connectTimeout), name }
    }
    return this.#control.client.call(...question)
  }

  /** What keeps commands from being sent; null if nothing does. */
  get missing(): string | null {
    const { home } = this.topology
    if (this.#cluster?.known === false) return 'no node has told the slot map of the cluster yet'
    return home.downSince === null ? null : `no connection to ${home.name}`
  }

  stats(): EndpointStats[] {
    return this.topology.endpoints.map((endpoint) => endpoint.stats())
  }

  /** What the admin API shows of it. */
  describe(): object {
    return {
      kind: this.#settings.upstream.target.kind,
      sentinels: this.#sentinels?.sentinels.map(describeAddress),
      ...(this.#cluster === null ? {} : describeCluster(this.#cluster)),
      endpoints: [...this.topology.endpoints.map((endpoint) => this.#describe(endpoint)), ...this.#replicas()],
    }
  }

  #describe(endpoint: Endpoint): object {
    const { name, role, breaker, downSince, info } = endpoint
    const shard = this.#cluster?.map.shards.findIndex(({ primary }) => primary === name)
    const slots = shard === undefined || role === 'replica' ? undefined : (slotRanges(this.#cluster!.map)[shard] ?? [])
    return { ...info, endpoint: name, role, slots, up: downSince === null, breaker }
  }

  /** Servers that are known of, but not connected to. */
  #replicas(): object[] {
    const shards = this.#cluster?.map.shards ?? []
    const connected = new Set(this.topology.endpoints.map(({ name }) => name))
    return shards.flatMap(({ primary, replicas }) =>
      replicas
        .filter((endpoint) => !connected.has(endpoint))
        .map((endpoint) => ({ endpoint, role: 'replica', replicaOf: primary })),
    )
  }

  #endpoint(address: Address | null): Endpoint {
    return new Endpoint(address, this.#settings, this.context, this.log, this.clientName)
  }

  #replica(address: Address): Endpoint {
    const endpoint = new Endpoint(address, this.#settings, this.context, this.log, this.clientName, 'replica')
    endpoint.onUnreachable = () => {
      // Others may be there to read from.
      endpoint.wakeAll()
      this.topology.refresh()
    }
    endpoint.onSevered = () => this.topology.refresh()
    return endpoint
  }

  #node(address: Address | null): Endpoint {
    const endpoint = this.#endpoint(address)
    endpoint.subscriptions.onMisplaced = (slot, error) => this.carriers.misplaced(slot, error, endpoint)
    return endpoint
  }

  #client(address: Address, timeout: number): ControlClient {
    const { tls } = this.context
    return new ControlClient({ address, tls, clientName: this.clientName, login: this.logins.redis, timeout })
  }

  #findCluster(): ClusterTopology {
    const { target, cluster, reconnect } = this.#settings.upstream
    const { refreshInterval: interval, addressMap } = cluster
    return new ClusterTopology(
      { startNodes: target.endpoints, addressMap, interval, ...reconnect },
      {
        create: (address) => this.#node(address),
        createReplica: (address) => this.#replica(address),
        askSlots: async (address) => {
          const client = this.#client(address, PATIENCE)
          try {
            return await client.call('CLUSTER', 'SLOTS')
          } finally {
            client.close()
          }
        },
        clock: () => this.context.clock.tick(),
        log: this.log,
        recorder: this.context.recorder,
      },
    )
  }

  /** Has the endpoint follow the primary of the configured service. */
  #watchSentinels(endpoint: Endpoint): SentinelWatch {
    const { target, reconnect } = this.#settings.upstream
    const tls = sentinelTls(this.#settings.upstream)
    const options = {
      sentinels: target.endpoints,
      service: target.service!,
      clientName: this.clientName,
      tls: tls && new ClientTls(tls, 'upstream.sentinel.tls', this.context.recorder, this.log),
      login: this.logins.sentinels,
      ...reconnect,
    }
    return new SentinelWatch(options, this.log, (address) => endpoint.moveTo(address))
  }
}

function describeCluster({ version, map }: ClusterTopology): object {
  return { version, slotsCovered: map.covered }
}

import { splitHostPort } from '../config/address.js'
import type { Address } from '../config/config.js'
import type { Recorder } from '../metrics/recorder.js'
import type { Endpoint } from '../upstream/endpoint.js'
import type { ServerInfo } from '../upstream/handshake.js'
import { sweep } from '../upstream/maintenance.js'
import type { Clock } from '../util/clock.js'
import { translator } from './address-map.js'
import { ClusterNodes } from './cluster-nodes.js'
import { ClusterReaders } from './cluster-readers.js'
import { type InquiryWorld, MapInquiry } from './map-inquiry.js'
import { type Outcome, type RoundDelays, Rounds } from './rounds.js'
import { countMoved, EMPTY_MAP, nodeAddress, type SlotMap, withOwner } from './slot-map.js'
import { UNREACHED } from './static.js'
import type { Topology } from './topology.js'

export interface ClusterOptions extends RoundDelays {
  /** Some of the nodes; they name the others. */
  readonly startNodes: readonly Address[]
  readonly addressMap: Readonly<Record<string, string>>
}

/** What the topology needs of the world. */
export interface ClusterWorld extends InquiryWorld {
  /** Makes the endpoint of a node; null for nobody's yet. */
  create(address: Address | null): Endpoint
  createReplica(address: Address): Endpoint
  readonly clock: Clock
  readonly recorder: Pick<Recorder, 'topologyRefreshes' | 'topologyChanges'>
}

/** Errors that say that the login is at fault. */
const LOGIN_REFUSED = /^(NOAUTH|WRONGPASS|NOPERM)/

/**
 * A Redis cluster: which primary serves which slot, as its nodes tell (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
 *
 *     asked for ──► round: one node after the other ──► map ──► snapshot (map, primaries, home; version + 1)
 *        ▲                                    MOVED ────► map ──┘   └──► endpoints made and retired, who waits looks again
 *        └── at start; on MOVED, a lost connection, a node that cannot be reached; soon again while one cannot be; now and then
 *
 * Maps are immutable, and replaced whole. As long as no node has told one, commands wait at `home`, an endpoint without an address; it is
 * retired when the first map comes, and who waits there looks again. When no node can be asked the last map stays.
 */
export class ClusterTopology implements Topology {
  readonly sharded = true
  version = 0
  home: Endpoint
  map: SlotMap = EMPTY_MAP
  /** By the index of the shard in the map; the home alone while there is none. */
  primaries: readonly Endpoint[]
  firstSlots: readonly number[] = [0]
  /** Called each time the home comes up, or another one that is up becomes it. */
  onHome: (home: Endpoint) => void = () => {}
  /** Called each time slots, or the home, have gone to other servers, before those that lost them may be retired. */
  onChange: () => void = () => {}
  readonly nodes: ClusterNodes
  readonly readers: ClusterReaders
  #stopped = false
  readonly #inquiry: MapInquiry
  readonly #rounds: Rounds
  readonly #translate: (address: Address) => Address

  constructor(
    readonly options: ClusterOptions,
    readonly world: ClusterWorld,
  ) {
    this.home = world.create(null)
    this.primaries = [this.home]
    this.nodes = new ClusterNodes((address) => this.#create(address))
    this.readers = new ClusterReaders((address) => world.createReplica(address))
    this.#translate = translator(options.addressMap)
    this.#inquiry = new MapInquiry(options.startNodes, this.#translate, world)
    this.#rounds = new Rounds(() => this.#round(), options, world.clock)
  }

  /** True once a node has told the map. */
  get known(): boolean {
    return this.map !== EMPTY_MAP
  }

  get endpoints(): readonly Endpoint[] {
    return this.known ? [...this.nodes.inUse, ...this.readers.nodes.inUse] : [this.home]
  }

  get info(): ServerInfo {
    return this.home.info ?? UNREACHED
  }

  primaryOf(slot: number): Endpoint | null {
    const owner = this.map.owners[slot]
    if (owner === -1) return this.known ? null : this.home
    return this.primaries[owner]
  }

  replicasOf(slot: number): readonly Endpoint[] {
    return this.readers.of(slot)
  }

  moved(slot: number, address: string, from: Endpoint): Endpoint | null {
    // It knows of what has happened.
    this.#inquiry.trusted = from.name
    this.#rounds.ask()
    const found = this.#read(address, from)
    if (found === null) return null
    const endpoint = this.nodes.at(found)
    if (this.primaryOf(slot) !== endpoint) this.#take(withOwner(this.map, slot, found))
    return endpoint
  }

  named(address: string, from: Endpoint): Endpoint | null {
    const found = this.#read(address, from)
    return found === null ? null : this.nodes.named(found, this.world.clock())
  }

  /** Has another node asked: the one that told the map may be cut off from the others. */
  refresh(): void {
    this.#inquiry.trusted = null
    this.#rounds.ask()
  }

  sweep(now: number): void {
    this.nodes.sweep(now)
    this.readers.nodes.sweep(now)
    if (!this.known) sweep(this.home, now)
  }

  stop(): void {
    this.#stopped = true
    this.#rounds.stop()
    this.home.stop()
    this.nodes.stop()
    this.readers.nodes.stop()
  }

  /** HOST:PORT as Redis writes it: an IPv6 address stands without brackets. */
  #read(text: string, from: Endpoint): Address | null {
    const { host, port } = splitHostPort(text)
    const address = from.address === null ? null : nodeAddress(host, Number(port), from.address)
    return address === null ? null : this.#translate(address)
  }

  #create(address: Address): Endpoint {
    const endpoint = this.world.create(address)
    endpoint.onUp = () => {
      if (endpoint === this.home) this.onHome(endpoint)
      else this.#settleHome()
    }
    endpoint.onUnreachable = () => {
      this.#settleHome()
      this.refresh()
    }
    endpoint.onSevered = () => this.refresh()
    return endpoint
  }

  async #round(): Promise<Outcome> {
    const before = this.map
    const missed = this.primaries.filter(({ downSince }) => downSince !== null).map(({ name }) => name)
    const map = await this.#inquiry.ask(before, new Set(missed))
    if (this.#stopped) return 'failed'
    this.world.recorder.topologyRefreshes.add(map === null ? 'failed' : 'ok')
    if (map === null) {
      const text = this.#inquiry.failure
      if (!this.known && LOGIN_REFUSED.test(text)) this.home.unshaken({ code: 'upstreamAuth', text })
      return 'failed'
    }
    // A MOVED that came meanwhile knows better; it has asked for another round.
    if (this.map === before) this.#learn(map)
    return this.primaries.every(({ downSince }) => downSince === null) ? 'settled' : 'unsettled'
  }

  #learn(map: SlotMap): void {
    const moved = countMoved(this.map, map)
    if (moved === 0) {
      // Commands go where they went; nodes disagree for a while on which replicas are fit.
      this.readers.take(map, this.world.clock())
      this.map = map
      return
    }
    this.#take(map)
    this.world.log.event('info', 'topology_changed', {
      version: this.version,
      primaries: map.shards.length,
      replicas: map.shards.reduce((sum, { replicas }) => sum + replicas.length, 0),
      slotsCovered: map.covered,
      slotsMoved: moved,
    })
  }

  #take(map: SlotMap): void {
    const before = { map: this.map, primaries: this.primaries, home: this.home, known: this.known }
    this.map = map
    this.primaries = map.shards.map(({ primary }) => this.nodes.at(map.addresses.get(primary)!))
    this.firstSlots = map.shards.map((_, index) => map.owners.indexOf(index))
    this.version++
    this.world.recorder.topologyChanges++
    this.#settleHome()
    this.onChange()
    this.nodes.keep(this.primaries, this.world.clock())
    this.readers.take(map, this.world.clock())
    if (!before.known) this.nodes.retire(before.home)
    for (const loser of this.#losers(before.map, before.primaries)) loser.wakeAll()
  }

  /** Those who serve less than before. */
  #losers(map: SlotMap, primaries: readonly Endpoint[]): Set<Endpoint> {
    const losers = new Set<Endpoint>()
    for (let slot = 0; slot < map.owners.length; slot++) {
      const owner = map.owners[slot]
      if (owner !== -1 && primaries[owner] !== this.primaries[this.map.owners[slot]]) losers.add(primaries[owner])
    }
    return losers
  }

  /** Keeps the home as long as it is a primary that is up, or no other one is. */
  #settleHome(): void {
    const last = this.home
    const stays = this.primaries.includes(last)
    if (stays && last.downSince === null) return
    const up = this.primaries.find(({ downSince }) => downSince === null)
    const next = up ?? (stays ? last : this.primaries[0])
    if (next === last) return
    this.home = next
    this.version++
    this.onChange()
    if (up !== undefined) this.onHome(next)
    last.wakeAll()
  }
}

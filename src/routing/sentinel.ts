import { describeAddress } from '../config/address.js'
import type { Address } from '../config/config.js'
import type { ClientTls } from '../tls/client.js'
import { ControlClient } from '../upstream/control.js'
import type { UpstreamLogin } from '../upstream/login.js'
import { Backoff } from '../util/backoff.js'
import type { EventLog } from '../util/log.js'
import { readReplica, REPLICA_EVENTS } from './sentinel-replicas.js'

/** Time for each sentinel to answer, ms. */
const PATIENCE = 500
/** How often a sentinel is asked though nothing seems to have changed, ms. */
const POLL_INTERVAL = 10_000
/** Sentinels that are remembered, as long as those that are configured are fewer. */
const MOST_SENTINELS = 64
const SWITCHED = '+switch-master'

export interface SentinelOptions {
  /** Some of the sentinels; they name the others. */
  readonly sentinels: readonly Address[]
  /** The name by which they know the primary. */
  readonly service: string
  readonly clientName: string
  /** Null to dial in the clear. */
  readonly tls: ClientTls | null
  readonly login: UpstreamLogin
  /** Delays between rounds in which no sentinel could say, ms. */
  readonly minDelay: number
  readonly maxDelay: number
}

/**
 * Where the primary is, as the sentinels have it (https://redis.io/docs/latest/develop/reference/sentinel-clients/).
 *
 *     refresh ──► ask one sentinel after the other ──► address ──► onPrimary
 *        ▲                                                └──► the one that knew is listened to
 *        └── at start; when a message says that it was switched; when the primary seems to be none; now and then
 *
 * Whoever is told still has to look whether that server is a primary: a sentinel that was cut off may not have heard.
 */
export class SentinelWatch {
  /** Hears which replicas are well; null as long as nobody reads from them. */
  onReplicas: ((addresses: Address[]) => void) | null = null
  /** The one that knew last comes first. */
  readonly sentinels: Address[]
  #asking = false
  #again = false
  #stopped = false
  #timer: NodeJS.Timeout | null = null
  #listening: { client: ControlClient; name: string } | null = null
  readonly #backoff: Backoff

  constructor(
    readonly options: SentinelOptions,
    readonly log: EventLog,
    readonly onPrimary: (address: Address) => void,
  ) {
    this.sentinels = [...options.sentinels]
    this.#backoff = new Backoff(options.minDelay, options.maxDelay)
    // A connection that listens takes no AUTH: another one does.
    options.login.follow(() => this.#listening?.client.close())
  }

  /** Asks; if that is going on already, once more after it. */
  refresh(): void {
    if (this.#stopped) return
    this.#again = this.#asking
    if (!this.#asking) void this.#round()
  }

  /** Tells from now on which replicas are well. */
  reportReplicas(to: (addresses: Address[]) => void): void {
    const news = this.onReplicas === null
    this.onReplicas = to
    if (!news || this.#listening === null) return
    // It is to hear of more events than it was.
    this.#listening.client.close()
    this.#listening = null
    this.refresh()
  }

  stop(): void {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#listening?.client.close()
    this.options.tls?.stop()
  }

  async #round(): Promise<void> {
    this.#asking = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    const found = await this.#askAll()
    this.#asking = false
    if (this.#stopped) return
    if (found !== null) {
      this.#backoff.reset()
      this.onPrimary(found.primary)
      this.onReplicas?.(found.replicas)
    }
    if (this.#again) return this.refresh()
    this.#timer = setTimeout(() => this.refresh(), found === null ? this.#backoff.next() : POLL_INTERVAL)
  }

  async #askAll(): Promise<{ primary: Address; replicas: Address[] } | null> {
    for (const sentinel of [...this.sentinels]) {
      let replicas: Address[] = []
      const client = this.#client(sentinel, null)
      try {
        const primary = readAddress(await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.options.service))
        if (primary === null) {
          this.log.event('warn', 'sentinel_unaware', this.#fields(sentinel))
          continue
        }
        if (this.onReplicas !== null) {
          const rows = fieldsOf(await client.call('SENTINEL', 'REPLICAS', this.options.service))
          replicas = rows.map((field) => readReplica(field, readAddress)).filter((address) => address !== null)
        }
        this.#learn(await client.call('SENTINEL', 'SENTINELS', this.options.service))
        this.#trust(sentinel)
        return { primary, replicas }
      } catch (error) {
        this.log.event('warn', 'sentinel_failed', { ...this.#fields(sentinel), error: String(error) })
      } finally {
        client.close()
      }
    }
    return null
  }

  /** Asks this one first from now on, and hears from it when another server becomes the primary. */
  #trust(sentinel: Address): void {
    const at = this.sentinels.indexOf(sentinel)
    if (at > 0) this.sentinels.unshift(...this.sentinels.splice(at, 1))
    const name = describeAddress(sentinel)
    if (this.#listening?.name === name) return
    this.#listening?.client.close()
    const client = this.#client(sentinel, (message) => {
      if (message === null && this.#listening?.client === client) this.#listening = null
      if (message === null || this.#concerns(message)) this.refresh()
    })
    this.#listening = { client, name }
    const events = this.onReplicas === null ? [SWITCHED] : [SWITCHED, ...REPLICA_EVENTS]
    client.call('SUBSCRIBE', ...events).catch((error: unknown) => {
      this.log.event('warn', 'sentinel_failed', { ...this.#fields(sentinel), error: String(error) })
    })
  }

  /** Messages read "SERVICE OLD-HOST OLD-PORT NEW-HOST NEW-PORT", or "slave NAME HOST PORT @ SERVICE HOST PORT". */
  #concerns(message: unknown): boolean {
    const [, , text] = message as unknown[]
    const { service } = this.options
    return typeof text === 'string' && (text.startsWith(`${service} `) || text.includes(` @ ${service} `))
  }

  /** Takes in the sentinels that another one knows. Where they come and go, those that nobody names any more give way. */
  #learn(rows: unknown): void {
    const told = fieldsOf(rows)
      .map((field) => readAddress([field('ip'), field('port')]))
      .filter((address) => address !== null)
    const known = new Set(this.sentinels.map(describeAddress))
    const fresh = told.filter((address) => !known.has(describeAddress(address)))
    if (this.sentinels.length + fresh.length > MOST_SENTINELS) {
      const named = new Set([...told, ...this.options.sentinels].map(describeAddress))
      const kept = this.sentinels.filter((address) => named.has(describeAddress(address)))
      this.sentinels.splice(0, Infinity, ...kept)
    }
    this.sentinels.push(...fresh.slice(0, Math.max(0, MOST_SENTINELS - this.sentinels.length)))
  }

  #client(address: Address, onMessage: ((message: unknown) => void) | null): ControlClient {
    const { clientName, tls, login } = this.options
    return new ControlClient({ address, tls, clientName, login, timeout: PATIENCE }, onMessage)
  }

  #fields(sentinel: Address): { sentinel: string; service: string } {
    return { sentinel: describeAddress(sentinel), service: this.options.service }
  }
}

/** What gives the values of each row, which are arrays of names and values. */
function fieldsOf(rows: unknown): ((name: string) => unknown)[] {
  if (!Array.isArray(rows)) return []
  const arrays = (rows as unknown[]).filter((row): row is unknown[] => Array.isArray(row))
  return arrays.map((row) => (name) => row[row.indexOf(name) + 1])
}

/** A pair of host and port, as texts. */
function readAddress(pair: unknown): Address | null {
  if (!Array.isArray(pair)) return null
  const [host, port] = pair as unknown[]
  const number = Number(port)
  if (typeof host !== 'string' || host === '' || !Number.isInteger(number) || number < 1 || number > 65_535) return null
  return { kind: 'tcp', host, port: number }
}

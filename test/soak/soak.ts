import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { LOADS, visit, type World, WrongReply } from './loads.ts'
import { type Sample, takeSample } from './sample.ts'
import { leftOver } from './verdict.ts'

export interface SoakOptions {
  readonly seconds: number
  /** Seconds between samples. */
  readonly every: number
  /** Seconds between reloads, and between restarts of Redis. */
  readonly reloads: number
  readonly restarts: number
  onSample?(sample: Sample): void
}

export interface Soak {
  readonly before: Sample
  readonly during: readonly Sample[]
  readonly after: Sample
  readonly connections: number
  readonly commands: number
  /** Rounds that ended early because a connection was lost, which is right while Redis is away. */
  readonly broken: number
  readonly wrong: readonly string[]
}

/** Small, so that what is kept for slow readers hides no leak; and connections that are not needed any more end soon. */
const CONFIG = {
  limits: { bufferedBytes: '16mb', outputBytes: '256kb', subscriberBytes: '4mb' },
  pool: { idleTimeout: '1s' },
  log: { level: 'error' },
}

const PROBE = pathToFileURL(join(import.meta.dirname, 'probe.mjs')).href

/** Has a proxy work on everything at once for a while, then leaves it alone. */
export async function soak(options: SoakOptions): Promise<Soak> {
  const probe = join(temporaryDirectory('respool-soak'), 'probe')
  const redis = await startRedis({ args: ['--maxmemory', '512mb', '--maxmemory-policy', 'allkeys-lru'] })
  const env = { NODE_OPTIONS: `--import ${PROBE}`, SOAK_PROBE: probe }
  const respool = await startRespool({ upstream: redis.url, config: CONFIG, env })
  const load = new Load(respool, redis, options)
  try {
    await load.warmUp()
    const before = await settled(respool, probe, null)
    const began = performance.now()
    const at = () => (performance.now() - began) / 1000
    load.start()
    const during: Sample[] = []
    for (let next = options.every; next <= options.seconds; next += options.every) {
      await sleep((next - at()) * 1000)
      const sample = await takeSample(respool, probe, at())
      during.push(sample)
      options.onSample?.(sample)
    }
    await load.stop()
    const after = await settled(respool, probe, before)
    return { before, during, after, ...load.figures }
  } finally {
    await respool.stop()
    await redis.stop()
  }
}

/** A sample with nothing going on: the first that has not more than another one, or what there is after half a minute. */
async function settled(respool: Respool, probe: string, reference: Sample | null): Promise<Sample> {
  await sleep(2500)
  let sample = await takeSample(respool, probe, 0)
  for (let i = 0; reference !== null && i < 60 && leftOver(reference, sample).length > 0; i++) {
    await sleep(500)
    sample = await takeSample(respool, probe, 0)
  }
  return sample
}

class Load implements World {
  readonly port: number
  readonly admin: string
  readonly figures = { connections: 0, commands: 0, broken: 0, wrong: [] as string[] }
  #next = 0
  #stopped = false
  #running: Promise<unknown>[] = []

  constructor(
    readonly respool: Respool,
    readonly redis: RedisServer,
    readonly options: SoakOptions,
  ) {
    this.port = respool.port
    this.admin = respool.admin
  }

  unique(): number {
    return this.#next++
  }

  answered(count: number): void {
    this.figures.commands += count
  }

  /** One round of everything: what is made once is there then. */
  async warmUp(): Promise<void> {
    await until(async () => (await this.respool.metric('respool_upstream_up')) === 1, 'Redis is there')
    for (let i = 0; i < 3; i++) await Promise.all(LOADS.map((load) => this.#round(load)))
  }

  start(): void {
    for (const load of LOADS) {
      for (let i = 0; i < load.count; i++) {
        this.#running.push(this.#repeat(() => this.#round(load)))
      }
    }
    this.#running.push(
      this.#repeat(() => this.#reload()),
      this.#repeat(() => this.#restart()),
    )
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
  }

  async #repeat(round: () => Promise<void>): Promise<void> {
    while (!this.#stopped) await round()
  }

  async #round({ name, run, alone }: (typeof LOADS)[number]): Promise<void> {
    let client: RawClient | null = null
    try {
      client = await RawClient.connect(this.port)
      this.figures.connections++
      if (alone) client.close()
      await run(this, client)
    } catch (error) {
      if (!(error instanceof WrongReply)) this.figures.broken++
      else if (this.figures.wrong.length < 20) this.figures.wrong.push(`${name}: ${error.message}`)
    } finally {
      client?.close()
    }
  }

  async #reload(): Promise<void> {
    await this.#pause(this.options.reloads)
    this.respool.configure({ ...CONFIG, pool: { ...CONFIG.pool, max: 4 + (this.unique() % 5) } })
    await visit('POST', `${this.admin}/reload`)
  }

  async #restart(): Promise<void> {
    await this.#pause(this.options.restarts)
    if (!this.#stopped) await this.redis.restart()
  }

  /** Until then, or until all is over. */
  async #pause(seconds: number): Promise<void> {
    const over = Date.now() + seconds * 1000
    while (!this.#stopped && Date.now() < over) await sleep(100)
  }
}

import { type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import type { Cleanup } from '../integration/support.ts'
import { Reference } from './cluster-reference.ts'
import type { Step } from './corpus/script.ts'
import { OtherClient, type Other, type Side } from './play.ts'

const SETTINGS = ['--hz', '100']

export interface Sides {
  readonly direct: Side
  readonly proxied: Side
  readonly reference: Reference
}

/** A single Redis, and respool in front of a cluster of three primaries. */
export async function startSides(cleanup: Cleanup): Promise<Sides> {
  const redis = cleanup.add(await startRedis({ args: SETTINGS }))
  const cluster = cleanup.add(await startCluster({ args: SETTINGS }))
  const respool = cleanup.add(await startRespool({ upstream: cluster.url }))
  const sideOf = async (port: number, other: OtherClient | OtherOnCluster) => {
    cleanup.also(() => other.close())
    return { port, other, pacer: cleanup.client(await RawClient.connect(port)) }
  }
  return {
    direct: await sideOf(redis.port, await OtherClient.connect(redis.port)),
    proxied: await sideOf(respool.port, await OtherOnCluster.connect(cluster)),
    reference: new Reference(cleanup.client(await RawClient.connect(redis.port))),
  }
}

/** Another application, connected directly to each primary of a cluster. */
export class OtherOnCluster implements Other {
  private constructor(
    readonly nodes: readonly OtherClient[],
    /** One at each node. */
    readonly listeners: readonly RawClient[],
  ) {}

  static async connect({ primaries }: RedisCluster): Promise<OtherOnCluster> {
    const ports = primaries.map(({ server }) => server.port)
    const nodes = await Promise.all(ports.map((port) => OtherClient.connect(port)))
    return new OtherOnCluster(nodes, await Promise.all(ports.map((port) => RawClient.connect(port))))
  }

  async empty(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.empty()))
    await this.#settle()
  }

  /** Waits until what was published is no longer on its way from node to node: the next script may subscribe to the same. */
  async #settle(): Promise<void> {
    await Promise.all(this.listeners.map((listener) => listener.call('SUBSCRIBE', 'settled')))
    await Promise.all(this.nodes.map((node) => node.call('PUBLISH', 'settled', '')))
    for (const listener of this.listeners) for (let left = this.nodes.length; left > 0; left--) await listener.frame()
    await Promise.all(this.listeners.map((listener) => listener.call('UNSUBSCRIBE', 'settled')))
  }

  /** The node that has the slot of the key does it; each other one says MOVED. */
  async act(step: Step): Promise<void> {
    if (step.onceBlocked) await Promise.any(this.nodes.map((node) => node.awaitBlocked()))
    for (const node of this.nodes) {
      const reply = await node.call(...(step.elsewhere ?? []))
      if (!reply.startsWith('-MOVED')) return
    }
  }

  close(): void {
    for (const one of [...this.nodes, ...this.listeners]) one.close()
  }
}

import type { RedisCluster } from '../helpers/cluster.ts'
import type { Step } from './corpus/script.ts'
import { OtherClient, type Other } from './play.ts'

/** Another application, connected directly to each primary of a cluster. */
export class OtherOnCluster implements Other {
  private constructor(readonly nodes: readonly OtherClient[]) {}

  static async connect({ primaries }: RedisCluster): Promise<OtherOnCluster> {
    return new OtherOnCluster(await Promise.all(primaries.map(({ server }) => OtherClient.connect(server.port))))
  }

  async empty(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.empty()))
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
    for (const node of this.nodes) node.close()
  }
}

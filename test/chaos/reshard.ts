import type { ClusterNode, RedisCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/waiting.ts'
import { primariesOf } from './stage.ts'

const KEYS_AT_ONCE = 10

/** Moves so many slots that hold keys to the next primary, a few keys at a time, while they are used. */
export async function moveSlots(cluster: RedisCluster, count: number): Promise<void> {
  const primaries = await primariesOf([...cluster.primaries, ...cluster.replicas])
  let moved = 0
  for (let nth = 0; moved < count; nth++) {
    const source = primaries[nth % primaries.length]
    const slot = await busySlot(source, moved)
    await moveSlot(slot, source, primaries[(nth + 1) % primaries.length], primaries)
    moved++
  }
}

/** A slot of a node that has keys; of those that all use, if it has any. */
async function busySlot(node: ClusterNode, nth: number): Promise<number> {
  const key = await until(async () => {
    const shared = (await node.call('KEYS', 'shared:*')).split('\r\n').filter((line) => line.startsWith('shared:'))
    return shared[nth % (shared.length + 1)] ?? (await node.call('RANDOMKEY')).split('\r\n')[1]
  }, 'a slot with keys')
  return Number((await node.call('CLUSTER', 'KEYSLOT', key)).slice(1))
}

async function moveSlot(slot: number, source: ClusterNode, target: ClusterNode, primaries: ClusterNode[]) {
  await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id)
  await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id)
  for (;;) {
    const reply = await source.call('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_AT_ONCE)
    const keys = reply.split('\r\n').filter((line) => /^[a-z]/.test(line))
    if (keys.length === 0) break
    const done = await source.call('MIGRATE', '127.0.0.1', target.server.port, '', 0, 5000, 'KEYS', ...keys)
    if (!done.startsWith('+')) throw new Error(`MIGRATE: ${done}`)
  }
  for (const node of new Set([target, source, ...primaries]))
    await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id)
}

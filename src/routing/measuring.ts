import { probe } from '../upstream/probe.js'
import { noteNearest } from './choice.js'
import type { Topology } from './topology.js'

/** Measures how far away servers are, and notes which are the nearest of their shards. */
export function measure(topology: Topology, now: number): void {
  for (const slot of topology.firstSlots) {
    const primary = topology.primaryOf(slot)
    const servers = [...(primary === null ? [] : [primary]), ...topology.replicasOf(slot)]
    for (const server of servers) probe(server, now)
    noteNearest(servers)
  }
}

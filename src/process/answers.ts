import { createRegistry } from '../metrics/exporter.js'
import { vitalsOf } from '../metrics/vitals.js'
import type { Proxy } from '../proxy.js'
import type { Question } from './worker-messages.js'

/** What a worker answers to the questions of the admin server. */
export function answersOf(proxy: Proxy): Record<Question, (most?: number) => unknown> {
  const nameOf = (id: number) => proxy.table.byId(id).name
  const registry = createRegistry(proxy.recorder, nameOf, () => proxy.snapshot())
  return {
    metrics: () => registry.getMetricsAsJSON(),
    stats: () => proxy.stats(),
    vitals: () => vitalsOf(proxy.recorder, nameOf),
    topology: () => proxy.topology(),
    clients: (most) => proxy.clients(most),
    slowlog: () => proxy.guards.slowlog(),
    hotkeys: () => proxy.guards.hotkeys(),
    audit: () => proxy.guards.audit(),
  }
}

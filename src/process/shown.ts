import { publicConfig } from '../config/render.js'
import { createRegistry } from '../metrics/exporter.js'
import { vitalsOf } from '../metrics/vitals.js'
import { Proxy } from '../proxy.js'
import type { Crew } from './crew.js'

/** What the admin server shows of the one process, or of all of them. */
export function shownOf(service: Proxy | Crew) {
  return {
    ready: () => service.ready(),
    started: () => service.started(),
    config: () => publicConfig(service.config),
    stats: () => service.stats(),
    topology: () => service.topology(),
    clients: (most?: number) => service.clients(most),
    ...(service instanceof Proxy ? ofOne(service) : ofMany(service)),
  }
}

function ofOne(proxy: Proxy) {
  const nameOf = (id: number) => proxy.table.byId(id).name
  return {
    registry: createRegistry(proxy.recorder, nameOf, () => proxy.snapshot()),
    vitals: () => vitalsOf(proxy.recorder, nameOf),
    slowlog: () => proxy.guards.slowlog(),
    hotkeys: () => proxy.guards.hotkeys(),
    audit: () => proxy.guards.audit(),
  }
}

function ofMany(crew: Crew) {
  return {
    registry: crew.metrics,
    vitals: () => crew.vitals(),
    slowlog: () => crew.report('slowlog'),
    hotkeys: () => crew.report('hotkeys'),
    audit: () => crew.report('audit'),
  }
}

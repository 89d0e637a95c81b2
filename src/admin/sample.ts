import { buildInfo } from '../metrics/build-info.js'
import type { AdminSource } from './source.js'

/** Application connections that are shown at a time. */
const MOST_CLIENTS = 50

/** What the status page shows of one moment. */
export async function takeSample(source: AdminSource): Promise<object> {
  const [vitals, stats, topology, slowlog, hotkeys, clients] = await Promise.all([
    source.vitals(),
    source.stats(),
    source.topology(),
    source.slowlog(),
    source.hotkeys(),
    source.clients(MOST_CLIENTS),
  ])
  return {
    version: buildInfo.version,
    // Never runs backwards, except in another process.
    uptime: process.uptime(),
    ...source.ready(),
    vitals,
    stats,
    topology,
    slowlog,
    hotkeys,
    clients,
  }
}

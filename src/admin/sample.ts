import { buildInfo } from '../metrics/build-info.js'
import type { AdminSource } from './source.js'

/** Application connections that are shown at a time. */
const MOST_CLIENTS = 50

/** What the status page shows of one moment. */
export function takeSample(source: AdminSource): object {
  return {
    version: buildInfo.version,
    // Never runs backwards, except in another process.
    uptime: process.uptime(),
    ...source.ready(),
    vitals: source.vitals(),
    stats: source.stats(),
    topology: source.topology(),
    slowlog: source.slowlog(),
    hotkeys: source.hotkeys(),
    clients: source.clients(MOST_CLIENTS),
  }
}

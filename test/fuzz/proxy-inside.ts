import { setImmediate as nextTurn } from 'node:timers/promises'
import { load } from '../../src/config/load.js'
import { Proxy } from '../../src/proxy.js'
import { Accepting } from '../../src/sockets/entrance.js'
import { Inherited } from '../../src/sockets/inherited.js'
import { Sockets } from '../../src/sockets/sockets.js'
import { createLogger, EventLog } from '../../src/util/log.js'
import { until } from '../helpers/waiting.ts'

/** A respool in this process, so that its branches can be counted. Listens on, and connects to, a unix socket. */
export async function startInside(upstream: string, listen: string): Promise<Proxy> {
  const loaded = load({
    argv: ['--upstream', `redis+unix://${upstream}`, '--listen', `unix:${listen}`, '--admin', 'off'],
    env: {},
    readFile: () => '',
  })
  if (loaded.ok !== true) throw new Error('the configuration is refused')
  const log = new EventLog(createLogger('silent'))
  const sockets = new Sockets(new Inherited({}, process.pid))
  const proxy = new Proxy(loaded.config, log, {
    entranceAt: (address) => new Accepting(address, sockets, log),
    firstId: 1,
    spans: null,
  })
  await proxy.start()
  return proxy
}

/** Waits until nobody but those is connected, nothing waits, and no connection is kept for one session. */
export async function quiet(proxy: Proxy, applications: number): Promise<void> {
  const busy = () => {
    const { downstreamConnections, endpoints } = proxy.snapshot()
    const left = endpoints.map(({ connections, waiters, subscriptions }) => ({
      pinned: connections.pinned,
      waiters,
      ...subscriptions,
    }))
    const isQuiet =
      downstreamConnections === applications &&
      left.every((counts) => Object.values(counts).every((count) => count === 0))
    return isQuiet ? null : JSON.stringify({ downstreamConnections, left })
  }
  // Mostly that takes no time.
  for (let turns = 50; turns > 0 && busy() !== null; turns--) await nextTurn()
  await until(() => busy() === null, 'nothing is left of the sessions that have ended').catch(() => {
    throw new Error(`sessions have ended, and of them is left: ${busy()}`)
  })
}

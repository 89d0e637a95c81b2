// Loaded into the proxy ahead of all else (NODE_OPTIONS=--import): names and the clock come from a file that may change at any time.
// Both are replaced where Node's own code asks for them, so that the proxy runs as it is. Only the wall clock is replaced: timers and
// deadlines go by the monotonic one, which no correction of the time moves.
import dns from 'node:dns'
import { readFileSync, watchFile } from 'node:fs'

const file = process.env.CHAOS_WORLD
let world = read()
watchFile(file, { interval: 100 }, () => (world = read())).unref()

function read() {
  return JSON.parse(readFileSync(file, 'utf8'))
}

const lookup = dns.lookup
dns.lookup = (hostname, options, callback) => {
  const address = world.hosts[hostname]
  if (address === undefined) return lookup(hostname, options, callback)
  const done = typeof options === 'function' ? options : callback
  process.nextTick(() => (options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)))
}

const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + world.clock)
    else super(...args)
  }

  static now() {
    return RealDate.now() + world.clock
  }
}

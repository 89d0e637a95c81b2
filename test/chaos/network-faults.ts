import type { Link, NetworkFault, Side } from './relay.ts'
import type { Shape } from './relay-pipe.ts'

const BOTH: readonly Side[] = ['application', 'redis']
/** HELLO and CLIENT SETNAME, in front of all others. */
const GREETING = 2
const POISON_EVERY = 150

const HELD: Shape = { slice: 0, wait: () => 0 }
const DRIP: Shape = { slice: 1, wait: () => 0 }
const SLOW: Shape = { slice: 500, wait: () => 20 }
const JITTER: Shape = { slice: Infinity, wait: () => 2 + Math.random() * 25 }

export const NETWORK_FAULTS: readonly NetworkFault[] = [
  { name: 'reset', sides: BOTH, act: (link) => link.reset() },
  { name: 'half-open', sides: BOTH, act: (link) => link.vanish(), every: 300 },
  { name: 'black hole', sides: BOTH, toProxy: HELD, fromProxy: HELD },
  { name: 'one byte at a time', sides: BOTH, toProxy: DRIP, fromProxy: DRIP, share: 50 },
  { name: 'delay with jitter', sides: BOTH, toProxy: JITTER, fromProxy: JITTER },
  {
    name: 'cut within a frame',
    sides: BOTH,
    act: (link, random) => link.cut(random.pick([link.requests, link.replies]), random.pick(['reset', 'end'])),
  },
  { name: 'truncated replies', sides: ['redis'], act: (link) => link.cut(link.replies, 'end') },
  { name: 'slow reader', sides: BOTH, fromProxy: SLOW, share: 50 },
  { name: 'slow writer', sides: BOTH, toProxy: SLOW, share: 50 },
  { name: 'garbage', sides: ['redis'], mangle: garbage },
  // Among replies that are waited for, one too many looks like the next one: nobody can tell, with or without a proxy.
  { name: 'duplicated replies', sides: ['redis'], mangle: twice, isAlone: true },
]

/** Bytes that begin no reply, behind one or in the middle of one. */
function garbage(frame: Buffer, nth: number, link: Link): Buffer {
  if (nth < GREETING || !isTurn(link)) return frame
  const noise = Buffer.from(Array.from({ length: 1 + link.random.below(30) }, () => 0x80 + link.random.below(0x80)))
  const isBulk = frame.length > 20 && frame[0] === 0x24
  const at = isBulk && link.random.below(2) === 0 ? frame.length - 8 : frame.length
  return Buffer.concat([frame.subarray(0, at), noise, frame.subarray(at)])
}

function twice(frame: Buffer, nth: number, link: Link): Buffer {
  return nth < GREETING || link.outstanding > 0 || !isTurn(link) ? frame : Buffer.concat([frame, frame])
}

/** Once for each connection, which must end by it. */
function isTurn(link: Link): boolean {
  if (link.isCalm || link.isPoisoned || link.random.below(POISON_EVERY) > 0) return false
  link.poison()
  return true
}

import { Bond } from '../anchor.js'
import type { Session } from '../session.js'

/**
 * The line of CLIENT LIST and CLIENT INFO for an application's connection, in Redis's form
 * (https://redis.io/docs/latest/commands/client-list/): with the session's own id, addresses and state. Fields that
 * only mean something inside Redis stand at zero.
 */
export function describeClient(session: Session): string {
  const { now } = session.context.clock
  const seconds = (since: number): number => Math.floor((now - since) / 1000)
  const fields = [
    ['id', session.id],
    ['addr', session.downstream.remoteAddress],
    ['laddr', session.downstream.localAddress],
    ['fd', session.id],
    ['name', session.name],
    ['age', seconds(session.since)],
    ['idle', seconds(session.lastActive)],
    ['flags', flags(session)],
    ['db', session.database],
    ['sub', session.subscriber?.names.channel.size ?? 0],
    ['psub', session.subscriber?.names.pattern.size ?? 0],
    ['ssub', session.subscriber?.names.shard.size ?? 0],
    ['multi', session.mode.current === 'queueing' ? 0 : -1],
    ['qbuf', 0],
    ['qbuf-free', 0],
    ['argv-mem', 0],
    ['multi-mem', 0],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', session.ring.length],
    ['omem', 0],
    ['tot-mem', 0],
    ['events', 'r'],
    ['cmd', session.lastCommand === '' ? 'NULL' : session.lastCommand],
    ['user', session.user],
    ['redir', session.anchor.tracking === null ? -1 : session.anchor.tracking.redirect],
    ['resp', session.protocol],
    ['lib-name', session.libName],
    ['lib-ver', session.libVersion],
  ]
  return fields.map(([name, value]) => `${name}=${value}`).join(' ')
}

function flags(session: Session): string {
  const { mode, noEvict, anchor } = session
  const { leaseReason } = session.ways
  const set = [
    leaseReason === 'blocking' ? 'b' : '',
    mode.current === 'queueing' || mode.current === 'discarding' ? 'x' : '',
    leaseReason === 'subscribe' || session.subscribed ? 'P' : '',
    leaseReason === 'monitor' ? 'O' : '',
    ...trackingFlags(session),
    noEvict ? 'e' : '',
    (anchor.bonds & Bond.noTouch) !== 0 ? 'T' : '',
    (anchor.bonds & Bond.importSource) !== 0 ? 'I' : '',
  ].join('')
  return set === '' ? 'N' : set
}

function trackingFlags({ anchor, context }: Session): string[] {
  const { tracking } = anchor
  if (tracking === null) return []
  const { broadcast, redirect } = tracking
  const broken = redirect > 0 && context.registry.get(redirect) === undefined
  return ['t', broken ? 'R' : '', broadcast ? 'B' : '']
}

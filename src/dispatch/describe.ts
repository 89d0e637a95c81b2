import type { Session } from './session.js'

/** A session as the admin port shows it. */
export function describeSession(session: Session): object {
  const { account, context } = session
  const { clock } = context
  const age = (since: number): number => Math.round(clock.now - since) / 1000
  const lease =
    session.lease === null ? null : { reason: session.ways.leaseReason, ageSeconds: age(session.ways.leasedAt) }
  const { channel, pattern, shard } = session.subscriber?.names ?? {}
  return {
    id: session.id,
    address: session.downstream.remoteAddress,
    name: session.name,
    library: [session.libName, session.libVersion].filter((part) => part !== '').join(' '),
    protocol: session.protocol,
    database: session.database,
    mode: session.mode.current,
    held: session.held,
    inFlight: session.inflight,
    ageSeconds: age(session.since),
    idleSeconds: age(session.lastActive),
    lastCommand: session.lastCommand,
    commands: account.commands,
    errors: account.errors,
    bytesIn: account.bytesIn,
    bytesOut: account.bytesOut,
    pins: account.pins,
    subscriptions: { channels: channel?.size ?? 0, patterns: pattern?.size ?? 0, shardChannels: shard?.size ?? 0 },
    lease,
  }
}

import type { CommandSpec } from '../commands/spec.js'
import type { Recorder } from '../metrics/recorder.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { TurnClock } from '../util/clock.js'
import type { Request } from './request.js'

/** Where a command was answered: by respool itself, by Redis over a connection that is shared or the session's own, or by several servers. */
export type SpanRoute = 'local' | 'shared' | 'leased' | 'split'

/** Hears of every command that has been answered; nothing of its arguments or reply. Times are ms on the monotonic clock. */
export interface Spans {
  /** @param endpoint the server that was asked; null for none or several */
  ended(command: string, route: SpanRoute, endpoint: string | null, since: number, now: number, failed: boolean): void
}

/** A request is complete, and its route still as it was. */
export function tellSpan(spans: Spans, request: Request, lease: UpstreamConnection | null, now: number): void {
  const { spec, route, size, since, failed } = request
  // What Redis has answered has a size.
  if (size === 0) return spans.ended(spec.name, 'local', null, since, now, failed)
  if (request.apart) return spans.ended(spec.name, 'split', null, since, now, failed)
  const leased = lease !== null && route.connection === lease
  spans.ended(spec.name, leased ? 'leased' : 'shared', route.endpoint.name, since, now, failed)
}

interface Noting {
  readonly recorder: Recorder
  readonly clock: TurnClock
  readonly spans: Spans | null
}

/** A command has needed no request. */
export function answeredAtOnce({ recorder, clock, spans }: Noting, spec: CommandSpec, failed: boolean): void {
  recorder.command(spec.id, 0, failed)
  if (spans !== null) spans.ended(spec.name, 'local', null, clock.now, clock.now, failed)
}

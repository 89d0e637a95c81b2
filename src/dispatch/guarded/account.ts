import type { CommandSpec } from '../../commands/spec.js'
import { type ErrorCode, isOwnRefusal } from '../../errors.js'
import type { Answered, Guard } from '../../guard/guard.js'
import type { Client } from '../../guard/reports.js'
import type { PinReason } from '../../metrics/recorder.js'
import type { Foresight } from './foresight.js'

/** A session, as far as it matters for a command that had to wait. */
interface Late extends Client {
  readonly context: { readonly clock: { readonly now: number } }
  readonly route: Answered['route']
}

/** What one session has used so far, and what its listener's guard has to know of it. */
export class Account {
  commands = 0
  errors = 0
  bytesIn = 0
  bytesOut = 0
  /** Leases that it has had. */
  pins = 0
  /** True if the command at hand has been judged, and comes again because it has to wait. */
  judged = false
  /** From the first command on that is audited. */
  foresight: Foresight | null = null
  /** When the command at hand had to wait first, ms; 0 if it has not. */
  heldAt = 0

  constructor(
    readonly guard: Guard,
    readonly client: Client,
  ) {}

  /** The command at hand, which had to wait, has got its place: how long that took, ms. */
  endWait(now: number): number {
    const waited = now - this.heldAt
    this.heldAt = 0
    return waited
  }

  /** A command has been answered, with an error or in an unusual way, after so many ms. */
  answered(request: Answered, ms: number): void {
    if (request.failed) this.errors++
    this.guard.answered(this.client, request, ms)
  }

  /** A command that had to wait is answered without having been sent. */
  answeredLate(session: Late, spec: CommandSpec, failed: boolean, size: number): void {
    const waited = this.endWait(session.context.clock.now)
    if (waited < this.guard.slowFrom) return
    this.guard.answered(session, { spec, failed, waited, size, sent: 0, argc: 0, route: session.route }, 0)
  }

  pinned(spec: CommandSpec, reason: PinReason): void {
    this.pins++
    this.guard.audit?.note('pinned', spec.name, reason)
  }

  refused(spec: CommandSpec, code: ErrorCode): void {
    if (isOwnRefusal(code)) this.guard.audit?.note('refused', spec.name, code)
  }
}

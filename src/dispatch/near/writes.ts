import type { NearCache } from '../../cache/near-cache.js'
import { Role } from '../../cache/near-cache.js'
import type { Writer } from '../../cache/store.js'
import { keyPositions } from '../../commands/keys.js'
import type { CommandSpec } from '../../commands/spec.js'
import { Arguments, wholeArgument } from '../../resp/arguments.js'
import type { Step } from '../kept-run.js'
import type { Frame } from '../send.js'
import type { Session } from '../session.js'

/** With more keys that are kept a command counts as one that may write any key. */
const MOST_KEYS = 256

/** What a transaction that goes on has queued: to be carried out by its EXEC, if that comes. */
class QueuedWrites implements Writer {
  exec: Writer | null = null

  constructor(readonly session: Session) {}

  get done(): boolean {
    return this.exec === null ? this.session.mode.current !== 'queueing' : this.exec.done
  }

  get lost(): boolean {
    return this.exec === null ? this.session.closed : this.exec.lost
  }
}

const queued = new WeakMap<Session, QueuedWrites>()

/** A command has been dispatched: if it may write, what is kept of its keys is dropped. */
export function noteWrites(session: Session, cache: NearCache, spec: CommandSpec, frame: Frame): void {
  // Without one it was answered here; at worst the newest is an older one.
  const newest = newestOf(session)
  if (newest === null) return
  if (cache.roleOf(spec) === Role.exec) return noteExec(session, newest)
  const { buf, start, end } = frame
  note(cache, spec, new Arguments(buf, start, end), writerOf(session, newest))
}

/** The same for a transaction that came in one piece, which has just been sent. */
export function noteRunWrites(session: Session, buf: Buffer, steps: readonly Step[]): void {
  const { cache } = session.context.near!
  const exec = newestOf(session)
  if (exec === null) return
  for (const { row, start, end } of steps) {
    if (cache.roleOf(row) === Role.write) note(cache, row, new Arguments(buf, start, end), exec)
  }
}

/** The same for a command of which the first bytes have just been sent. */
export function noteLargeWrite(session: Session, spec: CommandSpec, buf: Buffer, start: number, end: number): void {
  const { cache } = session.context.near!
  const newest = newestOf(session)
  if (newest === null || cache.roleOf(spec) !== Role.write) return
  const writer = writerOf(session, newest)
  const key = spec.soleKey === 0 ? null : wholeArgument(buf, start, end, spec.soleKey)
  if (key === null) cache.store.writtenAnywhere(writer)
  else if (cache.concerns(key, 0, key.length)) cache.store.written(key.toString('latin1'), writer)
}

function note(cache: NearCache, spec: CommandSpec, args: Arguments, writer: Writer): void {
  const positions = keyPositions(spec, args)
  const keys = positions.map((position) => args.bytes(position)).filter((key) => cache.concerns(key, 0, key.length))
  if (positions.length === 0 || keys.length > MOST_KEYS) return cache.store.writtenAnywhere(writer)
  for (const key of keys) cache.store.written(key.toString('latin1'), writer)
}

/** Whose end is the end of a write. */
function writerOf(session: Session, newest: Writer): Writer {
  if (session.mode.current !== 'queueing') return newest
  let writes = queued.get(session)
  if (writes === undefined) queued.set(session, (writes = new QueuedWrites(session)))
  return writes
}

function noteExec(session: Session, exec: Writer): void {
  const writes = queued.get(session)
  if (writes === undefined) return
  writes.exec = exec
  queued.delete(session)
}

function newestOf({ ring }: Session): Writer | null {
  return ring.at(ring.length - 1) ?? null
}

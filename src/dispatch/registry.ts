import type { Session } from './session.js'

/** All sessions by id. Ids grow and are never used again, as Redis's client ids do. */
export class SessionRegistry {
  readonly sessions = new Map<number, Session>()
  #nextId = 1

  get size(): number {
    return this.sessions.size
  }

  takeId(): number {
    return this.#nextId++
  }

  add(session: Session): void {
    this.sessions.set(session.id, session)
  }

  remove(session: Session): void {
    this.sessions.delete(session.id)
  }
}

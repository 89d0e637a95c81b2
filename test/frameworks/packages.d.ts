/** The part of redlock that the tests use; the package brings no types. */
declare module 'redlock' {
  import type { EventEmitter } from 'node:events'

  export interface Lock {
    value: string
    unlock(): Promise<void>
    extend(ttl: number): Promise<Lock>
  }

  export default class Redlock extends EventEmitter {
    constructor(clients: unknown[], options?: { retryCount?: number; retryDelay?: number; retryJitter?: number })
    lock(resources: string | string[], ttl: number): Promise<Lock>
  }
}

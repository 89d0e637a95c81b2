import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits until the predicate gives something truthy, and returns it.
 * A predicate that throws counts as "not yet"; its last error is shown when time is up.
 */
export async function until<T>(predicate: () => T | Promise<T>, what: string, timeoutMs = 10_000): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await predicate()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain until ${what}; last: ${String(last)}`, { cause: last })
    }
    await sleep(10)
  }
}

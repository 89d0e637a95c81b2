import assert from 'node:assert/strict'
import type { Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import type { Observer } from '../integration/support.ts'

type Row = Record<string, string>

/** What Redis shows of a connection on which nothing of any session is left. A field that a version lacks shows nothing. */
const FRESH: Record<string, RegExp> = {
  // No transaction, watched key that changed, subscription, monitor, tracking, no-evict, no-touch, or blocked command.
  flags: /^N$/,
  name: /^respool:/,
  multi: /^-1$/,
  watch: /^0$/,
  sub: /^0$/,
  psub: /^0$/,
  ssub: /^0$/,
  redir: /^-1$/,
  user: /^default$/,
}

/** The fields in which a connection is not fresh, one line each. */
export function stainsOf(row: Row): string[] {
  return Object.entries(FRESH)
    .filter(([field, fresh]) => row[field] !== undefined && !fresh.test(row[field]))
    .map(([field]) => `connection ${row['id']}: ${field}=${row[field]} after ${row['cmd']}`)
}

/** Waits until no lease is held, nobody waits for one, and Redis has as many connections as respool says it has. */
export async function settled(respool: Respool, observer: Observer): Promise<Row[]> {
  const connections = (state?: string) => respool.metric('respool_pool_connections', state ? { state } : {})
  await until(async () => (await connections('pinned')) === 0, 'no lease is held')
  await until(async () => (await respool.metric('respool_pool_waiters')) === 0, 'nobody waits')
  await until(async () => {
    const [rows, known] = [await observer.clients(), await connections()]
    assert.equal(rows.length, known)
    return true
  }, 'Redis and respool count the same connections')
  return observer.clients()
}

/** The same, and all of them are fresh. */
export async function settledAndFresh(respool: Respool, observer: Observer): Promise<Row[]> {
  const rows = await settled(respool, observer)
  assert.deepEqual(rows.flatMap(stainsOf), [])
  return rows
}

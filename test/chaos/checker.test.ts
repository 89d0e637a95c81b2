/** The load against servers that lie: it must notice every lie, and find nothing where there is none. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { until } from '../helpers/waiting.ts'
import type { Kind } from './findings.ts'
import { type Lie, startLyingServer } from './lying-server.ts'
import { Load } from './load.ts'

/** One of these is what it must be found to be. */
const FOUND: Record<Lie, Kind[]> = {
  none: [],
  'neighbour’s reply': ['crossed'],
  'replies exchanged': ['crossed', 'reordered'],
  'reply twice': ['crossed', 'doubled'],
  'reply left out': ['crossed', 'lost'],
  'write forgotten': ['lost', 'reordered'],
  'write done twice': ['doubled'],
  'old value': ['reordered'],
  'transaction torn': ['crossed'],
}

describe('a load', { timeout: 60_000 }, () => {
  for (const [lie, kinds] of Object.entries(FOUND) as [Lie, Kind[]][]) {
    it(`against a server with ${lie === 'none' ? 'no lie' : `the lie "${lie}"`}`, async () => {
      const server = await startLyingServer(lie)
      const load = new Load({ name: 'test', port: server.port, seed: 7, raw: 6, libraries: lie === 'none' ? 1 : 0 })
      const { tally, findings } = load.common
      await until(() => tally.checked > 20_000 || findings.total > 30, 'enough is checked')
      await load.finish((key) => Promise.resolve(server.data.get(key) ?? null), 500)
      server.stop()
      if (kinds.length === 0) assert.deepEqual(findings.texts, [])
      else
        assert.ok(
          kinds.some((kind) => findings.counts[kind] > 0),
          findings.texts.join('\n'),
        )
    })
  }
})

/** A few of the faults of `npm run chaos`, for a short time: no reply is crossed, lost, doubled or reordered. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CELLS, play } from './cell.ts'
import { type Stage, startStage, type Topology } from './stage.ts'

const SIZE = { commands: 3000, raw: 6, libraries: 1, quiet: 50, lasts: 700 }

const SHORT: [topology: Topology, faults: string[], config?: object][] = [
  [
    'standalone',
    [
      'reset, application side',
      'cut within a frame, application side',
      'reset, redis side',
      'cut within a frame, redis side',
      'garbage, redis side',
      'SIGKILL and restart',
      'full disk',
      'name with another address',
    ],
  ],
  ['standalone', ['duplicated replies, redis side'], { pool: { max: 1, min: 1 } }],
  ['cluster', ['planned failover']],
  ['sentinel', ['reset, redis side']],
]

for (const [topology, faults, config] of SHORT) {
  describe(`faults around respool, ${topology}`, { timeout: 120_000 }, () => {
    let stage: Stage

    before(async () => void (stage = await startStage(topology, 1, config)))
    after(() => stage.stop())

    for (const fault of faults) {
      it(fault, async (context) => {
        const cell = CELLS.find(({ name }) => name === fault)!
        const { checked, errors, unknown, recovery, texts } = await play(stage, cell, { ...SIZE, seed: 1 })
        context.diagnostic(
          `${checked} replies, ${errors} errors, ${unknown} unknown, recovered in ${Math.round(recovery)} ms`,
        )
        assert.deepEqual(texts, [])
      })
    }
  })
}

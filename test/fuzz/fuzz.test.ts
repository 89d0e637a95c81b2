/**
 * What `npm run fuzz` does, in short: the corpus, and some random inputs that are not guided. PROPERTY_SEED=n repeats them.
 */
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { check } from '../unit/property.ts'
import { corpusOf } from './corpus.ts'
import type { Running, Target } from './target.ts'
import { TARGETS } from './targets/index.ts'

/** Random inputs of each target: a second or two of them. */
const RUNS: Record<string, number> = {
  requests: 400,
  framing: 600,
  replies: 400,
  keys: 150,
  learning: 200,
  config: 60,
  session: 60,
}

for (const [name, { load }] of Object.entries(TARGETS)) {
  const target: Target = await load()
  describe(`${name}: ${target.about}`, () => {
    let running: Running
    before(async () => {
      running = await target.start()
    })
    after(() => running.stop())

    for (const entry of corpusOf(name)) test(entry.name, () => running.run(entry.bytes))

    test('random inputs', (t) => {
      const property = fc.asyncProperty(target.samples.map(shown), async ({ bytes }) => {
        await running.run(bytes)
      })
      return check(t, RUNS[name], property)
    })
  })
}

/** Failures are shown as text. */
function shown(bytes: Buffer): { bytes: Buffer; [fc.toStringMethod]: () => string } {
  return { bytes, [fc.toStringMethod]: () => JSON.stringify(bytes.toString('latin1')) }
}

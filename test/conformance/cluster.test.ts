/**
 * Every script of the corpus, played with one Redis directly and with respool in front of a cluster of three primaries: the replies are
 * the same bytes, but for what a cluster refuses and for the differences that are listed.
 *
 * CONFORMANCE_ONLY=text plays only the scripts that have the text in "family: name".
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Cleanup } from '../integration/support.ts'
import { CLUSTER_DIFFERENCES, isOfCluster } from './cluster-differences.ts'
import { startSides, type Sides } from './cluster-side.ts'
import { corpus } from './corpus/index.ts'
import type { Family, Protocol, Script } from './corpus/script.ts'
import { Comparison } from './differences.ts'
import { play, type Mode } from './play.ts'
import { isWanted, ONLY, report, variantsOf } from './variants.ts'

/** Without tags keys are in any slot; with one all keys of a script are in one, and nothing is refused because of them. */
const RUNS: readonly { mode: Mode['name']; tags: readonly string[] }[] = [
  { mode: 'step by step', tags: [] },
  { mode: 'pipelined', tags: [] },
  { mode: 'cut in two', tags: [] },
  // A slot on each node.
  { mode: 'pipelined', tags: ['c', 'a', 'b'] },
]
/** Wait for something that comes only if nothing is refused: client-side caching, subscriptions within a transaction; keys in one slot. */
const LEFT_OUT = /^(tracking: |connection: CLIENT TRACKING, RESP3|pub\/sub: inside a transaction$)/
const ONLY_TAGGED = /^blocking: (answered at once|woken by another client)$/
/** Each cut of each script is tried with a single server. */
const CUTS = 2

let sides: Sides
const cleanup = new Cleanup()
const comparison = new Comparison(CLUSTER_DIFFERENCES)

before(async () => {
  sides = await startSides(cleanup)
})
after(() => cleanup.run())

for (const { mode, tags } of RUNS) {
  for (const protocol of [2, 3] as const) {
    describe(`RESP${protocol}, ${mode}${tags.length > 0 ? ', keys in one slot' : ''}`, () => {
      for (const family of corpus) {
        const left = [LEFT_OUT, ...(tags.length > 0 ? [] : [ONLY_TAGGED])]
        const scripts = family.scripts.filter((script) => {
          const name = `${family.name}: ${script.name}`
          return isWanted(family, script, protocol) && !left.some((pattern) => pattern.test(name))
        })
        if (scripts.length === 0) continue
        test(family.name, async () => {
          const failures: string[] = []
          for (const [nth, script] of scripts.entries()) {
            const played = tags.length > 0 ? await sides.reference.tagged(script, tags[nth % tags.length]) : script
            if (played !== null) failures.push(...(await failuresOf(family, played, protocol, mode)))
          }
          assert.ok(failures.length === 0, report(failures))
        })
      }
    })
  }
}

test('all that is refused, and every difference, still occurs', { skip: ONLY !== '' }, () => {
  const stale = [...sides.reference.stale(), ...comparison.stale().filter(isOfCluster)]
  assert.deepEqual(
    stale.map(({ command, reason }) => `${command}: ${reason}`),
    [],
  )
})

async function failuresOf(family: Family, script: Script, protocol: Protocol, mode: Mode['name']): Promise<string[]> {
  const { steps, outcome: expected } = await sides.reference.play(sides.direct, script, protocol)
  for (const variant of variantsOf(script, protocol, mode, CUTS)) {
    const outcome = await play(sides.proxied, script, protocol, variant)
    const differences = comparison.between(steps, protocol, expected, outcome)
    if (differences.length > 0) return [[`${family.name}: ${script.name}`, ...differences].join('\n')]
  }
  return []
}

/**
 * Every script of the corpus, played over a direct connection and through respool, has to be answered by the same bytes.
 *
 * CONFORMANCE_SELF_CHECK=1 plays direct against direct instead: what fails then is a fault of the corpus.
 * CONFORMANCE_ONLY=text plays only the scripts that have the text in "family: name".
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { commandForms, corpus } from './corpus/index.ts'
import type { Family, Protocol, Script } from './corpus/script.ts'
import { Comparison } from './differences.ts'
import { OtherClient, play, stepsOf, type Mode, type Outcome, type Side } from './play.ts'
import { isWanted, ONLY, report, variantsOf } from './variants.ts'

const SELF_CHECK = process.env['CONFORMANCE_SELF_CHECK'] === '1'
const MODES = ['step by step', 'pipelined', 'byte by byte', 'cut in two'] as const
/** A short timeout of a blocking command ends at the server's next tick; ten in a second are too few. */
const SETTINGS = ['--hz', '100']

let direct: Side
let proxied: Side
const stops: (() => unknown)[] = []
const comparison = new Comparison()
const references = new Map<string, Promise<Outcome>>()

before(async () => {
  const server = await startServer()
  const twin = await startServer()
  direct = await sideOf(server.port, server.port)
  proxied = await sideOf(SELF_CHECK ? twin.port : await startProxy(twin.url), twin.port)
})

after(async () => {
  for (const stop of stops.reverse()) await stop()
})

test('the corpus has at least 400 command forms', (context) => {
  const scripts = corpus.flatMap((family) => family.scripts)
  const steps = scripts.reduce((sum, script) => sum + script.steps.length, 0)
  const forms = commandForms()
  context.diagnostic(`${forms.size} command forms in ${scripts.length} scripts of ${steps} steps`)
  assert.ok(forms.size >= 400, `${forms.size} command forms`)
})

for (const mode of MODES) {
  for (const protocol of [2, 3] as const) {
    describe(`RESP${protocol}, ${mode}`, () => {
      for (const family of corpus) {
        const scripts = family.scripts.filter((script) => isWanted(family, script, protocol))
        if (scripts.length === 0) continue
        test(family.name, async () => {
          const failures: string[] = []
          for (const script of scripts) failures.push(...(await failuresOf(family, script, protocol, mode)))
          assert.ok(failures.length === 0, report(failures))
        })
      }
    })
  }
}

test('every intended difference still occurs', { skip: SELF_CHECK || ONLY !== '' }, () => {
  const stale = comparison.stale().map(({ command, reason }) => `${command}: ${reason}`)
  assert.deepEqual(stale, [])
})

async function failuresOf(family: Family, script: Script, protocol: Protocol, mode: Mode['name']): Promise<string[]> {
  const expected = await referenceOf(family, script, protocol)
  for (const variant of variantsOf(script, protocol, mode)) {
    const outcome = await play(proxied, script, protocol, variant)
    const differences = comparison.between(stepsOf(script, protocol), protocol, expected, outcome)
    const cut = variant.name === 'cut in two' ? `, cut before byte ${variant.at}` : ''
    // The first cut that fails tells enough.
    if (differences.length > 0) return [[`${family.name}: ${script.name}${cut}`, ...differences].join('\n')]
  }
  return []
}

/** What a direct connection answers, played once, step by step: a server's replies do not depend on the cuts. */
function referenceOf(family: Family, script: Script, protocol: Protocol): Promise<Outcome> {
  const key = `${protocol} ${family.name}: ${script.name}`
  let reference = references.get(key)
  if (!reference) {
    reference = play(direct, script, protocol, { name: 'step by step' })
    references.set(key, reference)
  }
  return reference
}

async function startServer() {
  const server = await startRedis({ args: SETTINGS })
  stops.push(() => server.stop())
  return server
}

async function startProxy(upstream: string): Promise<number> {
  const respool = await startRespool({ upstream })
  stops.push(() => respool.stop())
  return respool.port
}

async function sideOf(port: number, serverPort: number): Promise<Side> {
  const other = await OtherClient.connect(serverPort)
  const pacer = await RawClient.connect(port)
  stops.push(
    () => other.close(),
    () => pacer.close(),
  )
  return { port, other, pacer }
}

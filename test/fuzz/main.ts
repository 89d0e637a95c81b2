/**
 * `npm run fuzz`: throws input at the parts of respool until one of them fails its oracle, or the time is over. See README.md.
 *
 *     --seconds N    for all targets together (600)
 *     --target NAME  only this one; may be repeated
 *     --seed N       the same inputs as another run, as far as the time goes
 *     --replay FILE  only this input, for one target
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Told } from './run.ts'
import { TARGETS } from './targets/index.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    target: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
    replay: { type: 'string' },
  },
})
const names = values.target.length > 0 ? values.target : Object.keys(TARGETS)
const unknown = names.filter((name) => !Object.hasOwn(TARGETS, name))
if (unknown.length > 0 || !(Number(values.seconds) > 0) || !Number.isInteger(Number(values.seed))) {
  console.error(`--target is one of ${Object.keys(TARGETS).join(', ')}; --seconds and --seed are numbers`)
  process.exit(2)
}

process.exit(values.replay === undefined ? await fuzz() : await replay(values.replay))

async function fuzz(): Promise<number> {
  const seconds = Math.ceil(Number(values.seconds) / names.length)
  const folder = fileURLToPath(new URL('../output/fuzz/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  console.log(`seed ${values.seed}, ${seconds} s for each of ${names.length} targets`)
  console.log(row('target', 'executions', 'a second', 'kept', 'code run', ''))
  let failures = 0
  for (const name of names) {
    const { code, told } = await run(name, [values.seed, String(seconds), `${folder}${name}-${values.seed}`])
    failures += code === 0 ? 0 : 1
    if (told !== null)
      console.log(
        row(name, told.executions, told.executions / seconds, told.kept, share(told), code === 0 ? '' : 'failed'),
      )
    else console.log(row(name, '', '', '', '', `ended with ${code}`))
  }
  return failures > 0 ? 1 : 0
}

/** Without counters, so that lines in stacks are those of the sources. */
async function replay(path: string): Promise<number> {
  if (names.length !== 1) console.error('--replay needs one --target')
  return names.length === 1 ? (await run(names[0], ['--replay', path])).code : 2
}

async function run(name: string, args: string[]): Promise<{ code: number; told: Told | null }> {
  const searching = args[0] !== '--replay'
  const counting = searching ? ['--import', fileURLToPath(new URL('counting.mjs', import.meta.url))] : []
  const child = fork(new URL('run.ts', import.meta.url), [name, ...args], {
    execArgv: ['--import', 'tsx', ...counting],
    env: { ...process.env, FUZZ_COUNT: TARGETS[name].folders.join() },
  })
  let told: Told | null = null
  child.on('message', (message: Told) => (told = message))
  // What it has sent is here once it has disconnected.
  const [[code]] = (await Promise.all([once(child, 'exit'), once(child, 'disconnect')])) as [[number | null], unknown]
  return { code: code ?? 1, told }
}

function share({ covered, total }: Told): string {
  return total === 0 ? '' : `${((100 * covered) / total).toFixed(1)} % of ${total}`
}

function row(name: string, ...cells: (string | number)[]): string {
  const texts = cells.map((cell) => (typeof cell === 'number' ? Math.round(cell).toLocaleString('en') : cell))
  return [name.padEnd(10), ...texts.map((text) => text.padStart(18))].join('').trimEnd()
}

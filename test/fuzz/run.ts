// One target in a process of its own, which main.ts starts: `run.ts TARGET SEED SECONDS PATH`, where PATH is for a failing input,
// or `run.ts TARGET --replay PATH`.
import { readFileSync, writeFileSync } from 'node:fs'
import { attempt, campaign, Crashes, type Failure, type Found } from './campaign.ts'
import { shrunk } from './shrink.ts'
import { TARGETS } from './targets/index.ts'
import { Watchdog } from './watchdog.ts'

/** What the parent is told at the end. */
export type Told = Omit<Found, 'failure'>

const SHRINKS = 1500
/** An input may take the time of several that pass before it fails. */
const LONGEST_SHRINK = 60_000

const [name, ...more] = process.argv.slice(2)
const target = await TARGETS[name].load()
Crashes.watch()
const running = await target.start()
const failed = more[0] === '--replay' ? await replay(more[1]) : await search(Number(more[0]), Number(more[1]), more[2])
await running.stop()
process.exit(failed ? 1 : 0)

async function search(seed: number, seconds: number, path: string): Promise<boolean> {
  const dog = new Watchdog(path, `${name}: an input hangs\n${advice(path)}`)
  const { failure, ...told } = await campaign(target, running, seed, Date.now() + seconds * 1000, dog)
  await new Promise((sent) => process.send?.(told satisfies Told, sent))
  if (failure !== null) await report(failure, path, dog)
  await dog.stop()
  return failure !== null
}

async function report({ input, error }: Failure, path: string, dog: Watchdog): Promise<void> {
  // Kept first: a smaller one may hang.
  writeFileSync(path, input)
  const end = Date.now() + LONGEST_SHRINK
  let last = error
  const fails = async (part: Buffer) => {
    const why = Date.now() < end ? await attempt(running, part, dog) : null
    last = why ?? last
    return why !== null
  }
  const least = await shrunk(input, fails, SHRINKS)
  writeFileSync(path, least)
  console.error(
    `${name} fails with ${least.length} bytes: ${JSON.stringify(least.toString('latin1'))}\n${last.stack}\n${advice(path)}`,
  )
}

async function replay(path: string): Promise<boolean> {
  const input = readFileSync(path)
  const dog = new Watchdog(path, `${name}: it hangs`)
  const error = await attempt(running, input, dog)
  console.log(error === null ? `${name}: it passes` : `${name}: it fails\n${error.stack}`)
  await dog.stop()
  return error !== null
}

function advice(path: string): string {
  return `  again:  npm run fuzz -- --target ${name} --replay ${path}\n  mended: move it to test/fuzz/corpus/${name}/ under a name that says what it is`
}

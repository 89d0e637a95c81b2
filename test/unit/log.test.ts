import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { LineWriter } from '../../src/util/line-writer.js'
import type { Level } from 'pino'
import { createLogger, EventLog, type EventFields } from '../../src/util/log.js'

type Line = Record<string, unknown>

interface AnyEvents {
  event(level: Level, event: string, fields?: EventFields): void
  flush(): void
}

function setUp(perSecond?: number, maxKinds?: number) {
  const lines: Line[] = []
  const log = createLogger('info', { write: (line) => void lines.push(JSON.parse(line) as Line) })
  const clock = { now: 0 }
  // Names are what matters least here.
  const events: AnyEvents = new EventLog(log, () => clock.now, perSecond, maxKinds)
  /** Lines since the last call, without what all lines have. */
  const written = () => lines.splice(0).map(({ level: _l, time: _t, name: _n, ...rest }) => rest)
  return { lines, log, clock, events, written }
}

function times(n: number, act: () => void): void {
  for (let i = 0; i < n; i++) act()
}

test('a line has level, time, name and event, and nothing of the host', () => {
  const { lines, events } = setUp()
  events.event('warn', 'upstream_closed', { endpoint: '10.0.0.1:6379', reason: 'timeout' })
  const { time, ...rest } = lines[0]
  assert.deepEqual(rest, {
    level: 'warn',
    name: 'respool',
    event: 'upstream_closed',
    endpoint: '10.0.0.1:6379',
    reason: 'timeout',
  })
  assert.equal(new Date(String(time)).toISOString(), time)
})

test('an error in the field err keeps its message', () => {
  const { lines, events } = setUp()
  events.event('error', 'failed', { err: new Error('told so') })
  assert.equal((lines[0].err as Error).message, 'told so')
})

describe('limit of lines', () => {
  test('at most ten of a kind in a second; the next second says how many were left out', () => {
    const { clock, events, written } = setUp()
    times(25, () => events.event('warn', 'down', { endpoint: 'a' }))
    assert.deepEqual(written(), Array(10).fill({ event: 'down', endpoint: 'a' }))
    clock.now = 999
    events.event('warn', 'down', { endpoint: 'a' })
    assert.deepEqual(written(), [])
    clock.now = 1000
    times(2, () => events.event('warn', 'down', { endpoint: 'a' }))
    assert.deepEqual(written(), [
      { event: 'down', endpoint: 'a', suppressed: 16 },
      { event: 'down', endpoint: 'a' },
    ])
  })

  test('endpoints and events are counted apart', () => {
    const { events, written } = setUp(1)
    for (const endpoint of ['a', 'b']) times(3, () => events.event('warn', 'down', { endpoint }))
    times(3, () => events.event('info', 'up', { endpoint: 'a' }))
    times(3, () => events.event('info', 'down'))
    assert.deepEqual(written(), [
      { event: 'down', endpoint: 'a' },
      { event: 'down', endpoint: 'b' },
      { event: 'up', endpoint: 'a' },
      { event: 'down' },
    ])
  })

  test('lines below the level take nothing of the allowance and are not counted as left out', () => {
    const { log, clock, events, written } = setUp(1)
    times(5, () => events.event('debug', 'step'))
    events.event('info', 'step')
    clock.now = 1000
    log.level = 'debug'
    events.event('debug', 'step')
    assert.deepEqual(written(), [{ event: 'step' }, { event: 'step' }])
  })

  test('flush tells once what no later line has told', () => {
    const { events, written } = setUp(1)
    times(4, () => events.event('warn', 'down', { endpoint: 'a' }))
    events.event('warn', 'quiet')
    written()
    times(2, () => events.flush())
    assert.deepEqual(written(), [{ event: 'down', endpoint: 'a', suppressed: 3 }])
  })
})

describe('limit of kinds', () => {
  test('while as many as allowed are busy, all further ones share one allowance', () => {
    const { clock, events, written } = setUp(2, 3)
    for (let n = 0; n < 1000; n++) events.event('warn', 'down', { endpoint: `h${n}` })
    assert.deepEqual(
      written().map((line) => line.endpoint),
      ['h0', 'h1', 'h2', 'h3', 'h4'],
    )
    events.event('warn', 'down', { endpoint: 'h0' })
    assert.deepEqual(written(), [{ event: 'down', endpoint: 'h0' }])
    clock.now = 500
    events.flush()
    assert.deepEqual(written(), [{ event: 'log_overflow', suppressed: 995 }])
  })

  test('the shared allowance is renewed each second', () => {
    const { clock, events, written } = setUp(1, 1)
    const busy = () => events.event('warn', 'busy')
    const stray = (name: string) => events.event('warn', name)
    busy()
    times(3, () => stray('b'))
    clock.now = 1500
    busy()
    stray('c')
    assert.deepEqual(written(), [
      { event: 'busy' },
      { event: 'b' },
      { event: 'busy' },
      { event: 'log_overflow', suppressed: 2 },
      { event: 'c' },
    ])
  })

  test('a kind that makes room for another tells what it left out', () => {
    const { clock, events, written } = setUp(1, 2)
    times(4, () => events.event('warn', 'old', { endpoint: 'a' }))
    clock.now = 600
    events.event('warn', 'newer')
    clock.now = 1000
    events.event('info', 'newest')
    assert.deepEqual(written(), [
      { event: 'old', endpoint: 'a' },
      { event: 'newer' },
      { event: 'old', endpoint: 'a', suppressed: 3 },
      { event: 'newest' },
    ])
  })
})

/** Runs a program that has `createLogger` at hand, with the given standard output. */
function run(program: string, stdout: number | 'pipe') {
  const source = `import { createLogger } from './src/util/log.ts'; ${program}`
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', source], {
    cwd: new URL('../..', import.meta.url),
    stdio: ['ignore', stdout, 'pipe'],
    timeout: 20_000,
  })
}

/** How a program ended: its exit code and what it had to complain of. */
async function end(child: ChildProcess): Promise<{ code: number | null; errors: string }> {
  const exit = once(child, 'exit') as Promise<[number | null]>
  const errors = await text(child.stderr!)
  return { code: (await exit)[0], errors }
}

const parse = (output: string) =>
  output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)

describe('standard output', () => {
  test('lines written just before process.exit arrive, in order', async () => {
    const child = run(
      `const log = createLogger('info'); for (let n = 0; n < 50; n++) log.info({ n }); process.exit(3)`,
      'pipe',
    )
    const [output, ended] = await Promise.all([text(child.stdout!), end(child)])
    assert.deepEqual(ended, { code: 3, errors: '' })
    assert.deepEqual(
      parse(output).map(({ n }) => n),
      Array.from({ length: 50 }, (_, n) => n),
    )
  })

  test('a full disk neither stops the process nor keeps it from ending', async () => {
    const full = openSync('/dev/full', 'w')
    const child = run(
      `const log = createLogger('info')
       log.info('a')
       setTimeout(() => { log.info('b'); log.info('c'); process.exit(4) }, 50)`,
      full,
    )
    closeSync(full)
    assert.deepEqual(await end(child), { code: 4, errors: '' })
  })

  test('a reader that has gone neither stops the process nor keeps it from ending', async () => {
    const child = run(
      `import { once } from 'node:events'
       const log = createLogger('info')
       log.info('ready')
       process.on('SIGUSR2', () => { log.info('b'); log.info('c'); process.exit(5) })
       setInterval(() => {}, 1000)`,
      'pipe',
    )
    await once(child.stdout!, 'data')
    child.stdout!.destroy()
    child.kill('SIGUSR2')
    assert.deepEqual(await end(child), { code: 5, errors: '' })
  })

  test('what does not fit the queue is lost, and later lines say how many', async () => {
    const child = run(
      `const log = createLogger('info')
       for (let n = 0; n < 40; n++) log.info({ event: 'filler', filler: 'x'.repeat(100_000) })
       setTimeout(() => log.info({ event: 'after' }), 100)`,
      'pipe',
    )
    const lines = parse(await text(child.stdout!))
    const fillers = lines.filter(({ event }) => event === 'filler').length
    assert.ok(fillers < 40)
    assert.deepEqual([lines.at(-1)?.event, lines.at(-1)?.lost], ['after', 40 - fillers])
  })

  test('a full pipe that does not block is tried again until all lines are through', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'log-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const path = join(directory, 'pipe')
    assert.equal(spawnSync('mkfifo', [path]).status, 0)
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    t.after(() => closeSync(fd))

    const writer = new LineWriter(fd)
    const lines = Array.from({ length: 300 }, (_, n) => `${n} ${'x'.repeat(1000)}\n`)
    for (const line of lines) writer.write(line)
    const expected = lines.join('')
    let received = ''
    while (received.length < expected.length) {
      await setTimeout(10)
      received += readAvailable(fd)
    }
    assert.equal(received, expected)
    assert.equal(writer.lost, 0)
  })
})

function readAvailable(fd: number): string {
  const buffer = Buffer.alloc(16_384)
  try {
    return buffer.toString('latin1', 0, readSync(fd, buffer))
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN')
    return ''
  }
}

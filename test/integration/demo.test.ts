import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Child } from '../helpers/processes.ts'
import { until } from '../helpers/waiting.ts'

// The demo as people start it, but for npm's own wrapping.

const DEMO = fileURLToPath(new URL('../tools/demo.mjs', import.meta.url))
// Not RESPOOL_…: that would be a setting.
const MARK = 'DEMO_TEST_MARK'
const WAIT_MS = 120_000

it('shows a working session and ends by itself with CI=true', async () => {
  const { demo, mark } = start({ CI: 'true' })
  assert.equal(await demo.exited, 0, demo.output())
  const output = demo.output()
  assertSession(output)
  assert.match(output, /^ *respool_pool_connections\{endpoint="127\.0\.0\.1:\d+",state="shared"\} [1-8]$/m)
  assert.deepEqual(processesWith(mark), [])
})

it('stays up until Ctrl-C, says how to connect, and leaves nothing behind', async () => {
  const { demo, mark } = start({ CI: '' })
  await demo.ready(() => Promise.resolve(demo.output().includes('curl http')), 'the demo invites', WAIT_MS)
  const output = demo.output()
  assertSession(output)
  const [, port] = /^redis-cli +redis-cli -p (\d+)$/m.exec(unindented(output)) ?? []
  const [, metrics] = /^metrics +curl (\S+)$/m.exec(unindented(output)) ?? []
  assert.ok(output.includes(`new Redis(${port})`))
  const scraped = await fetch(metrics)
  assert.match(await scraped.text(), /^redis_cmd_duration_seconds_count\{cmd="get",status="ok"\} [1-9]/m)
  assert.notDeepEqual(processesWith(mark), [], 'the mark finds processes while they run')

  assert.equal(await demo.stop('SIGINT'), 0, demo.output())
  await until(() => processesWith(mark).length === 0, 'every process of the demo has ended')
})

function start(settings: NodeJS.ProcessEnv): { demo: Child; mark: string } {
  const mark = `${MARK}=${randomUUID()}`
  const [name, value] = mark.split('=')
  return { demo: new Child(process.execPath, [DEMO], { ...process.env, ...settings, [name]: value }), mark }
}

function assertSession(output: string): void {
  const text = unindented(output)
  assert.ok(text.includes("redis.get('greeting')\n'hello'\n"), output)
  assert.ok(text.includes("redis.incr('greeting')\nReplyError: ERR value is not an integer or out of range\n"), output)
  assert.ok(text.includes("[ { key: 'jobs', element: 'resize image 7' }, 1 ]\n"), output)
  assert.ok(text.includes('the subscriber receives\nrespool is up\n'), output)
  assert.match(text, /^application connections open: 200$/m)
  assert.doesNotMatch(output, /\x1b/, 'no colours where there is no terminal')
}

function unindented(text: string): string {
  return text.replace(/^ +/gm, '')
}

/** Ids of the processes whose environment holds this; Linux. */
function processesWith(setting: string): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(setting))
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    // It has ended, or is another user's.
    return []
  }
}

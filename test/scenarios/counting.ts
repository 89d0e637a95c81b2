import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { RawClient } from '../helpers/raw.ts'
import type { Respool } from '../helpers/respool.ts'
import { goProgram, pythonWith } from '../helpers/toolchain.ts'
import { until } from '../helpers/waiting.ts'
import { bulkText } from '../integration/support.ts'

const file = (path: string) => fileURLToPath(new URL(`../clients/${path}`, import.meta.url))
const inNode = (path: string) => [process.execPath, '--import', 'tsx', file(path)]

/**
 * By name: the command line, and what stands between HOST PORT and SESSIONS. They are installed and built while this file is loaded, which
 * may take minutes the first time: no test is running yet whose time that would be.
 */
const PROGRAMS: Record<string, { command: string[]; between?: string[] }> = {
  'redis-py': { command: [await pythonWith('redis', '8.1.0'), file('counting.py')] },
  ioredis: { command: inNode('counting_ioredis.ts') },
  'node-redis': { command: inNode('counting_node_redis.ts') },
  'go-redis': { command: [await goProgram(file('go'))], between: ['counting'] },
}

/** Words with which an error says that nothing was done. */
const NOT_DONE =
  /^!(TRYAGAIN|CLUSTERDOWN|MOVED|ASK|READONLY|LOADING|MASTERDOWN|UNBLOCKED|CROSSSLOT|EXECABORT)\b|^!.*not executed/

/** Four client libraries that count, and the judgement of every reply that they get: see test/clients/counting.ts. */
export class Counting {
  commands = 0
  conflicts = 0
  /** Counts that Redis has lost, as far as noticed while counting on. */
  lost = 0
  /** Connections that took the place of others; known at the end. */
  reconnected = NaN
  #accepted = 0
  #lossy = false
  /** Error replies by operation and text, and how many. */
  readonly errors = new Map<string, number>()
  /** Replies that were not what they had to be. */
  readonly wrong: string[] = []
  /** How often each counter was counted up, and how often perhaps. */
  readonly #counters = new Map<string, { count: number; unsure: number }>()
  /** What each text may be. */
  readonly #texts = new Map<string, string[]>()
  readonly #children: ChildProcessByStdio<Writable, Readable, null>[] = []
  readonly #done: Promise<void>[] = []

  /**
   * Starts all libraries with so many sessions each, and waits until each of them works.
   * @param prefix of the names of sessions, which are part of their keys
   */
  static async start({ port, admin }: Respool, sessions: number, prefix = ''): Promise<Counting> {
    const counting = new Counting(admin)
    const working = Object.entries(PROGRAMS).map(([name, { command, between = [] }]) => {
      const [executable, ...args] = command
      return counting.#run(executable, [...args, '127.0.0.1', `${port}`, ...between, `${sessions}`, prefix + name])
    })
    await Promise.all(working)
    // Some libraries open more than one.
    for (let before = NaN; before !== counting.#accepted; await sleep(300)) {
      before = counting.#accepted
      counting.#accepted = await accepted(admin)
    }
    return counting
  }

  get errorCount(): number {
    return [...this.errors.values()].reduce((sum, count) => sum + count, 0)
  }

  private constructor(readonly admin: string) {}

  /** From now on Redis may lose what it has confirmed: values may be older ones, but are still those of their keys. */
  tolerateLosses(): void {
    this.#lossy = true
  }

  /** Ends it in an orderly way, so that no command is cut off, and looks whether libraries had to connect again. */
  async stop(): Promise<void> {
    for (const { stdin } of this.#children) stdin.end()
    await Promise.all(this.#done)
    this.reconnected = (await accepted(this.admin)) - this.#accepted
  }

  kill(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  /** Compares what is there in the end with what was confirmed; answers the differences. */
  async differences(port: number): Promise<string[]> {
    const client = await RawClient.connect(port)
    const found: string[] = []
    for (const [key, { count, unsure }] of this.#counters) {
      const there = Number(bulkText((await client.call('GET', key)).toString()))
      if ((there < count && !this.#lossy) || there > count + unsure)
        found.push(`${key}: ${there} instead of ${count} (+ ${unsure})`)
    }
    for (const [key, texts] of this.#texts) {
      const there = bulkText((await client.call('GET', key)).toString())
      if (!texts.includes(there) && !this.#isOlder(key, there))
        found.push(`${key}: ${there} instead of ${texts.join(' or ')}`)
    }
    client.close()
    return found
  }

  summary(): string {
    const errors = [...this.errors].map(([text, count]) => `${count} × ${text}`).join('; ')
    return (
      `${this.commands} commands, ${this.conflicts} conflicts, ${this.reconnected} connections dropped, ` +
      `${this.errorCount} errors${errors === '' ? '' : `: ${errors}`}`
    )
  }

  async #run(executable: string, args: string[]): Promise<void> {
    const child = spawn(executable, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#children.push(child)
    let rest = ''
    let lines = 0
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const all = (rest + text).split('\n')
      rest = all.pop()!
      lines += all.length
      for (const line of all) this.#judge(line)
    })
    const done = new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${executable}: exit code ${code}`))))
    })
    this.#done.push(done)
    await Promise.race([until(() => lines > 0, `${executable} works`, 60_000), done])
  }

  #judge(line: string): void {
    const [operation, key, value, reply] = line.split('\t')
    this.commands++
    if (operation === 'incr' || operation === 'exec') this.#counted(operation, key, reply)
    else if (operation === 'multi') this.#countedTwice(key, value, reply)
    else if (operation === 'get') this.#read(key, reply)
    else this.#written(operation, key, value, reply)
  }

  #counted(operation: string, key: string, reply: string): void {
    const state = this.#counters.get(key) ?? { count: 0, unsure: 0 }
    this.#counters.set(key, state)
    if (reply === '~') return void this.conflicts++
    if (reply.startsWith('!')) {
      this.#failed(operation, reply)
      if (!NOT_DONE.test(reply)) state.unsure++
      return
    }
    const count = Number(reply)
    if (this.#lossy && count > 0 && count <= state.count) this.lost += state.count + 1 - count
    else if (!(count > state.count && count <= state.count + 1 + state.unsure))
      this.wrong.push(`${operation} ${key} after ${state.count} (+ ${state.unsure}): ${reply}`)
    this.#counters.set(key, { count, unsure: 0 })
  }

  #countedTwice(key: string, value: string, reply: string): void {
    this.#counted('multi', key, reply)
    if (!reply.startsWith('!') && value !== reply) this.wrong.push(`multi ${key}: ${reply}, and then ${value}`)
  }

  #written(operation: string, key: string, value: string, reply: string): void {
    const before = this.#texts.get(key) ?? ['']
    if (reply.startsWith('!')) {
      this.#failed(operation, reply)
      // Of a command over many keys a part may have been carried out.
      if (operation === 'mset' || !NOT_DONE.test(reply)) this.#texts.set(key, [...before, value])
      return
    }
    if (reply !== 'OK') this.wrong.push(`${operation} ${key}: ${reply}`)
    this.#texts.set(key, [value])
  }

  #read(key: string, reply: string): void {
    if (reply.startsWith('!')) return this.#failed('get', reply)
    const texts = this.#texts.get(key) ?? ['']
    const text = reply === '~' ? '' : reply
    if (texts.includes(text)) this.#texts.set(key, [text])
    else if (!this.#isOlder(key, text)) this.wrong.push(`get ${key} instead of ${texts.join(' or ')}: ${reply}`)
  }

  #isOlder(key: string, text: string): boolean {
    return this.#lossy && (text === '' || text.startsWith(`${key} `))
  }

  #failed(operation: string, reply: string): void {
    const text = `${operation} ${reply.slice(1).replace(/\d+ 127\.0\.0\.1:\d+/, 'SLOT ADDRESS')}`
    this.errors.set(text, (this.errors.get(text) ?? 0) + 1)
  }
}

async function accepted(admin: string): Promise<number> {
  const { connectionsAccepted } = (await (await fetch(`${admin}/stats`)).json()) as { connectionsAccepted: number }
  return connectionsAccepted
}

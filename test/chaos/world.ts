import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'

/** What the proxy is told of names and of the time: see resolver-hook.mjs. */
export class World {
  readonly #dir = temporaryDirectory('respool-world')
  #state: { hosts: Record<string, string>; clock: number } = { hosts: {}, clock: 0 }

  constructor() {
    this.#write()
  }

  get env(): Record<string, string> {
    const hook = fileURLToPath(new URL('resolver-hook.mjs', import.meta.url))
    return { NODE_OPTIONS: `--import ${hook}`, CHAOS_WORLD: this.#file }
  }

  name(host: string, address: string): void {
    this.#state.hosts[host] = address
    this.#write()
  }

  /** @param ms by which the time is wrong */
  clock(ms: number): void {
    this.#state.clock = ms
    this.#write()
  }

  stop(): void {
    removeDirectory(this.#dir)
  }

  get #file(): string {
    return join(this.#dir, 'world.json')
  }

  #write(): void {
    // In one step: the proxy may look at any moment.
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.#state))
    renameSync(`${this.#file}.new`, this.#file)
  }
}

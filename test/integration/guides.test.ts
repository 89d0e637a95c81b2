/** The programs in the guides do what they say, with one Redis and with a cluster behind respool. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { run } from '../helpers/commands.ts'
import { startCluster } from '../helpers/cluster.ts'
import { examples } from '../helpers/guides.ts'
import { ROOT } from '../helpers/modules.ts'
import { removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { goProgram, pythonWith } from '../helpers/toolchain.ts'
import { Cleanup } from './support.ts'

const PROGRAMS = examples().filter(({ page }) => page === 'deploy/guides/clients.md')

describe('the programs in the guide to clients', { timeout: 300_000 }, () => {
  const suite = new Cleanup()
  const respools: Respool[] = []
  let directory: string

  before(async () => {
    directory = temporaryDirectory('guides')
    suite.also(() => removeDirectory(directory))
    const redis = suite.add(await startRedis())
    const cluster = suite.add(await startCluster())
    for (const upstream of [redis.url, cluster.url]) respools.push(suite.add(await startRespool({ upstream })))
  })
  after(() => suite.run())

  const runners: Record<string, (code: string) => Promise<void>> = {
    python: async (code) => {
      // Clients of a sentinel and of a cluster take respool for a port other than the usual one only if told so.
      await run(await pythonWith('redis', '8.1.0'), ['-c', code])
    },
    js: async (code) => {
      await run(process.execPath, ['--input-type=module', '-e', code], { cwd: ROOT })
    },
    go: async (code) => {
      const folder = join(directory, String(Math.random()).slice(2))
      mkdirSync(folder)
      for (const name of ['go.mod', 'go.sum', 'toolchain.txt'])
        copyFileSync(join(ROOT, 'test/clients/go', name), join(folder, name))
      writeFileSync(join(folder, 'main.go'), code)
      await run(await goProgram(folder), [])
    },
  }

  assert.equal(PROGRAMS.length, 10)
  for (const [nth, { language, code }] of PROGRAMS.entries()) {
    it(`the ${nth + 1}. one, in ${language}`, async () => {
      for (const respool of respools) await runners[language](atPort(code, respool.port))
    })
  }
})

/** The same program for another port than the usual one, which it may leave out. */
function atPort(code: string, port: number): string {
  return code
    .replaceAll('6379', String(port))
    .replace('redis.Redis()', `redis.Redis(port=${port})`)
    .replace("RedisCluster('localhost')", `RedisCluster('localhost', ${port})`)
    .replace('new Redis()', `new Redis(${port})`)
}

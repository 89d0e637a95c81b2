/** What is in the image, run as its user in a tree that it cannot write to; no container engine is needed for that. */
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { run, succeeds } from '../helpers/commands.ts'
import { IMAGE_USER } from '../helpers/deployed.ts'
import { ROOT } from '../helpers/modules.ts'
import { freePort } from '../helpers/ports.ts'
import { Child, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { pythonWithAll } from '../helpers/toolchain.ts'
import { ask, Cleanup } from './support.ts'

const DOCKERFILE = join(ROOT, 'Dockerfile')

it('hadolint finds no fault with the Dockerfile', { timeout: 300_000 }, async () => {
  const python = await pythonWithAll(join(ROOT, 'test/deploy/requirements.txt'))
  await run(join(dirname(python), 'hadolint'), [DOCKERFILE])
})

describe('what is in the image', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const tree = temporaryDirectory('respool-image')
  let redis: RedisServer
  let launcher: string[]

  before(async () => {
    redis = suite.add(await startRedis())
    copyImage(tree)
    launcher = await asUser()
  })
  after(() => suite.run())

  const start = (...args: string[]) => {
    const [command, ...rest] = [...launcher, join(tree, 'dist/main.js'), ...args]
    const child = new Child(command, rest, { PATH: process.env['PATH'], NODE_ENV: 'production' })
    suite.also(() => child.stop('SIGKILL'))
    return child
  }

  it('says its version', async () => {
    const child = start('--version')
    assert.equal(await child.exited, 0)
    assert.match(child.output(), /^\d+\.\d+\.\d+\n$/)
  })

  it('carries commands, tells the health check so, and stops when it is told to', async () => {
    const [port, adminPort] = [await freePort(), await freePort()]
    assert.equal(await isHealthy(adminPort), false)
    const listen = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${adminPort}`]
    const child = start(...listen, '--upstream', redis.url)
    await child.ready(() => isHealthy(adminPort), 'it is healthy')
    const client = suite.client(await RawClient.connect(port))
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    assert.equal(await child.stop('SIGTERM'), 0)
    assert.equal(await isHealthy(adminPort), false)
  })
})

/** Packages that are not for development, the program and what the Dockerfile copies besides. */
function copyImage(tree: string): void {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; optional?: boolean; peer?: boolean }>
  }
  for (const [path, { dev, devOptional, optional }] of Object.entries(lock.packages)) {
    if (path === '' || dev || devOptional || optional) continue
    // The packages within a package have paths of their own in the lock file.
    cpSync(join(ROOT, path), join(tree, path), {
      recursive: true,
      filter: (source) => !source.slice(join(ROOT, path).length).startsWith('/node_modules'),
    })
  }
  cpSync(join(ROOT, 'dist'), join(tree, 'dist'), { recursive: true })
  mkdirSync(tree, { recursive: true })
  copyFileSync(join(ROOT, 'package.json'), join(tree, 'package.json'))
  chmodSync(tree, 0o555)
}

/** Node, started as the image's user if we may and if that user may start it. */
async function asUser(): Promise<string[]> {
  const drop = ['setpriv', `--reuid=${IMAGE_USER}`, `--regid=${IMAGE_USER}`, '--clear-groups', process.execPath]
  const may = process.getuid?.() === 0 && (await succeeds('setpriv', [...drop.slice(1), '--version']))
  return may ? drop : [process.execPath]
}

/** Asks as the image's HEALTHCHECK does, but at another port. */
async function isHealthy(adminPort: number): Promise<boolean> {
  const text = readFileSync(DOCKERFILE, 'utf8')
  const command = /^HEALTHCHECK .*\\\n +CMD (\[.*\])$/m.exec(text)?.[1]
  assert.ok(command, 'no HEALTHCHECK')
  const [, ...args] = JSON.parse(command) as string[]
  assert.match(args[1], /:9121\//)
  return succeeds(process.execPath, [args[0], args[1].replace(':9121/', `:${adminPort}/`)])
}

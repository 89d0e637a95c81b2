/** What `npm ci` puts on a machine: exactly the packages of the lock file, none of which does anything there unseen. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import lock from '../../package-lock.json' with { type: 'json' }

interface Locked {
  integrity?: string
  resolved?: string
  link?: boolean
  dev?: boolean
  devOptional?: boolean
  deprecated?: string
  hasInstallScript?: boolean
  license?: string
}

/** Packages that run a program of their own when they are installed, and why that may be. None of them is part of respool. */
const INSTALL_SCRIPTS: Record<string, string> = {
  esbuild: 'looks that the binary for this machine, a package of its own, is there; tsx runs the tests with it',
  'msgpackr-extract': 'builds what makes bullmq faster, which a test runs; it does without',
}
/** Licences that ask for nothing but their text. */
const LICENCES = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD', 'BlueOak-1.0.0']

const packages = Object.entries<Locked>(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, entry]) => ({
    name: path.split('node_modules/').at(-1)!,
    ...entry,
  }))
const named = (some: { name: string }[]) => [...new Set(some.map(({ name }) => name))].sort()

test('each package has the checksum of its contents, and comes from the registry', () => {
  assert.ok(packages.length > 100)
  assert.deepEqual(named(packages.filter(({ integrity }) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''))), [])
  assert.deepEqual(named(packages.filter(({ link }) => link)), [])
  const elsewhere = packages.filter(({ resolved }) => resolved?.startsWith('https://registry.npmjs.org/') === false)
  assert.deepEqual(named(elsewhere), [])
})

test('none is deprecated, and only known ones run something when they are installed', () => {
  assert.deepEqual(named(packages.filter(({ deprecated }) => deprecated !== undefined)), [])
  const scripts = packages.filter(({ hasInstallScript }) => hasInstallScript)
  assert.deepEqual(named(scripts), Object.keys(INSTALL_SCRIPTS).sort())
  assert.deepEqual(named(scripts.filter(({ dev }) => dev !== true)), [])
})

test('what respool runs with is under licences that everybody may use', () => {
  const own = packages.filter(({ dev, devOptional }) => dev !== true && devOptional !== true)
  assert.deepEqual(named(own.filter(({ license }) => !LICENCES.includes(license ?? 'none'))), [])
})

const FOUND = {
  sonic: [{ id: 1, url: 'https://x.example/1', title: 'Loud', severity: 'high', vulnerable_versions: '*', cwe: [] }],
}

for (const [what, answer, code, output] of [
  ['nothing known', [200, {}], 0, /^0 known faults in \d+ packages/],
  ['a known fault', [200, { fastify: FOUND.sonic }], 1, /high: fastify .*Loud https:\/\/x\.example\/1/],
  ['a registry that is not to be asked', [405, {}], 2, /^NOT CHECKED: the registry could not be asked: 405 /],
] as const) {
  test(`npm run audit tells of ${what}`, async (t) => {
    const server = createServer((request, response) => {
      request.resume().once('end', () => {
        const [status, body] = request.method === 'POST' ? answer : [404, {}]
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const root = fileURLToPath(new URL('../../', import.meta.url))
    const env = { ...process.env, npm_config_registry: registry, npm_config_fetch_retries: '0' }
    const child = spawn(process.execPath, ['test/tools/audit.mjs'], { cwd: root, env })
    const [told, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    assert.match(errors + told, output)
    assert.equal(child.exitCode, code)
  })
}

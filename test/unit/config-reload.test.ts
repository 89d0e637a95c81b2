import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Config } from '../../src/config/config.ts'
import { KEYS } from '../../src/config/keys.ts'
import { describeProblems, load } from '../../src/config/load.ts'
import { effectOf, EFFECTS, planReload } from '../../src/config/reload-plan.ts'

function config(yaml: string, files: Record<string, string> = {}): Config {
  const readFile = (path: string) => (path === 'f' ? yaml : (files[path] ?? assert.fail(path)))
  const loaded = load({ argv: ['-c', 'f'], env: {}, readFile })
  assert.ok(loaded.ok === true, loaded.ok === false ? describeProblems(loaded.errors) : '')
  return loaded.config
}

const plan = (before: string, after: string) => planReload(config(before), config(after))
const URL = 'upstream: {url: "redis://h"}\n'

describe('the table of what changed keys need', () => {
  it('says it of every key', () => {
    for (const { path } of KEYS) assert.match(effectOf(path), /^(live|connections|restart)$/, path)
  })

  it('names keys and sections that there are', () => {
    const known = KEYS.flatMap(({ segments }) => segments.map((_, index) => segments.slice(0, index + 1).join('.')))
    assert.deepEqual(
      Object.keys(EFFECTS).filter((path) => !known.includes(path)),
      [],
    )
  })
})

describe('a reload', () => {
  it('of the same configuration changes nothing, secrets and listeners included', () => {
    const yaml = 'upstream: {url: "redis://u:p@h/2"}\nadminToken: t\nlisten: [":1", {address: ":2", reads: primary}]'
    assert.deepEqual(plan(yaml, yaml).changes, [])
  })

  it('takes over what can be, keeps what needs a restart, and says which is which', () => {
    const {
      changes,
      config: next,
      problems,
    } = plan(
      `${URL}pool: {max: 4, maxLifetime: 1m}`,
      'upstream: {url: "redis://other", commandTimeout: 1s}\npool: {max: 6, maxLifetime: 2m}\nworkers: 1\nadmin: ":1"',
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(Object.fromEntries(changes.map(({ key, effect }) => [key, effect])), {
      admin: 'restart',
      'upstream.url': 'restart',
      'upstream.commandTimeout': 'live',
      'pool.max': 'live',
      'pool.maxLifetime': 'connections',
    })
    assert.deepEqual(next.upstream.target.endpoints, [{ kind: 'tcp', host: 'h', port: 6379 }])
    assert.deepEqual([next.pool.max, next.pool.maxLifetime, next.upstream.commandTimeout], [6, 120_000, 1000])
    assert.deepEqual(next.admin, { kind: 'tcp', host: '127.0.0.1', port: 9121 })
  })

  it('keeps a default where a key that needs a restart was added, and takes a default where one was removed', () => {
    const { config: next, changes } = plan(`${URL}pool: {max: 4}`, `${URL}scripts: {cacheCount: 5}`)
    assert.deepEqual([next.pool.max, next.scripts.cacheCount, changes.length], [8, 1000, 2])
  })

  it('gives something that is frozen, as every configuration', () => {
    const { config: next } = plan(`${URL}pool: {max: 4}`, `${URL}pool: {max: 5}`)
    assert.ok([next, next.pool, next.upstream.target, next.listen[0]].every(Object.isFrozen))
  })

  it('is refused if what is kept does not go with what is new', () => {
    const { problems } = plan(URL, 'upstream: {url: "redis+cluster://h"}\nlisten: [{address: ":1", role: replica}]')
    assert.equal(problems.length, 1)
    assert.match(
      describeProblems([...problems]),
      /^reload: listen: cannot read from replicas of one Redis.*upstream\.url changes with a restart only$/,
    )
  })
})

describe('the admin token', () => {
  const files = { token: ' secret\n', empty: '\n' }
  const wrong = (yaml: string) => {
    const readFile = (path: string) =>
      path === 'f' ? URL + yaml : ((files as Record<string, string>)[path] ?? assert.fail())
    const loaded = load({ argv: ['-c', 'f'], env: {}, readFile })
    return loaded.ok === false ? describeProblems(loaded.errors) : 'ok'
  }

  it('is given itself or in a file', () => {
    assert.equal(config(URL).adminToken, null)
    assert.equal(config(`${URL}adminToken: t`).adminToken, 't')
    assert.equal(config(`${URL}adminTokenFile: token`, files).adminToken, 'secret')
  })

  it('in both, or in an empty file, is a mistake', () => {
    assert.match(
      wrong('adminTokenFile: token\nadminToken: t'),
      /^f:2: adminTokenFile: the token is given in adminToken as well/,
    )
    assert.match(wrong('adminTokenFile: empty'), /^f:2: adminTokenFile: the file is empty/)
  })

  it('of a stronger source counts', () => {
    const loaded = load({
      argv: ['-c', 'f'],
      env: { RESPOOL_ADMIN_TOKEN: 'env' },
      readFile: () => `${URL}adminTokenFile: gone`,
    })
    assert.equal(loaded.ok === true && loaded.config.adminToken, 'env')
  })
})

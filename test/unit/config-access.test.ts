/** Who may connect, and where logins come from, as the configuration says it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeProblems, load } from '../../src/config/load.ts'
import { printable } from '../../src/config/render.ts'

const SECRET = 'hunter2'
const FILES: Record<string, string> = {
  '/user': 'u\n',
  '/password': `${SECRET}\n`,
  '/users': `user bob >${SECRET}\n`,
  '/bad': `bob ${SECRET}\n`,
}

function loaded(yaml: object) {
  const text = JSON.stringify({ ...yaml, upstream: { url: 'redis://h', ...(yaml as { upstream?: object }).upstream } })
  const readFile = (path: string) => {
    if (path === 'f') return text
    if (!Object.hasOwn(FILES, path)) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' })
    return FILES[path]
  }
  return load({ argv: ['-c', 'f'], env: {}, readFile })
}

function config(yaml: object) {
  const result = loaded(yaml)
  assert.ok(result.ok === true, result.ok === false ? describeProblems(result.errors) : '')
  return result.config
}

function mistakes(yaml: object): string {
  const result = loaded(yaml)
  return result.ok === false ? describeProblems(result.errors) : ''
}

describe('who may connect', () => {
  it('is said by each listener', () => {
    const auth = { password: SECRET, users: [`alice >${SECRET}`], usersFile: '/users' }
    const modes = ['none', 'password', 'users', 'passthrough']
    const given = config({
      listen: [':1', ...modes.map((mode, nth) => ({ address: `:${nth + 2}`, auth: mode }))],
      auth,
    })
    assert.deepEqual(
      given.listen.map((listener) => listener.auth),
      [undefined, ...modes],
    )
    assert.equal(given.auth.password, SECRET)
    assert.deepEqual(
      given.auth.users.map(({ name }) => name),
      ['alice'],
    )
    const shown = printable(given)
    assert.match(shown, /auth: passthrough/)
    assert.match(shown, /- alice \*\*\*/)
    assert.ok(!shown.includes(SECRET))
  })

  it('takes what the mode needs', () => {
    assert.match(
      mistakes({ listen: [{ address: ':1', auth: 'password' }] }),
      /listen: cannot have auth: password without/,
    )
    assert.match(mistakes({ listen: [{ address: ':1', auth: 'users' }] }), /listen: cannot have auth: users without/)
    assert.match(mistakes({ listen: [{ address: ':1', auth: 'acl' }] }), /listen\[0\]/)
  })

  it('is not left open by a file of no use', () => {
    assert.match(mistakes({ auth: { usersFile: '/gone' } }), /auth\.usersFile: the file cannot be read: ENOENT/)
    assert.match(mistakes({ auth: { usersFile: '/bad' } }), /auth\.usersFile: the file: line 1 must be a user/)
    assert.match(mistakes({ auth: { passwordFile: '/gone' } }), /auth\.passwordFile: the file cannot be read: ENOENT/)
    assert.match(mistakes({ auth: { users: [`bob ${SECRET}`] } }), /auth\.users\[0\]: must be a user/)
    for (const auth of [{ usersFile: '/bad' }, { users: [`bob ${SECRET}`] }])
      assert.ok(!mistakes({ auth }).includes(SECRET))
  })
})

describe('logins', () => {
  it('come from files, and it is known from which ones', () => {
    const { upstream, auth } = config({
      upstream: {
        usernameFile: '/user',
        passwordFile: '/password',
        sentinel: { username: 's', passwordFile: '/password' },
      },
      auth: { passwordFile: '/password' },
    })
    assert.deepEqual([upstream.target.username, upstream.target.password], ['u', SECRET])
    assert.deepEqual([upstream.usernameFile, upstream.passwordFile], ['/user', '/password'])
    assert.deepEqual(
      [upstream.sentinel.username, upstream.sentinel.password, upstream.sentinel.passwordFile],
      ['s', SECRET, '/password'],
    )
    assert.deepEqual([auth.password, auth.passwordFile], [SECRET, '/password'])
  })

  it('are shown as what they come from', () => {
    const shown = printable(config({ upstream: { usernameFile: '/user', passwordFile: '/password' } }))
    assert.match(shown, /passwordFile: \/password/)
    assert.doesNotMatch(shown, /^ {2}(username|password):/m)
  })

  it('come from a program, of which nothing is known before', () => {
    const { upstream } = config({ upstream: { passwordCommand: ['token', '--fresh'], username: 'u' } })
    assert.deepEqual(upstream.passwordCommand, ['token', '--fresh'])
    assert.equal(upstream.target.password, null)
    assert.match(
      mistakes({ upstream: { passwordCommand: ['t'], passwordFile: '/password' } }),
      /as well \(keep one of them\)/,
    )
    assert.match(
      mistakes({ upstream: { passwordCommand: 'token --fresh' } }),
      /upstream\.passwordCommand: must be a list/,
    )
    assert.match(mistakes({ upstream: { passwordCommand: [] } }), /upstream\.passwordCommand: must be a list/)
  })

  it('that a stronger source has overruled are gone with their files', () => {
    const text = JSON.stringify({ upstream: { url: 'redis://h', passwordFile: '/password' } })
    const sources = { argv: ['-c', 'f'], env: { RESPOOL_UPSTREAM_PASSWORD: 'e' }, readFile: () => text }
    const result = load(sources)
    assert.ok(result.ok === true)
    assert.deepEqual([result.config.upstream.target.password, result.config.upstream.passwordFile], ['e', undefined])
  })
})

/** Logins that change, users, and programs that tell passwords. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hashOf, parseUser, parseUsers } from '../../src/config/users.js'
import { CommandFailure, readOutput, runPasswordCommand } from '../../src/secrets/password-command.js'
import { credentialsOf, UpstreamLogin } from '../../src/upstream/login.js'

const SECRET = 'hunter2'

describe('the login at a server', () => {
  const a = { username: 'a', password: '1' }
  const b = { username: 'a', password: '2' }

  it('tries what it took last, and for a while what that has replaced', () => {
    let now = 0
    const login = new UpstreamLogin(a, 100, () => now)
    assert.deepEqual(login.candidates, [a])
    let followed = 0
    login.follow(() => followed++)
    assert.equal(login.take(b), true)
    assert.deepEqual(login.candidates, [b, a])
    assert.equal(login.take({ ...b }), false, 'it is the same')
    assert.deepEqual([login.era, followed], [2, 1])
    now = 100
    assert.deepEqual(login.candidates, [b])
  })

  it('tries nothing as long as nothing is known', () => {
    const login = new UpstreamLogin(null, 100, () => 0)
    assert.deepEqual(login.candidates, [])
    login.take(a)
    assert.deepEqual(login.candidates, [a])
  })

  it('is sent as UTF-8', () => {
    assert.deepEqual(credentialsOf({ username: null, password: '✓' }), { username: null, password: '\xe2\x9c\x93' })
  })
})

describe('a user', () => {
  it('has passwords, of which only the digest is kept', () => {
    const hash = hashOf('other')
    assert.deepEqual(parseUser(`alice on >${SECRET} #${hash.toUpperCase()}`), {
      name: 'alice',
      enabled: true,
      nopass: false,
      hashes: [hashOf(SECRET), hash],
    })
    assert.equal(parseUser('bob off').enabled, false)
    assert.equal(parseUser('bob nopass').nopass, true)
    assert.deepEqual(parseUser('eve >✓').hashes, [hashOf('\xe2\x9c\x93')])
  })

  for (const wrong of [
    `>${SECRET}`,
    `alice ${SECRET}`,
    'alice #12',
    `alice >${SECRET} ~*`,
    `alice +@all >${SECRET}`,
    '',
  ]) {
    it(`is not "${wrong.replace(SECRET, '…')}", and the message shows no secret`, () => {
      assert.throws(
        () => parseUser(wrong),
        ({ message }: Error) =>
          !message.includes(SECRET) &&
          (wrong.includes(' ~') || wrong.includes('+') ? /may do/ : /must be/).test(message),
      )
    })
  }

  it('stands in a file with others, as Redis writes them', () => {
    const text = `# people\nuser alice on >${SECRET}\n\n  bob #${hashOf('x')}\r\n`
    assert.deepEqual(
      parseUsers(text).map(({ name }) => name),
      ['alice', 'bob'],
    )
    assert.throws(() => parseUsers(`alice >1\nbob ${SECRET}`), /^Error: line 2 must be (?!.*hunter2)/)
    assert.throws(() => parseUsers('# nobody\n'), /no user/)
  })
})

describe('a program that tells the password', () => {
  const told = (output: string) => readOutput(output, Date.parse('2030-01-01T00:00:00Z'))
  const run = (script: string, limit = 10_000) => runPasswordCommand([process.execPath, '-e', script], limit)

  it('writes it, or JSON with when it expires', () => {
    assert.deepEqual(told(`${SECRET}\n`), { username: null, password: SECRET, lifetime: null })
    assert.equal(told('{"password": "p", "expiresIn": 90}').lifetime, 90_000)
    assert.equal(told('{"password": "p", "expiresAt": "2030-01-01T00:15:00Z"}').lifetime, 900_000)
    assert.equal(told('{"password": "p", "expiresAt": 1893456060}').lifetime, 60_000)
    assert.equal(told('{"password": "p", "username": "u"}').username, 'u')
  })

  for (const output of [
    '',
    `${SECRET}\nmore`,
    `{"pass": "${SECRET}"}`,
    `{${SECRET}`,
    `{"password": "${SECRET}", "expiresIn": -1}`,
  ]) {
    it(`is of no use with "${output.replace(SECRET, '…').replace('\n', '⏎')}", and what it wrote is not told`, () => {
      assert.throws(
        () => told(output),
        (error) => error instanceof CommandFailure && !error.message.includes(SECRET),
      )
    })
  }

  it('is run without a shell', async () => {
    assert.equal((await runPasswordCommand(['echo', '$HOME; `id`'], 10_000)).password, '$HOME; `id`')
  })

  it('may fail, take too long or write too much', async () => {
    await assert.rejects(
      run(`console.log('${SECRET}'); console.error('${SECRET}'); process.exit(3)`),
      /^Error: ended with code 3$/,
    )
    await assert.rejects(run('setInterval(() => {}, 1000)', 300), /^Error: did not end within 300 ms$/)
    await assert.rejects(run("for (;;) require('fs').writeSync(1, 'x'.repeat(65536))"), /wrote more than/)
    await assert.rejects(runPasswordCommand(['/nonexistent/program'], 1000), /^Error: cannot be run: ENOENT$/)
  })
})

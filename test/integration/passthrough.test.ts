/** Applications whose logins Redis judges itself: each is served as whom it has proved to be, and as nobody else. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { startCluster } from '../helpers/cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { type Argument, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { startSentinels } from '../helpers/sentinels.ts'
import { until } from '../helpers/waiting.ts'
import { assertAlike, STRANGE } from './strangers.ts'
import { ask, bulkText, Cleanup, Observer, pipeline } from './support.ts'

const PASSWORD = 'default-s3cret'
const USERS = { alice: 'al1ce-s3cret', bob: 'b0b-s3cret' } as const
type Name = keyof typeof USERS
const NAMES = Object.keys(USERS) as Name[]
/** What both may do: everything, with keys and channels of their own. */
const rulesOf = (name: Name) => [
  'on',
  `>${USERS[name]}`,
  `~${name}:*`,
  `&${name}:*`,
  '+@all',
  '-client|kill',
  '-select',
  '-echo',
]
/** Commands of both users together; 1 M with this in the environment. */
const COMMANDS = Number(process.env['RESPOOL_IDENTITY_COMMANDS'] ?? 20_000)

describe('pass-through of logins', { timeout: 120_000 + COMMANDS / 5 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer
  let open: RedisServer
  let admin: RawClient
  let port: number

  before(async () => {
    redis = suite.add(await startRedis({ password: PASSWORD }))
    open = suite.add(await startRedis())
    admin = suite.client(await RawClient.connect(redis.port))
    await ask(admin, 'AUTH', PASSWORD)
    for (const name of NAMES) await setUser(name)
    ;[, port] = await proxy(suite, redis.url)
  })
  afterEach(() => test.run())
  after(() => suite.run())

  async function proxy(cleanup: Cleanup, upstream: string, passthrough: object = {}): Promise<[Respool, number]> {
    const own = await freePort()
    const listen = [{ address: `127.0.0.1:${own}`, auth: 'passthrough' }]
    const config = { listen, passthrough: { recheckInterval: '300ms', ...passthrough }, log: { level: 'trace' } }
    return [cleanup.add(await startRespool({ upstream, config })), own]
  }
  const setUser = async (name: Name, ...more: string[]) =>
    assert.equal(await ask(admin, 'ACL', 'SETUSER', name, 'reset', ...rulesOf(name), ...more), '+OK\r\n')
  const connect = async (to = port) => test.client(await RawClient.connect(to))
  async function as(name: Name, to = port): Promise<RawClient> {
    const client = await connect(to)
    assert.equal(await ask(client, 'AUTH', name, USERS[name]), '+OK\r\n')
    return client
  }

  for (const [nth, commands] of STRANGE.entries()) {
    it(`strangers hear what Redis says: ${commands.map(([name]) => name).join(', ')} (${nth})`, async () => {
      await assertAlike(port, redis.port, commands, PASSWORD)
    })
  }

  const ALIKE: Argument[][][] = [
    [
      ['AUTH', 'alice', USERS.alice],
      ['ACL', 'WHOAMI'],
      ['SET', 'alice:k', 'v'],
      ['GET', 'bob:k'],
      ['ECHO', 'x'],
      ['PING'],
    ],
    [
      ['HELLO', 3, 'AUTH', 'alice', USERS.alice, 'SETNAME', 'n'],
      ['ACL', 'WHOAMI'],
      ['CLIENT', 'GETNAME'],
      ['GET', 'bob:k'],
    ],
    [
      ['AUTH', 'alice', USERS.alice],
      ['SELECT', 1],
      ['CLIENT', 'KILL', 'ID', 1],
      ['CLIENT', 'KILL'],
      ['PUBLISH', 'bob:c', 'm'],
    ],
    [
      ['AUTH', 'alice', USERS.alice],
      ['SUBSCRIBE', 'bob:c'],
      ['SUBSCRIBE', 'alice:c'],
    ],
    [['AUTH', 'alice', USERS.alice], ['MULTI'], ['GET', 'bob:k'], ['EXEC'], ['MULTI'], ['ACL', 'WHOAMI'], ['EXEC']],
    [
      ['AUTH', 'alice', USERS.alice],
      ['AUTH', 'bob', 'wrong'],
      ['ACL', 'WHOAMI'],
      ['AUTH', 'bob', USERS.bob],
      ['ACL', 'WHOAMI'],
      ['GET', 'alice:k'],
    ],
    [
      ['AUTH', 'alice', USERS.alice],
      ['MULTI'],
      ['AUTH', 'bob', USERS.bob],
      ['ACL', 'WHOAMI'],
      ['EXEC'],
      ['ACL', 'WHOAMI'],
    ],
    [
      ['AUTH', 'alice', USERS.alice],
      ['WATCH', 'alice:k'],
      ['AUTH', 'alice', USERS.alice],
      ['MULTI'],
      ['EXEC'],
      ['RESET'],
      ['ACL', 'WHOAMI'],
    ],
    [
      ['AUTH', PASSWORD],
      ['ACL', 'WHOAMI'],
      ['SET', 'k', 'v'],
      ['SELECT', 1],
      ['GET', 'k'],
      ['EVAL', "return redis.call('acl','whoami')", 0],
    ],
  ]
  for (const [nth, commands] of ALIKE.entries()) {
    it(`users are answered as on a connection of their own (${nth})`, () =>
      assertAlike(port, redis.port, commands, PASSWORD))
  }

  it('who may not PING may not do so among messages either', async (context) => {
    context.after(() => setUser('bob'))
    await setUser('bob', '-ping')
    await assertAlike(
      port,
      redis.port,
      [['AUTH', 'bob', USERS.bob], ['SUBSCRIBE', 'bob:c'], ['PING'], ['PING', 'x'], ['RESET']],
      '',
    )
    await setUser('bob', '+ping')
    // What Redis has said counts for a while.
    await until(async () => !(await ask(await as('bob'), 'PING')).startsWith('-'), 'it may again')
    await assertAlike(
      port,
      redis.port,
      [['AUTH', 'bob', USERS.bob], ['SUBSCRIBE', 'bob:c'], ['PING'], ['PING', 'x']],
      '',
    )
  })

  it('without a password for the default user nobody has to log in', async () => {
    const [, free] = await proxy(test, open.url)
    await assertAlike(
      free,
      open.port,
      [
        ['ACL', 'WHOAMI'],
        ['SET', 'k', 'v'],
        ['HELLO', 3],
        ['RESET'],
        ['GET', 'k'],
        ['AUTH', 'x'],
        ['AUTH', 'default', 'x'],
      ],
      '',
    )
    await assertAlike(
      free,
      open.port,
      [
        ['SET', 'k', 'x'.repeat(30_000)],
        ['STRLEN', 'k'],
      ],
      '',
    )
  })

  it(`two users at once are never served on each other's login, in ${COMMANDS} commands`, async () => {
    const [direct, ...clients] = [
      await as('alice', redis.port),
      ...(await Promise.all(NAMES.flatMap((name) => [as(name), as(name)]))),
    ]
    const denied = await ask(direct, 'GET', 'bob:k')
    assert.match(denied, /^-NOPERM /)
    const share = COMMANDS / clients.length
    let served = 0
    await Promise.all(
      clients.map(async (client, nth) => {
        const own = NAMES[nth >> 1]
        for (let done = 0, step = 0; done < share; step++) {
          // Two stay who they are, and two become the other one now and then.
          const name = nth % 2 === 1 && step % 10 > 4 ? NAMES.find((one) => one !== own)! : own
          const [commands, replies] = batch(name, `${nth}:${step}`, denied)
          assert.deepEqual(await pipeline(client, commands), replies)
          done += commands.length
          served += commands.length
        }
      }),
    )
    assert.ok(served >= COMMANDS)
    const rows = await observed()
    for (const name of NAMES) assert.ok(rows.some(({ user }) => user === name))
  })

  /** Commands of one user on shared connections and on leases, and the replies that only that user gets. */
  function batch(name: Name, tag: string, denied: string): [Argument[][], string[]] {
    const who = `$${name.length}\r\n${name}\r\n`
    const other = NAMES.find((one) => one !== name)!
    const [key, value] = [`${name}:${tag}`, `${name} ${tag}`]
    const commands: [Argument[], string][] = [
      [['AUTH', name, USERS[name]], '+OK\r\n'],
      [['ACL', 'WHOAMI'], who],
      [['SET', key, value], '+OK\r\n'],
      [['GET', key], `$${value.length}\r\n${value}\r\n`],
      [['GET', `${other}:${tag}`], denied],
      [['SET', `${other}:${tag}`, value], denied],
      [['WATCH', key], '+OK\r\n'],
      [['ACL', 'WHOAMI'], who],
      [['MULTI'], '+OK\r\n'],
      [['ACL', 'WHOAMI'], '+QUEUED\r\n'],
      [['DEL', key], '+QUEUED\r\n'],
      [['EXEC'], `*2\r\n${who}:1\r\n`],
      ...Array.from({ length: 20 }, (): [Argument[], string] => [['ACL', 'WHOAMI'], who]),
    ]
    return [commands.map(([command]) => command), commands.map(([, reply]) => reply)]
  }

  async function observed(): Promise<Record<string, string>[]> {
    const client = await connect(redis.port)
    await ask(client, 'AUTH', PASSWORD)
    return (await Observer.over(client)).clients()
  }

  const revocations: Record<string, () => Promise<unknown>> = {
    'is deleted': () => ask(admin, 'ACL', 'DELUSER', 'alice'),
    'is switched off': () => ask(admin, 'ACL', 'SETUSER', 'alice', 'off'),
    'gets another password': () => setUser('alice', 'resetpass', '>other'),
  }
  for (const [what, revoke] of Object.entries(revocations)) {
    it(`a user who ${what} loses access, whatever is going on, and another one does not`, async (context) => {
      context.after(() => setUser('alice'))
      const [idle, blocked, subscribed, bob] = [
        await as('alice'),
        await as('alice'),
        await as('alice'),
        await as('bob'),
      ]
      blocked.send('BLPOP alice:none 0\r\n')
      await ask(subscribed, 'SUBSCRIBE', 'alice:c')
      await until(
        async () => (await observed()).some(({ user, flags }) => user === 'alice' && flags?.includes('b')),
        'it blocks',
      )
      await revoke()
      await Promise.all([idle, blocked, subscribed].map(({ closed }) => closed))
      await until(async () => (await observed()).every(({ user }) => user !== 'alice'), 'no connection is left')
      assert.equal(await ask(bob, 'ACL', 'WHOAMI'), '$3\r\nbob\r\n')
      await assertAlike(
        port,
        redis.port,
        [
          ['AUTH', 'alice', USERS.alice],
          ['ACL', 'WHOAMI'],
          ['HELLO', 3, 'AUTH', 'alice', USERS.alice],
        ],
        '',
      )
    })
  }

  it('a connection with subscriptions stays who it is, and says so', async () => {
    const client = await connect()
    assert.match(await ask(client, 'HELLO', 3, 'AUTH', 'alice', USERS.alice), /^%7/)
    assert.match(await ask(client, 'SUBSCRIBE', 'alice:c'), /^>3/)
    assert.match(await ask(client, 'AUTH', 'bob', USERS.bob), /^-ERR respool cannot change the user/)
    assert.equal(await ask(client, 'AUTH', 'alice', USERS.alice), '+OK\r\n')
    assert.match(await ask(client, 'ACL', 'WHOAMI'), /alice/)
  })

  it('tracking redirects to no stranger and no other user, who would get a connection that is not theirs', async () => {
    const [alice, stranger, bob] = [await as('alice'), await connect(), await as('bob')]
    const id = Number((await ask(bob, 'CLIENT', 'ID')).slice(1))
    for (const other of [id - 1, id])
      assert.match(await ask(alice, 'CLIENT', 'TRACKING', 'ON', 'REDIRECT', other), /^-ERR .*does not exist/)
    assert.equal(await ask(stranger, 'AUTH', 'bob', USERS.bob), '+OK\r\n')
    for (const client of [stranger, bob]) {
      assert.equal(await ask(client, 'WATCH', 'bob:k'), '+OK\r\n')
      assert.match(await ask(client, 'ACL', 'WHOAMI'), /bob/)
    }
  })

  it('logins are bounded, those that nobody uses give way, and each has so many connections only', async () => {
    const [one, small] = await proxy(test, redis.url, { maxLogins: 1, connections: 1, leases: 2 })
    const alice = await as('alice', small)
    const bob = await connect(small)
    assert.match(await ask(bob, 'AUTH', 'bob', USERS.bob), /^-TRYAGAIN respool has connections for as many logins/)
    assert.equal(await ask(bob, 'GET', 'bob:k'), '-NOAUTH Authentication required.\r\n')
    assert.equal(await one.metric('respool_passthrough_logins'), 1)
    const blocked = await Promise.all(Array.from({ length: 3 }, () => as('alice', small)))
    for (const client of blocked) client.send('BLPOP alice:none 0\r\n')
    await until(async () => (await one.metric('respool_pool_waiters')) > 0, 'one waits')
    assert.equal(bulkText(await ask(alice, 'ACL', 'WHOAMI')), 'alice')
    for (const client of [alice, ...blocked]) client.close()
    await until(async () => (await ask(bob, 'AUTH', 'bob', USERS.bob)) === '+OK\r\n', 'there is room')
  })

  it('while Redis is away logins are told so, and work when it is back', async () => {
    const away = test.add(await startRedis())
    const [, own] = await proxy(test, away.url)
    const client = await connect(own)
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    await away.kill()
    assert.match(await ask(await connect(own), 'AUTH', 'default', 'x'), /^-TRYAGAIN /)
    await away.restart()
    await until(async () => (await ask(await connect(own), 'AUTH', 'default', 'x')) === '+OK\r\n', 'it is back')
  })

  it('works on a cluster, whose nodes all know the users', async () => {
    const cluster = test.add(await startCluster())
    for (const node of cluster.primaries)
      for (const name of NAMES)
        assert.equal(await node.call('ACL', 'SETUSER', name, ...rulesOf(name), '-cluster'), '+OK\r\n')
    const [, own] = await proxy(test, cluster.url)
    for (const name of NAMES) {
      const client = await as(name, own)
      const keys = Array.from('abcdefgh', (letter) => `${name}:${letter}`)
      assert.equal(await ask(client, 'MSET', ...keys.flatMap((key) => [key, name])), '+OK\r\n')
      assert.equal(await ask(client, 'EXISTS', ...keys), ':8\r\n')
      for (const key of keys) assert.match(await ask(client, 'SET', `not-${key}`, 'x'), /^-NOPERM /)
      assert.equal(bulkText(await ask(client, 'ACL', 'WHOAMI')), name)
    }
  })

  it('works behind sentinels, and follows them', async () => {
    const sentinels = test.add(await startSentinels({ sentinels: 1 }))
    for (const server of sentinels.servers) {
      const client = await connect(server.port)
      assert.equal(await ask(client, 'ACL', 'SETUSER', 'bob', ...rulesOf('bob')), '+OK\r\n')
    }
    const [, own] = await proxy(test, sentinels.url)
    const client = await as('bob', own)
    assert.equal(await ask(client, 'SET', 'bob:k', 'v'), '+OK\r\n')
    await sentinels.failover()
    const { port: next } = await sentinels.primary()
    await until(
      async () => (await ask(client, 'INFO', 'server')).includes(`tcp_port:${next}`),
      'the new primary is followed',
    )
    assert.equal(bulkText(await ask(client, 'ACL', 'WHOAMI')), 'bob')
  })
})

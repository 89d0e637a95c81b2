import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { blockingTimeout, blockTime, withBlockTime } from '../../src/commands/blocking.ts'
import { policy } from '../../src/commands/policy.ts'
import { Flag, type Handling } from '../../src/commands/spec.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { REFUSED_BY_DEFAULT } from '../../src/config/schema.ts'
import { startCommandServer, type CommandServer } from '../tools/command-server.ts'
import { madeUp } from './commands-examples.ts'

const table = new CommandTable()

function namesWith(...handlings: Handling[]): string[] {
  const specs = Array.from({ length: table.size }, (_, id) => table.byId(id))
  return specs.filter(({ handling }) => handlings.includes(handling)).map(({ name }) => name)
}

function timeOf(command: string): number {
  const args = command.split(' ').map((word) => (word === '""' ? '' : word))
  return blockTime(table.get(args[0].toLowerCase())!, { count: args.length, text: (i) => args[i] })
}

describe('policy', () => {
  it('handles the commands of each kind as that kind', () => {
    const tops = (...handlings: Handling[]) =>
      namesWith(...handlings)
        .filter((name) => !name.includes('|'))
        .sort()
        .join(' ')
    assert.equal(
      tops('local'),
      'asking auth client cluster echo hello ping quit readonly readwrite reset respool select sentinel',
    )
    assert.equal(tops('transaction'), 'discard exec multi unwatch watch')
    assert.equal(tops('block'), 'blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin wait waitaof')
    assert.equal(tops('blockIf'), 'xread xreadgroup')
    assert.equal(tops('subscribe'), 'psubscribe punsubscribe ssubscribe subscribe sunsubscribe unsubscribe')
    assert.equal(tops('publish'), 'publish spublish')
    assert.equal(tops('relay'), 'monitor')
    assert.equal(tops('script'), 'eval eval_ro evalsha evalsha_ro')
    assert.equal(tops('refuse'), 'debug host: post psync replconf shutdown sync')
  })

  it('holds for subcommands, unless they have a row of their own', () => {
    for (const spec of table.get('client')!.subcommands!.values()) assert.equal(spec.handling, 'local', spec.name)
    for (const spec of table.get('pubsub')!.subcommands!.values()) {
      assert.equal(spec.handling, spec.name.endsWith('numsub') ? 'publish' : 'forward', spec.name)
    }
    const handlings = ['script', 'script|load', 'script|kill', 'script|debug', 'cluster|slots', 'cluster|syncslots']
    assert.deepEqual(
      handlings.map((name) => table.get(name)!.handling),
      ['forward', 'script', 'block', 'refuse', 'local', 'refuse'],
    )
    const withdrawn = new CommandTable([], ['cluster'])
    const without = ['cluster', 'cluster|slots', 'cluster|syncslots', 'client'].map(
      (name) => withdrawn.get(name)!.handling,
    )
    assert.deepEqual(without, ['forward', 'forward', 'refuse', 'local'])
  })

  it('refuses by default what the configuration can allow, which then gets a connection of its own', () => {
    const http = ['post', 'host:']
    const refused = namesWith('refuse').filter((name) => !http.includes(name))
    assert.deepEqual(refused.sort(), [...REFUSED_BY_DEFAULT])
    const lenient = new CommandTable(REFUSED_BY_DEFAULT)
    for (const name of refused) assert.equal(lenient.get(name)!.handling, 'relay', name)
    for (const name of http) assert.equal(lenient.get(name)!.handling, 'refuse', name)
  })

  it('gives each row a reason and names no command twice', () => {
    assert.equal(new Set(policy.map(({ name }) => name)).size, policy.length)
    for (const { name, reason, handling, keys } of policy) {
      assert.ok(reason.length > 10, name)
      assert.ok(handling ?? keys, name)
    }
  })

  it('names commands that some server has, but for that of sentinels, that of respool and two that only look like commands', () => {
    const unknown = policy.filter(({ name }) => table.get(name)!.arity === 0).map(({ name }) => name)
    assert.deepEqual(unknown, ['sentinel', 'respool', 'post', 'host:'])
  })

  it('forwards nothing that servers flag as blocking', () => {
    for (let id = 0; id < table.size; id++) {
      const { name, flags, handling } = table.byId(id)
      if ((flags & Flag.blocking) !== 0) assert.match(handling, /^block/, name)
    }
  })
})

describe('commands that are forwarded', () => {
  let server: CommandServer
  before(async () => void (server = await startCommandServer('redis-server')))
  after(() => server.stop())

  it('answer once each, and leave the connection as it was for those after them', { timeout: 60_000 }, async () => {
    const specs = namesWith('forward').flatMap((name) => table.get(name) ?? [])
    const invocations = specs.flatMap(madeUp)
    const follower = ['ECHO', 'still in step']
    const replies = await server.ask(invocations.flatMap((args) => [args, follower]))
    for (const [i, args] of invocations.entries()) {
      assert.notEqual(replies[2 * i], 'still in step', args.join(' '))
      assert.equal(replies[2 * i + 1], 'still in step', args.join(' '))
    }
  })
})

describe('block time', () => {
  it('is known for every blocking command', () => {
    for (const name of namesWith('block', 'blockIf')) {
      assert.equal(blockingTimeout.has(name), !name.endsWith('|kill'), name)
    }
  })

  const times: [command: string, milliseconds: number][] = [
    ['BLPOP k 0', 0],
    ['BLPOP k1 k2 1', 1000],
    ['BRPOP k 0.25', 250],
    ['BLPOP k 1e1', 10000],
    ['BLPOP k .5', 500],
    ['BLPOP k 5.', 5000],
    ['BLPOP k 0.0001', 1],
    ['BRPOPLPUSH a b 2', 2000],
    ['BLMOVE a b LEFT RIGHT 3', 3000],
    ['BLMPOP 4 1 k LEFT', 4000],
    ['BZPOPMIN k 5', 5000],
    ['BZPOPMAX k 6', 6000],
    ['BZMPOP 7 1 k MIN', 7000],
    ['WAIT 1 100', 100],
    ['WAITAOF 1 1 200', 200],
    ['XREAD BLOCK 30 STREAMS k 0', 30],
    ['XREAD block 0 streams k $', 0],
    ['XREAD COUNT 1 STREAMS k 0', -1],
    ['XREAD STREAMS BLOCK 5', -1],
    ['XREAD COUNT BLOCK STREAMS k 0', -1],
    ['XREAD BLOCK 1 BLOCK 2 STREAMS k 0', 2],
    ['XREAD BLOCK\0x 30 STREAMS\0 k 0', 30],
    ['XREADGROUP GROUP g c STREAMS k >', -1],
    ['XREADGROUP GROUP g c COUNT 5 BLOCK 40 NOACK STREAMS k >', 40],
    ['XREADGROUP GROUP BLOCK STREAMS BLOCK 50 STREAMS k >', 50],
    ['XREADGROUP GROUP BLOCK 5 STREAMS k >', -1],
    ['GET k', -1],
    ['SCRIPT KILL', -1],
  ]
  for (const [command, milliseconds] of times) {
    it(`of ${command} is ${milliseconds} ms`, () => assert.equal(timeOf(command), milliseconds))
  }

  const shortened: [string, string][] = [
    ['BLPOP k 0', 'BLPOP k 1.5'],
    ['BLMPOP 4 1 k LEFT', 'BLMPOP 1.5 1 k LEFT'],
    ['WAIT 1 100', 'WAIT 1 1500'],
    [
      'XREADGROUP GROUP streams c BLOCK 1 BLOCK 0 STREAMS k >',
      'XREADGROUP GROUP streams c BLOCK 1 BLOCK 1500 STREAMS k >',
    ],
  ]
  for (const [command, expected] of shortened) {
    it(`of ${command} can be shortened`, () => {
      const args = command.split(' ')
      const spec = table.get(args[0].toLowerCase())!
      assert.equal(withBlockTime(spec, { count: args.length, text: (i) => args[i] }, 1500).join(' '), expected)
    })
  }

  it('is not a number where the server refuses the time', () => {
    const bad = ['x', '""', '-1', '1s', '0x10', '1_0', 'Infinity', 'NaN', '1e99', '--1']
    for (const time of bad) assert.ok(Number.isNaN(timeOf(`BLPOP k ${time}`)), time)
    for (const time of [...bad, '1.5', '01', '+1', '9223372036854775808']) {
      assert.ok(Number.isNaN(timeOf(`XREAD BLOCK ${time} STREAMS k 0`)), time)
    }
    assert.ok(Number.isNaN(timeOf('XREAD BLOCK')))
    assert.ok(Number.isNaN(timeOf('BLPOP')))
  })

  it('is for ever for a blocking command of unknown form', () => {
    const own = new CommandTable()
    own.learn([['m.wait', -2, ['blocking'], 0, 0, 0]])
    assert.equal(blockTime(own.get('m.wait')!, { count: 2, text: () => '5' }), 0)
  })
})

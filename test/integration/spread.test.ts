import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { slotOf } from '../../src/commands/slot.ts'
import { type CommandSpec, resolve } from '../../src/commands/spec.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { merge } from '../../src/dispatch/spread/merge.ts'
import { scanPlace, scanReply, scanRequest } from '../../src/dispatch/spread/scan.ts'
import { split } from '../../src/dispatch/spread/split.ts'
import { keyPositions } from '../../src/commands/keys.ts'
import { Arguments } from '../../src/resp/arguments.ts'
import { decode } from '../../src/resp/decode.ts'
import { command } from '../../src/resp/encode.ts'
import { type RedisCluster, SLOTS, startCluster } from '../helpers/cluster.ts'
import { RawClient } from '../helpers/raw.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'

// What the cluster's nodes answer to a command that concerns several of them, put together, beside what one server with the same data says.

const KEYS = Array.from({ length: 60 }, (_, i) => `key:${i}`)
const MISSING = ['none:1', 'none:2', 'none:3']
const VALUE = '\xff\0\r\n$1\r\n'
const SCRIPT = 'return 1'
const DIGEST = 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db'
const LIBRARY = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"

/** Each changes nothing, or the same everywhere; in this order. */
const COMMANDS: string[][] = [
  ['MSET', ...KEYS.flatMap((key) => [key, `${key}${VALUE}`])],
  ['MSET', 'key:1', 'first', 'key:2', 'other', 'key:1', 'last'],
  ['MSET', 'key:1', 'x', 'key:2'],
  ['MSET', 'key:1'],
  ['MSET', 'key:1', 'x', 'key:1'],
  ['MGET', ...KEYS, ...MISSING, 'key:1', 'key:1'],
  ['MGET', 'key:1'],
  ['MGET'],
  ['mget', 'key:1', 'key:2'],
  ['EXISTS', ...KEYS, ...MISSING, 'key:3', 'key:3'],
  ['TOUCH', 'key:1', 'none:1', 'key:1', 'key:2'],
  ['DEL', 'key:50', 'key:51', 'key:50', 'none:1'],
  ['UNLINK', 'key:52', 'key:53', 'key:52'],
  ['XADD', 'stream:1', '1-1', 'a', VALUE],
  ['XADD', 'stream:2', '2-1', 'b', 'c'],
  ['XADD', 'stream:2', '2-2', 'b', 'd'],
  ['XREAD', 'STREAMS', 'stream:2', 'none:1', 'stream:1', '0', '0', '0'],
  ['XREAD', 'COUNT', '1', 'STREAMS', 'stream:1', 'stream:2', 'stream:2', '0', '2-1', '0'],
  ['XREAD', 'STREAMS', 'stream:1', 'stream:2', '5-5', '$'],
  ['XREAD', 'STREAMS', 'stream:1', 'key:1', '0', '0'],
  ['XREAD', 'STREAMS', 'stream:1', 'stream:2', 'x', 'y'],
  ['XREAD', 'COUNT', 'x', 'STREAMS', 'stream:1', 'stream:2', '0', '0'],
  ['XREAD', 'STREAMS', 'stream:1', 'stream:2', '0'],
  ['MGET', 'stream:1', 'key:2'],
  ['DBSIZE'],
  ['DBSIZE', 'x'],
  ['KEYS', '*1*'],
  ['KEYS', 'none*'],
  ['SCRIPT', 'LOAD', SCRIPT],
  ['SCRIPT', 'EXISTS', DIGEST, 'ffffffffffffffffffffffffffffffffffffffff', DIGEST],
  ['SCRIPT', 'FLUSH'],
  ['SCRIPT', 'EXISTS', DIGEST],
  ['SCRIPT', 'LOAD', 'not Lua'],
  ['SCRIPT', 'KILL'],
  ['FUNCTION', 'LOAD', LIBRARY],
  ['FUNCTION', 'LOAD', LIBRARY],
  ['FUNCTION', 'DELETE', 'lib'],
  ['FUNCTION', 'DELETE', 'lib'],
  ['CONFIG', 'SET', 'slowlog-max-len', '100'],
  ['CONFIG', 'SET', 'no-such-setting', '1'],
  ['ACL', 'SETUSER', 'someone', 'on'],
  ['ACL', 'DELUSER', 'someone'],
  ['SLOWLOG', 'RESET'],
  ['SLOWLOG', 'LEN'],
  ['LATENCY', 'RESET'],
  ['PUBSUB', 'SHARDCHANNELS'],
  ['PUBSUB', 'SHARDNUMSUB', 'key:1', 'key:2'],
  ['FLUSHALL'],
  ['DBSIZE'],
  ['RANDOMKEY'],
  ['KEYS', '*'],
]

let single: RedisServer
let cluster: RedisCluster
before(async () => void ([single, cluster] = await Promise.all([startRedis(), startCluster()])))
after(() => Promise.all([single.stop(), cluster.stop()]))

const table = new CommandTable()
const FIRST_SLOTS = [0, 1, 2].map((part) => Math.floor((SLOTS * part) / 3))

/** One connection to each node. */
class Nodes {
  private constructor(readonly clients: readonly RawClient[]) {}

  static async connect(protocol: number): Promise<Nodes> {
    const clients = await Promise.all(cluster.primaries.map(({ server }) => RawClient.connect(server.port)))
    for (const client of clients) await client.call('HELLO', protocol)
    return new Nodes(clients)
  }

  close(): void {
    for (const client of this.clients) client.close()
  }

  /** What the application would get. */
  async call(...words: string[]): Promise<Buffer> {
    const request = Buffer.from(command(...words), 'latin1')
    const args = new Arguments(request, 0, request.length)
    const name = args.bytes(0)
    const spec = resolve(table.lookup(name, 0, name.length)!, args)
    const parts = split(spec, args)
    if (parts !== null) {
      const replies = await Promise.all(parts.map(({ slot, request }) => this.#ask(slot, request)))
      return wellMerged(merge(spec.spread!.merge!, replies, parts))
    }
    if (spec.spread?.to === 'scan') return this.#scan(args)
    if (spec.spread?.to !== 'primaries') return this.#ask(slotFor(spec, args), command(...words))
    const replies = await Promise.all(FIRST_SLOTS.map((slot) => this.#ask(slot, command(...words))))
    return wellMerged(merge(spec.spread.merge!, replies))
  }

  async #scan(args: Arguments): Promise<Buffer> {
    const place = scanPlace(args.text(1), FIRST_SLOTS)
    assert.ok(typeof place === 'object')
    return wellMerged(scanReply(await this.#ask(place.slot, scanRequest(args, place)), place.slot, FIRST_SLOTS))
  }

  #ask(slot: number, request: string): Promise<Buffer> {
    const client = this.clients[FIRST_SLOTS.findLastIndex((first) => first <= slot)]
    client.send(Buffer.from(request, 'latin1'))
    return client.frame()
  }
}

function slotFor(spec: CommandSpec, args: Arguments): number {
  const [position] = keyPositions(spec, args)
  return position === undefined ? 0 : slotOf(args.bytes(position))
}

function wellMerged(merged: Buffer | string): Buffer {
  assert.ok(Buffer.isBuffer(merged), String(merged))
  return merged
}

/** KEYS has no order. */
function comparable(words: readonly string[], reply: Buffer): unknown {
  return words[0] === 'KEYS' ? (decode(reply, 0) as string[]).sort() : reply.toString('latin1')
}

for (const protocol of [2, 3]) {
  describe(`several nodes answer as one server (RESP${protocol})`, () => {
    let alone: RawClient
    let nodes: Nodes
    before(async () => {
      alone = await RawClient.connect(single.port)
      await alone.call('HELLO', protocol)
      nodes = await Nodes.connect(protocol)
    })
    after(() => {
      alone.close()
      nodes.close()
    })

    it('to whatever is taken apart, or goes to all of them', async () => {
      for (const words of COMMANDS) {
        const expected = await alone.call(...words.map((word) => Buffer.from(word, 'latin1')))
        assert.deepEqual(comparable(words, await nodes.call(...words)), comparable(words, expected), words.join(' '))
      }
    })

    it('to RANDOMKEY, with a key that is there', async () => {
      await nodes.call('SET', 'key:7', 'x')
      assert.equal(decode(await nodes.call('RANDOMKEY'), 0), 'key:7')
      await nodes.call('FLUSHALL')
    })

    it('to SCAN, with every key exactly once', async () => {
      const keys = Array.from({ length: 2000 }, (_, i) => `scanned:${i}`)
      await nodes.call('MSET', ...keys.flatMap((key) => [key, 'x']))
      await nodes.call('HSET', 'hash', 'a', 'b')
      assert.deepEqual(await scanned(nodes), [...keys, 'hash'].sort())
      assert.deepEqual(
        await scanned(nodes, 'COUNT', '1000', 'MATCH', '*:1??'),
        keys.filter((key) => /:1..$/.test(key)).sort(),
      )
      assert.deepEqual(await scanned(nodes, 'TYPE', 'hash'), ['hash'])
      await nodes.call('FLUSHALL')
    })
  })
}

async function scanned(nodes: Nodes, ...options: string[]): Promise<string[]> {
  const seen: string[] = []
  let cursor = '0'
  do {
    const reply = decode(await nodes.call('SCAN', cursor, ...options), 0)
    assert.ok(Array.isArray(reply))
    cursor = String(reply[0])
    seen.push(...(reply[1] as string[]))
  } while (cursor !== '0')
  return seen.sort()
}

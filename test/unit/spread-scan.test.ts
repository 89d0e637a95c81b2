import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { scanPlace, scanReply, scanRequest, type ScanPlace } from '../../src/dispatch/spread/scan.ts'
import { Arguments } from '../../src/resp/arguments.ts'
import { array, bulk, command } from '../../src/resp/encode.ts'
import { check } from './property.ts'

const NODES = [0, 5461, 10923]
const carried = (slot: number, own: bigint) => String((BigInt(slot) << 48n) | own)

function replied(reply: string, slot: number, firstSlots = NODES): string {
  const said = scanReply(Buffer.from(reply, 'latin1'), slot, firstSlots)
  return Buffer.isBuffer(said) ? said.toString('latin1') : said
}

describe('the cursor of SCAN', () => {
  it('begins at the first node, and goes on where it was', () => {
    assert.deepEqual(scanPlace('0', NODES), { slot: 0, cursor: '0' })
    assert.deepEqual(scanPlace('0', [7, 9]), { slot: 7, cursor: '0' })
    assert.deepEqual(scanPlace('0', []), { slot: 0, cursor: '0' })
    assert.deepEqual(scanPlace('17', NODES), { slot: 0, cursor: '17' })
    assert.deepEqual(scanPlace(carried(5461, 0n), NODES), { slot: 5461, cursor: '0' })
    assert.deepEqual(scanPlace(carried(16383, 2n ** 48n - 1n), NODES), { slot: 16383, cursor: '281474976710655' })
  })

  it('is invalid as for Redis if it is no number, and if it cannot be one of ours', () => {
    for (const cursor of [
      '',
      'x',
      '-1',
      '1.5',
      '0x1',
      ' 1',
      '1 ',
      '1\n',
      '9'.repeat(20),
      '1'.repeat(30),
      carried(16384, 0n),
    ]) {
      assert.equal(scanPlace(cursor, NODES), 'invalidCursor', cursor)
    }
  })

  it('goes from node to node, and ends behind the last', () => {
    const empty = '*0\r\n'
    const found = '*1\r\n$4\r\n*1\r\n\r\n'
    assert.equal(replied(`*2\r\n$2\r\n17\r\n${found}`, 0), `*2\r\n$2\r\n17\r\n${found}`)
    assert.equal(replied(`*2\r\n$2\r\n17\r\n${found}`, 5461), array([bulk(carried(5461, 17n)), found]))
    assert.equal(replied(`*2\r\n$1\r\n0\r\n${empty}`, 0), array([bulk(carried(5461, 0n)), empty]))
    assert.equal(replied(`*2\r\n$1\r\n0\r\n${found}`, 5461), array([bulk(carried(10923, 0n)), found]))
    assert.equal(replied(`*2\r\n$1\r\n0\r\n${found}`, 10923), array([bulk('0'), found]))
  })

  it('goes on behind its place when slots have moved', () => {
    assert.equal(
      replied(array([bulk('0'), '*0\r\n']), 5461, [0, 5500, 10923]),
      array([bulk(carried(5500, 0n)), '*0\r\n']),
    )
    assert.equal(replied(array([bulk('0'), '*0\r\n']), 10923, [0, 5461]), array([bulk('0'), '*0\r\n']))
  })

  it('has no room for more than 48 bits of a node, and says so', () => {
    assert.equal(replied(array([bulk(String(2n ** 48n)), '*0\r\n']), 0), 'scanCursorTooLarge')
    assert.equal(replied(array([bulk(String(2n ** 64n - 1n)), '*0\r\n']), 0), 'scanCursorTooLarge')
  })

  it('lets errors pass, and nothing else that is no answer to SCAN', () => {
    assert.equal(replied('-ERR syntax error\r\n', 5461), '-ERR syntax error\r\n')
    for (const odd of ['+OK\r\n', '*0\r\n', '*2\r\n:1\r\n*0\r\n', '$1\r\n0\r\n', '_\r\n']) {
      assert.equal(replied(odd, 0), 'repliesDiffer', odd)
    }
  })

  it('is all that changes in the command', () => {
    const request = Buffer.from(
      command('scan', carried(5461, 9n), 'MATCH', '\xff\r\n*', 'COUNT', '5', 'TYPE', 'hash'),
      'latin1',
    )
    const sent = scanRequest(new Arguments(request, 0, request.length), { slot: 5461, cursor: '9' })
    assert.equal(sent, command('scan', '9', 'MATCH', '\xff\r\n*', 'COUNT', '5', 'TYPE', 'hash'))
  })
})

/** Nodes with keys, each given out in steps; a node's cursors are numbers of its own that say nothing to others. */
class Nodes {
  readonly firstSlots: number[]
  readonly #steps: Map<number, Map<string, { next: string; keys: string[] }>>

  constructor(nodes: readonly (readonly [slot: number, steps: readonly (readonly [own: bigint, count: number])[]])[]) {
    this.firstSlots = nodes.map(([slot]) => slot).sort((a, b) => a - b)
    this.#steps = new Map(
      nodes.map(([slot, steps]) => {
        const cursors = ['0', ...steps.slice(1).map(([own]) => String(own)), '0']
        const told = steps.map(([, count], i) => {
          const keys = Array.from({ length: count }, (_, nth) => `${slot}:${i}:${nth}`)
          return [cursors[i], { next: cursors[i + 1], keys }] as const
        })
        return [slot, new Map(told)]
      }),
    )
  }

  get keys(): string[] {
    return [...this.#steps.values()].flatMap((steps) => [...steps.values()].flatMap(({ keys }) => keys))
  }

  ask({ slot, cursor }: ScanPlace): Buffer {
    const { next, keys } = this.#steps.get(slot)!.get(cursor)!
    return Buffer.from(array([bulk(next), array(keys.map(bulk))]))
  }
}

const steps = fc.uniqueArray(fc.tuple(fc.bigInt(1n, 2n ** 48n - 1n), fc.nat(3)), {
  minLength: 1,
  maxLength: 4,
  selector: ([own]) => own,
})
const nodes = fc.uniqueArray(fc.tuple(fc.nat(16_383), steps), {
  minLength: 1,
  maxLength: 6,
  selector: ([slot]) => slot,
})

it('SCAN gives every key of all nodes exactly once, with cursors that any client can hold', (t) =>
  check(
    t,
    1000,
    fc.property(nodes, (own) => {
      const cluster = new Nodes(own)
      const seen: string[] = []
      let cursor = '0'
      do {
        const place = scanPlace(cursor, cluster.firstSlots)
        assert.ok(typeof place === 'object', cursor)
        const reply = scanReply(cluster.ask(place), place.slot, cluster.firstSlots)
        assert.ok(Buffer.isBuffer(reply), cursor)
        const [, , next, , ...keys] = reply.toString().split('\r\n')
        cursor = next
        assert.ok(/^(0|[1-9]\d*)$/.test(cursor) && BigInt(cursor) < 2n ** 63n, cursor)
        seen.push(...keys.filter((line) => line.includes(':')))
      } while (cursor !== '0')
      assert.deepEqual(seen.sort(), cluster.keys.sort())
    }),
  ))

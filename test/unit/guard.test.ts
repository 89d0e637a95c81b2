import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pino } from 'pino'
import fc from 'fast-check'
import { keyPositions } from '../../src/commands/keys.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { parseRule } from '../../src/config/rules.ts'
import { Foresight } from '../../src/dispatch/guarded/foresight.ts'
import { NO_KEY, SEVERAL } from '../../src/dispatch/cluster/place.ts'
import { Audit } from '../../src/guard/audit.ts'
import { keyCount } from '../../src/guard/key-count.ts'
import { showKey } from '../../src/guard/key-names.ts'
import { KeyPattern } from '../../src/guard/key-pattern.ts'
import { clausesFor, decide } from '../../src/guard/policy.ts'
import { Reports } from '../../src/guard/reports.ts'
import { SlowLog, type SlowCommand } from '../../src/guard/slow-log.ts'
import { TopKeys } from '../../src/guard/top-keys.ts'
import { Recorder } from '../../src/metrics/recorder.ts'
import { Arguments } from '../../src/resp/arguments.ts'
import { command } from '../../src/resp/encode.ts'
import { TurnClock } from '../../src/util/clock.ts'
import { EventLog } from '../../src/util/log.ts'
import { madeUp } from './commands-examples.ts'

const table = new CommandTable()
const spec = (name: string) => (name === 'other' ? table.other : table.get(name)!)

describe('rules', () => {
  /** What rules say of a command with these keys. */
  function verdict(rules: string[], name: string, ...keys: string[]): string {
    const clauses = clausesFor(spec(name), rules.map(parseRule))
    const found = decide(clauses, () => keys.map((key) => Buffer.from(key)), name === 'psubscribe')
    return found === null ? 'allow' : `${found.action} ${found.rule} ${found.code}`
  }

  const cases: [rules: string[], command: string[], verdict: string][] = [
    [[], ['get', 'a'], 'allow'],
    [['deny keys'], ['keys'], 'deny keys commandDenied'],
    [['deny keys'], ['get', 'a'], 'allow'],
    [['warn keys', 'deny keys'], ['keys'], 'warn keys commandDenied'],
    [['allow keys', 'deny @all'], ['keys'], 'allow'],
    [['deny config'], ['config|set'], 'deny config commandDenied'],
    [['deny config|set'], ['config|get'], 'allow'],
    [['deny con'], ['config|get'], 'allow'],
    [['deny @dangerous'], ['flushall'], 'deny @dangerous commandDenied'],
    [['deny get @read set'], ['mget', 'a'], 'deny @read commandDenied'],
    [['deny @all'], ['other'], 'deny @all commandDenied'],
    [['deny @all'], ['exec'], 'allow'],
    [['deny @all'], ['auth'], 'allow'],
    [['deny @write ~a*'], ['mset', 'b', 'a1'], 'deny @write ~a* keysDenied'],
    [['deny @write ~a*'], ['mset', 'b', 'c'], 'allow'],
    [['deny @write ~a*'], ['flushall'], 'allow'],
    [['allow @all ~a* ~b', 'deny ~*'], ['mset', 'b', 'a1'], 'allow'],
    [['allow @all ~a* ~b', 'deny ~*'], ['mset', 'a', 'bb'], 'deny @all ~* keysDenied'],
    [['allow @all ~a*', 'deny ~*'], ['get', ''], 'deny @all ~* keysDenied'],
    [['allow @all ~a*', 'deny ~*'], ['ping'], 'allow'],
    [['warn get ~a*', 'deny get'], ['get', 'a'], 'warn get ~a* keysDenied'],
    [['warn get ~a*', 'deny get'], ['get', 'b'], 'deny get commandDenied'],
    [['deny &in:*'], ['publish', 'in:a'], 'deny @all &in:* channelsDenied'],
    [['deny &in:*'], ['ssubscribe', 'a', 'in:a'], 'deny @all &in:* channelsDenied'],
    [['deny &in:*'], ['subscribe', 'a', 'b'], 'allow'],
    [['deny &in:*'], ['get', 'in:a'], 'allow'],
    [['deny ~in:*'], ['publish', 'in:a'], 'allow'],
    [['deny ~k &in:*'], ['get', 'k'], 'deny @all ~k &in:* keysDenied'],
    [['allow &app:*', 'deny &*'], ['subscribe', 'app:a', 'app:b'], 'allow'],
    [['allow &app:*', 'deny &*'], ['subscribe', 'app:a', 'b'], 'deny @all &* channelsDenied'],
    [['allow &app:*', 'deny &*'], ['unsubscribe'], 'allow'],
    [['deny &in:*'], ['psubscribe', 'in:a*'], 'deny @all &in:* channelsDenied'],
    [['deny &in:*'], ['psubscribe', 'i*'], 'deny @all &in:* channelsDenied'],
    [['deny &in:*'], ['psubscribe', '*'], 'deny @all &in:* channelsDenied'],
    [['deny &in:*'], ['psubscribe', 'in:a'], 'deny @all &in:* channelsDenied'],
    [['deny &in:*'], ['psubscribe', 'out:*', 'in'], 'allow'],
    [['deny &in'], ['psubscribe', 'out:*'], 'allow'],
    [['allow &app:*', 'deny &*'], ['psubscribe', 'app:b*'], 'allow'],
    [['allow &app:*', 'deny &*'], ['psubscribe', 'app:*'], 'allow'],
    [['allow &app:*', 'deny &*'], ['psubscribe', 'ap*'], 'deny @all &* channelsDenied'],
    [['allow &app:?', 'deny &*'], ['psubscribe', 'app:?'], 'allow'],
    [['allow &app:?', 'deny &*'], ['psubscribe', 'app:*'], 'deny @all &* channelsDenied'],
  ]
  for (const [rules, [name, ...keys], expected] of cases) {
    it(`${rules.join(', ') || 'none'}: ${[name, ...keys].join(' ')}`, () =>
      assert.equal(verdict(rules, name, ...keys), expected))
  }

  it('leave nothing to check of a command that they only allow', () => {
    assert.deepEqual(clausesFor(spec('get'), ['allow get ~a', 'allow @all', 'deny @all'].map(parseRule)), [])
  })

  it('take patterns for all that they may mean', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 4 })
    const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 4 })
    fc.assert(
      fc.property(pattern, pattern, name, (own, other, text) => {
        const [rule, asked] = [new KeyPattern(own), new KeyPattern(other)]
        const [inRule, inAsked] = [rule, asked].map((one) => one.fits(Buffer.from(text)))
        assert.ok(!(inRule && inAsked) || rule.meets(Buffer.from(other)))
        assert.ok(!(inAsked && rule.covers(Buffer.from(other))) || inRule)
      }),
      { numRuns: 2000 },
    )
  })

  it('match beginnings as the glob does', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\0'), maxLength: 4 })
    fc.assert(
      fc.property(key, key, (prefix, text) => {
        const fits = new KeyPattern(`${prefix}*`).fits(Buffer.from(text))
        assert.equal(fits, Buffer.from(text).indexOf(Buffer.from(prefix)) === 0 || prefix === '')
      }),
    )
    assert.ok(new KeyPattern('h[ae]llo?').fits(Buffer.from('hello1')))
    assert.ok(!new KeyPattern('h[ae]llo').fits(Buffer.from('hillo')))
    assert.ok(new KeyPattern('é?').fits(Buffer.from('éa')))
  })
})

describe('the number of keys told by that of arguments', () => {
  it('is that of the keys that are found, for each command that it is told of', () => {
    let told = 0
    for (let id = 1; id < table.size; id++) {
      for (const words of madeUp(table.byId(id))) {
        const frame = Buffer.from(command(...words), 'latin1')
        const args = new Arguments(frame, 0, frame.length)
        const found = keyPositions(table.byId(id), args).length
        const count = keyCount(table.byId(id), args.count)
        // Malformed ones have none.
        if (count === null || (found === 0 && count > 0)) continue
        assert.equal(count, found, words.join(' '))
        told++
      }
    }
    assert.ok(told > 200)
    const [mget, mset, del] = [keyCount(spec('mget'), 4), keyCount(spec('mset'), 5), keyCount(spec('del'), 11)]
    assert.deepEqual([mget, mset, del, keyCount(spec('ping'), 1), keyCount(spec('eval'), 4)], [3, 2, 10, 0, null])
  })
})

describe('the most frequent keys', () => {
  it('are kept with counts that are never too low, and too high by no more than is said', () => {
    const word = fc.integer({ min: 0, max: 30 }).map((n) => `k${Math.floor(Math.sqrt(n))}`)
    fc.assert(
      fc.property(fc.array(word, { maxLength: 300 }), fc.integer({ min: 1, max: 5 }), (words, room) => {
        const top = new TopKeys(room)
        const exact = new Map<string, number>()
        for (const each of words) {
          top.add(each)
          exact.set(each, (exact.get(each) ?? 0) + 1)
        }
        const list = top.list()
        assert.ok(list.length <= room)
        for (const { word: each, count, error } of list) {
          assert.ok(count >= exact.get(each)! && count - error <= exact.get(each)!)
        }
        const kept = new Set(list.map((one) => one.word))
        for (const [each, count] of exact) if (count > words.length / room) assert.ok(kept.has(each))
      }),
    )
  })

  it('go down in time', () => {
    const top = new TopKeys(2)
    top.add('once', 10)
    for (let i = 0; i < 3; i++) top.age()
    top.add('now', 2)
    assert.deepEqual(
      top.list().map(({ word, count }) => [word, count]),
      [
        ['now', 2],
        ['once', 1.25],
      ],
    )
    for (let i = 0; i < 3; i++) top.age()
    assert.deepEqual(top.list(), [])
  })

  it('are shown as it is wanted', () => {
    const shown = (key: string) => (['hash', 'prefix', 'full'] as const).map((how) => showKey(Buffer.from(key), how))
    assert.deepEqual(shown('user:1'), ['sha256:abc3a47b8ad1', 'user:…', 'user:1'])
    assert.deepEqual(shown('plain').slice(1), ['…', 'plain'])
    assert.equal(shown('x'.repeat(1000))[2].length, 201)
  })
})

describe('what is bounded', () => {
  it('the slow log keeps the newest, also when it becomes smaller', () => {
    const log = new SlowLog(3)
    const add = (command: string) => log.add({ command } as SlowCommand)
    const names = () => log.list().map(({ command }) => command)
    for (const name of 'abcde') add(name)
    assert.deepEqual([names(), log.total], [['e', 'd', 'c'], 5])
    log.resize(2)
    assert.deepEqual(names(), ['e', 'd'])
    log.resize(4)
    for (const name of 'fg') add(name)
    assert.deepEqual([names(), log.total], [['g', 'f', 'e', 'd'], 7])
  })

  it('an audit counts what it has no room for', () => {
    const audit = new Audit(new Date(0))
    for (let i = 0; i < 1500; i++) audit.note('denied', `c${i}`, 'x')
    audit.note('denied', 'c7', 'x')
    const report = audit.report() as { rows: { command: string; count: number }[]; others: number; since: string }
    assert.deepEqual([report.rows.length, report.others, report.since], [1000, 500, '1970-01-01T00:00:00.000Z'])
    assert.deepEqual([report.rows[0].command, report.rows[0].count], ['c7', 2])
  })

  it('the log has one line in ten seconds for each thing, with the number of those before', () => {
    let now = 0
    const clock = new TurnClock(() => now)
    const lines: Record<string, unknown>[] = []
    const sink = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }
    const recorder = new Recorder()
    const reports = new Reports(recorder, clock, new EventLog(pino({}, sink), () => now))
    const client = { id: 1, name: '', downstream: { remoteAddress: 'here' } }
    for (let i = 0; i < 30; i++) {
      reports.add('deny', 'keys', 'keys', client, {})
      reports.add('warn', 'big', 'set', client, { bytes: i })
      now += 1000
      clock.tick()
    }
    const keys = lines.filter(({ rule }) => rule === 'keys')
    assert.deepEqual(
      keys.map(({ before }) => before),
      [undefined, 9, 9],
    )
    assert.equal(lines.length, 6)
    assert.deepEqual(recorder.guard.entries(), [
      ['deny keys', 30],
      ['warn big', 30],
    ])
  })
})

describe('foresight', () => {
  /** What a cluster would make of each command of a session; slots are given. */
  function foreseen(...steps: [words: string, slot: number][]): string[] {
    const foresight = new Foresight()
    return steps.map(([words, slot]) => {
      const args = words.split(' ')
      const frame = Buffer.from(command(...args), 'latin1')
      const outlook = foresight.next(spec(args[0].toLowerCase()), new Arguments(frame, 0, frame.length), slot)
      return outlook.kind === 'whole' ? 'whole' : outlook.kind === 'split' ? outlook.how : outlook.reason
    })
  }

  it('knows what a transaction and watched keys are bound to', () => {
    const steps: [string, number][] = [
      ...([
        ['GET a', 1],
        ['GET b', 2],
        ['MULTI', NO_KEY],
        ['SET a 1', 1],
        ['PING', NO_KEY],
        ['SET b 1', 2],
      ] as const),
      ...([
        ['DBSIZE', NO_KEY],
        ['EXEC', NO_KEY],
        ['SET b 1', 2],
        ['WATCH a', 1],
        ['GET b', 2],
      ] as const),
      ...([
        ['MULTI', NO_KEY],
        ['SET b 1', 2],
        ['DISCARD', NO_KEY],
        ['WATCH a b', SEVERAL],
      ] as const),
    ].map(([words, slot]) => [words, slot])
    assert.deepEqual(foreseen(...steps), [
      ...['whole', 'whole', 'whole', 'whole', 'whole', 'crossSlot'],
      ...['notByOneNode', 'whole', 'whole', 'whole', 'whole'],
      ...['whole', 'crossSlot', 'whole', 'crossSlot'],
    ])
  })

  it('knows what is split, and what is not done', () => {
    const told = foreseen(
      ['MGET a b', SEVERAL],
      ['SINTER a b', SEVERAL],
      ['KEYS *', NO_KEY],
      ['SELECT 0', NO_KEY],
      ['SELECT 1', NO_KEY],
      ['SWAPDB 0 1', NO_KEY],
    )
    assert.deepEqual(told, ['slots', 'crossSlot', 'primaries', 'whole', 'selectOnCluster', 'notOnClusters'])
  })
})

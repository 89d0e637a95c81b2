import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions, parsePeer, UsageError } from '../bench/options.ts'

function parsed(...args: string[]) {
  const options = parseOptions(args)
  assert.ok(options)
  return options
}

test('the default is every combination of connections, pipeline and operation', () => {
  const options = parsed()
  assert.equal(options.cells.length, 9)
  assert.deepEqual(options.cells[5], { connections: 50, pipeline: 100 })
  assert.deepEqual(options.operations, ['SET', 'GET'])
  assert.match(options.entries[0].path, /\/dist\/main\.js$/)
})

test('--quick shrinks the run, and what is given beside it still counts', () => {
  const options = parsed('--quick', '--rounds', '7')
  assert.equal(options.rounds, 7)
  assert.equal(options.seconds, 0.5)
  assert.equal(options.cells.length, 3)
})

test('cells, operations and contenders are lists', () => {
  const options = parsed('--cells', '50x1,500x16', '--ops', 'get', '--only', 'respool,nutcracker')
  assert.deepEqual(options.cells, [
    { connections: 50, pipeline: 1 },
    { connections: 500, pipeline: 16 },
  ])
  assert.deepEqual(options.operations, ['GET'])
  assert.deepEqual(options.only, ['respool', 'nutcracker'])
})

test('several builds of respool stand side by side', () => {
  const { entries } = parsed('--respool-entry', 'old=/a/dist/main.js', '--respool-entry', '/b/dist/main.js')
  assert.deepEqual(entries, [
    { name: 'old', path: '/a/dist/main.js' },
    { name: 'respool', path: '/b/dist/main.js' },
  ])
})

test('a peer is a name, an address and a process', () => {
  assert.deepEqual(parsePeer('envoy=127.0.0.1:6380:42'), { name: 'envoy', host: '127.0.0.1', port: 6380, pid: 42 })
  assert.deepEqual(parsePeer('envoy=[::1]:6380:42'), { name: 'envoy', host: '::1', port: 6380, pid: 42 })
})

test('CPUs are given for the proxies, Redis and the load', () => {
  assert.deepEqual(parsed('--pin', '0/1/0-1').pinning, { proxy: '0', redis: '1', load: '0-1' })
  assert.equal(parsed('--pin', 'off').pinning, undefined)
})

test('help is no set of options', () => {
  assert.equal(parseOptions(['--help']), undefined)
})

for (const args of [
  ['--cells', '50'],
  ['--cells', '0x1'],
  ['--cells', ''],
  ['--ops', 'MGET'],
  ['--rounds', '0'],
  ['--rounds', '1.5'],
  ['--seconds', '-1'],
  ['--peer', 'envoy=127.0.0.1:6380'],
  ['--pin', '0/1'],
  ['--pin', '0/1/x'],
  ['--unknown'],
  ['stray'],
]) {
  test(`${args.join(' ')} is refused as usage`, () => {
    assert.throws(() => parseOptions(args), UsageError)
  })
}

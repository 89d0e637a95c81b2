import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { cpuBetween, parseSchedstat, parseTicks, readCpu, type CpuReading } from '../bench/cpu.ts'
import { selfTimes } from '../bench/cpuprofile.ts'
import { foreignShare, parseMachineTicks } from '../bench/disturbance.ts'
import { loadArguments, parseCsv, requestsFor } from '../bench/load.ts'
import { median, ratio, spread } from '../bench/statistics.ts'
import { until } from '../helpers/waiting.ts'

test('the median is the middle value by size, or the mean of two', () => {
  assert.equal(median([10, 9, 100]), 10)
  assert.equal(median([1, 4, 2, 3]), 2.5)
  assert.equal(median([]), undefined)
})

test('the spread is relative to the median', () => {
  assert.equal(spread([90, 100, 120]), 0.3)
  assert.equal(spread([]), undefined)
})

test('a ratio without both sides is none', () => {
  assert.equal(ratio(3, 4), 0.75)
  assert.equal(ratio(undefined, 4), undefined)
  assert.equal(ratio(3, undefined), undefined)
  assert.equal(ratio(3, 0), undefined)
})

const CSV = `WARNING: Could not fetch server CONFIG
"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"SET","60024.01","0.530","0.088","0.503","0.831","0.951","3.935"
"GET","74906.37","0.348","0.096","0.351","0.407","0.495","1.847"
`

test('the figures of redis-benchmark are found among its warnings', () => {
  assert.deepEqual(parseCsv(CSV, 'GET'), { throughput: 74906.37, p50: 0.351, p99: 0.495 })
  assert.deepEqual(parseCsv(CSV, 'SET'), { throughput: 60024.01, p50: 0.503, p99: 0.951 })
})

test('output without figures is an error', () => {
  assert.throws(() => parseCsv(CSV.replace('"GET"', '"PING"'), 'GET'), /no figures of GET/)
  assert.throws(() => parseCsv(CSV.replace('p99_latency_ms', 'p98_latency_ms'), 'GET'), /no p99_latency_ms/)
})

test('redis-benchmark is told the whole load', () => {
  const load = { connections: 50, pipeline: 16, operation: 'SET', requests: 800, keyspace: 10, valueBytes: 3 } as const
  assert.equal(
    loadArguments('127.0.0.1', 6380, load).join(' '),
    '-h 127.0.0.1 -p 6380 -c 50 -P 16 -n 800 -r 10 -d 3 -t set --csv',
  )
})

test('a load is made of whole pipelines, two for each connection at least', () => {
  assert.equal(requestsFor(1, 50_001, { connections: 50, pipeline: 1 }), 50_001)
  assert.equal(requestsFor(1, 50_001, { connections: 50, pipeline: 16 }), 50_016)
  assert.equal(requestsFor(1, 50_001, { connections: 500, pipeline: 100 }), 100_000)
})

test("a process's times are found behind a name with spaces and parentheses", () => {
  const stat = '42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 30 20 20 0 3 0 1000'
  assert.equal(parseTicks(stat), 12)
  assert.equal(parseTicks(stat, 'with ended children'), 62)
})

test('the time on a CPU is the first field of schedstat', () => {
  assert.equal(parseSchedstat('3793846982 1816953350 55386\n'), 3793846982)
  assert.throws(() => parseSchedstat(''), /not a schedstat line/)
})

function reading(threads: Record<string, number>, ticks: number): CpuReading {
  return { threads: new Map(Object.entries(threads)), ticks, processes: 1 }
}

test('CPU time is summed over threads, new ones included', () => {
  const before = reading({ '1/1': 1_000_000 }, 0)
  assert.equal(cpuBetween(before, reading({ '1/1': 3_000_000, '1/2': 500_000 }, 0)), 2_500_000)
})

test('the time of a thread that ended is not lost', () => {
  const before = reading({ '1/1': 0, '1/2': 0 }, 0)
  assert.equal(cpuBetween(before, reading({ '1/1': 10_000_000 }, 50)), 500_000_000)
})

test('reading a process that does not exist fails', async () => {
  const child = spawn('true')
  const pid = child.pid
  assert.ok(pid)
  await once(child, 'close')
  assert.throws(() => readCpu(pid), { code: 'ENOENT' })
})

test('the CPU time of a child process counts as its own', async (t) => {
  const child = spawn('sh', ['-c', 'sh -c "while :; do :; done" & wait'], { detached: true })
  const { pid } = child
  assert.ok(pid)
  t.after(() => process.kill(-pid, 'SIGKILL'))
  const before = readCpu(pid)
  await until(() => cpuBetween(before, readCpu(pid)) > 100_000_000, 'a tenth of a second of CPU is counted')
  assert.ok(readCpu(pid).processes >= 2)
})

test('foreign CPU time is what is neither measured nor our own', () => {
  const line = (user: number, idle: number) => `cpu  ${user} 1 20 ${idle} 5 0 3 1 7 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n`
  const before = { ...parseMachineTicks(line(100, 1000)), own: 10 }
  const after = { ...parseMachineTicks(line(200, 1100)), own: 50 }
  assert.equal(before.busy, 125)
  assert.equal(before.total, 1130)
  assert.equal(foreignShare(before, after, 20), 0.2)
  assert.equal(foreignShare(before, after, 90), 0)
})

test('self time belongs to the function that ran when a sample was taken', () => {
  const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 9 })
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(idle)', '') },
      { id: 2, callFrame: frame('scan', 'file:///x/dist/resp/scanner.js') },
      { id: 3, callFrame: frame('scan', 'file:///x/dist/resp/scanner.js') },
      { id: 4, callFrame: frame('', 'file:///x/node_modules/y/z.js') },
    ],
    startTime: 1000,
    samples: [2, 1, 2, 3, 4],
    timeDeltas: [10, 5, 100, 200, 300],
  }
  assert.deepEqual(selfTimes([profile, profile], { from: 1015, to: 2000 }), [
    { where: 'scan resp/scanner.js:10', microseconds: 1000 },
    { where: '(idle)', microseconds: 200 },
    { where: '(anonymous) node_modules/y/z.js:10', microseconds: 0 },
  ])
})

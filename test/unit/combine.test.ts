import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { combine } from '../../src/process/combine.ts'
import { REPORTS } from '../../src/process/combine-reports.ts'
import { CrewMetrics } from '../../src/process/crew-metrics.ts'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

describe('reports of several processes', () => {
  it('become one', () => {
    const one = {
      total: 1,
      up: true,
      since: 'then',
      bounds: [1, 2],
      times: [1, 0, 3],
      endpoints: [{ endpoint: 'a', up: true, hits: 1, closed: { idle: 1 } }],
    }
    const two = {
      total: 2,
      up: false,
      since: 'now',
      bounds: [1, 2],
      times: [1, 1],
      endpoints: [
        { endpoint: 'b', up: true, hits: 5, closed: {} },
        { endpoint: 'a', up: false, hits: 2, closed: { idle: 2, lost: 1 } },
      ],
    }
    assert.deepEqual(combine([one, two]), {
      total: 3,
      up: false,
      since: 'then',
      bounds: [1, 2],
      times: [2, 1, 3],
      endpoints: [
        { endpoint: 'a', up: false, hits: 3, closed: { idle: 3, lost: 1 } },
        { endpoint: 'b', up: true, hits: 5, closed: {} },
      ],
    })
    assert.deepEqual(combine([one]), one)
  })

  it('hot keys count by what each process has seen of them', () => {
    const report = (sampled: number, keys: [key: string, share: number, shareAtLeast: number][]) => ({
      sample: 100,
      keyNames: 'full',
      sampled,
      keys: keys.map(([key, share, shareAtLeast]) => ({ key, share, shareAtLeast })),
    })
    const one = report(300, [
      ['a', 0.5, 0.4],
      ['b', 0.2, 0.1],
    ])
    const two = report(100, [['b', 0.9, 0.9]])
    const both = report(400, [
      ['a', 0.375, 0.3],
      ['b', 0.375, 0.3],
    ])
    assert.deepEqual(REPORTS.hotkeys([one, two]), both)
    assert.deepEqual(REPORTS.hotkeys([one]), one)
    assert.deepEqual(REPORTS.hotkeys([report(0, []), report(0, [])]), report(0, []))
  })

  it('slow commands stand one by one, the newest first', () => {
    const slow = (at: string) => ({ at, command: 'get', totalMs: 200 })
    const one = { thresholdMs: 100, total: 7, commands: [slow('3'), slow('1')] }
    const two = { thresholdMs: 100, total: 1, commands: [slow('2')] }
    const commands = [slow('3'), slow('2'), slow('1')]
    assert.deepEqual(REPORTS.slowlog([one, two]), { thresholdMs: 100, total: 8, commands })
  })
})

describe('metrics of several processes', () => {
  const made = async (count: number) => {
    const registry = new Registry()
    new Counter({ name: 'c_total', help: 'c', registers: [registry] }).inc(count)
    new Gauge({ name: 'g', help: 'g', registers: [registry] }).set(count)
    new Histogram({ name: 'h', help: 'h', buckets: [1, 5], registers: [registry] }).observe(count)
    return (await registry.getMetricsAsJSON()) as unknown
  }
  const valuesIn = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

  it('are added up, and those that have gone go on counting what they have counted', async () => {
    const [first, second] = [await made(1), await made(4)]
    let living = [first, second]
    const metrics = new CrewMetrics(new Registry(), () => Promise.resolve(living))
    const counted = ['h_bucket{le="1"} 1', 'h_bucket{le="5"} 2', 'h_bucket{le="+Inf"} 2', 'h_sum 5', 'h_count 2']
    assert.deepEqual(valuesIn(await metrics.metrics()), ['c_total 5', 'g 5', ...counted])
    living = [first]
    await metrics.keep(second)
    assert.deepEqual(valuesIn(await metrics.metrics()), ['c_total 5', 'g 1', ...counted])
    living = []
    await metrics.keep(first)
    assert.deepEqual(valuesIn(await metrics.metrics()), ['c_total 5', ...counted])
  })
})

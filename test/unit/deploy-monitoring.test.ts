import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Histogram } from 'prom-client'
import { parse } from 'yaml'
import { blockingTimeout } from '../../src/commands/blocking.js'
import { ERRORS } from '../../src/errors.js'
import { createRegistry } from '../../src/metrics/exporter.js'
import { METRICS } from '../../src/metrics/names.js'
import { PIN_REASONS, Recorder } from '../../src/metrics/recorder.js'
import { ROOT } from '../helpers/modules.ts'
import { judge, type Matcher, type Series } from '../helpers/promql.ts'

// The rules and the dashboard, against the metrics that there are.

interface Rule {
  record?: string
  alert?: string
  expr: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}
interface Rules {
  groups: { name: string; rules: Rule[] }[]
}
interface AlertTest {
  alertname: string
  exp_alerts: object[]
}
interface Panel {
  title: string
  targets?: { expr: string; legendFormat: string }[]
}
interface Dashboard {
  panels: Panel[]
  annotations: { list: { expr: string; titleFormat: string }[] }
  templating: { list: { name: string; definition?: string; query: unknown }[] }
}

const RULES = 'deploy/prometheus/respool.rules.yml'
const RULE_TESTS = 'deploy/prometheus/respool.rules.test.yml'
const DASHBOARD = 'deploy/grafana/respool.json'
/** Prometheus gives these to what it scrapes; more than these two are there only in some installations. */
const TARGET = ['job', 'instance']

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const rules = (parse(read(RULES)) as Rules).groups.flatMap((group) => group.rules)
const alerts = rules.filter(({ alert }) => alert !== undefined)
const dashboard = JSON.parse(read(DASHBOARD)) as Dashboard

const labels = new Map<string, readonly string[]>([['up', []]])
addMetrics()
const series: Series = { labels, target: TARGET }
for (const { record, expr } of rules) {
  // A later rule may build upon an earlier one.
  if (record !== undefined) labels.set(record, without(judge(expr, series).labels, TARGET))
}

describe('queries are judged:', () => {
  const wrong: [query: string, mistake: RegExp][] = [
    ['respool_nothing', /no metric respool_nothing/],
    ['respool_batch_commands', /no metric respool_batch_commands/],
    ['respool_pins_total{why="x"}', /has no label why/],
    ['sum by (cmd) (rate(respool_pins_total[5m]))', /has no label cmd/],
    ['sum by (reason) (sum(respool_pins_total))', /has no label reason/],
    ['histogram_quantile(0.9, sum by (cmd) (rate(redis_cmd_duration_seconds_bucket[5m])))', /has no label le/],
    ['rate(respool_pins_total[5m]) / respool_buffered_bytes', /different labels/],
    ['sum((respool_pins_total)', /parse|understood/],
    ['rate(respool_pins_total[5m]', /parse|understood/],
    ['', /parse|understood/],
  ]
  for (const [query, mistake] of wrong) {
    it(JSON.stringify(query), () => assert.match(judge(query, series).mistakes.join(), mistake))
  }
})

describe('rules', () => {
  it('name metrics and labels that there are, also in their texts', () => {
    const mistakes = rules.flatMap(({ record, alert, expr, annotations = {} }) => {
      const { labels: given, mistakes } = judge(expr, series)
      const used = Object.values(annotations).flatMap((text) => namesIn(text, /\$labels\.(\w+)/g))
      const unknown = used.filter((label) => !given.has(label)).map((label) => `no label ${label} in the text`)
      return [...mistakes, ...unknown].map((mistake) => `${record ?? alert}: ${mistake}`)
    })
    assert.deepEqual(mistakes, [])
  })

  it('of alerts say what is wrong and what to do', () => {
    for (const { alert, labels = {}, annotations = {} } of alerts) {
      assert.match(labels['severity'], /^(critical|warning)$/, alert)
      assert.deepEqual(Object.keys(annotations), ['summary', 'description'], alert)
    }
  })

  it("are in Helm's chart as they are here", () => assertCopy(RULES, 'deploy/helm/respool/files/respool.rules.yml'))

  it('are what promtool takes', () => {
    promtool('check', 'config', 'deploy/prometheus/prometheus.yml')
    promtool('check', 'rules', RULES)
  })

  it('do what they should, says promtool', () => promtool('test', 'rules', RULE_TESTS))

  it('of alerts are all tested, when they fire and when they do not', () => {
    const { tests } = parse(read(RULE_TESTS)) as { tests: { alert_rule_test?: AlertTest[] }[] }
    const checks = tests.flatMap(({ alert_rule_test = [] }) => alert_rule_test)
    for (const { alert } of alerts) {
      const found = checks.filter(({ alertname }) => alertname === alert).map(({ exp_alerts }) => exp_alerts.length > 0)
      assert.deepEqual([...new Set(found)].sort(), [false, true], alert)
    }
  })
})

describe('the dashboard', () => {
  const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })))

  it('has queries', () => assert.ok(queries.length > 30))

  it('names metrics and labels that there are, also in its legends', () => {
    const mistakes = queries.flatMap(({ title, expr, legendFormat }) => wrongIn(title, expr, legendFormat))
    const marks = dashboard.annotations.list.flatMap(({ expr, titleFormat }) => wrongIn('marks', expr, titleFormat))
    assert.deepEqual([...mistakes, ...marks], [])
  })

  it('uses its variables, and asks for their values by names that there are', () => {
    for (const { name, definition } of dashboard.templating.list) {
      assert.ok(read(DASHBOARD).includes(`$${name}`) || read(DASHBOARD).includes(`\${${name}}`), name)
      if (definition === undefined) continue
      const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
      assert.ok(labels.has(metric), definition)
      assert.ok([...TARGET, ...(labels.get(metric) ?? [])].includes(label), definition)
    }
  })

  it("shows every metric of respool's own", () => {
    const text = queries.map(({ expr }) => expr).join('\n')
    assert.deepEqual(
      METRICS.map(({ name }) => name).filter((name) => !text.includes(name)),
      [],
      `add a panel to ${DASHBOARD}`,
    )
  })

  it('has panels that do not overlap, with numbers of their own', () => {
    const panels = dashboard.panels as unknown as { id: number; gridPos: Record<'x' | 'y' | 'w' | 'h', number> }[]
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    )
    assert.equal(new Set(cells).size, cells.length)
    assert.ok(panels.every(({ gridPos: { x, w } }) => x + w <= 24))
  })

  it("is in Helm's chart as it is here", () => assertCopy(DASHBOARD, 'deploy/helm/respool/files/respool.json'))
})

describe('values that queries ask for', () => {
  const texts = [
    ...rules.map(({ expr }) => expr),
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ]
  const matchers = texts.flatMap((expr) => judge(withoutVariables(expr), series).matchers)
  const KNOWN: Record<string, readonly string[]> = {
    code: Object.keys(ERRORS),
    reason: PIN_REASONS,
    status: ['ok', 'error'],
    role: ['primary', 'replica'],
    result: ['ok', 'failed'],
    direction: ['in', 'out'],
    job: ['respool'],
  }

  it('are there', () => {
    const unknown = matchers.filter(
      ({ label, value }) => label in KNOWN && value.split('|').some((one) => !KNOWN[label].includes(one)),
    )
    assert.deepEqual(unknown, [])
  })

  it('leave out every command that blocks, wherever they leave out one', () => {
    const blocking = [...blockingTimeout.keys()]
    const excluding = matchers.filter(
      ({ label, op, value }) => label === 'cmd' && op === '!~' && value.includes('blpop'),
    )
    assert.ok(excluding.length > 3)
    const forgotten = ({ value }: Matcher) => blocking.filter((name) => !value.split('|').includes(name))
    assert.deepEqual(excluding.flatMap(forgotten), [])
  })
})

function addMetrics(): void {
  for (const { name, type, labels: own } of METRICS) add(name, type, own)
  const registry = createRegistry(
    new Recorder(1),
    () => 'get',
    () => ({ endpoints: [], downstreamConnections: 0, identities: 0, bufferedBytes: 0, cache: null }),
  )
  // Those of Node and of the process say themselves which labels they have.
  for (const metric of registry.getMetricsAsArray() as unknown as { name: string; labelNames?: string[] }[]) {
    if (metric.labelNames) add(metric.name, metric instanceof Histogram ? 'histogram' : 'gauge', metric.labelNames)
  }
}

function add(name: string, type: string, own: readonly string[]): void {
  if (type !== 'histogram') labels.set(name, own)
  else
    for (const [suffix, more] of [
      ['_sum', []],
      ['_count', []],
      ['_bucket', ['le']],
    ] as const)
      labels.set(name + suffix, [...own, ...more])
}

function wrongIn(title: string, expr: string, legend: string): string[] {
  const { labels: given, mistakes } = judge(withoutVariables(expr), series)
  const unknown = namesIn(legend, /\{\{(\w+)\}\}/g).filter((label) => !given.has(label))
  return [...mistakes, ...unknown.map((label) => `no label ${label} for the legend`)].map(
    (mistake) => `${title}: ${mistake}`,
  )
}

/** As Grafana would send it; what it does not know it leaves as it is. */
function withoutVariables(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*')
}

function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name]) => name)
}

function without(labels: ReadonlySet<string>, some: readonly string[]): string[] {
  return [...labels].filter((label) => !some.includes(label))
}

/** Helm reads no file outside its chart. */
function assertCopy(of: string, copy: string): void {
  assert.equal(read(copy), read(of), `copy it again: cp ${of} ${copy}`)
}

function promtool(...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { cwd: ROOT, encoding: 'utf8' })
  assert.equal(error, undefined, 'promtool is in the Debian package prometheus')
  assert.equal(status, 0, stdout + stderr)
}

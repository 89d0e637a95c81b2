import { DIRECT, REFERENCE } from './contenders.ts'
import { QUIET } from './disturbance.ts'
import type { Sample } from './measure.ts'
import type { Series } from './rounds.ts'
import { median, ratio, spread } from './statistics.ts'

interface Metric {
  readonly key: keyof Sample
  readonly title: string
  readonly format: (value: number) => string
  /** Contenders that it is compared with. */
  readonly bases: readonly string[]
}

const BOTH = [DIRECT, REFERENCE]
/** What it costs to have several servers behind. */
const SINGLE = 'respool'

const METRICS: readonly Metric[] = [
  { key: 'throughput', title: 'commands/s', format: (value) => value.toFixed(0), bases: [...BOTH, SINGLE] },
  { key: 'p50', title: 'p50 ms', format: (value) => value.toFixed(3), bases: BOTH },
  { key: 'p99', title: 'p99 ms', format: (value) => value.toFixed(3), bases: BOTH },
  { key: 'proxyCpu', title: 'proxy CPU µs/cmd', format: (value) => value.toFixed(2), bases: [REFERENCE] },
  { key: 'redisCpu', title: 'Redis CPU µs/cmd', format: (value) => value.toFixed(2), bases: BOTH },
]

const NOTHING = '-'

/** A table for each cell and operation; each median is followed by its ratios to direct and to nutcracker. */
export function textReport(all: readonly Series[]): string {
  return groups(all)
    .map((group) => `${title(group[0])}\n${align([textHead(), ...group.map((series) => textRow(series, group))])}`)
    .join('\n\n')
}

function textHead(): string[] {
  return [
    '',
    ...METRICS.flatMap((metric) => [metric.title, ...metric.bases.map((base) => `/${base.slice(0, 3)}`)]),
    'spread',
  ]
}

function textRow(series: Series, group: readonly Series[]): string[] {
  const figures = METRICS.flatMap((metric) => {
    const value = middle(series, metric.key)
    const ratios = metric.bases.map((name) => ratio(value, middle(find(group, name), metric.key)))
    return [show(value, metric.format), ...ratios.map(showRatio)]
  })
  const width = spread(series.samples.map((sample) => sample.throughput))
  return [series.contender, ...figures, show(width, (value) => `${(100 * value).toFixed(0)}%`)]
}

/** A Markdown table for each metric: a row for each cell and operation, a column for each contender. */
export function markdownReport(all: readonly Series[]): string {
  const names = [...new Set(all.map((series) => series.contender))]
  return METRICS.map((metric) => {
    // The direct connection has no proxy whose CPU could be shown.
    const columns = names.filter((name) => all.some((each) => each.contender === name && middle(each, metric.key)))
    const rows = groups(all).map((group) => [title(group[0]), ...columns.map((name) => mdCell(group, name, metric))])
    const head = [`**${metric.title}**`, ...columns]
    return [head, head.map((_, at) => (at === 0 ? '---' : '--:')), ...rows].map(mdRow).join('\n')
  }).join('\n\n')
}

function mdCell(group: readonly Series[], name: string, metric: Metric): string {
  const value = middle(find(group, name), metric.key)
  const relative = ratio(value, middle(find(group, REFERENCE), metric.key))
  const suffix = name === REFERENCE || relative === undefined ? '' : ` (${showRatio(relative)})`
  return show(value, metric.format) + suffix
}

function mdRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

/** Medians next to all samples, for programs. */
export function jsonReport(head: Record<string, unknown>, all: readonly Series[]): string {
  const series = all.map((each) => ({
    contender: each.contender,
    ...each.cell,
    operation: each.operation,
    requests: each.requests,
    median: Object.fromEntries(METRICS.map(({ key }) => [key, middle(each, key)])),
    samples: each.samples,
    failure: each.failure,
  }))
  return JSON.stringify({ ...head, series }, undefined, 2)
}

/** How far other programs disturbed, in one sentence. */
export function disturbance(all: readonly Series[]): string {
  const shares = all.flatMap((series) => series.samples.map((sample) => sample.foreign))
  const disturbed = shares.filter((share) => share > QUIET).length
  const percent = (share: number) => `${(100 * share).toFixed(0)}%`
  return (
    `Other programs took more than ${percent(QUIET)} of the CPU time during ${disturbed} of ${shares.length} samples` +
    `; at worst ${percent(Math.max(0, ...shares))}.`
  )
}

/** What went wrong, each reason once with the first place where it did. */
export function failures(all: readonly Series[]): string[] {
  const seen = new Map<string, string>()
  for (const { contender, failure, ...series } of all) {
    const reason = failure && `${contender}: ${failure}`
    if (reason && !seen.has(reason)) seen.set(reason, `${contender}, ${title(series)}: ${failure}`)
  }
  return [...seen.values()]
}

function groups(all: readonly Series[]): Series[][] {
  const byTitle = new Map<string, Series[]>()
  for (const series of all) {
    const group = byTitle.get(title(series))
    if (group) group.push(series)
    else byTitle.set(title(series), [series])
  }
  return [...byTitle.values()]
}

function title({ cell, operation }: Pick<Series, 'cell' | 'operation'>): string {
  return `${operation}, ${cell.connections} × ${cell.pipeline}`
}

function find(group: readonly Series[], contender: string): Series | undefined {
  return group.find((series) => series.contender === contender)
}

/** Median over the rounds. */
function middle(series: Series | undefined, key: keyof Sample): number | undefined {
  return median((series?.samples ?? []).map((sample) => sample[key]).filter((value) => value !== undefined))
}

function show(value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? NOTHING : format(value)
}

function showRatio(value: number | undefined): string {
  return show(value, (number) => number.toFixed(2))
}

/** Columns of equal width: the first to the left, figures to the right. */
function align(rows: readonly string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const pad = (text: string, column: number) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]))
  return rows.map((row) => row.map(pad).join('  ')).join('\n')
}

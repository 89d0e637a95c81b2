/**
 * Sums the series of one name that bear at least the given labels, in Prometheus text format.
 * A declared metric without such a series is 0; one that is not even declared is an error, since its name is wrong.
 */
export function sumSeries(text: string, name: string, labels: Record<string, string>): number {
  let sum = 0
  let known = false
  for (const line of text.split('\n')) {
    if (line.startsWith('# TYPE ')) {
      known ||= isDeclarationOf(line.split(' ')[2], name)
      continue
    }
    const series = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line)
    if (series?.[1] !== name) continue
    known = true
    const found = parseLabels(series[2] ?? '')
    if (Object.entries(labels).every(([label, value]) => found.get(label) === value)) sum += toNumber(series[3])
  }
  if (!known) throw new Error(`no metric is called ${name}`)
  return sum
}

function isDeclarationOf(declared: string, name: string): boolean {
  return declared === name || ['_count', '_sum', '_bucket'].some((suffix) => declared + suffix === name)
}

function parseLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>()
  for (const [, label, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels.set(
      label,
      value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    )
  }
  return labels
}

function toNumber(text: string): number {
  if (text === '+Inf') return Infinity
  if (text === '-Inf') return -Infinity
  return Number(text)
}

import { combine } from './combine.js'

interface HotKey {
  readonly key: string
  readonly share: number
  readonly shareAtLeast: number
}

interface HotKeys {
  readonly sampled: number
  readonly keys: readonly HotKey[]
}

interface SlowLog {
  readonly total: number
  readonly commands: readonly { readonly at: string }[]
}

/** The part that something has in the commands of all processes, each of which knows its part in its own. */
function shareIn(reports: readonly HotKeys[], key: string, which: 'share' | 'shareAtLeast'): number {
  const total = reports.reduce((sum, { sampled }) => sum + sampled, 0)
  const own = ({ sampled, keys }: HotKeys) => sampled * (keys.find((one) => one.key === key)?.[which] ?? 0)
  const share = reports.reduce((sum, report) => sum + own(report), 0) / total
  return Math.round(share * 10_000) / 10_000
}

function combineHotKeys(reports: readonly HotKeys[]): object {
  const names = new Set(reports.flatMap(({ keys }) => keys.map(({ key }) => key)))
  const most = Math.max(...reports.map(({ keys }) => keys.length))
  const keys = [...names].map((key) => ({
    key,
    share: shareIn(reports, key, 'share'),
    shareAtLeast: shareIn(reports, key, 'shareAtLeast'),
  }))
  const sampled = reports.reduce((sum, report) => sum + report.sampled, 0)
  return { ...reports[0], sampled, keys: keys.sort((a, b) => b.share - a.share).slice(0, most) }
}

/** The newest first, as in each of them. */
function combineSlowLogs(reports: readonly SlowLog[]): object {
  const commands = reports.flatMap((report) => report.commands).sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0))
  return { ...reports[0], total: reports.reduce((sum, { total }) => sum + total, 0), commands }
}

/** How the reports of several processes, of which there is one at least, become one. */
export const REPORTS = {
  slowlog: (reports: readonly unknown[]) => combineSlowLogs(reports as SlowLog[]),
  hotkeys: (reports: readonly unknown[]) => combineHotKeys(reports as HotKeys[]),
  audit: (reports: readonly unknown[]) => combine(reports) as object,
}

export type Report = keyof typeof REPORTS

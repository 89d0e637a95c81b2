/** The part of a .cpuprofile file (V8's `Profiler.Profile`) that is read here. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** Microseconds of the machine's monotonic clock, the one that `process.hrtime` of any process reads. */
  readonly startTime: number
  /** Ids of the node that ran at each sample. */
  readonly samples: readonly number[]
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[]
}

export interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

/** A time span in microseconds of the monotonic clock. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface SelfTime {
  /** Function with file and line. */
  readonly where: string
  readonly microseconds: number
}

/** Time spent in each function itself, without what it called, within a time span, longest first; summed over profiles. */
export function selfTimes(profiles: readonly CpuProfile[], span: Span): SelfTime[] {
  const times = new Map<string, number>()
  for (const profile of profiles) {
    const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]))
    let now = profile.startTime
    for (const [at, id] of profile.samples.entries()) {
      now += profile.timeDeltas[at]
      if (now < span.from || now > span.to) continue
      const name = names.get(id) ?? `(unknown node ${id})`
      // A sample stands for the time until the next one.
      times.set(name, (times.get(name) ?? 0) + Math.max(0, profile.timeDeltas[at + 1] ?? 0))
    }
  }
  return [...times]
    .map(([where, microseconds]) => ({ where, microseconds }))
    .sort((a, b) => b.microseconds - a.microseconds)
}

function nameOf({ callFrame }: ProfileNode): string {
  const name = callFrame.functionName || '(anonymous)'
  // Lines count from 0 in profiles. What has no file is the engine's own, such as (idle).
  return callFrame.url === '' ? name : `${name} ${shorten(callFrame.url)}:${callFrame.lineNumber + 1}`
}

function shorten(url: string): string {
  return url.replace(/^.*\/(dist|node_modules)\//, (_, folder: string) => (folder === 'dist' ? '' : `${folder}/`))
}

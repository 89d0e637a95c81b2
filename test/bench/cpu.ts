import { readdirSync, readFileSync } from 'node:fs'

/** What the kernel had charged to a process and its descendants at one moment. */
export interface CpuReading {
  /** Nanoseconds on a CPU, by `pid/tid`, of the threads alive at that moment. */
  readonly threads: ReadonlyMap<string, number>
  /** User and system time in clock ticks of 10 ms; coarse, but ended threads are in it. */
  readonly ticks: number
  readonly processes: number
}

const NANOSECONDS_PER_TICK = 10_000_000

/** Reads /proc (Linux). Throws when the process is not there. */
export function readCpu(pid: number): CpuReading {
  const threads = new Map<string, number>()
  let ticks = 0
  const pids = processTree(pid)
  for (const each of pids) {
    ticks += parseTicks(readFileSync(`/proc/${each}/stat`, 'utf8'))
    for (const tid of readdirSync(`/proc/${each}/task`)) {
      const text = readIfThere(`/proc/${each}/task/${tid}/schedstat`)
      if (text !== undefined) threads.set(`${each}/${tid}`, parseSchedstat(text))
    }
  }
  return { threads, ticks, processes: pids.length }
}

/** Nanoseconds of CPU between two readings. */
export function cpuBetween(before: CpuReading, after: CpuReading): number {
  let precise = 0
  for (const [thread, time] of after.threads) precise += time - (before.threads.get(thread) ?? 0)
  const coarse = (after.ticks - before.ticks) * NANOSECONDS_PER_TICK
  // Rounding alone explains two ticks a process; more means that a thread ended in between and took its figures along.
  const rounding = 2 * NANOSECONDS_PER_TICK * after.processes
  return coarse - precise > rounding ? coarse : precise
}

/** Nanoseconds on a CPU: the first field of /proc/PID/task/TID/schedstat. */
export function parseSchedstat(text: string): number {
  const time = Number(text.split(' ', 1)[0])
  if (text === '' || !Number.isFinite(time)) throw new Error(`not a schedstat line: "${text}"`)
  return time
}

/** User and system time in /proc/PID/stat, in clock ticks; on request that of ended children too. */
export function parseTicks(text: string, children?: 'with ended children'): number {
  // The name, in parentheses, may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const times = fields.slice(11, children ? 15 : 13).map(Number)
  return times.reduce((sum, time) => sum + time, 0)
}

function processTree(pid: number): number[] {
  const pids = [pid]
  for (const parent of pids) {
    for (const tid of readdirSync(`/proc/${parent}/task`)) {
      const children = readIfThere(`/proc/${parent}/task/${tid}/children`) ?? ''
      for (const child of children.split(' ')) if (child.trim() !== '') pids.push(Number(child))
    }
  }
  return pids
}

/** A thread may end between listing and reading. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseTicks } from './cpu.ts'

/** Share of foreign CPU time up to which a sample counts as undisturbed. */
export const QUIET = 0.03

/** Clock ticks since the machine started. */
export interface MachineReading {
  readonly busy: number
  readonly total: number
  /** Of this process and of its children that have ended. */
  readonly own: number
}

export function readMachine(): MachineReading {
  return {
    ...parseMachineTicks(readFileSync('/proc/stat', 'utf8')),
    own: parseTicks(readFileSync('/proc/self/stat', 'utf8'), 'with ended children'),
  }
}

/** The first line of /proc/stat: all CPUs together. Stolen time is busy: it went to somebody else's machine. */
export function parseMachineTicks(text: string): { busy: number; total: number } {
  const match = /^cpu +(.*)$/m.exec(text)
  if (!match) throw new Error(`no line for all CPUs in /proc/stat: "${text.slice(0, 80)}"`)
  // user, nice, system, idle, iowait, irq, softirq, steal; guest time, which follows, is counted in user already.
  const fields = match[1].split(' ').slice(0, 8).map(Number)
  const total = fields.reduce((sum, field) => sum + field, 0)
  return { total, busy: total - fields[3] - fields[4] }
}

/** Share of all CPUs' time that went to neither this process and its ended children nor `measured` ticks of others. */
export function foreignShare(before: MachineReading, after: MachineReading, measured: number): number {
  const foreign = after.busy - before.busy - (after.own - before.own) - measured
  return Math.max(0, foreign) / Math.max(1, after.total - before.total)
}

/** Waits for a moment in which other programs hardly work, for that long at most. */
export async function waitForQuiet(limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs
  let share = 1
  while (share > QUIET && performance.now() < deadline) {
    const before = readMachine()
    await sleep(GLANCE_MS)
    share = foreignShare(before, readMachine(), 0)
  }
}

const GLANCE_MS = 300

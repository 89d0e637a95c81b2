import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, type } from 'node:os'
import { delimiter, join } from 'node:path'

/** One line on the machine. Other work on it spoils a measurement, hence the load average. */
export function describeMachine(): string {
  const model = cpus()[0]?.model ?? 'unknown CPU'
  return `${type()} ${release()}, ${availableParallelism()} cores of ${model}, load average ${loadavg()[0].toFixed(2)}`
}

/** Path of an installed program. Looks where daemons are too: they are not on every user's PATH. */
export function findBinary(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** First line of what the program prints about its version; some print it to standard error. */
export function versionOf(binary: string, flag: string): string {
  const { stdout, stderr, error } = spawnSync(binary, [flag], { encoding: 'utf8' })
  if (error) throw error
  return (stdout + stderr).trim().split('\n', 1)[0]
}

/** Binds all threads of a process to CPUs, given as taskset takes them. */
export function pin(pid: number, cpuList: string): void {
  run('taskset', ['-acp', cpuList, `${pid}`])
}

/** Makes sure that a process may open that many files; raising the hard limit takes root. */
export function raiseFileLimit(pid: number, files: number): void {
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8')
  const soft = /^Max open files +(\S+)/m.exec(limits)?.[1]
  if (soft === 'unlimited' || Number(soft) >= files) return
  run('prlimit', [`--pid=${pid}`, `--nofile=${files}:${files}`])
}

function run(binary: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(binary, args, { encoding: 'utf8' })
  if (error) throw error
  if (status !== 0) throw new Error(`${binary} ${args.join(' ')}: ${stderr.trim()}`)
}

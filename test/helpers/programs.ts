import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

// Programs in other processes and languages that play named scenarios: PROGRAM HOST PORT …, one JSON line
// {name, ok, detail} per scenario, exit code 0 when all are ok.

export interface Result {
  name: string
  ok: boolean
  detail: string
}

export interface Run {
  exitCode: number | null
  results: Result[]
  /** What the program said besides its results. */
  stderr: string
}

const PYTHON = {
  PYTHONPATH: fileURLToPath(new URL('../clients', import.meta.url)),
  // Compiled files would lie about in the sources.
  PYTHONDONTWRITEBYTECODE: '1',
}

/** Plays a program against a port on 127.0.0.1; one that does not end within two minutes is killed. */
export function play(command: string[], port: number, ...extra: string[]): Promise<Run> {
  const [executable = '', ...args] = command
  const child = spawn(executable, [...args, '127.0.0.1', String(port), ...extra], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...PYTHON },
    timeout: 120_000,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => {
      const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
      resolve({ exitCode, results: lines.map((line) => JSON.parse(line) as Result), stderr })
    })
  })
}

export const namesOf = ({ results }: Run) => results.map(({ name }) => name)
export const failuresOf = ({ results }: Run) => results.filter(({ ok }) => !ok)

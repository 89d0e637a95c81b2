import { execFile } from 'node:child_process'

export interface CommandOptions {
  env?: NodeJS.ProcessEnv
  cwd?: string
  timeoutMs?: number
}

/** Runs a command to its end and gives its standard output; a failure's message holds all it printed. */
export function run(command: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const { env = process.env, cwd, timeoutMs = 600_000 } = options
  const settings = { env, cwd, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 } as const
  return new Promise((resolve, reject) => {
    execFile(command, args, settings, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      const printed = [stdout, stderr].filter(Boolean).join('\n')
      reject(new Error(`${[command, ...args].join(' ')}: ${error.message}\n${printed}`, { cause: error }))
    })
  })
}

/** Whether the command can be started and ends with exit code 0. */
export async function succeeds(command: string, args: string[], options: CommandOptions = {}): Promise<boolean> {
  return run(command, args, options).then(
    () => true,
    () => false,
  )
}

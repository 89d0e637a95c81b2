import type { Config } from './config.js'
import type { Layer } from './layer.js'
import { type ConfigProblem, Mistake } from './mistake.js'
import type { Settings } from './schema.js'
import { parseUsers } from './users.js'

// What may be wrong with what says who may connect.

/** What is wrong with the file of users; it is read again when it is used. */
export function usersProblems(
  { auth: { usersFile } }: Settings,
  layers: readonly Layer[],
  readFile: (path: string) => string,
): ConfigProblem[] {
  if (usersFile === undefined) return []
  try {
    parseUsers(readFile(usersFile))
    return []
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const path = 'auth.usersFile'
    const layer = layers.find(({ origins }) => origins.has(path))
    const text = error instanceof Mistake ? `the file: ${message}` : `the file cannot be read: ${code ?? message}`
    return [{ source: layer?.source ?? '', line: layer?.origins.get(path) ?? null, path, message: text }]
  }
}

const wants =
  (mode: Config['listen'][number]['auth'], keys: string, given: (settings: Settings) => boolean) =>
  (settings: Settings): string | null =>
    settings.listen.some(({ auth }) => auth === mode) && !given(settings)
      ? `cannot have auth: ${mode} without ${keys} under auth`
      : null

export const ACCESS_CONSTRAINTS = [
  {
    paths: ['listen'],
    violation: wants('password', 'password or passwordFile', ({ auth }) => {
      return auth.password !== undefined || auth.passwordFile !== undefined
    }),
  },
  {
    paths: ['listen'],
    violation: wants('users', 'users or usersFile', ({ auth }) => {
      return auth.users.length > 0 || auth.usersFile !== undefined
    }),
  },
]

/** A value that cannot be used. The message continues the words "this value …" and never shows a secret. */
export class Mistake extends Error {}

/** One thing that is wrong with what was given. */
export interface ConfigProblem {
  /** The file's name, `environment` or `command line`. */
  source: string
  /** As in the file, such as `pool.max`; a variable's or flag's own name if it stands for no key; may be empty. */
  path: string
  /** Counted from 1; null where there are no lines. */
  line: number | null
  message: string
}

/** One line for each problem: `source:line: path: message`. */
export function describeProblems(problems: ConfigProblem[]): string {
  return problems.map(describe).join('\n')
}

function describe({ source, line, path, message }: ConfigProblem): string {
  const place = line === null ? source : `${source}:${line}`
  const parts = path === '' ? [place, message] : [place, path, message]
  // Names come from outside; a line break in one must not look like a further problem.
  return parts.join(': ').replace(/\p{Cc}/gu, '?')
}

const LONGEST_SHOWN = 60

/** A given value for use in a message. Whatever could be a URL with a password in it is not shown. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'a group of keys'
  if (typeof value !== 'string') return String(value)
  if (value.includes('@') || value.includes('://')) return 'what is given'
  return JSON.stringify(value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value)
}

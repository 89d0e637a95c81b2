import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('corpus/', import.meta.url))

export interface Entry {
  /** Says what it is. */
  readonly name: string
  readonly bytes: Buffer
}

/** The inputs that are kept for a target: faults that were found once, and what is hard to find again. */
export function corpusOf(target: string): Entry[] {
  const folder = FOLDER + target
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(`${folder}/${name}`) }))
}

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './modules.ts'

const FOLDER = 'deploy/guides'

/** A piece of code in a page. */
export interface Example {
  page: string
  language: string
  code: string
}

/** The pages for people, by their paths. */
export function pages(): Map<string, string> {
  const guides = readdirSync(join(ROOT, FOLDER)).map((name) => `${FOLDER}/${name}`)
  return new Map(
    ['README.md', 'deploy/README.md', ...guides].map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
  )
}

export function examples(): Example[] {
  return [...pages()].flatMap(([page, text]) =>
    [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, code]) => ({ page, language, code })),
  )
}

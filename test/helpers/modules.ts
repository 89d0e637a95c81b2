import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const SILENCES = /(\/\/|\/\*)\s*(@ts-(ignore|nocheck|expect-error)|eslint-disable)/
/** ESLint's own form for a reason, or text after TypeScript's directive. `@ts-ignore` hides too much to be excused. */
const GIVES_REASON = /eslint-disable\S* .*-- \w|@ts-expect-error\W+\w/

const isRelative = (target: string) => target.startsWith('.')

/** What a TypeScript file holds, as TypeScript's own parser sees it. */
export interface Module {
  /** From the repository's top. */
  name: string
  /** From the folder it was looked for in. */
  path: string
  lines: number
  /** Paths of the project's own modules that it imports, types included. */
  local: string[]
  packages: string[]
  /** Line numbers of the type `any`. */
  anys: number[]
  /** Comments that silence a tool and do not say why. */
  evasions: string[]
  /** String literals and property names. */
  words: Set<string>
}

/** All of them in a folder of the project and below, by name. */
export function modulesBelow(folder: string): Module[] {
  const paths = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
  return paths
    .filter((path) => path.endsWith('.ts') && !path.includes('node_modules'))
    .sort()
    .map((path) => parse(folder, path))
}

function parse(folder: string, path: string): Module {
  const name = join(folder, path)
  const text = readFileSync(join(ROOT, name), 'utf8')
  const tree = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
  const imports = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
  const anys: number[] = []
  const words = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) anys.push(tree.getLineAndCharacterOfPosition(node.getStart()).line + 1)
    if (ts.isStringLiteral(node)) words.add(node.text)
    if (ts.isPropertyAccessExpression(node)) words.add(node.name.text)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return {
    name,
    path,
    lines: text.split('\n').length - 1,
    local: imports.filter(isRelative).map((target) => join(dirname(path), target).replace(/\.js$/, '.ts')),
    packages: imports.filter((target) => !isRelative(target) && !target.startsWith('node:')).map(packageOf),
    anys,
    evasions: text.split('\n').filter((line) => SILENCES.test(line) && !GIVES_REASON.test(line)),
    words,
  }
}

function packageOf(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
}

/** The keys of the object literal that a file assigns to a constant of this name. */
export function keysOfTable(file: string, table: string): string[] {
  const tree = ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest)
  const keys: string[] = []
  const visit = (node: ts.Node): void => {
    const isTable = ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.name.text === table
    if (isTable && node.initializer) keys.push(...keysOf(node.initializer))
    ts.forEachChild(node, visit)
  }
  visit(tree)
  if (keys.length === 0) throw new Error(`no table ${table} in ${file}`)
  return keys
}

/** Of an object literal, whatever `as` and `satisfies` stand behind it. */
function keysOf(expression: ts.Expression): string[] {
  if (ts.isAsExpression(expression) || ts.isSatisfiesExpression(expression)) return keysOf(expression.expression)
  if (!ts.isObjectLiteralExpression(expression)) return []
  return expression.properties.flatMap(({ name }) => (name && ts.isIdentifier(name) ? [name.text] : []))
}

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { parse, stringify } from 'yaml'
import type { Config } from '../../../src/config/config.js'
import { KEYS } from '../../../src/config/keys.js'
import { get } from '../../../src/config/layer.js'
import { describeProblems, load, type Loaded } from '../../../src/config/load.js'
import { effectOf, planReload } from '../../../src/config/reload-plan.js'
import { printable, publicConfig } from '../../../src/config/render.js'
import { Authority } from '../../helpers/certificates.ts'
import { removeDirectory, temporaryDirectory } from '../../helpers/processes.ts'
import type { Running, Target } from '../target.ts'

/** Between flags and variables, the file, and the file that takes its place. */
const DIVIDER = '\n===\n'
const FILE = 'respool.yaml'

interface Given {
  argv: string[]
  env: Record<string, string>
  files: [before: string, after: string]
}

/** Lines of flags (`--listen :1`) and variables (`RESPOOL_POOL_MAX=2`), then one file or two. */
function givenIn(input: Buffer): Given {
  const [head = '', before = '', after = before] = input.toString().split(DIVIDER)
  const lines = head.split('\n')
  const argv = lines.filter((line) => line.startsWith('-')).flatMap((line) => line.split(' '))
  const variables = lines.map((line) => /^(RESPOOL_\w*)=(.*)$/.exec(line)).filter((match) => match !== null)
  const env = Object.fromEntries(variables.map(([, name, value]) => [name, value]))
  return { argv, env, files: [before, after] }
}

async function start(): Promise<Running> {
  const directory = temporaryDirectory('respool-fuzz')
  const authority = await Authority.create('ca', directory)
  const { cert, key } = await authority.issue()
  const pem = new Map(
    [
      ['ca', authority.ca],
      ['cert', cert],
      ['key', key],
    ].map(([name, path]) => [name, readFileSync(path, 'utf8')]),
  )
  return { run: (input) => check(givenIn(input), pem), stop: () => removeDirectory(directory) }
}

function check({ argv, env, files: [before, after] }: Given, pem: ReadonlyMap<string, string>): void {
  const read = (text: string, more: Partial<Given> = {}): Loaded => {
    const readFile = (path: string) => (path === FILE ? text : contentOf(path, pem))
    return load({ argv: ['-c', FILE, ...(more.argv ?? argv)], env: more.env ?? env, readFile })
  }
  const loaded = read(before)
  const wanted = read(after)
  for (const one of [loaded, wanted]) if (one.ok === false) checkProblems(one.errors)
  if (loaded.ok !== true) return
  const { config } = loaded
  // Of users no more is shown than their names.
  if (config.auth.users.length === 0)
    checkShown(config, (text, variables = {}) => read(text, { argv: [], env: variables }))
  assert.deepEqual(planReload(config, config), { changes: [], config, problems: [] })
  if (wanted.ok === true) checkPlan(config, wanted.config)
}

function contentOf(path: string, pem: ReadonlyMap<string, string>): string {
  if (path.startsWith('/missing')) throw Object.assign(new Error(), { code: 'ENOENT' })
  return pem.get(path) ?? `in ${path}`
}

function checkProblems(errors: Parameters<typeof describeProblems>[0]): void {
  assert.ok(errors.length > 0, 'refused without a reason')
  for (const { message } of errors) assert.ok(message.length > 5, message)
  assert.equal(describeProblems(errors).split('\n').length, errors.length, 'one line each')
}

/** What is shown of a configuration is a file that says the same, but for secrets; so do variables, for those keys that hold one value. */
function checkShown(config: Config, read: (text: string, variables?: Record<string, string>) => Loaded): void {
  const text = printable(config)
  const again = read(text)
  assert.ok(again.ok === true, again.ok === false ? `${describeProblems(again.errors)}\n${text}` : '')
  assert.equal(printable(again.config), text)
  assert.deepEqual(withoutSecrets(again.config), withoutSecrets(config))
  const shown = publicConfig(config)
  const rest = parse(text) as object
  const variables: Record<string, string> = {}
  for (const { path, segments, variable } of KEYS) {
    const value = get(shown, segments)
    if (path === 'upstream.url' || (typeof value !== 'string' && typeof value !== 'number')) continue
    variables[variable] = String(value)
    remove(rest, segments)
  }
  const other = read(stringify(rest), variables)
  assert.ok(other.ok === true, other.ok === false ? describeProblems(other.errors) : '')
  assert.deepEqual(withoutSecrets(other.config), withoutSecrets(config), 'by variables')
}

function remove(tree: object, segments: readonly string[]): void {
  const parent = get(tree, segments.slice(0, -1)) as Record<string, unknown>
  delete parent[segments.at(-1)!]
}

const SECRET = new Set(['password', 'adminToken', 'users', 'passwordCommand'])

function withoutSecrets(config: Config): unknown {
  return JSON.parse(
    JSON.stringify(config, (key, value: unknown) => (SECRET.has(key) && value !== null ? 'hidden' : value)),
  )
}

/** What a reload does not take over waits for a restart, and everything else is as wanted. */
function checkPlan(running: Config, wanted: Config): void {
  const plan = planReload(running, wanted)
  const kept = plan.changes.filter(({ effect }) => effect === 'restart')
  for (const { key, effect } of plan.changes) assert.equal(effectOf(key), effect)
  assert.deepEqual(planReload(plan.config, wanted).changes, kept, 'what is left for a restart')
  assert.deepEqual(
    planReload(running, plan.config).changes,
    plan.changes.filter(({ effect }) => effect !== 'restart'),
  )
  if (kept.length === 0) assert.deepEqual(plan.config, wanted)
}

const URLS = [
  'redis://h',
  'redis://u:p@h:1/2',
  'rediss://h',
  'redis+unix:///r.sock?db=1',
  'redis+cluster://a:1,b:2',
  'redis+sentinel://a,b/s/1',
  'redis://:%41@[::1]:6379',
]
const VALUES = [
  '0',
  '1',
  '8',
  '-1',
  '1.5',
  'on',
  'off',
  '250ms',
  '2.5s',
  '1h',
  '64kb',
  '1gb',
  'true',
  '~',
  '[]',
  '[a, b]',
  '{}',
  '"x"',
  ':1',
  'unix:/s',
  '127.0.0.1:1',
  'ca',
  'debug',
  '/missing',
  '[deny @all ~k*, allow get]',
  '{a: b}',
  '&a 1',
  '*a',
]
const listener = fc.constantFrom(
  '":1"',
  '{address: ":2", reads: replica}',
  '{address: ":3", tls: {cert: cert, key: key}}',
  '{address: ":4", auth: users}',
  '{address: "unix:/l", pooling: session}',
  '{address: ":5", role: replica, rules: [deny keys]}',
)
const entry = fc.tuple(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES))
const file = fc
  .tuple(
    fc.option(fc.constantFrom(...URLS)),
    fc.array(entry, { maxLength: 4 }),
    fc.option(fc.array(listener, { maxLength: 3 })),
  )
  .map(([url, entries, listeners]) => {
    const tree: Record<string, unknown> = url === null ? {} : { upstream: { url: `"${url}"` } }
    for (const [{ segments }, value] of entries) plant(tree, segments, value)
    if (listeners !== null) tree.listen = `[${listeners.join(', ')}]`
    return written(tree, '')
  })

function plant(tree: Record<string, unknown>, segments: readonly string[], value: string): void {
  let node = tree
  for (const segment of segments.slice(0, -1)) node = (node[segment] ??= {}) as Record<string, unknown>
  node[segments.at(-1)!] = value
}

/** Values stand as they are: they need not be good YAML. */
function written(tree: Record<string, unknown>, indent: string): string {
  return Object.entries(tree)
    .map(
      ([name, value]) =>
        `${indent}${name}:${typeof value === 'string' ? ` ${value}\n` : `\n${written(value as Record<string, unknown>, `${indent}  `)}`}`,
    )
    .join('')
}

const flag = fc.oneof(
  fc.constantFrom(
    '--check',
    '--upstream redis://h',
    '--upstream=redis://h:1',
    '--workers 2',
    '--admin off',
    '--listen :7',
    '--log-level debug',
    '--bogus',
    '-x',
    '--version=1',
  ),
  fc.tuple(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES)).map(([{ variable }, value]) => `${variable}=${value}`),
)
const head = fc.array(flag, { maxLength: 3 }).map((lines) => ['--upstream redis://h', ...lines].join('\n'))

export const config: Target = {
  name: 'config',
  about:
    'the configuration: any flags, variables and files are taken or refused with reasons; what is shown reads as the same; reloads are complete',
  samples: fc
    .tuple(head, file, fc.option(file))
    .map(([first, ...files]) => Buffer.from([first, ...files.filter((text) => text !== null)].join(DIVIDER))),
  words: [
    ...KEYS.map(({ segments }) => `${segments.at(-1)}: `),
    ...KEYS.map(({ variable }) => `\n${variable}=`),
    ...VALUES,
    ...URLS,
    DIVIDER,
    '\n  ',
    ': ',
    '- ',
    '{',
    '}',
    '!!',
    '|',
    '#',
  ],
  longest: 2000,
  start,
}

import { readFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import { format, resolveConfig } from 'prettier'
import { createAdmin, type AdminSource } from '../../src/admin/server.ts'
import { KEYS, type Key } from '../../src/config/keys.ts'
import { type Effect, effectOf } from '../../src/config/reload-plan.ts'
import { ERRORS, type ErrorRow } from '../../src/errors.ts'
import { METRICS } from '../../src/metrics/names.ts'
import { EVENTS } from '../../src/util/events.ts'
import { createLogger } from '../../src/util/log.ts'

export const PATH = new URL('../../config/REFERENCE.md', import.meta.url)

const EFFECT_TEXTS: Record<Effect, string> = {
  live: 'at once',
  connections: 'new connections',
  restart: 'restart',
}

/** What the routes of the admin port are for. */
const ROUTES: Record<string, string> = {
  'GET /': 'The status page, for people.',
  'GET /page/:file': 'What the page is made of.',
  'GET /events': 'What the page shows, as server-sent events: one a second, for 16 listeners at most.',
  'GET /metrics': 'Metrics in the text format of Prometheus.',
  'GET /livez': '200 as long as the process works.',
  'GET /readyz': '200 if traffic should be sent here, otherwise 503 with `reasons`.',
  'GET /startupz': '200 once it listens, until then 503.',
  'GET /stats': 'Pools by server, connections and bytes, as JSON.',
  'GET /topology': 'Servers with their roles, slots and breakers, as JSON.',
  'GET /clients': 'The connections of applications: name, library, mode, lease and since when, as JSON.',
  'GET /slowlog': 'The last commands that took long, as JSON.',
  'GET /hotkeys': 'The keys that are used most, by sampling, as JSON.',
  'GET /audit': 'What an audit has found, by listener, as JSON.',
  'GET /config': 'The configuration in force, secrets hidden, as JSON.',
  'POST /reload':
    'Reads the configuration again: 200 with what has changed, or 422 with all mistakes and nothing changed.',
  'POST /drain': 'Begins to end, as SIGTERM does: 202.',
  'POST /loglevel':
    'Sets the least level that is logged, `level` in the query or a JSON body, until the configuration is read again.',
}

interface Schema {
  title?: string
  description?: string
  default?: unknown
  anyOf?: Schema[]
  type?: string
  properties?: Record<string, Schema>
}

/** The reference page, made of what the program itself goes by. */
export async function reference(): Promise<string> {
  const text = [
    '# Reference',
    'Made by `npm run generate:reference` from the tables that respool itself goes by; a test compares them.',
    '[Configuration](#configuration) · [metrics](#metrics) · [admin port](#admin-port) · [errors](#errors) · [log](#log)',
    ...configuration(),
    ...metrics(),
    ...(await adminPort()),
    ...errors(),
    ...log(),
  ].join('\n\n')
  return format(text, { ...(await resolveConfig(PATH)), parser: 'markdown' })
}

function configuration(): string[] {
  return [
    '## Configuration',
    'Each key can be given in the file, as a variable, or with some by a flag (`respool --help`); flags go before variables, these before the file. ' +
      'The variable of a key is `RESPOOL_` and its path in capitals, such as `RESPOOL_POOL_LEASES_MAX`; `RESPOOL_UPSTREAM` is short for `RESPOOL_UPSTREAM_URL`. ' +
      'Lists in variables have commas. “Changed by reload” says what it takes for another value to be in force: it is so at once, for new connections, or after a restart.',
    table(
      ['key', 'value', 'default', 'what', 'variable', 'changed by reload'],
      KEYS.map((key) => row(key, key.schema as Schema)),
    ),
    '### An entry of `listen`',
    'An address alone, or these keys:',
    table(['key', 'value', 'default', 'what'], listenerRows(listenerSchema(), '')),
  ]
}

function row({ path, variable }: Key, schema: Schema): string[] {
  const { title = '', description = '' } = schema
  return [code(path), title, shown(schema.default), description, code(variable), EFFECT_TEXTS[effectOf(path)]]
}

function listenerSchema(): Schema {
  const { items } = KEYS.find(({ path }) => path === 'listen')!.schema as { items?: Schema }
  return items!.anyOf!.find(({ type }) => type === 'object')!
}

function listenerRows({ properties = {} }: Schema, parent: string): string[][] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    if (schema.type === 'object') return listenerRows(schema, `${parent}${name}.`)
    return [[code(parent + name), schema.title ?? '', shown(schema.default), schema.description ?? 'Where it listens.']]
  })
}

function metrics(): string[] {
  return [
    '## Metrics',
    'Served at `/metrics`, beside those of the process that all Node.js programs have (`process_…`, `nodejs_…`). Labels have few values: known names of commands, or `other`.',
    table(
      ['metric', 'type', 'labels', 'what'],
      METRICS.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(', '), help]),
    ),
  ]
}

async function adminPort(): Promise<string[]> {
  const rows = (await routes()).map((route) => {
    if (ROUTES[route] === undefined) throw new Error(`${route}: say in test/tools/reference.ts what it is for`)
    return [code(route), ROUTES[route]]
  })
  return [
    '## Admin port',
    'A listener on a loopback address answers only to `localhost` and addresses. What changes something (POST) takes `Authorization: Bearer TOKEN` if `adminToken` is set, and otherwise loopback or a unix socket.',
    table(['route', 'what'], rows),
  ]
}

/** All there are, as the server lists them to whoever asks for another one. */
async function routes(): Promise<string[]> {
  const source: Partial<AdminSource> = { registry: new Registry() }
  const app = createAdmin(source as AdminSource, createLogger('silent'))
  const answer = await app.inject('/no-such-route')
  const { routes } = answer.json<{ routes: { url: string; methods: string[] }[] }>()
  return routes.flatMap(({ url, methods }) => methods.filter((one) => one !== 'HEAD').map((one) => `${one} ${url}`))
}

function errors(): string[] {
  return [
    '## Errors',
    'What respool itself answers; all others are passed on from Redis. The code is the label of `respool_errors_total`. “Sent again” says whether an application can safely do that: the command was certainly not executed, or only reads. ' +
      'Where the text is Redis’s own, so is the case. A `%` stands for what the command has there.',
    table(
      ['code', 'text', 'sent again', 'ends the connection'],
      Object.entries<ErrorRow>(ERRORS).map(([name, { text, retrySafe, closes }]) => [
        code(name),
        code(text),
        retrySafe ? 'safe' : '',
        closes ? 'yes' : '',
      ]),
    ),
  ]
}

function log(): string[] {
  return [
    '## Log',
    'JSON lines on standard output: `level`, `time`, `name`, and `event`, one of these. Of one kind (event and server) at most ten lines are written a second; `suppressed` on the next one says how many were not.',
    table(
      ['event', 'what, and fields'],
      Object.entries(EVENTS).map(([name, text]) => [code(name), text]),
    ),
  ]
}

function shown(value: unknown): string {
  if (value === undefined) return ''
  return code(typeof value === 'string' ? value : JSON.stringify(value))
}

function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

function table(heads: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map(escaped).join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Within code only the bar has a meaning to a table. */
function escaped(cell: string): string {
  const parts = cell.split(/(`[^`]*`)/)
  return parts
    .map((part) => (part.startsWith('`') ? part : part.replace(/[<>*_[\]]/g, '\\$&')))
    .join('')
    .replaceAll('|', '\\|')
}

export function written(): string {
  return readFileSync(PATH, 'utf8')
}

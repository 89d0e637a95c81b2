import type { Config, UpstreamTls } from './config.js'
import type { Layer } from './layer.js'
import type { ConfigProblem } from './mistake.js'
import { type Pem, PEM_FILES, PemMistake, readPem, readPemFile } from './pem.js'
import type { Settings } from './schema.js'

/** How sentinels are dialled; null for in the clear. What is not given is as for Redis itself. */
export function sentinelTls({ target, tls, sentinel }: Pick<Config['upstream'], 'target' | 'tls' | 'sentinel'>) {
  const { enabled, ...own } = sentinel.tls
  if (enabled === 'off' || (enabled === 'auto' && !target.tls)) return null
  return { ...tls, ...own } satisfies UpstreamTls
}

/**
 * What is wrong with the files that are named for TLS.
 *
 * @param layers the strongest first
 * @param readFile gives a file's text or throws
 */
export function tlsProblems(
  { upstream, listen }: Settings,
  layers: readonly Layer[],
  readFile: (path: string) => string,
): ConfigProblem[] {
  const uses: Use[] = [
    { files: upstream.tls, pathOf: (file) => `upstream.tls.${file}` },
    { files: upstream.sentinel.tls, pathOf: (file) => `upstream.sentinel.tls.${file}` },
    ...listen.map(({ tls }) => ({ files: tls ?? {}, pathOf: () => 'listen' })),
  ]
  return uses.flatMap(({ files, pathOf }) =>
    mistakesIn(files, readFile).map(({ file, message }) => {
      const path = pathOf(file)
      const layer = layers.find(({ origins }) => origins.has(path))
      const whole = path === 'listen' ? `${file} of tls: ${message}` : message
      return { source: layer?.source ?? '', line: layer?.origins.get(path) ?? null, path, message: whole }
    }),
  )
}

interface Use {
  files: Pem
  pathOf: (file: keyof Pem) => string
}

/** What is wrong with each of the files, or with all of them together. */
function mistakesIn(files: Pem, readFile: (path: string) => string): PemMistake[] {
  const single = PEM_FILES.flatMap((file) => {
    const path = files[file]
    return path === undefined ? [] : mistakesOf(() => readPemFile(file, path, readFile))
  })
  return single.length > 0 ? single : mistakesOf(() => readPem(files, readFile))
}

function mistakesOf(read: () => unknown): PemMistake[] {
  try {
    read()
    return []
  } catch (error) {
    if (error instanceof PemMistake) return [error]
    throw error
  }
}

const REDISS = 'let the URL begin with rediss, or remove the key'

/** What keys of TLS must hold between them, as in constraints.ts. */
export const TLS_CONSTRAINTS = [
  pair('upstream.tls', ({ upstream }) => upstream.tls),
  pair('upstream.sentinel.tls', ({ upstream }) => upstream.sentinel.tls),
  useless('upstream.tls', ({ url, sentinel }) => url?.tls === false && sentinel.tls.enabled !== 'on', REDISS),
  useless('upstream.sentinel.tls', ({ sentinel }) => sentinel.tls.enabled === 'off', 'remove the key, or enabled: off'),
  useless(
    'upstream.sentinel.tls',
    ({ url, sentinel }) => url?.tls === false && sentinel.tls.enabled === 'auto',
    `${REDISS}, or set enabled: on`,
  ),
  {
    paths: ['upstream.tls.verify'],
    violation: ({ upstream: { tls } }: Settings) =>
      tls.verify === 'ca' && tls.ca === undefined
        ? 'must not be ca without upstream.tls.ca: any certificate of any public CA would do (give the CA, or check the name too)'
        : null,
  },
]

function pair(path: string, of: (settings: Settings) => Pem) {
  const violation = (settings: Settings) => {
    const { cert, key } = of(settings)
    return (cert === undefined) === (key === undefined) ? null : `${path}.cert and ${path}.key must be given together`
  }
  return { paths: [`${path}.cert`, `${path}.key`], violation }
}

/** Keys that seem to make a connection safe, and do not. */
function useless(path: string, isOff: (upstream: Settings['upstream']) => boolean, advice: string) {
  const keys = ['ca', 'cert', 'key', 'serverName'] as const
  const violation = ({ upstream }: Settings) => {
    const given = path === 'upstream.tls' ? upstream.tls : upstream.sentinel.tls
    if (!isOff(upstream) || keys.every((key) => given[key] === undefined)) return null
    return `would have no effect: the connection is not encrypted (${advice})`
  }
  return { paths: keys.map((key) => `${path}.${key}`), violation }
}

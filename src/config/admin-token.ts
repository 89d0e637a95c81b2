import { reasonOf } from './credentials.js'
import type { Layer } from './layer.js'
import type { ConfigProblem } from './mistake.js'

const TOKEN = 'adminToken'
const FILE = 'adminTokenFile'

/**
 * The token comes from the strongest source that gives it, itself or in a file.
 *
 * @param layers the strongest first
 * @param readFile gives a file's text or throws
 */
export function readAdminToken(layers: readonly Layer[], readFile: (path: string) => string) {
  const problems: ConfigProblem[] = []
  const layer = layers.find(({ settings }) => settings[TOKEN] !== undefined || settings[FILE] !== undefined)
  if (layer === undefined) return { token: null, problems }
  const reject = (message: string) => {
    problems.push({ source: layer.source, line: layer.origins.get(FILE) ?? null, path: FILE, message })
    return { token: null, problems }
  }
  const { adminToken: token, adminTokenFile: path } = layer.settings
  if (path === undefined) return { token: token ?? null, problems }
  if (token !== undefined) return reject(`the token is given in ${TOKEN} as well (keep one of them)`)
  try {
    const text = readFile(path).trim()
    return text === '' ? reject('the file is empty (it must hold the token)') : { token: text, problems }
  } catch (error) {
    return reject(`the file cannot be read: ${reasonOf(error)}`)
  }
}

// Runs behind the loader that makes JavaScript of TypeScript, and puts counters into what that one gives.
import { fileURLToPath } from 'node:url'
import { createInstrumenter } from 'istanbul-lib-instrument'

/** Where `Counters` finds them. */
const VARIABLE = '__fuzz_counters__'
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const instrumenter = createInstrumenter({
  esModules: true,
  compact: true,
  coverageVariable: VARIABLE,
  coverageGlobalScope: 'globalThis',
  coverageGlobalScopeFunc: false,
})
let folders = []

export function initialize(data) {
  folders = data.folders.map((folder) => `${ROOT}${folder}/`)
}

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context)
  if (loaded.format !== 'module' || !url.startsWith('file:') || loaded.source === undefined) return loaded
  const path = fileURLToPath(url)
  if (!folders.some((folder) => path.startsWith(folder))) return loaded
  return { ...loaded, source: instrumenter.instrumentSync(String(Buffer.from(loaded.source)), path) }
}

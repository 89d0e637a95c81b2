import { readFileSync } from 'node:fs'

// package.json lies two directories above this file both in src/ and in dist/.
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** Which respool runs, on which Node.js. */
export const buildInfo = { version: manifest.version, node: process.versions.node }

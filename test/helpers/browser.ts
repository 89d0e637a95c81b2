import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser } from 'playwright-core'

/** Pictures are kept here, for people to look at. */
const OUTPUT = fileURLToPath(new URL('../output/', import.meta.url))

/** Debian's Chromium without a window. */
export function startBrowser(): Promise<Browser> {
  // Its sandbox wants a user that is not root.
  return chromium.launch({ executablePath: '/usr/bin/chromium', chromiumSandbox: process.getuid?.() !== 0 })
}

/** The path for a picture of this name. */
export function picturePath(name: string): string {
  mkdirSync(OUTPUT, { recursive: true })
  return `${OUTPUT}${name}.png`
}

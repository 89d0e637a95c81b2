import type { Arguments } from '../../resp/arguments.js'
import type { ScriptMemory } from './memory.js'

/**
 * SCRIPT EXISTS of several servers. A script is there if all have it. One that respool remembers is there if any has it, since it is loaded
 * ahead of its call wherever it is missing: then each reply says so.
 *
 * @param remembered of each script that was asked for whether respool remembers it
 */
export function lendScripts(replies: readonly Buffer[], remembered: readonly boolean[]): readonly Buffer[] {
  const rows = replies.map((reply) => [...reply.toString('latin1').matchAll(/:([01])\r\n/g)].map(([, there]) => there))
  if (rows.some((row) => row.length !== remembered.length)) return replies
  const lent = remembered.map((is, nth) => is && rows.some((row) => row[nth] === '1'))
  return rows.map((row) => {
    const items = row.map((there, nth) => (lent[nth] ? ':1\r\n' : `:${there}\r\n`))
    return Buffer.from(`*${items.length}\r\n${items.join('')}`, 'latin1')
  })
}

/** Of each script that SCRIPT EXISTS asks for whether respool remembers it. */
export function rememberedOf(memory: ScriptMemory, args: Arguments): boolean[] {
  return args.texts(2).map((sha) => memory.find(sha) !== null)
}

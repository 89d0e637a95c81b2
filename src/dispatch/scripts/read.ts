import { argumentStart } from '../../resp/arguments.js'
import { headerValue } from '../../resp/header.js'
import type { Script, ScriptMemory } from './memory.js'

/** Remembers the script whose body is argument i of a request frame; null if it is too large for that. */
export function rememberBody(memory: ScriptMemory, buf: Buffer, start: number, end: number, i: number): Script | null {
  const at = argumentStart(buf, start, end, i)
  return memory.remember(buf, at, at + headerValue)
}

/** The script that an EVALSHA calls, if it is remembered. */
export function findCalled(memory: ScriptMemory, buf: Buffer, start: number, end: number): Script | null {
  const at = argumentStart(buf, start, end, 1)
  return headerValue === SHA_LENGTH ? memory.find(buf.toString('latin1', at, at + headerValue)) : null
}

const SHA_LENGTH = 40

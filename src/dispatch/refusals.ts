import type { Redirect, RetryReason } from '../metrics/recorder.js'

/**
 * Errors by which a server says that it has not executed a command, though another one may, or the same one soon
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding).
 */
export type Refusal =
  /** The error names the server to ask. */
  | { readonly prefix: string; readonly redirects: true; readonly label: Redirect }
  | { readonly prefix: string; readonly redirects: false; readonly label: RetryReason }

const redirect = (prefix: string, label: Redirect): Refusal => ({ prefix, label, redirects: true })
const later = (prefix: string, label: RetryReason): Refusal => ({ prefix, label, redirects: false })

export const REFUSALS: readonly Refusal[] = [
  redirect('-MOVED ', 'moved'),
  redirect('-ASK ', 'ask'),
  // More than the first word, with which a script that was executed may begin its own errors.
  later('-TRYAGAIN Multiple keys', 'tryagain'),
  later('-CLUSTERDOWN The cluster', 'clusterdown'),
  later('-CLUSTERDOWN Hash slot', 'clusterdown'),
  later('-LOADING Redis is', 'loading'),
  later('-LOADING Valkey is', 'loading'),
  later('-MASTERDOWN Link with', 'masterdown'),
  later("-READONLY You can't write", 'readonly'),
  // A blocked command whose server has become a replica; CLIENT UNBLOCK says something else behind the word.
  later('-UNBLOCKED force', 'unblocked'),
]

/** Errors up to this length, in bytes, may be one of them. */
const LONGEST = 512

/** The refusal that an error frame is; null if the command was judged, and not the server. */
export function refusalOf(buf: Buffer, start: number, end: number): Refusal | null {
  if (end - start > LONGEST) return null
  for (const refusal of REFUSALS) if (startsWith(buf, start, refusal.prefix)) return refusal
  return null
}

function startsWith(buf: Buffer, start: number, prefix: string): boolean {
  for (let i = 0; i < prefix.length; i++) if (buf[start + i] !== prefix.charCodeAt(i)) return false
  return true
}

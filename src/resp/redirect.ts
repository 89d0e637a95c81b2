/** What a redirect says: `-MOVED 3999 127.0.0.1:6381`; null if it says something else. */
export function readRedirect(text: string): { slot: number; address: string } | null {
  const match = /^-(?:MOVED|ASK) (\d{1,5}) (\S+)\r\n$/.exec(text)
  return match === null ? null : { slot: Number(match[1]), address: match[2] }
}

/**
 * Replies that two direct connections do not agree on byte for byte either: times, ids, random bytes, the order in which
 * a server's hash tables happen to lie. One row each; what a row leaves standing is compared exactly.
 */
interface Row {
  /** Matched with the step in words. */
  readonly command: RegExp
  readonly why: string
  readonly normalise: (frame: string) => string
}

const fieldNames = (frame: string) => frame.replace(/^\$\d+|^=\d+/, '').replace(/=\S*/g, '=')
const firstLineOf = (frame: string) => frame.split('\n').slice(0, 2).join('\n')
const sortedLines = (frame: string) => frame.split('\r\n').sort().join('\r\n')

const ROWS: readonly Row[] = [
  {
    command: /^(HELLO\b|EXEC$)/i,
    why: 'id of the connection',
    normalise: (frame) => frame.replace(/(id\r\n:)\d+/, '$1N'),
  },
  { command: /^CLIENT ID$/i, why: 'id of the connection', normalise: (frame) => frame.replace(/^:[1-9]\d*/, ':N') },
  { command: /^CLIENT INFO$/i, why: 'ids, addresses, ages, buffer sizes', normalise: clientInfo },
  {
    command: /^CLIENT LIST$/i,
    why: 'the same, and other connections',
    normalise: (frame) => firstLineOf(fieldNames(frame)),
  },
  {
    command: /^TIME$/,
    why: 'the time',
    normalise: (frame) => frame.replace(/\d{10}/, 'S').replace(/\$\d\r\n\d+/, '$N'),
  },
  { command: /^LASTSAVE$/, why: 'the time', normalise: (frame) => frame.replace(/\d{10}/, 'S') },
  { command: /^TTL /, why: 'time passes', normalise: (frame) => frame.replace(/\d{3,}/, near) },
  { command: /^PTTL /, why: 'time passes', normalise: (frame) => frame.replace(/\d{4,}/, near) },
  { command: /^INFO (server|replication|persistence|everything)$|^INFO$/i, why: 'figures', normalise: sections },
  { command: /^ACL GENPASS/, why: 'random', normalise: (frame) => frame.replace(/[0-9a-f]{2,}\r/, 'HEX\r') },
  { command: /^(SMEMBERS words|KEYS|SCAN 0 COUNT 1000)/, why: 'order of a hash table', normalise: sortedLines },
  { command: /^(CONFIG GET .* .*|ACL CAT string)/, why: 'order of a hash table', normalise: sortedLines },
  { command: /^XINFO STREAM/, why: 'the time seen', normalise: (frame) => frame.replace(/\d{13}/g, 'MS') },
  { command: /^ACL LOG/, why: 'ages', normalise: (frame) => frame.replace(/\d+\.\d+/g, 'AGE') },
]

/** The frame as comparable text, byte for byte where no row applies. */
export function normalise(command: string, frame: Buffer): string {
  const text = frame.toString('latin1')
  return ROWS.filter((row) => row.command.test(command)).reduce((known, row) => row.normalise(known), text)
}

/** Rounds to a tenth of its magnitude, so that a moment makes no difference. */
function near(digits: string): string {
  const unit = 10 ** (digits.length - 2)
  return String(Math.round(Number(digits) / unit) * unit)
}

/** CLIENT INFO: the fields that describe the session stay, the ones that describe a moment of a connection go. */
function clientInfo(frame: string): string {
  const passing = /\b(id|addr|laddr|fd|age|idle|qbuf|qbuf-free|argv-mem|multi-mem|rbs|rbp|obl|oll|omem|tot-mem)=\S*/g
  return frame.replace(/^[$=]\d+\r\n/, '').replace(passing, '$1=')
}

/** INFO: the section headings. */
function sections(frame: string): string {
  return frame.slice(0, 1) + (frame.match(/# \w+/g) ?? []).join()
}

/**
 * Every error that respool itself can put on the wire: one row each.
 *
 * `text` starts with the code word that clients classify by. Where Redis has a text for the case it is Redis's own, byte
 * for byte. Otherwise:
 *
 * - TRYAGAIN: the command was certainly not executed, sending it again is safe. go-redis does so by itself, redis-py
 *   raises TryAgainError, ioredis and node-redis show the text.
 * - OUTCOMEUNKNOWN: the command was sent and its answer lost; it may or may not have been executed. No client retries
 *   a word it does not know, which is what is wanted here.
 *
 * `retrySafe` says the same to code. `closes` marks errors after which the application's connection ends.
 */
export interface ErrorRow {
  readonly text: string
  readonly retrySafe: boolean
  readonly closes: boolean
}

const row = (text: string, retrySafe = false, closes = false): ErrorRow => ({ text, retrySafe, closes })
const protocol = (text: string): ErrorRow => row(`ERR Protocol error: ${text}`, false, true)

const noAuthHello = (proto: string): ErrorRow =>
  row(
    `NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO${proto} AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time`,
  )

export const ERRORS = {
  // Bad framing: Redis's own texts (networking.c, processMultibulkBuffer and processInlineBuffer).
  mbulkCountTooBig: protocol('too big mbulk count string'),
  mbulkLengthInvalid: protocol('invalid multibulk length'),
  bulkCountTooBig: protocol('too big bulk count string'),
  bulkExpected: protocol("expected '$', got '%'"),
  bulkLengthInvalid: protocol('invalid bulk length'),
  mbulkUnauthenticated: protocol('unauthenticated multibulk length'),
  bulkUnauthenticated: protocol('unauthenticated bulk length'),
  inlineTooBig: protocol('too big inline request'),
  inlineUnbalanced: protocol('unbalanced quotes in request'),

  // Session state: Redis's own texts.
  execWithoutMulti: row('ERR EXEC without MULTI'),
  multiNested: row('ERR MULTI calls can not be nested'),
  watchInMulti: row('ERR WATCH inside MULTI is not allowed'),
  discardWithoutMulti: row('ERR DISCARD without MULTI'),
  execAborted: row('EXECABORT Transaction discarded because of previous errors.'),
  syntax: row('ERR syntax error'),
  notInteger: row('ERR value is not an integer or out of range'),
  numberOutOfRange: row('ERR value is out of range, value must between -2147483648 and 2147483647'),
  invalidCursor: row('ERR invalid cursor'),
  selectOnCluster: row('ERR SELECT is not allowed in cluster mode'),
  dbOutOfRange: row('ERR DB index is out of range'),
  noProtocol: row('NOPROTO unsupported protocol version'),
  protocolNotInteger: row('ERR Protocol version is not an integer or out of range'),
  wrongPassword: row('WRONGPASS invalid username-password pair or user is disabled.'),
  authNotConfigured: row(
    'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
  ),
  noAuth: row('NOAUTH Authentication required.'),
  noAuthHello: noAuthHello(' <proto>'),
  noAuthHelloBefore72: noAuthHello(''),
  clientNameInvalid: row('ERR Client names cannot contain spaces, newlines or special characters.'),
  noSuchClient: row('ERR No such client'),
  crossSlot: row("CROSSSLOT Keys in request don't hash to the same slot"),
  readOnlyReplica: row("READONLY You can't write against a read only replica."),
  slotNotServed: row('CLUSTERDOWN Hash slot not served', true),
  connectionsExceeded: row('ERR max number of clients reached', true, true),

  // The guard: Redis's own texts for what an ACL forbids, and those of limits. The first with the command's name in place of the sign.
  commandDenied: row("NOPERM this user has no permissions to run the '%' command"),
  keysDenied: row('NOPERM this user has no permissions to access one of the keys used as arguments'),
  channelsDenied: row('NOPERM this user has no permissions to access one of the channels used as arguments'),
  requestTooBig: row('ERR respool refuses a request of this size: see guard.bigRequest'),
  tooManyKeys: row('ERR respool refuses so many keys at once: see guard.manyKeys'),
  blocksForEver: row('ERR respool refuses to block without a time limit: see guard.endlessBlock'),
  lacksTtl: row('ERR respool refuses to write such a key without a time to live: see guard.noTtl'),

  // The upstream side.
  upstreamDown: row('TRYAGAIN respool has no connection to Redis: the command was not sent', true),
  holdExpired: row('TRYAGAIN respool waited in vain for a connection to Redis: the command was not sent', true),
  heldExceeded: row('TRYAGAIN too many commands wait for a connection to Redis: the command was not sent', true),
  noReplica: row('TRYAGAIN respool has no replica to read from: the command was not sent', true),
  upstreamAuth: row('ERR respool could not log in to Redis: check the user and password of its upstream'),
  leaseTimeout: row('TRYAGAIN no dedicated connection to Redis became free in time: raise pool.leases.max', true),
  leaseWaitersExceeded: row('TRYAGAIN too many sessions wait for a dedicated connection: raise pool.leases.max', true),
  stopping: row('TRYAGAIN respool is about to end: the command was not sent', true),
  notSent: row('TRYAGAIN the connection to Redis was lost before the command was sent', true),
  readLost: row('TRYAGAIN the connection to Redis was lost before the answer came; the command only reads', true),
  outcomeUnknown: row('OUTCOMEUNKNOWN the connection to Redis was lost after the command was sent'),
  timedOut: row('OUTCOMEUNKNOWN Redis did not answer the command in time'),

  // What cannot be carried.
  /** These with the command's name in place of the sign. */
  refused: row("ERR respool does not carry '%': to let it through, list it under commands.allow"),
  subscribedElsewhere: row('ERR respool can take this subscription for a RESP2 connection only before all others'),
  redirectSubscribed: row(
    'ERR respool cannot redirect to a connection that has subscribed to something else before it was named',
  ),
  refusedOnCluster: row("ERR respool cannot do '%' on a cluster, whose nodes share no connection"),
  notByOneNode: row("ERR respool cannot do '%' within a transaction on a cluster: it concerns all nodes"),
  refusedInTransaction: row("ERR respool answers '%' itself, and cannot do so within a transaction"),
  beyondStandIn: row("ERR respool only stands in for the servers that '%' is meant for"),
  noPlace: row(
    'ERR respool cannot say where its unix socket can be dialled: give that listener an address to announce',
  ),
  scanCursorTooLarge: row('ERR respool has no room for the cursor that a node gave to SCAN: it has more than 48 bits'),
  repliesDiffer: row('ERR respool got replies from several nodes that do not belong together'),
  replyTooLarge: row('ERR respool would have to put together a reply that is larger than limits.mergedBytes'),
  largeLocal: row('ERR respool does not take arguments of this size for this command'),
  subscriptionsExceeded: row('TRYAGAIN respool has no room for more subscriptions: raise limits.bufferedBytes', true),
  userBound: row(
    'ERR respool cannot change the user of a connection that has subscriptions, a transaction or tracking',
  ),
  loginsExceeded: row(
    'TRYAGAIN respool has connections for as many logins as it may: raise passthrough.maxLogins',
    true,
  ),
  stalled: row('ERR respool closed the connection: a started command was not finished in time', false, true),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

/** True if it says that respool does not carry something, whoever asks for it and when. */
export function isOwnRefusal(code: ErrorCode): boolean {
  return ERRORS[code].text.startsWith('ERR respool')
}

/** The RESP error frame of each code, made once. */
export const ERROR_FRAMES = Object.fromEntries(
  Object.entries(ERRORS).map(([code, { text }]) => [code, `-${text}\r\n`]),
) as Readonly<Record<ErrorCode, string>>

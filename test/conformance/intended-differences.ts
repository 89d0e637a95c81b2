import type { Protocol } from './corpus/script.ts'

/** A reply that respool means to be another one than the server's. Everything else has to be equal byte for byte. */
export interface IntendedDifference {
  /** Matched with the step in words. */
  readonly command: RegExp
  /** Only in this protocol. */
  readonly only?: Protocol
  readonly reason: string
  /** What respool answers instead, matched with the whole frame. */
  readonly proxied: RegExp
}

const REFUSED =
  /^-ERR respool does not carry '(debug|shutdown|script\|debug)': to let it through, list it under commands.allow\r\n$/

export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = [
  {
    command: /^CLIENT SETINFO\b/i,
    reason: 'kept by the session; Redis knows it since 7.2, and clients send it to whichever server they find',
    proxied:
      /^(\+OK|-ERR (Unrecognized option|lib-name cannot contain|wrong number of arguments for 'client\|setinfo').*)\r\n$/,
  },
  {
    command: /^CLIENT INFO$/i,
    reason: 'tells of the session and not of an upstream connection: in the fields of Redis 7.2',
    proxied:
      /^(txt:)?id= addr= laddr= fd= name=\S* age= .* cmd=client\|info user=default redir=(-1|0) resp=[23] lib-name=\S* lib-ver=\S*\n\r\n$/,
  },
  {
    command: /^CLIENT LIST$/i,
    reason: 'lists sessions and not upstream connections: in the fields of Redis 7.2',
    proxied: /^\r\n(txt:)?id= addr= laddr= fd= .* resp= lib-name= lib-ver=$/,
  },
  {
    command: /^DEBUG\b/i,
    reason: 'refused unless allowed, whatever the server says: it can stop or crash a server that others use',
    proxied: REFUSED,
  },
  {
    command: /^SHUTDOWN\b/i,
    reason: 'refused unless allowed: the server would go away from under every session',
    proxied: REFUSED,
  },
  {
    command: /^SCRIPT DEBUG\b/i,
    reason: 'refused unless allowed: it turns a connection into a debugger console',
    proxied: REFUSED,
  },
  {
    command: /^EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0$/i,
    reason: 'finds a script that was sent before, also after SCRIPT FLUSH: respool loads it again',
    proxied: /^:1\r\n$/,
  },
  {
    command: /^CLUSTER (INFO|SLOTS|NODES|SHARDS|MYID|KEYSLOT k|HELP)$/i,
    reason: 'respool stands in for a cluster, which the server is not',
    proxied: /^[*:$=]\d/,
  },
  {
    command: /^(READONLY|READWRITE|ASKING)$/i,
    reason: 'respool stands in for a cluster, which the server is not',
    proxied: /^\+OK\r\n$/,
  },
  {
    command: /^SENTINEL MASTERS$/i,
    reason: 'respool stands in for a sentinel, which the server is not',
    proxied: /^\*1\r\n[*%]\d+\r\n\$4\r\nname\r\n/,
  },
  {
    command: /^CLUSTER\b/i,
    reason: 'within a transaction the server would speak of another cluster than the one respool stands in for',
    proxied: /^-ERR respool answers 'cluster' itself, and cannot do so within a transaction\r\n$/,
  },
  {
    command: /^(SELECT|CLIENT|AUTH|HELLO) .{60}/,
    reason:
      'respool keeps no argument of over 64 KiB for the commands it answers itself; Redis too answers these with errors',
    proxied: /^-ERR respool does not take arguments of this size for this command\r\n$/,
  },
]

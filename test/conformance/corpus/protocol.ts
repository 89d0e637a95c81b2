import { family, raw, type ScriptLike } from './script.ts'

const closing = (bytes: string): ScriptLike => ({ steps: ['PING', raw(bytes)], closes: true })

const FATAL = [
  '*abc\r\n',
  '*\r\n',
  '*01\r\n',
  '*+1\r\n',
  '* 1\r\n',
  '*1 \r\n',
  '*-0\r\n',
  '*2147483648\r\n',
  '*4294967296\r\n',
  '*99999999999999999999\r\n',
  '*1\r\n:1\r\n',
  '*1\r\n+PING\r\n',
  '*1\r\n*1\r\n',
  '*1\r\nPING\r\n',
  '*1\r\n\r\n',
  '*1\r\n$abc\r\n',
  '*1\r\n$\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\n$04\r\n',
  '*1\r\n$+4\r\n',
  '*1\r\n$ 4\r\n',
  '*1\r\n$536870913\r\n',
  '*1\r\n$99999999999999999999\r\n',
  '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$abc\r\n',
  '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n:1\r\n',
  '*2\r\n$4\r\nECHO\r\n$-5\r\n',
]

export const protocol = family('protocol', {
  tolerated: [
    raw('*0\r\n', 0),
    raw('*-1\r\n', 0),
    raw('*-5\r\n', 0),
    raw('*-99999999999\r\n', 0),
    raw('*0\r\n*1\r\n$4\r\nPING\r\n'),
    raw('*1\r\n$4\r\nPINGxx'),
    raw('*1\rX$4\rXPINGxx'),
    raw('*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n'),
    raw('*1\r\n$0\r\n\r\n'),
    raw('*2\r\n$4\r\nECHO\r\n$0\r\n\r\n'),
    'PING',
  ],
  'errors of framing inside a transaction': { steps: ['MULTI', 'SET k v', raw('*1\r\n:1\r\n')], closes: true },
  'errors of framing while subscribed': { steps: ['SUBSCRIBE pr-a', raw('*1\r\n:1\r\n')], closes: true },
  ...Object.fromEntries(FATAL.map((bytes) => [`fatal ${JSON.stringify(bytes)}`, closing(bytes)])),
})

import { family } from './script.ts'

/** Bytes that repeat at no power of two, line ends and NULs among them. */
function bytesOf(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = (at * 7 + (at >> 8) * 13) & 255
  return bytes
}

const SIZES = [0, 1, 2, 511, 512, 1023, 1024, 16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 65_537, 100_000]
const name = (size: number) => Buffer.from([0, 13, 10, ...Buffer.from(String(size))])

export const sizes = family('sizes', {
  values: SIZES.flatMap((size) => [
    ['SET', name(size), bytesOf(size)],
    ['GET', name(size)],
    ['STRLEN', name(size)],
    ['ECHO', bytesOf(size)],
  ]),
  'a value of 1 MB': [
    ['SET', 'k', bytesOf(1_000_000)],
    'GET k',
    ['APPEND', 'k', bytesOf(300_000)],
    'GET k',
    'GETRANGE k 0 70000',
    ['GETSET', 'k', ''],
    'GET k',
  ],
  keys: [
    ['SET', '', 'empty'],
    ['GET', ''],
    ['SET', Buffer.from('a\r\nb'), 'x'],
    ['GET', Buffer.from('a\r\nb')],
    ['SET', Buffer.alloc(1), 'nul'],
    ['GET', Buffer.alloc(1)],
    ['SET', Buffer.from([0xff, 0xfe, 0x80]), 'x'],
    ['GET', Buffer.from([0xff, 0xfe, 0x80])],
    ['SET', 'ключ', 'значение ☃'],
    ['GET', 'ключ'],
    ['SET', bytesOf(70_000), 'long'],
    ['GET', bytesOf(70_000)],
    ['EXISTS', '', Buffer.from('a\r\nb'), bytesOf(70_000)],
    ['MGET', '', Buffer.from('a\r\nb'), bytesOf(70_000), 'missing'],
    ['SET', '{tag}', 'x'],
    ['GET', '{}'],
  ],
  'many arguments': [
    ['MSET', ...Array.from({ length: 2000 }, (_, at) => `f${at}`)],
    ['MGET', ...Array.from({ length: 1000 }, (_, at) => `f${at * 2}`)],
    ['RPUSH', 'l', ...Array.from({ length: 5000 }, (_, at) => String(at))],
    'LRANGE l 0 -1',
    ['DEL', ...Array.from({ length: 1000 }, (_, at) => `f${at * 2}`)],
    'DBSIZE',
  ],
  'many commands': [
    ...Array.from({ length: 1000 }, (_, at) =>
      at % 3 === 0 ? `GET k${at % 10}` : at % 3 === 1 ? 'INCR n' : `SET k${at % 7} ${at}`,
    ),
    'GET n',
  ],
  'large replies between small ones': [
    ['SET', 'big', bytesOf(200_000)],
    'PING',
    'GET big',
    'PING',
    'GET big',
    'MGET big big missing',
    'GET missing',
    'STRLEN big',
  ],
  'large values in a transaction': [
    'MULTI',
    ['SET', 'k', bytesOf(80_000)],
    'GET k',
    ['APPEND', 'k', bytesOf(80_000)],
    'STRLEN k',
    'EXEC',
    'GET k',
  ],
  'large values in a pinned session': [
    'WATCH k',
    ['SET', 'other', bytesOf(80_000)],
    'GET other',
    'MULTI',
    ['SET', 'k', bytesOf(80_000)],
    'EXEC',
    ['RPUSH', 'l', bytesOf(80_000)],
    'BLPOP l 0',
  ],
  'large arguments of connection commands': [
    ['PING', bytesOf(70_000)],
    ['SELECT', '1'.repeat(70_000)],
    ['CLIENT', 'x'.repeat(70_000)],
    ['CLIENT', 'SETNAME', bytesOf(70_000)],
    ['AUTH', 'x'.repeat(70_000)],
    ['HELLO', bytesOf(70_000)],
    ['MULTI', bytesOf(70_000)],
    'PING',
  ],
  'large arguments where none is expected': [
    ['BOGUS', bytesOf(70_000)],
    ['GET', 'a', bytesOf(70_000)],
    ['CONFIG', 'x'.repeat(70_000)],
    ['OBJECT', 'ENCODING', bytesOf(70_000)],
    'PING',
  ],
})

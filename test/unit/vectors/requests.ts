import type { ErrorCode } from '../../../src/errors.js'

export interface RequestVector {
  bytes: string
  /** None for what is not answered at all. */
  args: string[]
  /** False if the frame must be written anew before it is passed on. */
  canonical?: false
}

/** Whole requests, one character a byte. */
export const REQUESTS: Record<string, RequestVector> = {
  'one word': { bytes: '*1\r\n$4\r\nPING\r\n', args: ['PING'] },
  'two words': { bytes: '*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n', args: ['ECHO', 'hi'] },
  'an empty argument': { bytes: '*2\r\n$4\r\nECHO\r\n$0\r\n\r\n', args: ['ECHO', ''] },
  'an empty name': { bytes: '*1\r\n$0\r\n\r\n', args: [''] },
  'line ends in an argument': { bytes: '*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n', args: ['ECHO', '\r\n\r\n'] },
  'a request in an argument': {
    bytes: '*2\r\n$1\r\nx\r\n$14\r\n*1\r\n$4\r\nPING\r\n\r\n',
    args: ['x', '*1\r\n$4\r\nPING\r\n'],
  },
  'bytes over 127 and NUL': { bytes: '*2\r\n$1\r\nx\r\n$3\r\n\xff\0\x80\r\n', args: ['x', '\xff\0\x80'] },
  'eleven arguments': { bytes: `*11\r\n${'$1\r\na\r\n'.repeat(11)}`, args: Array<string>(11).fill('a') },
  'an array of none': { bytes: '*0\r\n', args: [] },
  'a null array': { bytes: '*-1\r\n', args: [] },
  'an array of -5': { bytes: '*-5\r\n', args: [] },
  'an array of minus 16 digits': { bytes: '*-1000000000000000\r\n', args: [] },
  'an array of the least number of 64 bits': { bytes: '*-9223372036854775808\r\n', args: [] },
  'another byte for the line feed of the count': { bytes: '*1\rx$4\r\nPING\r\n', args: ['PING'], canonical: false },
  'another byte for the line feed of a length': { bytes: '*1\r\n$4\rxPING\r\n', args: ['PING'], canonical: false },
  'other bytes behind an argument': { bytes: '*2\r\n$4\r\nECHOxy$2\r\nhi\r\n', args: ['ECHO', 'hi'], canonical: false },
  'another line feed behind the last argument': { bytes: '*1\r\n$4\r\nPING\rx', args: ['PING'], canonical: false },
  'another carriage return behind the last argument': {
    bytes: '*1\r\n$4\r\nPINGx\n',
    args: ['PING'],
    canonical: false,
  },
  'an inline word': { bytes: 'PING\r\n', args: ['PING'] },
  'an inline word without carriage return': { bytes: 'PING\n', args: ['PING'] },
  'inline words': { bytes: '  SET  k\t"a b"\r\n', args: ['SET', 'k', 'a b'] },
  'an inline line that begins with a dollar': { bytes: '$4\r\n', args: ['$4'] },
  'an empty inline line': { bytes: '\r\n', args: [] },
  'a line feed alone': { bytes: '\n', args: [] },
  'white space alone': { bytes: ' \t \r\n', args: [] },
}

/** Limits that vectors can cross without being long. */
export const SMALL_LIMITS = { bulkBytes: 20, arrayLength: 11, inlineBytes: 64 }

/** Requests that are none, under SMALL_LIMITS. Found out as soon as the line that is wrong has come. */
export const BAD_REQUESTS: Record<string, { bytes: string; error: ErrorCode; errorByte?: string }> = {
  'one argument over the limit': { bytes: '*12\r\n', error: 'mbulkLengthInvalid' },
  'more arguments than a number holds': { bytes: '*99999999999999999999\r\n', error: 'mbulkLengthInvalid' },
  'a count of 16 digits': { bytes: '*1000000000000000\r\n', error: 'mbulkLengthInvalid' },
  'a count below 64 bits': { bytes: '*-9223372036854775809\r\n', error: 'mbulkLengthInvalid' },
  'a count that is empty': { bytes: '*\r\n', error: 'mbulkLengthInvalid' },
  'a count of a sign alone': { bytes: '*-\r\n', error: 'mbulkLengthInvalid' },
  'a count with a plus': { bytes: '*+1\r\n', error: 'mbulkLengthInvalid' },
  'a count with a leading zero': { bytes: '*01\r\n', error: 'mbulkLengthInvalid' },
  'a count of -0': { bytes: '*-0\r\n', error: 'mbulkLengthInvalid' },
  'a count with letters': { bytes: '*1x\r\n', error: 'mbulkLengthInvalid' },
  'a streamed array': { bytes: '*?\r\n', error: 'mbulkLengthInvalid' },
  'one byte over the limit': { bytes: '*1\r\n$21\r\n', error: 'bulkLengthInvalid' },
  'a second argument over the limit': { bytes: '*2\r\n$1\r\nx\r\n$21\r\n', error: 'bulkLengthInvalid' },
  'a negative length': { bytes: '*1\r\n$-1\r\n', error: 'bulkLengthInvalid' },
  'a length of 16 digits': { bytes: '*1\r\n$1000000000000000\r\n', error: 'bulkLengthInvalid' },
  'a length with a leading zero': { bytes: '*1\r\n$04\r\n', error: 'bulkLengthInvalid' },
  'a length with a plus': { bytes: '*1\r\n$+4\r\n', error: 'bulkLengthInvalid' },
  'a length of -0': { bytes: '*1\r\n$-0\r\n', error: 'bulkLengthInvalid' },
  'a length that is empty': { bytes: '*1\r\n$\r\n', error: 'bulkLengthInvalid' },
  'a streamed string': { bytes: '*1\r\n$?\r\n', error: 'bulkLengthInvalid' },
  'an integer for an argument': { bytes: '*1\r\n:1\r\n', error: 'bulkExpected', errorByte: ':' },
  'an array for an argument': { bytes: '*1\r\n*1\r\n', error: 'bulkExpected', errorByte: '*' },
  'a line end for an argument': { bytes: '*1\r\n\r\n', error: 'bulkExpected', errorByte: '\r' },
  'an argument shorter than announced': {
    bytes: '*2\r\n$4\r\nhi\r\n$1\r\nx\r\n$1\r\n',
    error: 'bulkExpected',
    errorByte: '\r',
  },
  'an inline line over the limit': { bytes: `${'x'.repeat(65)}\r\n`, error: 'inlineTooBig' },
  'an inline line far over the limit': { bytes: `${'x '.repeat(100)}\r\n`, error: 'inlineTooBig' },
}

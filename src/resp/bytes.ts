/** The bytes that mean something in RESP (https://redis.io/docs/latest/develop/reference/protocol-spec/). */
export const CR = 13
export const LF = 10
export const STAR = 42 // array
export const DOLLAR = 36 // bulk string
export const PLUS = 43 // simple string
export const MINUS = 45 // error, or the sign of a number
export const COLON = 58 // integer
export const UNDERSCORE = 95 // null
export const COMMA = 44 // double
export const HASH = 35 // boolean
export const BANG = 33 // bulk error
export const EQUALS = 61 // verbatim string
export const PAREN = 40 // big number
export const PERCENT = 37 // map
export const TILDE = 126 // set
export const PIPE = 124 // attribute
export const GREATER = 62 // push
export const ZERO = 48

/** A header line (`*3`, `$5`) or inline request longer than this is refused, as Redis does (PROTO_INLINE_MAX_SIZE). */
export const MAX_LINE = 64 * 1024

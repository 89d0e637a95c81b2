/**
 * Splits an inline request into its arguments, as Redis does (sds.c, sdssplitargs): words apart by white space, "…" with
 * escapes \n \r \t \b \a \xHH and \c for c itself, '…' with only \' as an escape; a quote must be followed by white space or the end.
 * Answers null on unbalanced quotes. The text is latin1, one character a byte.
 */
export function splitInline(line: string): string[] | null {
  const args: string[] = []
  let at = 0
  for (;;) {
    while (isSpace(line[at])) at++
    if (at >= line.length) return args
    let word = ''
    while (at < line.length && !endsWord(line[at])) {
      const quote = line[at]
      if (quote !== '"' && quote !== "'") {
        word += line[at++]
        continue
      }
      const quoted = quote === '"' ? doubleQuoted(line, at + 1) : singleQuoted(line, at + 1)
      if (quoted === null) return null
      word += quoted.text
      at = quoted.end
      if (at < line.length && !isSpace(line[at])) return null
      break
    }
    args.push(word)
  }
}

interface Quoted {
  text: string
  /** The position behind the closing quote. */
  end: number
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }

function doubleQuoted(line: string, from: number): Quoted | null {
  let text = ''
  for (let at = from; at < line.length; at++) {
    const char = line[at]
    if (char === '"') return { text, end: at + 1 }
    if (char !== '\\' || at + 1 >= line.length) {
      text += char
      continue
    }
    const hex = /^x([0-9a-fA-F]{2})/.exec(line.slice(at + 1, at + 4))
    if (hex !== null) {
      text += String.fromCharCode(parseInt(hex[1], 16))
      at += 3
      continue
    }
    at++
    text += ESCAPES[line[at]] ?? line[at]
  }
  return null
}

function singleQuoted(line: string, from: number): Quoted | null {
  let text = ''
  for (let at = from; at < line.length; at++) {
    const char = line[at]
    if (char === "'") return { text, end: at + 1 }
    if (char === '\\' && line[at + 1] === "'") {
      text += "'"
      at++
    } else {
      text += char
    }
  }
  return null
}

/** What ends a word without quotes: to Redis, a vertical tab or a form feed inside one is part of it. */
function endsWord(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r'
}

/** White space by C's isspace. */
function isSpace(char: string | undefined): boolean {
  return char === ' ' || (char !== undefined && char >= '\t' && char <= '\r')
}

/**
 * Whether a text matches a glob-style pattern, by the rules of Redis's own matcher (util.c, stringmatchlen), oddities included: a
 * class that is never closed ends with the pattern, `[^` alone stands for any character, `*` does not match the empty text. Texts
 * are latin1, one character a byte.
 *
 *     pattern  a * [^0-9] ? \*        text  a x y z *
 *                ^ the last star seen: after a mismatch the search goes on behind it, one character further on in the text
 */
export function matchesGlob(pattern: string, text: string): boolean {
  if (text === '') return pattern === ''
  let at = 0
  let char = 0
  let star = -1
  let resume = 0
  while (char < text.length) {
    if (pattern[at] === '*') {
      star = ++at
      resume = char
      continue
    }
    const next = at < pattern.length ? matchOne(pattern, at, text[char]) : -1
    if (next !== -1) {
      at = next
      char++
      continue
    }
    if (star === -1) return false
    at = star
    char = ++resume
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

/** The position behind the element of the pattern at `at` if it stands for the character, else -1. */
function matchOne(pattern: string, at: number, char: string): number {
  switch (pattern[at]) {
    case '?':
      return at + 1
    case '[':
      return matchClass(pattern, at + 1, char)
    case '\\':
      // A backslash at the very end stands for itself.
      if (at + 1 < pattern.length) at++
  }
  return pattern[at] === char ? at + 1 : -1
}

function matchClass(pattern: string, from: number, char: string): number {
  const negated = pattern[from] === '^'
  let at = negated ? from + 1 : from
  let found = false
  for (; at < pattern.length; at++) {
    if (pattern[at] === '\\' && at + 1 < pattern.length) {
      at++
      if (pattern[at] === char) found = true
    } else if (pattern[at] === ']') {
      break
    } else if (pattern[at + 1] === '-' && at + 2 < pattern.length) {
      const [one, other, own] = [signed(pattern[at]), signed(pattern[at + 2]), signed(char)]
      if (Math.min(one, other) <= own && own <= Math.max(one, other)) found = true
      at += 2
    } else if (pattern[at] === char) {
      found = true
    }
  }
  if (found === negated) return -1
  return Math.min(at + 1, pattern.length)
}

/** A character as a number, as Redis compares them in ranges: those from 128 on are negative, where C's char is signed. */
function signed(char: string): number {
  return (char.charCodeAt(0) << 24) >> 24
}

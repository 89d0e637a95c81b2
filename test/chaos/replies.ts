/** What a command was answered. */
export type Reply = string | number | null | ErrorReply | Reply[]

export class ErrorReply {
  constructor(readonly text: string) {}
}

/** Bytes that are no reply: nothing that comes behind them can be told from what is in front. */
export class NoReply extends Error {}

/** Splits a stream into replies. It shares no code with the proxy, and knows no more types than the load makes servers use. */
export class Replies {
  #text = ''
  #at = 0

  feed(chunk: Buffer): void {
    const rest = this.#at === this.#text.length ? '' : this.#text.slice(this.#at)
    this.#text = rest + chunk.toString('latin1')
    this.#at = 0
  }

  get empty(): boolean {
    return this.#at === this.#text.length
  }

  /** Takes a reply that is exactly this one; false if it is another, or not whole yet. Far cheaper than looking into it. */
  takes(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false
    this.#at += expected.length
    return true
  }

  /** The next reply; undefined if it is not whole yet. */
  next(): Reply | undefined {
    const parser = new Parser(this.#text, this.#at)
    const reply = parser.reply()
    if (reply !== undefined) this.#at = parser.at
    return reply
  }
}

class Parser {
  constructor(
    readonly text: string,
    public at: number,
  ) {}

  reply(): Reply | undefined {
    const end = this.text.indexOf('\r\n', this.at)
    if (end < 0) return this.#refuse(this.text.length - this.at > 1000)
    const type = this.text[this.at]
    const line = this.text.slice(this.at + 1, end)
    this.at = end + 2
    switch (type) {
      case '+':
        return line
      case '-':
        return new ErrorReply(line)
      case ':':
        return this.#number(line)
      case '_':
        return null
      case '$':
        return this.#bulk(this.#number(line))
      case '*':
        return this.#array(this.#number(line))
      default:
        return this.#refuse(true)
    }
  }

  #bulk(length: number): string | null | undefined {
    if (length < 0) return null
    const from = this.at
    if (this.text.length < from + length + 2) return undefined
    this.at = from + length + 2
    this.#refuse(this.text.slice(this.at - 2, this.at) !== '\r\n')
    return this.text.slice(from, from + length)
  }

  #array(length: number): Reply[] | null | undefined {
    if (length < 0) return null
    const elements: Reply[] = []
    while (elements.length < length) {
      const element = this.reply()
      if (element === undefined) return undefined
      elements.push(element)
    }
    return elements
  }

  #number(line: string): number {
    this.#refuse(!/^-?\d+$/.test(line))
    return Number(line)
  }

  #refuse(isWrong: boolean): undefined {
    if (isWrong) throw new NoReply(JSON.stringify(this.text.slice(Math.max(0, this.at - 40), this.at + 100)))
  }
}

/** A command as it goes over the wire. */
export function wire(args: readonly string[]): string {
  let text = `*${args.length}\r\n`
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`
  return text
}

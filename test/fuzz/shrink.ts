import { linesOf } from './mutate.ts'

/** The least part of a failing input that still fails, as far as that can be found in so many attempts: first by lines, then by bytes. */
export async function shrunk(
  input: Buffer,
  fails: (part: Buffer) => Promise<boolean>,
  attempts: number,
): Promise<Buffer> {
  let left = attempts
  const without = async (parts: Buffer[]): Promise<Buffer[]> => {
    let least = parts
    for (let size = Math.ceil(least.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < least.length && left > 0; left--) {
        const fewer = least.toSpliced(at, size)
        if (await fails(Buffer.concat(fewer))) least = fewer
        else at += size
      }
    }
    return least
  }
  const lines = Buffer.concat(await without(linesOf(input)))
  return Buffer.concat(await without(Array.from(lines, (_, at) => lines.subarray(at, at + 1))))
}

import assert from 'node:assert/strict'
import { type Argument, RawClient } from '../helpers/raw.ts'
import { ask } from './support.ts'

/** What may come before a login, and around it. `%` stands for a right password of the default user. */
export const STRANGE: Argument[][][] = [
  [['GET', 'k'], ['nosuch', 'x', 'y'], ['nosuch'], ['GET'], ['client', 'nosuch'], ['PING'], ['PING', 'a', 'b']],
  [
    ['HELLO'],
    ['HELLO', 3],
    ['HELLO', 9],
    ['HELLO', 'x'],
    ['HELLO', 3, 'SETNAME', 'x'],
    ['HELLO', 3, 'SETNAME', 'a b'],
    ['HELLO', 3, 'NOSUCH'],
  ],
  [['AUTH'], ['AUTH', 'wrong'], ['AUTH', 'nobody', 'wrong'], ['AUTH', 'default', 'wrong'], ['AUTH', 'a', 'b', 'c']],
  [
    ['HELLO', 3, 'AUTH', 'default', 'wrong'],
    ['HELLO', 3, 'AUTH', 'nobody', '%'],
    ['GET', 'k'],
  ],
  [
    ['SUBSCRIBE', 'c'],
    ['MULTI'],
    ['GET', 'k'],
    ['EXEC'],
    ['BLPOP', 'l', 0],
    ['MONITOR'],
    ['CLIENT', 'ID'],
    ['SELECT', 1],
  ],
  [
    ['AUTH', '%'],
    ['SET', 'k', 'v'],
    ['AUTH', 'wrong'],
    ['GET', 'k'],
    ['RESET'],
    ['GET', 'k'],
    ['AUTH', 'default', '%'],
    ['GET', 'k'],
  ],
  [['RESET'], ['MGET', ...'abcdefghij']],
  [['QUIT']],
]

/** Both have the same to say until they end the connection. */
export async function assertAlike(
  proxy: number,
  direct: number,
  commands: Argument[][],
  password: string,
): Promise<void> {
  const [one, other] = [await RawClient.connect(proxy), await RawClient.connect(direct)]
  for (const given of commands) {
    const command = given.map((argument) => (argument === '%' ? password : argument))
    const replies = await Promise.all([one, other].map((client) => ask(client, ...command).catch(() => 'closed')))
    assert.equal(normalised(replies[0]), normalised(replies[1]), command.join(' ').slice(0, 80))
    if (replies[0] === 'closed') break
  }
  for (const client of [one, other]) client.close()
}

/** Ids of clients differ. */
const normalised = (reply: string) => reply.replace(/(\$2\r\nid\r\n:)\d+/, '$1…')

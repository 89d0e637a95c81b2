import type { ControlClient } from '../../upstream/control.js'
import { type Credentials, UpstreamLogin } from '../../upstream/login.js'
import { clientFor, type IdentityWorld } from './identity.js'

/** What Redis says of a login: null that it is good, its error, or 'unknown' if it cannot be asked. */
export type Judgement = { readonly refusal: string | null } | 'unknown'

const REFUSED = /^(WRONGPASS|NOAUTH|ERR AUTH)/

/** Has Redis judge logins, on a connection that is used for nothing else. */
export class Judge {
  #client: ControlClient | null = null
  #asked = ''

  constructor(readonly world: IdentityWorld) {}

  stop(): void {
    this.#client?.close()
  }

  /** Whether a user and password are right; no user is Redis's old form. */
  login(username: string | null, password: string): Promise<Judgement> {
    const { name } = this.world.own.topology.home
    if (this.#asked !== name) this.stop()
    if (this.#asked !== name || this.#client === null) this.#client = this.#stranger()
    this.#asked = name
    return judge(this.#client, 'AUTH', ...(username === null ? [] : [username]), password)
  }

  /** Whether the default user needs no password. */
  async anonymous(): Promise<Judgement> {
    const client = this.#stranger()
    const judgement = await judge(client, 'PING')
    client?.close()
    // Even if it may not do that it has been let in.
    if (judgement === 'unknown' || judgement.refusal === null) return judgement
    return /^NOPERM/.test(judgement.refusal) ? { refusal: null } : judgement
  }

  /** Whether credentials that were good still are; null as long as nothing else is known. */
  async stillGood({ username, password }: Credentials): Promise<boolean> {
    const judgement = await (password === null ? this.anonymous() : this.login(username, password))
    return judgement === 'unknown' || judgement.refusal === null || !REFUSED.test(judgement.refusal)
  }

  #stranger(): ControlClient | null {
    const { own, upstream } = this.world
    return clientFor(this.world, own, new UpstreamLogin(null, 0, () => upstream.clock.tick()))
  }
}

async function judge(client: ControlClient | null, ...args: string[]): Promise<Judgement> {
  try {
    if (client === null) return 'unknown'
    await client.call(...args)
    return { refusal: null }
  } catch (error) {
    const { name, message } = error as Error
    const telling = name === 'ReplyError' && !/^(LOADING|BUSY|MASTERDOWN)/.test(message)
    return telling ? { refusal: message } : 'unknown'
  }
}

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'
import { equal, host, ok, play, port } from '../clients/program.ts'

// Sessions of an express application in Redis, by connect-redis and node-redis.

declare module 'express-session' {
  interface SessionData {
    visits: number
  }
}

const client = await createClient({ socket: { host, port } }).connect()
const store = new RedisStore({ client, prefix: 'visit:', ttl: 60 })

const app = express()
app.use(session({ store, secret: 'not one', resave: false, saveUninitialized: false }))
app.get('/visit', (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1
  response.json(request.session.visits)
})
app.get('/leave', (request, response) => {
  request.session.destroy((error) => response.json(error ? String(error) : 'gone'))
})
app.get('/renew', (request, response) => {
  const { visits = 0 } = request.session
  request.session.regenerate(() => {
    request.session.visits = visits
    response.json(request.sessionID)
  })
})
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

/** Keeps the cookie as a browser does. */
class Browser {
  cookie = ''

  async get(path: string): Promise<unknown> {
    const response = await fetch(url + path, { headers: { cookie: this.cookie } })
    const [set] = response.headers.getSetCookie()
    if (set !== undefined) this.cookie = set.slice(0, set.indexOf(';'))
    return response.json()
  }
}

await play({
  async 'a session lasts over requests'() {
    const browser = new Browser()
    for (const visit of [1, 2, 3]) equal(await browser.get('/visit'), visit)
  },

  async 'many sessions at a time'() {
    const browsers = Array.from({ length: 50 }, () => new Browser())
    for (const visit of [1, 2, 3, 4]) {
      equal(await Promise.all(browsers.map((browser) => browser.get('/visit'))), Array<number>(50).fill(visit))
    }
  },

  async 'it expires'() {
    const browser = new Browser()
    await browser.get('/visit')
    const [key] = (await client.keys('visit:*')).slice(-1)
    const left = await client.ttl(key ?? '')
    ok(left > 50 && left <= 60, `${left} s`)
  },

  async 'destroyed and made anew'() {
    const browser = new Browser()
    await browser.get('/visit')
    const before = browser.cookie
    const id = await browser.get('/renew')
    ok(browser.cookie !== before, 'the same session')
    ok(((await store.ids()) as unknown[]).includes(id), 'not in the store')
    equal(await browser.get('/visit'), 2)
    equal(await browser.get('/leave'), 'gone')
    equal(await browser.get('/visit'), 1)
  },

  async 'counted and cleared'() {
    equal(await store.length(), (await client.keys('visit:*')).length)
    await store.clear()
    equal(await store.length(), 0)
  },

  async close() {
    server.closeAllConnections()
    server.close()
    await client.close()
  },
})

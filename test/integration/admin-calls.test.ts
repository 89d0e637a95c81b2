/** The calls that change something: who may make them, and that they do what they say. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { Cleanup } from './support.ts'

const TOKEN = 'adm1n-t0ken'
const CALLS = ['/reload', '/drain', '/loglevel?level=debug']

describe('calls of the admin API', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let open: Respool
  let guarded: Respool

  before(async () => {
    const redis = suite.add(await startRedis())
    open = suite.add(await startRespool({ upstream: redis.url, config: {} }))
    guarded = suite.add(await startRespool({ upstream: redis.url, config: { adminToken: TOKEN } }))
  })
  after(() => suite.run())

  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

  /** Not `fetch`, which sets the headers itself that a browser would. */
  const post = ({ adminPort: port }: Respool, path: string, headers: Record<string, string> = {}) =>
    new Promise<number>((resolve, reject) => {
      const call = request({ host: '127.0.0.1', port, path, method: 'POST', headers }, (response) => {
        response.resume()
        resolve(response.statusCode!)
      })
      call.once('error', reject).end()
    })

  const refused: [what: string, headers: () => Record<string, string>, status: number][] = [
    ['a page of another origin', () => ({ origin: 'https://evil.example' }), 403],
    ['a page without an origin to name', () => ({ origin: 'null' }), 403],
    ['a form of another site', () => ({ 'sec-fetch-site': 'cross-site' }), 403],
    ['a page at another port of this host', () => ({ origin: 'http://127.0.0.1:1' }), 403],
    ['a name that was made to lead here', () => ({ host: `evil.example:${open.adminPort}` }), 403],
  ]
  for (const [what, headers, status] of refused) {
    it(`are not for ${what}, with or without a token`, async () => {
      for (const path of CALLS) {
        assert.equal(await post(open, path, headers()), status)
        assert.equal(await post(guarded, path, { ...bearer(TOKEN), ...headers() }), status)
      }
    })
  }

  it('take the token if there is one, though views do without', async () => {
    for (const path of CALLS) {
      for (const headers of [{}, bearer('wrong'), bearer(''), { authorization: `Basic ${TOKEN}` }])
        assert.equal(await post(guarded, path, headers), 401)
      assert.equal(await post(guarded, `${path}${path.includes('?') ? '&' : '?'}token=${TOKEN}`), 401)
    }
    assert.equal((await fetch(`${guarded.admin}/stats`)).status, 200)
    assert.equal(guarded.events('draining').length, 0)
  })

  it('do what they say for who may make them', async () => {
    const own = { host: `localhost:${guarded.adminPort}`, origin: `http://localhost:${guarded.adminPort}` }
    const headers = { ...bearer(TOKEN), ...own, 'sec-fetch-site': 'same-origin' }
    assert.equal(await post(guarded, '/loglevel?level=noise', headers), 400)
    assert.equal(guarded.events('connection_closed').length, 0)
    assert.equal(await post(guarded, '/loglevel?level=debug', headers), 200)
    await until(async () => {
      ;(await RawClient.connect(guarded.port)).close()
      return guarded.events('connection_closed').length > 0
    }, 'it writes events of that level')
    guarded.configure({ adminToken: TOKEN, pool: { max: 7 } })
    assert.equal(await post(guarded, '/reload', headers), 200)
    await until(() => guarded.events('config_reloaded').length === 1, 'it says so')
    const code = guarded.exited()
    assert.equal(await post(guarded, '/drain', headers), 202)
    assert.equal(await code, 0)
    assert.doesNotMatch(guarded.output(), new RegExp(TOKEN))
  })
})

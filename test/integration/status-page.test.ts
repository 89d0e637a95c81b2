/** The status page as a browser shows it, with traffic going on. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import axe, { type AxeResults } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { picturePath, startBrowser } from '../helpers/browser.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, pipeline } from './support.ts'

const HOSTILE = '<img/src=x/onerror=alert(1)>'

/** A page, what it asked for, and what it complained of. */
interface Visit {
  page: Page
  requests: string[]
  complaints: string[]
}

describe('the status page', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let browser: Browser
  let respool: Respool

  before(async () => {
    const redis = suite.add(await startRedis())
    const guard = { slowLog: { threshold: '1ms' }, hotKeys: { sample: 1 }, keyNames: 'full' }
    respool = suite.add(await startRespool({ upstream: redis.url, config: { guard } }))
    for (const name of ['checkout', HOSTILE]) {
      const client = suite.client(await RawClient.connect(respool.port))
      await ask(client, 'CLIENT', 'SETNAME', name)
      suite.add(traffic(client))
    }
    const slow = suite.client(await RawClient.connect(respool.port))
    await ask(slow, 'EVAL', 'for i = 1, 1000000 do end', 0)
    const blocked = suite.client(await RawClient.connect(respool.port))
    blocked.send('*3\r\n$5\r\nBLPOP\r\n$4\r\njobs\r\n$1\r\n0\r\n')
    browser = await startBrowser()
    suite.also(() => browser.close())
  })
  after(() => suite.run())

  async function visit(width: number, colorScheme: 'light' | 'dark', admin = respool.admin): Promise<Visit> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
    const [requests, complaints]: [string[], string[]] = [[], []]
    page.on('request', (request) => requests.push(request.url()))
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('dialog', (dialog) => {
      complaints.push(dialog.message())
      void dialog.dismiss()
    })
    await page.goto(`${admin}/`)
    return { page, requests, complaints }
  }

  describe('lives, fits and keeps to itself', { concurrency: true }, () => {
    for (const width of [1280, 360]) {
      for (const scheme of ['light', 'dark'] as const) {
        it(`${width} pixels, ${scheme}`, async () => {
          const { page, requests, complaints } = await visit(width, scheme)
          const total = () => numberIn(page, '#commands tbody tr:has(th:text-is("get")) td:last-child')
          const first = (await until(total, 'GET is listed'))!
          await until(async () => (await total())! > first, 'its count has grown')
          await until(
            async () => (await numberIn(page, '#tiles div:has-text("Commands") strong'))! > 0,
            'a rate is shown',
          )
          const drawn = () => page.locator('figure:has-text("Throughput") path.line.blue').getAttribute('d')
          const line = await until(drawn, 'a line is drawn')
          await until(async () => (await drawn()) !== line, 'it has moved')

          assert.match(await page.locator('#endpoints tbody').innerText(), /primary[\s\S]*up[\s\S]*1 leased/)
          await page.locator('#hot tbody tr:has(th:text-is("key"))').waitFor()
          await page.locator('#slow tbody tr').first().waitFor()
          const clients = page.locator('#clients tbody')
          await until(async () => (await clients.innerText()).includes(HOSTILE), 'its name is shown as it is')
          assert.equal(await clients.locator('img').count(), 0)

          const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')
          assert.deepEqual(widths, [width, width])
          const picture = picturePath(`status-page-${width}-${scheme}`)
          await page.screenshot({ path: picture, fullPage: true })
          console.log(`picture: ${picture}`)
          assert.deepEqual(await barriers(page), [])
          assert.deepEqual(complaints, [])
          assert.deepEqual(
            requests.filter((url) => !url.startsWith(`${respool.admin}/`)),
            [],
          )
          await page.close()
        })
      }
    }
  })

  it('has landmarks, and tables with heads that stay tables on a narrow screen', async () => {
    const { page } = await visit(360, 'light')
    for (const landmark of ['banner', 'main', 'contentinfo', 'navigation'] as const)
      assert.equal(await page.getByRole(landmark).count(), 1, landmark)
    for (const name of [/^Redis/, /^Commands/, /^Slow commands/, /^Hot keys/, /^Applications/]) {
      const table = page.getByRole('table', { name })
      await table.getByRole('rowheader').first().waitFor()
      assert.ok((await table.getByRole('columnheader').count()) >= 3)
    }
    assert.equal(await page.getByRole('img', { name: /^Throughput: answered / }).count(), 1)
    await page.close()
  })

  it('is used by keyboard: colours are chosen and kept, and it pauses', async () => {
    const { page } = await visit(1280, 'light')
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await ground()
    const focused = () => page.evaluate('document.activeElement.id || document.activeElement.className')
    const order: unknown[] = []
    for (let nth = 0; nth < 3; nth++) {
      await page.keyboard.press('Tab')
      order.push(await focused())
    }
    assert.deepEqual(order, ['skip', 'pause', 'theme'])
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    const dark = await ground()
    assert.notEqual(dark, light)
    await page.reload()
    assert.equal(await ground(), dark)

    await page.locator('#tiles strong').first().waitFor()
    await page.getByRole('button', { name: 'Pause' }).press('Enter')
    assert.equal(await page.getByRole('status').innerText(), 'Paused')
    const sent = (await fetchEvents(respool.admin)).body!
    await sent.cancel()
    const uptime = await page.locator('#about').innerText()
    await sleep(1500)
    assert.equal(await page.locator('#about').innerText(), uptime)
    await page.getByRole('button', { name: 'Go on' }).press('Enter')
    await until(async () => (await page.locator('#about').innerText()) !== uptime, 'it goes on')
    await page.close()
  })

  it('is open in sixteen places at most, and a place that is left can be taken', async () => {
    const open: Response[] = []
    for (let nth = 0; nth < 16; nth++) open.push(await fetchEvents(respool.admin))
    assert.deepEqual(new Set(open.map(({ status }) => status)), new Set([200]))
    const { page } = await visit(1280, 'light')
    await page.getByRole('alert').filter({ hasText: 'too many' }).waitFor()
    await Promise.all(open.map(({ body }) => body!.cancel()))
    await page.getByRole('status').filter({ hasText: 'Ready' }).waitFor()
    await page.close()
  })

  it('says when Redis or respool is away', async () => {
    const redis = suite.add(await startRedis())
    const other = suite.add(await startRespool({ upstream: redis.url }))
    const { page } = await visit(1280, 'light', other.admin)
    const status = page.getByRole('status')
    await status.filter({ hasText: 'Ready' }).waitFor()
    await redis.stop()
    await status.filter({ hasText: /^Not ready: / }).waitFor()
    await page.locator('#endpoints .pill.bad').waitFor()
    await other.stop()
    await page.getByRole('alert').filter({ hasText: 'does not answer' }).waitFor()
    await page.close()
  })
})

/** Commands, one pipeline after another, until it is stopped. */
function traffic(client: RawClient): { stop(): Promise<void> } {
  let going = true
  const done = (async () => {
    while (going) {
      await pipeline(client, [
        ['SET', 'key', 'value'],
        ['GET', 'key'],
        ['LPUSH', 'key', 'no list'],
      ])
      await sleep(5)
    }
  })()
  return {
    stop: () => {
      going = false
      return done
    },
  }
}

function fetchEvents(admin: string): Promise<Response> {
  return fetch(`${admin}/events`)
}

/** A figure as the page writes it. */
async function numberIn(page: Page, selector: string): Promise<number | null> {
  const [text] = await page.locator(selector).allInnerTexts()
  const match = /^([\d.]+)(k?)$/.exec(text ?? '')
  return match && Number(match[1]) * (match[2] === 'k' ? 1000 : 1)
}

/** What axe finds wrong: contrast, landmarks, names, heads of tables and the like. */
async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResults>('axe.run()')
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
}

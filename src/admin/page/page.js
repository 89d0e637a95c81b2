import { Charts } from './charts.js'
import { Clients } from './clients.js'
import { Commands } from './commands.js'
import { setText } from './elements.js'
import { Endpoints } from './endpoints.js'
import { duration } from './format.js'
import { HotKeys } from './hot-keys.js'
import { SlowLog } from './slow-log.js'
import { startTheme } from './theme.js'
import { STEADY, Tiles } from './tiles.js'

/** Delay before a server that has refused to send events is asked again, ms. */
const AGAIN = 5000

const byId = (id) => document.getElementById(id)

const tiles = new Tiles(byId('tiles'))
const charts = new Charts(byId('charts'))
const endpoints = new Endpoints(byId('endpoints'))
const commands = new Commands(byId('commands'))
const slowLog = new SlowLog(byId('slow'))
const hotKeys = new HotKeys(byId('hot'))
const clients = new Clients(byId('clients'))

function show(sample) {
  const rates = charts.add(sample)
  const reasons = sample.reasons.join('; ')
  setState(sample.ready ? 'Ready' : `Not ready: ${reasons}`, sample.ready ? 'good' : 'bad')
  setText(byId('about'), `version ${sample.version}, up for ${duration(sample.uptime)}`)
  endpoints.show(sample)
  slowLog.show(sample)
  hotKeys.show(sample)
  clients.show(sample)
  if (rates === null) return
  const world = { sample, rates, recent: charts.recent(STEADY) }
  tiles.show(world)
  commands.show(world)
}

function setState(text, colour) {
  setText(byId('state'), text)
  byId('state').className = `pill ${colour}`
}

function setNotice(text) {
  setText(byId('notice'), text)
  byId('notice').hidden = text === ''
}

// Events come while somebody looks: a page that is paused or hidden costs respool nothing.

let events = null
let retry
let paused = false

function update() {
  const wanted = !paused && !document.hidden
  if (wanted === (events !== null)) return
  clearTimeout(retry)
  if (wanted) listen()
  else hangUp()
}

function listen() {
  events = new EventSource('events')
  events.addEventListener('message', ({ data }) => {
    setNotice('')
    show(JSON.parse(data))
  })
  events.addEventListener('error', () => {
    setState('No connection', 'bad')
    if (events.readyState === EventSource.CONNECTING)
      return setNotice('respool does not answer. The figures are the last ones known.')
    setNotice('respool sends no figures at the moment: perhaps too many of these pages are open.')
    hangUp()
    retry = setTimeout(update, AGAIN)
  })
}

function hangUp() {
  events.close()
  events = null
}

byId('pause').addEventListener('click', () => {
  paused = !paused
  byId('pause').setAttribute('aria-pressed', paused)
  setText(byId('pause'), paused ? 'Go on' : 'Pause')
  if (paused) setState('Paused', 'unknown')
  update()
})
document.addEventListener('visibilitychange', update)
startTheme(byId('theme'))
update()

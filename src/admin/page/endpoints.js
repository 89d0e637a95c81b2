import { element, setText } from './elements.js'
import { number } from './format.js'
import { Table } from './table.js'

const STATES = [
  ['shared', 'shared', 'blue'],
  ['pinned', 'leased', 'amber'],
  ['idle', 'idle', 'grey'],
  ['connecting', 'connecting', 'red'],
]
/** Ranges of slots that are written out. */
const MOST_RANGES = 3

export class Endpoints {
  constructor(section) {
    this.note = section.querySelector('small')
    this.table = new Table(section, {
      label: 'endpoints-title',
      empty: 'No server is known yet.',
      columns: [
        { title: 'Server', value: ({ endpoint }) => endpoint, kind: 'wide nowrap' },
        { title: 'Role', value: ({ role, replicaOf }) => (replicaOf ? `${role} of ${replicaOf}` : role) },
        { title: 'State', value: showState },
        { title: 'Slots', value: ({ slots }) => (slots ? describeSlots(slots) : '–') },
        { title: 'Connections', value: showConnections, kind: 'wide' },
        { title: 'Waiting', value: ({ pool }) => (pool ? number(pool.waiters) : '–'), kind: 'number' },
        { title: 'Found ready', value: ({ pool }) => (pool ? hitRate(pool) : '–'), kind: 'number' },
        { title: 'Opened', value: ({ pool }) => (pool ? number(pool.opened) : '–'), kind: 'number' },
      ],
    })
  }

  show({ topology, stats }) {
    const pools = new Map(stats.endpoints.map((pool) => [pool.endpoint, pool]))
    setText(this.note, describeTopology(topology))
    this.table.show(topology.endpoints.map((server) => ({ ...server, pool: pools.get(server.endpoint) })))
  }
}

const KINDS = { standalone: 'one server', sentinel: 'primary that sentinels name', cluster: 'cluster' }

function describeTopology({ kind, slotsCovered, sentinels }) {
  const more = [
    slotsCovered === undefined ? '' : `, ${slotsCovered} of 16384 slots served`,
    sentinels === undefined ? '' : `: ${sentinels.join(', ')}`,
  ]
  return (KINDS[kind] ?? kind) + more.join('')
}

function showState({ up, breaker }, cell) {
  const known = up !== undefined
  const text = known ? (up ? 'up' : 'down') : 'not connected'
  const colour = known ? (up && breaker === 'closed' ? 'good' : 'bad') : 'unknown'
  const also = breaker === undefined || breaker === 'closed' ? '' : `, breaker ${breaker}`
  if (cell.textContent === text + also) return
  cell.replaceChildren(element('span', { class: `pill ${colour}` }, text + also))
}

function describeSlots(ranges) {
  const more = ranges.length - MOST_RANGES
  return ranges.slice(0, MOST_RANGES).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function hitRate({ hits, misses }) {
  return hits + misses === 0 ? '–' : `${Math.floor((hits / (hits + misses)) * 1000) / 10} %`
}

/** A bar and its figures. */
function showConnections({ pool }, cell) {
  if (pool === undefined) return '–'
  const counts = STATES.map(([state, name, colour]) => ({ name, colour, count: pool.connections[state] }))
  const text =
    counts
      .filter(({ count }) => count > 0)
      .map(({ name, count }) => `${count} ${name}`)
      .join(', ') || 'none'
  let [bar, figures] = cell.children
  if (bar === undefined) {
    bar = element(
      'span',
      { class: 'bar', 'aria-hidden': 'true' },
      ...counts.map(({ colour }) => element('span', { class: colour })),
    )
    figures = element('span')
    cell.replaceChildren(bar, figures)
  }
  counts.forEach(({ count }, index) => {
    bar.children[index].style.flexGrow = count
  })
  setText(figures, text)
}

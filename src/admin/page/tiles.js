import { connections } from './charts.js'
import { element, setText } from './elements.js'
import { bytes, milliseconds, number } from './format.js'
import { pooled, quantile, sum } from './rates.js'

/** Seconds over which quantiles are taken: enough to be steady. */
export const STEADY = 10

const TILES = [
  { title: 'Commands', unit: 'per second', of: ({ rates }) => number(rates.commands) },
  {
    title: 'Errors',
    unit: 'per second',
    of: ({ rates }) => number(rates.errors),
    warn: ({ rates }) => rates.errors > 0,
  },
  { title: 'Half within', unit: `of the last ${STEADY} s`, of: (world) => latency(0.5, world) },
  { title: '99 % within', unit: `of the last ${STEADY} s`, of: (world) => latency(0.99, world) },
  {
    title: 'Applications',
    unit: 'connections',
    of: ({ sample }) => number(sample.stats.downstreamConnections),
  },
  {
    title: 'Redis',
    unit: 'connections',
    of: ({ sample }) => number(sum(['idle', 'shared', 'pinned'].map((state) => connections(sample, state)))),
  },
  {
    title: 'Waiting',
    unit: 'for a connection',
    of: ({ sample }) => number(waiters(sample)),
    warn: ({ sample }) => waiters(sample) > 0,
  },
  { title: 'Buffered', unit: 'in queues', of: ({ sample }) => bytes(sample.stats.bufferedBytes) },
]

function latency(part, { sample, recent }) {
  const ms = quantile(part, sample.vitals.bounds, pooled(recent.map(({ times }) => times)))
  return ms === null ? '–' : milliseconds(ms)
}

function waiters({ stats }) {
  return sum(stats.endpoints.map(({ waiters }) => waiters))
}

export class Tiles {
  constructor(parent) {
    this.values = TILES.map(({ title, unit }) => {
      const value = element('strong', {}, '–')
      parent.append(
        element(
          'div',
          { class: 'card' },
          element('dt', {}, title),
          element('dd', {}, value, element('span', { class: 'quiet' }, unit)),
        ),
      )
      return value
    })
  }

  /** @param world the sample, the difference to the one before, and those of the last seconds */
  show(world) {
    TILES.forEach(({ of, warn }, index) => {
      setText(this.values[index], of(world))
      this.values[index].classList.toggle('warn', warn?.(world) ?? false)
    })
  }
}

import { setText } from './elements.js'
import { milliseconds, number } from './format.js'
import { pooled, quantile } from './rates.js'
import { Table } from './table.js'
import { STEADY } from './tiles.js'

/** Commands that are shown. */
const MOST = 12

export class Commands {
  constructor(section) {
    this.note = section.querySelector('small')
    this.table = new Table(section, {
      label: 'commands-title',
      compact: true,
      empty: 'No command has been seen yet.',
      columns: [
        { title: 'Command', value: ({ name }) => name.replace('|', ' ') },
        { title: 'Per second', value: ({ rate }) => number(rate), kind: 'number' },
        { title: 'Errors', value: ({ errors }) => number(errors), kind: 'number' },
        { title: 'Half within', value: (row) => within(0.5, row), kind: 'number' },
        { title: '99 % within', value: (row) => within(0.99, row), kind: 'number' },
        { title: 'Since the start', value: ({ total }) => number(total), kind: 'number spare' },
      ],
    })
  }

  show({ sample, recent }) {
    const bounds = sample.vitals.bounds
    const rows = [...groupByName(recent)].map(([name, list]) => ({
      name,
      bounds,
      total: list.at(-1).total,
      rate: mean(list.map(({ rate }) => rate)),
      errors: mean(list.map(({ errors }) => errors)),
      times: pooled(list.map(({ times }) => times)),
    }))
    rows.sort((a, b) => b.rate - a.rate || b.total - a.total)
    this.table.show(rows.slice(0, MOST))
    const more = rows.length > MOST ? `, the ${MOST} most frequent of ${rows.length}` : ''
    setText(this.note, `of the last ${STEADY} s${more}`)
  }
}

function groupByName(recent) {
  const groups = new Map()
  for (const { byCommand } of recent) {
    for (const command of byCommand) groups.set(command.name, [...(groups.get(command.name) ?? []), command])
  }
  return groups
}

function mean(list) {
  return list.reduce((total, value) => total + value, 0) / list.length
}

function within(part, { bounds, times }) {
  const ms = quantile(part, bounds, times)
  return ms === null ? '–' : milliseconds(ms)
}

import { setText } from './elements.js'
import { bytes, duration, number } from './format.js'
import { Table } from './table.js'

export class Clients {
  constructor(section) {
    this.note = section.querySelector('small')
    this.table = new Table(section, {
      label: 'clients-title',
      empty: 'No application is connected.',
      columns: [
        { title: 'Connection', value: ({ id, name }) => (name ? `${id} ${name}` : id), kind: 'wide' },
        { title: 'From', value: ({ address }) => address || 'unix socket', kind: 'nowrap' },
        { title: 'Library', value: ({ library }) => library || '–' },
        { title: 'Protocol', value: ({ protocol, database }) => `RESP${protocol}, db ${database}` },
        { title: 'Mode', value: describeMode },
        { title: 'Commands', value: ({ commands }) => number(commands), kind: 'number' },
        { title: 'Errors', value: ({ errors }) => number(errors), kind: 'number' },
        {
          title: 'Bytes in, out',
          value: ({ bytesIn, bytesOut }) => `${bytes(bytesIn)}, ${bytes(bytesOut)}`,
          kind: 'number',
        },
        { title: 'In flight', value: ({ inFlight }) => number(inFlight), kind: 'number' },
        { title: 'Connected for', value: ({ ageSeconds }) => duration(ageSeconds), kind: 'number' },
        { title: 'Idle for', value: ({ idleSeconds }) => duration(idleSeconds), kind: 'number' },
        { title: 'Last command', value: ({ lastCommand }) => lastCommand || '–' },
      ],
    })
  }

  show({ clients, stats }) {
    const all = stats.downstreamConnections
    setText(this.note, all > clients.length ? `the ${clients.length} last active of ${all}` : `${all} connected`)
    this.table.show([...clients].sort((a, b) => a.id - b.id))
  }
}

function describeMode({ mode, lease }) {
  return lease === null ? mode : `${mode}, leased for ${lease.reason} since ${duration(lease.ageSeconds)}`
}

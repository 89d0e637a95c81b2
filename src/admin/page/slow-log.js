import { setText } from './elements.js'
import { milliseconds, number } from './format.js'
import { Table } from './table.js'

/** Commands that are shown. */
const MOST = 10

export class SlowLog {
  constructor(section) {
    this.note = section.querySelector('small')
    this.table = new Table(section, {
      label: 'slow-title',
      empty: 'No command has taken so long.',
      columns: [
        { title: 'Command', value: ({ command, failed }) => (failed ? `${command}, with an error` : command) },
        { title: 'At', value: ({ at }) => new Date(at).toLocaleTimeString(), kind: 'nowrap' },
        { title: 'Took', value: ({ totalMs }) => milliseconds(totalMs), kind: 'number' },
        { title: 'Waiting', value: ({ waitMs }) => milliseconds(waitMs), kind: 'number' },
        { title: 'In Redis', value: ({ upstreamMs }) => milliseconds(upstreamMs), kind: 'number' },
        { title: 'Keys', value: ({ keys }) => (keys === null ? '–' : number(keys)), kind: 'number' },
        { title: 'Server', value: ({ endpoint }) => endpoint || '–', kind: 'nowrap' },
        { title: 'Connection', value: ({ client }) => `${client.id} ${client.name}` },
      ],
    })
  }

  show({ slowlog }) {
    const { thresholdMs, total, commands } = slowlog
    const newest = commands.length > MOST ? `, the last ${MOST} of ${total}` : ''
    setText(this.note, thresholdMs === 0 ? 'switched off' : `${milliseconds(thresholdMs)} or longer${newest}`)
    this.table.show(commands.slice(0, MOST))
  }
}

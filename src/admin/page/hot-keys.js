import { setText } from './elements.js'
import { Table } from './table.js'

/** Keys that are shown. */
const MOST = 10
const NAMES = { hash: ', by their digests', prefix: ', only how they begin', full: '' }

export class HotKeys {
  constructor(section) {
    this.note = section.querySelector('small')
    this.table = new Table(section, {
      label: 'hot-title',
      compact: true,
      empty: 'No key has been seen yet.',
      columns: [
        { title: 'Key', value: ({ key }) => key },
        { title: 'Share of all uses', value: ({ share }) => percent(share), kind: 'number' },
        { title: 'At least', value: ({ shareAtLeast }) => percent(shareAtLeast), kind: 'number' },
      ],
    })
  }

  show({ hotkeys }) {
    const { sample, keyNames, keys } = hotkeys
    const how = `one command in ${sample} is looked at${NAMES[keyNames] ?? ''}`
    setText(this.note, sample === 0 ? 'switched off' : how)
    this.table.show(keys.slice(0, MOST))
  }
}

function percent(share) {
  return `${Number((share * 100).toPrecision(3))} %`
}

import { element, setText } from './elements.js'

// A table that is filled again and again. Rows and cells are kept, and only what differs is written, so that whoever reads,
// selects or uses a screen reader is not disturbed.
//
// On narrow screens each row becomes a card (see style.css), unless the table is compact; for this cells bear their column's name. As
// `display` would take the meaning of a table away, roles state it.

/**
 * @param columns `{ title, value, kind, unit }`: `value` makes text of a row, or fills the cell itself and gives nothing;
 * `kind` is some of `number`, `wide`, `nowrap`, and `spare` for what narrow screens have no room for; the first column names the row
 */
export class Table {
  constructor(parent, { label, columns, empty, compact = false }) {
    this.columns = columns
    this.body = element('tbody', { role: 'rowgroup' })
    const heads = columns.map(({ title, kind = 'text' }) =>
      element('th', { role: 'columnheader', scope: 'col', class: kind }, title),
    )
    this.empty = element('p', { class: 'quiet' }, empty)
    this.table = element(
      'table',
      { role: 'table', 'aria-labelledby': label, class: compact ? 'compact' : 'cards' },
      element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...heads)),
      this.body,
    )
    parent.append(this.table, this.empty)
    this.show([])
  }

  show(rows) {
    this.table.hidden = rows.length === 0
    this.empty.hidden = rows.length > 0
    while (this.body.rows.length > rows.length) this.body.lastChild.remove()
    while (this.body.rows.length < rows.length) this.body.append(this.#newRow())
    rows.forEach((row, index) => this.#fill(this.body.rows[index], row))
  }

  #newRow() {
    const cells = this.columns.map(({ title, kind = 'text' }, index) =>
      index === 0
        ? element('th', { role: 'rowheader', scope: 'row', class: kind })
        : element('td', { role: 'cell', class: kind, 'data-title': title }),
    )
    return element('tr', { role: 'row' }, ...cells)
  }

  #fill(line, row) {
    this.columns.forEach(({ value }, index) => {
      const cell = line.cells[index]
      const text = value(row, cell)
      if (text !== undefined) setText(cell, String(text))
    })
  }
}

import { drawn, element, setText } from './elements.js'

// A line chart over the last minutes: one point a second, the newest at the right edge, a line broken where points are missing.
// Latencies lie on a logarithmic scale, since one slow moment would press all others flat.

/** Seconds that the chart spans. */
export const SPAN = 180
const HEIGHT = 168
const MARGIN = { top: 10, right: 8, bottom: 22, left: 52 }
const FLOOR = HEIGHT - MARGIN.bottom
/** Times with a label, in seconds before now. */
const TICKS = [
  [180, '−3 min'],
  [120, '−2 min'],
  [60, '−1 min'],
  [0, 'now'],
]

export class Chart {
  #points = []
  #width = 0
  #pointer = null

  /**
   * @param scale makes an axis of the values to be shown: see scales.js
   * @param lines `{ name, colour, dashed?, stacked? }`; stacked ones lie upon each other
   * @param format makes text of a value, with its unit
   */
  constructor(parent, { title, unit, lines, format, scale }) {
    this.title = title
    this.scale = scale
    this.lines = lines
    this.format = format
    this.values = lines.map(() => element('span', { class: 'figure' }))
    const legend = lines.map(({ name, colour, dashed }, index) =>
      element('li', { class: `key ${colour}${dashed ? ' dashed' : ''}` }, name, ' ', this.values[index]),
    )
    this.svg = drawn('svg', { height: HEIGHT, role: 'img', focusable: 'false' })
    parent.append(
      element(
        'figure',
        { class: 'card' },
        element('figcaption', {}, element('h3', {}, title), element('span', { class: 'quiet' }, unit)),
        element('ul', { class: 'legend', 'aria-label': `Now, ${unit}` }, ...legend),
        this.svg,
      ),
    )
    new ResizeObserver(([{ contentRect }]) => this.#resize(contentRect.width)).observe(this.svg)
    this.svg.addEventListener('pointermove', ({ offsetX }) => this.#point(offsetX))
    this.svg.addEventListener('pointerleave', () => this.#point(null))
  }

  /** @param points `{ at, values }` with the time in seconds, the oldest first; a value is null where there is none */
  show(points) {
    this.#points = points
    this.#draw()
  }

  #resize(width) {
    if (width === this.#width) return
    this.#width = width
    this.#draw()
  }

  #point(x) {
    this.#pointer = x
    this.#draw()
  }

  #draw() {
    if (this.#width === 0) return
    const now = this.#points.at(-1)?.at ?? 0
    const tops = this.#points.map(({ at, values }) => ({ at, values: this.#stack(values) }))
    const scale = this.scale(tops.flatMap(({ values }) => values.filter((value) => value !== null)))
    const [left, right] = [MARGIN.left, this.#width - MARGIN.right]
    const x = (at) => right - ((now - at) / SPAN) * (right - left)
    const y = (value) => FLOOR - scale.part(value) * (FLOOR - MARGIN.top)

    const shown = this.#nearest(x)
    this.values.forEach((node, index) => {
      const value = shown?.values[index] ?? null
      setText(node, value === null ? '–' : this.format(value))
    })
    this.svg.setAttribute('viewBox', `0 0 ${this.#width} ${HEIGHT}`)
    this.svg.setAttribute('aria-label', this.#describe())
    this.svg.replaceChildren(
      ...this.#grid(scale.levels, y, left, right),
      // The last line lies highest where they are stacked, and is drawn first.
      ...this.lines.flatMap((line, index) => paths(line, index, tops, x, y)).reverse(),
      ...(this.#pointer === null || !shown ? [] : [crosshair(x(shown.at))]),
    )
  }

  #stack(values) {
    let below = 0
    return values.map((value, index) => (this.lines[index].stacked && value !== null ? (below += value) : value))
  }

  #grid(values, y, left, right) {
    const levels = values.flatMap((value) => [
      drawn('line', { class: 'grid', x1: left, x2: right, y1: y(value), y2: y(value) }),
      drawn('text', { x: left - 8, y: y(value), class: 'level' }, this.format(value)),
    ])
    const times = TICKS.map(([ago, text]) => {
      const anchor = ago === 0 ? 'end' : ago === SPAN ? 'start' : 'middle'
      const at = right - (ago / SPAN) * (right - left)
      return drawn('text', { x: at, y: HEIGHT - 6, 'text-anchor': anchor }, text)
    })
    return [...levels, ...times]
  }

  /** The point under the pointer, or else the newest. */
  #nearest(x) {
    if (this.#pointer === null) return this.#points.at(-1)
    const distance = ({ at }) => Math.abs(x(at) - this.#pointer)
    return this.#points.reduce((best, point) => (best && distance(best) <= distance(point) ? best : point), undefined)
  }

  #describe() {
    return `${this.title}: ${this.lines.map(({ name }, index) => `${name} ${this.values[index].textContent}`).join(', ')}`
  }
}

function paths({ colour, dashed, stacked }, index, points, x, y) {
  const runs = unbroken(points, index)
  const line = (run) => run.map(({ at, values }) => `${x(at).toFixed(1)},${y(values[index]).toFixed(1)}`).join('L')
  const area = (run) => `M${x(run[0].at).toFixed(1)},${FLOOR}L${line(run)}L${x(run.at(-1).at).toFixed(1)},${FLOOR}Z`
  const parts = [
    drawn('path', {
      class: `line ${colour}${dashed ? ' dashed' : ''}`,
      d: runs.map((run) => `M${line(run)}`).join(''),
    }),
  ]
  if (stacked || index === 0) {
    parts.push(drawn('path', { class: `area ${colour}${stacked ? ' stacked' : ''}`, d: runs.map(area).join('') }))
  }
  return parts
}

/** The points of a line as runs without a gap. */
function unbroken(points, index) {
  const runs = []
  let last = -Infinity
  for (const point of points) {
    if (point.values[index] === null) continue
    // Seconds are never exact; what is missing is at least one of them.
    if (point.at - last > 2.5) runs.push([])
    runs.at(-1).push(point)
    last = point.at
  }
  return runs
}

function crosshair(x) {
  return drawn('line', { class: 'crosshair', x1: x, x2: x, y1: MARGIN.top, y2: FLOOR })
}

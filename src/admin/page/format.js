// Figures as text that people read at a glance: three digits and a unit.

const LARGE = ['', 'k', 'M', 'G', 'T']

/** 0, 7, 12.3, 456, 1.23k, 45.6k … */
export function number(value) {
  const [small, letter] = scaled(value)
  return small + letter
}

export function bytes(value) {
  const [small, letter] = scaled(value)
  return `${small} ${letter}B`
}

export function milliseconds(ms) {
  if (ms < 0.9995) return `${digits(ms * 1000)} µs`
  if (ms < 999.5) return `${digits(ms)} ms`
  return duration(ms / 1000)
}

/** The two largest units that say something. */
export function duration(seconds) {
  if (seconds < 1) return 'under 1 s'
  if (seconds < 9.95) return `${digits(seconds)} s`
  const parts = [
    [Math.floor(seconds / 86400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's'],
  ]
  const first = parts.findIndex(([count]) => count > 0)
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

function scaled(value) {
  let scale = 0
  while (Math.abs(value) >= 999.5 && scale < LARGE.length - 1) {
    value /= 1000
    scale++
  }
  return [digits(value), LARGE[scale]]
}

function digits(value) {
  if (value === 0) return '0'
  return String(Number(value.toPrecision(3)))
}

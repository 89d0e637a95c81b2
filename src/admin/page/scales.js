// Axes: `levels` are the values to draw a line for, `part` is how far up a value lies, from 0 to 1.

/** From 0 to a round figure. */
export function linear(values) {
  const top = niceCeiling(Math.max(0, ...values))
  return { levels: [0, top / 2, top], part: (value) => value / top }
}

/** Whole powers of ten, two apart at least. What is less than the lowest lies on it. */
export function logarithmic(values) {
  const logs = values.filter((value) => value > 0).map(Math.log10)
  // Sums of tenths are not exact, and a value of 1 should not need a power of its own.
  const low = Math.floor(Math.min(0, ...logs) + 1e-9)
  const high = Math.max(low + 2, Math.ceil(Math.max(0, ...logs) - 1e-9))
  const levels = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
  return { levels, part: (value) => Math.max(0, (Math.log10(Math.max(value, 1e-9)) - low) / (high - low)) }
}

/** The next of 1, 2, 4, 6, 8 times a power of ten: halves of them are round as well. */
function niceCeiling(value) {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  const factor = [1, 2, 4, 6, 8, 10].find((one) => one * power >= value * 0.9999)
  return factor * power
}

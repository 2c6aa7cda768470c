// Scales, ticks and curves: where numbers become places. Pure, and tested without a browser.

/**
 * A straight scale.
 * @param {[number, number]} domain @param {[number, number]} range
 * @returns {(value: number) => number}
 */
export function linear([d0, d1], [r0, r1]) {
  const span = d1 - d0 || 1
  return (value) => r0 + ((value - d0) / span) * (r1 - r0)
}

/**
 * A scale on which equal factors are equal distances.
 * @param {[number, number]} domain both above 0 @param {[number, number]} range
 * @returns {(value: number) => number}
 */
export function log([d0, d1], range) {
  const straight = linear([Math.log(d0), Math.log(d1)], range)
  return (value) => straight(Math.log(Math.max(value, d0)))
}

/** How many nines a quantile has: 0.9 → 1, 0.999 → 3. @param {number} quantile */
const nines = (quantile) => -Math.log10(1 - quantile)

/**
 * The scale of tails: each further nine takes as much room as the one before.
 * @param {number} last the last quantile shown @param {[number, number]} range
 * @returns {(quantile: number) => number}
 */
export function tail(last, range) {
  const straight = linear([0, nines(last)], range)
  return (quantile) => straight(nines(Math.min(quantile, last)))
}

/** Round numbers on a straight scale, about `wanted` of them. @param {number} from @param {number} to */
export function ticks(from, to, wanted = 5) {
  if (!(to > from)) return [from]
  const rough = (to - from) / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999) ?? rough
  const found = []
  for (let index = Math.ceil(from / step - 1e-9); index * step <= to * (1 + 1e-12); index++) {
    found.push(Number((index * step).toPrecision(12)))
  }
  return found
}

/**
 * The powers of ten that a logarithmic axis needs: the domain, rounded outwards, and at most ten of
 * them as marks.
 * @param {number[]} values
 */
export function decades(values) {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value))
  const powers = positive.length ? [Math.min(...positive), Math.max(...positive)].map(Math.log10) : [0, 1]
  // Beyond these powers there is no number.
  const low = Math.max(Math.floor(powers[0] + 1e-9), -307)
  const high = Math.min(Math.max(Math.ceil(powers[1] - 1e-9), low + 1), 308)
  const power = (/** @type {number} */ n) => Number(`1e${n}`)
  const every = Math.ceil((high - low) / 9)
  const ticks = Array.from({ length: Math.floor((high - low) / every) + 1 }, (_, index) => power(low + index * every))
  return { domain: /** @type {[number, number]} */ ([power(low), power(high)]), ticks }
}

/** The quantiles that a nines axis marks, up to the last one shown. @param {number} last */
export const quantileTicks = (last) =>
  [0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999].filter((quantile) => quantile <= last + 1e-12)

/** `50%`, `99.9%`. @param {number} quantile */
export const percent = (quantile) => `${Number((quantile * 100).toPrecision(8))}%`

/**
 * The percentile curve of a histogram, cut where its samples no longer tell.
 * @param {[number, number][]} histogram pairs of value and count, ascending
 * @param {number} last the last quantile that its samples support
 * @returns {[number, number][]} pairs of quantile and value, ascending
 */
export function curve(histogram, last) {
  const total = histogram.reduce((sum, [, n]) => sum + n, 0)
  /** @type {[number, number][]} */
  const points = []
  let below = 0
  for (const [value, n] of histogram) {
    const start = below / total
    if (start > last) break
    points.push([start, value])
    below += n
    points.push([Math.min(below / total, last), value])
  }
  return points
}

/** The value at a quantile of a curve; `null` beyond its end. @param {[number, number][]} points @param {number} quantile */
export function at(points, quantile) {
  if (!points.length || quantile > points[points.length - 1][0] + 1e-12) return null
  let low = 0
  let high = points.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (points[middle][0] < quantile) low = middle + 1
    else high = middle
  }
  return points[low][1]
}

/** The middle of some numbers; NaN of none. @param {number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  if (!sorted.length) return NaN
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

/** How many items of a sorted list are at most `value`. @param {ArrayLike<number>} sorted @param {number} value */
export function atMost(sorted, value) {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle] <= value) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Moves labels apart that would cover each other, keeping their order and staying inside.
 * @param {number[]} places @param {number | number[]} gap from each to the next @param {number} low @param {number} high
 */
export function spread(places, gap, low, high) {
  const room = (/** @type {number} */ index) => (typeof gap === 'number' ? gap : gap[index])
  const order = places.map((_, index) => index).sort((a, b) => places[a] - places[b])
  const moved = [...places]
  let floor = low
  for (const index of order) {
    moved[index] = Math.max(moved[index], floor)
    floor = moved[index] + room(index)
  }
  let ceiling = high + room(order[order.length - 1] ?? 0)
  for (const index of order.reverse()) {
    moved[index] = Math.min(moved[index], ceiling - room(index))
    ceiling = moved[index]
  }
  return moved
}

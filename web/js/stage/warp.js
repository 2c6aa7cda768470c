// From the time of the trace to the time on the screen: slowed by one factor while a message is on its way. Pauses in which
// none is, and long silences while one is, are cut short when they would leave no room for the rest. What is cut is marked,
// with its true length.

import { atMost, median } from '../scale.js'

/** @typedef {{ from: number, to: number }} Span */
/**
 * @typedef {object} Warp
 * @property {number} length of the whole, in shown nanoseconds
 * @property {Span[]} cuts
 * @property {(t: number) => number} shown from trace time to shown time
 * @property {(shown: number) => number} real and back
 */

/** While a message is on its way, a silence is cut when it is this many times the usual one, and … */
const MANY = 24
/** … takes this share of everything. */
const SHARE = 0.15
/** Pauses between messages take at most this share of the time that messages take. */
const IDLE = 0.5

/** Spans that touch, as one. @param {Span[]} spans */
function merged(spans) {
  /** @type {Span[]} */
  const found = []
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const last = found[found.length - 1]
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else found.push({ from, to })
  }
  return found
}

/**
 * @param {number[]} times of the events, ascending
 * @param {Span[]} [flights] when messages were on their way
 * @returns {Warp}
 */
export function warp(times, flights = []) {
  const first = times[0] ?? 0
  const last = times[times.length - 1] ?? first
  const spans = merged(flights.length ? flights : [{ from: first, to: last }])
  const ends = spans.map(({ to }) => to)
  const pauses = times.slice(1).map((to, index) => {
    const span = spans[Math.min(atMost(ends, times[index]), spans.length - 1)]
    return { from: times[index], to, ns: to - times[index], busy: times[index] >= span.from && to <= span.to }
  })
  const busy = pauses.filter((pause) => pause.busy && pause.ns > 0).map(({ ns }) => ns).sort((a, b) => a - b)
  const longest = Math.max(1, (busy[Math.floor(busy.length * 0.6)] ?? 1) * MANY)
  const lengths = spans.map(({ from, to }) => to - from)
  const whole = lengths.reduce((sum, length) => sum + length, 0)
  const idle = pauses.filter((pause) => !pause.busy && pause.ns > 0).length
  const room = Math.max(1, Math.min((whole * IDLE) / Math.max(1, idle), median(lengths) / 2))

  /** @type {Span[]} */
  const cuts = []
  const [real, shown] = [[first], [0]]
  for (const { from, to, ns, busy } of pauses) {
    const cut = busy ? ns > longest && ns >= whole * SHARE : ns > room * 1.5
    const length = cut ? (busy ? longest / 3 : room) : ns
    if (cut) cuts.push({ from, to })
    if (ns === 0) continue
    real.push(to)
    shown.push(shown[shown.length - 1] + length)
  }
  return {
    length: shown[shown.length - 1],
    cuts,
    shown: (t) => between(real, shown, t),
    real: (at) => between(shown, real, at),
  }
}

/** @param {number[]} xs ascending @param {number[]} ys @param {number} x */
function between(xs, ys, x) {
  const index = Math.min(Math.max(atMost(xs, x), 1), xs.length - 1)
  const [x0, x1, y0, y1] = [xs[index - 1], xs[index], ys[index - 1], ys[index]]
  if (!(x > x0)) return y0 ?? 0
  if (x >= x1) return y1
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0)
}

// From the time of the trace to the time on the screen. Each message is played equally long, however long it took, and its
// inside true to scale; pauses are played shorter. A message that took far longer than the others is marked so.

import { atMost, median } from '../scale.js'

/** @typedef {{ from: number, to: number }} Span */
/**
 * @typedef {object} Warp
 * @property {number} length of the whole: a message that flies alone counts 1
 * @property {Span[]} cuts pauses that are played shorter than they were, to scale with the messages beside them
 * @property {(Span & { times: number })[]} long flights, with how many times the usual one they took
 * @property {number} usual the usual flight, in nanoseconds
 * @property {(t: number) => number} shown from trace time to shown time
 * @property {(shown: number) => number} real and back
 */

/** A pause is played this long, where a message is played for 1; … */
const PAUSE = 0.35
/** … one with several readings as many times as long, up to this many. */
const READINGS = 8
/** A flight is marked when it took this many times the usual one. */
const MANY = 4

/**
 * @param {number} from @param {number} to the whole
 * @param {Span[]} [flights] when messages were on their way
 * @param {number[]} [readings] when the gauges were read, ascending
 * @returns {Warp}
 */
export function warp(from, to, flights = [], readings = []) {
  const spans = flights
    .map((flight) => ({ from: Math.max(from, flight.from), to: Math.min(to, flight.to) }))
    .filter((span) => span.to > span.from)
    .sort((a, b) => a.from - b.from)
  const usual = median(spans.map((span) => span.to - span.from)) || to - from
  const ends = spans.map((span) => span.to).sort((a, b) => a - b)
  /** @type {Span[]} */
  const cuts = []
  const [real, shown] = [[from], [0]]
  const piece = (/** @type {number} */ end, /** @type {number} */ length) => {
    if (!(end > real[real.length - 1])) return
    real.push(end)
    shown.push(shown[shown.length - 1] + length)
  }
  const pause = (/** @type {number} */ end) => {
    const here = real[real.length - 1]
    const seen = atMost(readings, end) - atMost(readings, here)
    if (end > here) cuts.push({ from: here, to: end })
    piece(end, PAUSE * Math.min(READINGS, Math.max(1, seen)))
  }
  let next = 0
  for (const together of merged(spans)) {
    pause(together.from)
    // Of messages that fly together each is played from the arrival of the one before it to its own.
    for (; next < ends.length && ends[next] <= together.to; next++) piece(ends[next], 1)
  }
  if (spans.length) pause(to)
  else piece(to, 1)
  return {
    length: shown[shown.length - 1],
    cuts,
    long: spans.map((span) => ({ ...span, times: (span.to - span.from) / usual })).filter(({ times }) => times >= MANY),
    usual,
    shown: (t) => between(real, shown, t),
    real: (at) => between(shown, real, at),
  }
}

/** Spans that overlap or touch, as one. @param {Span[]} spans by their beginning */
function merged(spans) {
  /** @type {Span[]} */
  const found = []
  for (const { from, to } of spans) {
    const last = found[found.length - 1]
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else found.push({ from, to })
  }
  return found
}

/** @param {number[]} xs ascending @param {number[]} ys @param {number} x */
function between(xs, ys, x) {
  const index = Math.min(Math.max(atMost(xs, x), 1), xs.length - 1)
  const [x0, x1, y0, y1] = [xs[index - 1], xs[index], ys[index - 1], ys[index]]
  if (!(x > x0)) return y0 ?? 0
  if (x >= x1) return y1
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0)
}

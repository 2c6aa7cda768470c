// From the time of the trace to the time on the screen: slowed by one factor, except that a pause in which nothing happens
// is cut short when it would leave no room for the rest. What is cut is marked, with its true length.

import { atMost } from '../scale.js'

/** @typedef {{ from: number, to: number }} Cut */
/**
 * @typedef {object} Warp
 * @property {number} length of the whole, in shown nanoseconds
 * @property {Cut[]} cuts
 * @property {(t: number) => number} shown from trace time to shown time
 * @property {(shown: number) => number} real and back
 */

/** A pause is cut when it is this many times the usual pause, and … */
const MANY = 24
/** … takes this share of everything. */
const SHARE = 0.15

/**
 * @param {number[]} times of the events, ascending
 * @returns {Warp}
 */
export function warp(times) {
  const first = times[0] ?? 0
  const pauses = []
  for (let index = 1; index < times.length; index++) {
    const pause = times[index] - times[index - 1]
    if (pause > 0) pauses.push(pause)
  }
  const usual = [...pauses].sort((a, b) => a - b)[Math.floor(pauses.length * 0.6)] ?? 1
  const whole = (times[times.length - 1] ?? first) - first
  const longest = Math.max(usual * MANY, 1)

  /** @type {Cut[]} */
  const cuts = []
  /** @type {number[]} */
  const real = [first]
  /** @type {number[]} */
  const shown = [0]
  let cutAway = 0
  for (let index = 1; index < times.length; index++) {
    const pause = times[index] - times[index - 1]
    if (pause <= longest || pause < whole * SHARE) continue
    cuts.push({ from: times[index - 1], to: times[index] })
    real.push(times[index - 1], times[index])
    const start = times[index - 1] - first - cutAway
    cutAway += pause - longest / 3
    shown.push(start, times[index] - first - cutAway)
  }
  const last = times[times.length - 1] ?? first
  real.push(last)
  shown.push(Math.max(last - first - cutAway, 0))
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
  if (x <= x0) return y0
  if (x >= x1) return y1
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0)
}

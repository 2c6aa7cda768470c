// Latency by percentile: logarithmic upwards, and to the right each further nine takes as much room as the one before.
// A curve ends where its samples no longer tell.

import { duration } from '../format.js'
import { at, curve, decades, log, percent, quantileTicks, tail } from '../scale.js'
import { accent, title } from '../store.js'
import { frame } from './frame.js'

/** @import { Row } from '../../types' */

/** @param {Row[]} rows @param {string} label */
export function percentiles(rows, label) {
  const curves = rows
    .filter((row) => row.latency_ns && !row.failed && row.entrant !== 'null' && row.latency_ns.samples > 20)
    .map((row) => ({ title: title(row.kind), accent: accent(row.kind), points: curve(row.latency_ns?.histogram ?? []) }))
    .filter(({ points }) => points.length > 1)
  if (!curves.length) return null
  const last = Math.max(...curves.map(({ points }) => points[points.length - 1][0]))
  const { domain, ticks } = decades(curves.flatMap(({ points }) => [points[0][1], points[points.length - 1][1]]))
  const quantiles = Array.from({ length: 101 }, (_, index) => 1 - (1 - last) ** (index / 100))
  /** @param {import('./frame.js').Area} area */
  const x = (area) => tail(last, [area.left, area.right])
  return frame(`${label}: cursor over the percentiles`, {
    draw(area) {
      const y = log(domain, [area.bottom, area.top])
      const every = area.right - area.left < 380 ? 2 : 1
      return {
        x: quantileTicks(last).filter((_, index) => index !== 1 || every === 1).map((quantile) => ({ at: x(area)(quantile), text: percent(quantile) })),
        y: ticks.map((value) => ({ at: y(value), text: duration(value) })),
        lines: curves.map(({ title, accent, points }) => ({ title, accent, points: points.map(([quantile, value]) => [x(area)(quantile), y(value)]) })),
      }
    },
    stops: quantiles.map((quantile) => ({
      at: (area) => x(area)(quantile),
      text: `${percent(Number(quantile.toPrecision(5)))}: ${curves.map(({ title, points }) => {
        const value = at(points, quantile)
        return `${title} ${value === null ? 'too few samples' : duration(value)}`
      }).join(', ')}`,
    })),
  })
}

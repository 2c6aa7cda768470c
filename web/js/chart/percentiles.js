// Latency by percentile: logarithmic upwards, and to the right each further nine takes as much room as the one before.
// A curve ends where its samples no longer tell.

import { duration } from '../format.js'
import { at, curve, decades, log, percent, quantileTicks, tail } from '../scale.js'
import { frame } from './frame.js'

/** @import { JudgedRow, Report } from '../../types' */

/** @param {Report} report @param {JudgedRow[]} rows @param {string} label */
export function percentiles(report, rows, label) {
  const curves = rows
    .filter(({ figures }) => figures.some(Boolean))
    .map(({ row, title, scene, last_quantile: last }) => ({ title, accent: scene ?? -1, last, latency: report.rows[row].latency_ns }))
    .flatMap(({ title, accent, last, latency }) => (latency && last ? [{ title, accent, points: curve(latency.histogram, last) }] : []))
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

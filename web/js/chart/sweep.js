// One figure by the size of the message, a line for each mechanism; both axes logarithmic.

import { bytes, duration, rate } from '../format.js'
import { MEASURES } from '../results.js'
import { decades, log } from '../scale.js'
import { accent, title } from '../store.js'
import { frame } from './frame.js'

/** @import { Row } from '../../types' */

/**
 * @param {Row[]} rows of one workload, way of waiting and placement @param {string} by `p50`, `rate`, or `bandwidth`
 * @param {string} label
 */
export function sweep(rows, by, label) {
  const value = (/** @type {Row} */ row) =>
    by === 'bandwidth' ? (row.messages_per_s ?? 0) * row.size_bytes : Number(MEASURES[by].of(row) ?? 0)
  const text = (/** @type {number} */ value) => (by === 'p50' ? duration(value) : by === 'bandwidth' ? `${rate(value)}B/s` : `${rate(value)}/s`)
  const usable = rows.filter((row) => row.entrant === 'mechanism' && !row.failed && value(row) > 0).sort((a, b) => a.size_bytes - b.size_bytes)
  const sizes = [...new Set(usable.map((row) => row.size_bytes))]
  if (sizes.length < 2) return null
  const kinds = [...new Set(usable.map((row) => row.kind))]
  const { domain, ticks } = decades(usable.map(value))
  /** @param {import('./frame.js').Area} area */
  const x = (area) => log([sizes[0], sizes[sizes.length - 1]], [area.left, area.right])
  return frame(`${label}: cursor over the sizes`, {
    draw(area) {
      const y = log(domain, [area.bottom, area.top])
      const every = Math.ceil(sizes.length / Math.max(2, Math.floor((area.right - area.left) / 62)))
      return {
        x: sizes.filter((_, index) => index % every === 0).map((size) => ({ at: x(area)(size), text: bytes(size) })),
        y: ticks.map((tick) => ({ at: y(tick), text: text(tick) })),
        lines: kinds.map((kind) => ({
          title: title(kind),
          accent: accent(kind),
          points: usable.filter((row) => row.kind === kind).map((row) => [x(area)(row.size_bytes), y(value(row))]),
        })),
      }
    },
    stops: sizes.map((size) => ({
      at: (area) => x(area)(size),
      text: `${bytes(size)}: ${usable.filter((row) => row.size_bytes === size).map((row) => `${title(row.kind)} ${text(value(row))}`).join(', ')}`,
    })),
  })
}

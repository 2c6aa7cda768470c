// One figure by the size of the message, a line for each entrant; both axes logarithmic.

import { bytes, figure } from '../format.js'
import { decades, log } from '../scale.js'
import { frame } from './frame.js'

/** @import { JudgedFigure, JudgedGroup } from '../../types' */

/** @param {JudgedGroup[]} groups of one workload and way of waiting @param {JudgedFigure[]} figures @param {string} by @param {string} label */
export function sweep(groups, figures, by, label) {
  const at = figures.findIndex((figure) => figure.by === by)
  const text = (/** @type {number} */ value) => figure(value, figures[at].unit)
  const points = groups
    .flatMap(({ size_bytes: size, rows }) => rows.map(({ title, scene, figures }) => ({ title, accent: scene ?? -1, size, value: figures[at]?.value ?? 0 })))
    .filter(({ value }) => value > 0)
    .sort((a, b) => a.size - b.size)
  const sizes = [...new Set(points.map(({ size }) => size))]
  if (sizes.length < 2) return null
  const lines = [...new Map(points.map(({ title, accent }) => [title, accent]))]
  const { domain, ticks } = decades(points.map(({ value }) => value))
  /** @param {import('./frame.js').Area} area */
  const x = (area) => log([sizes[0], sizes[sizes.length - 1]], [area.left, area.right])
  return frame(`${label}: cursor over the sizes`, {
    draw(area) {
      const y = log(domain, [area.bottom, area.top])
      const every = Math.ceil(sizes.length / Math.max(2, Math.floor((area.right - area.left) / 62)))
      return {
        x: sizes.filter((_, index) => index % every === 0).map((size) => ({ at: x(area)(size), text: bytes(size) })),
        y: ticks.map((tick) => ({ at: y(tick), text: text(tick) })),
        lines: lines.map(([title, accent]) => ({
          title,
          accent,
          points: points.filter((point) => point.title === title).map(({ size, value }) => [x(area)(size), y(value)]),
        })),
      }
    },
    stops: sizes.map((size) => ({
      at: (area) => x(area)(size),
      text: `${bytes(size)}: ${points.filter((point) => point.size === size).map(({ title, value }) => `${title} ${text(value)}`).join(', ')}`,
    })),
  })
}

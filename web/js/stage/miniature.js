// A stage without words, for a card.

import { s } from '../dom.js'

/** @import { Scene } from '../../types' */

/** @param {Scene} scene @param {number} accent */
export function miniature(scene, accent) {
  const [width, height, line] = [240, 108, 46]
  const rect = (/** @type {string} */ name, /** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ w, /** @type {number} */ h) =>
    s('rect', { class: name, x, y, width: w, height: h, rx: 2 })
  const parts = scene.stage.filter((part) => part.form.is !== 'process')
  const user = parts.filter((part) => part.space === 'user')
  const kernel = parts.filter((part) => part.space === 'kernel')
  const touched = new Set(scene.steps.filter((step) => step.when === 'always').flatMap((step) => [step.at, step.to]))
  const drawn = user.map((part, index) => rect('frame accent', 84, 10 + index * (32 / user.length), 72, 32 / user.length - 4))
  const step = Math.min(20, 52 / Math.max(1, kernel.length))
  drawn.push(...kernel.map((part, index) =>
    rect(touched.has(part.id) ? 'frame accent' : 'frame faint', 62 + index * 6, line + 7 + index * step, 116 - index * 12, step - 5)))
  const deepest = kernel.findLastIndex((part) => touched.has(part.id))
  const depth = deepest < 0 ? 26 : line + 7 + deepest * step + (step - 5) / 2
  const way = deepest < 0 ? `M64 26H176` : `M32 40V${depth}H208V40`
  const hatch = `mini-${accent}-hatch`
  return s('svg', { class: 'stage mini', viewBox: `0 0 ${width} ${height}`, 'aria-hidden': true, 'data-accent': accent % 8 },
    s('defs', {}, s('pattern', { id: hatch, width: 7, height: 7, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
      s('line', { x1: 0, y1: 0, x2: 0, y2: 7, class: 'hatch' }))),
    s('rect', { class: 'kernel', x: 0, y: line, width, height: height - line }),
    s('rect', { x: 0, y: line, width, height: height - line, fill: `url(#${hatch})` }),
    s('line', { class: 'border', x1: 0, y1: line, x2: width, y2: line }),
    rect('frame', 8, 10, 48, 30), rect('frame', width - 56, 10, 48, 30),
    ...drawn, s('path', { class: 'guide', d: way }),
    s('circle', { class: 'dot', cx: deepest < 0 ? 120 : 120, cy: depth, r: 5 }))
}

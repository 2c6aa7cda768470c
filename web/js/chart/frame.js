// What line charts share: axes, lines with their names beside them, and a cursor for pointer and keyboard.

import { h, s, say } from '../dom.js'
import { spread } from '../scale.js'

/** @typedef {{ title: string, accent: number, points: [number, number][] }} Line points in px, ascending in x */
/** @typedef {{ at: number, text: string }} Mark in px */
/**
 * @typedef {object} Plot
 * @property {(area: Area) => { x: Mark[], y: Mark[], lines: Line[] }} draw
 * @property {{ at: (area: Area) => number, text: string }[]} stops where the cursor can stand, from left to right, and what is read there
 */
/** @typedef {{ left: number, right: number, top: number, bottom: number }} Area */

const HEIGHT = 340
/** The width of a letter of a line's name, bold. */
const CHAR = 8.2

/**
 * A chart that fits its box, and is drawn anew when the box changes.
 * @param {string} label @param {Plot} plot
 */
export function frame(label, plot) {
  const readout = h('output', { class: 'readout nums' }, '')
  const svg = s('svg', { class: 'chart', height: HEIGHT, tabindex: 0, role: 'slider', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': plot.stops.length - 1, 'aria-valuenow': 0 })
  const box = h('div', { class: 'chart-box' }, svg)
  let chosen = Math.floor(plot.stops.length / 2)
  /** @type {Area} */
  let area = { left: 64, right: 600, top: 14, bottom: HEIGHT - 30 }
  let width = 0
  const cursor = s('line', { class: 'cursor' })

  const choose = (/** @type {number} */ index) => {
    chosen = Math.min(plot.stops.length - 1, Math.max(0, index))
    const stop = plot.stops[chosen]
    if (!stop) return
    const x = stop.at(area).toFixed(1)
    for (const [name, value] of Object.entries({ x1: x, x2: x, y1: area.top, y2: area.bottom })) cursor.setAttribute(name, String(value))
    svg.setAttribute('aria-valuenow', String(chosen))
    svg.setAttribute('aria-valuetext', stop.text)
    say(readout, stop.text)
  }
  const draw = () => {
    const { width: measured } = { width: Math.max(260, Math.floor(box.clientWidth)) }
    if (measured === width) return
    width = measured
    const trial = plot.draw(area)
    const room = Math.min(width * 0.44, Math.max(...trial.lines.map((line) => line.title.length), 4) * CHAR + 18)
    area = { left: width < 480 ? 54 : 64, right: width - room, top: 14, bottom: HEIGHT - 30 }
    svg.setAttribute('width', String(width))
    svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`)
    svg.replaceChildren(...parts(plot.draw(area), area), cursor)
    choose(chosen)
  }
  svg.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5, Home: -1e6, End: 1e6 }[event.key]
    if (by === undefined) return
    event.preventDefault()
    choose(chosen + by)
  })
  svg.addEventListener('pointermove', (event) => {
    const x = event.clientX - svg.getBoundingClientRect().left
    const distances = plot.stops.map((stop) => Math.abs(stop.at(area) - x))
    choose(distances.indexOf(Math.min(...distances)))
  })
  new ResizeObserver(draw).observe(box)
  return h('div', { class: 'chart-frame' }, box, readout)
}

/** @param {{ x: Mark[], y: Mark[], lines: Line[] }} drawn @param {Area} area */
function parts({ x, y, lines }, area) {
  const ends = lines.map((line) => line.points[line.points.length - 1]?.[1] ?? area.bottom)
  const places = spread(ends, 16, area.top + 6, area.bottom)
  return [
    ...y.flatMap(({ at, text }) => [
      s('line', { class: 'hair', x1: area.left, x2: area.right, y1: at, y2: at }),
      s('text', { class: 'axis', x: area.left - 8, y: at + 4, 'text-anchor': 'end' }, text),
    ]),
    ...x.flatMap(({ at, text }) => [
      s('line', { class: 'hair', x1: at, x2: at, y1: area.top, y2: area.bottom }),
      s('text', { class: 'axis', x: at, y: area.bottom + 18, 'text-anchor': 'middle' }, text),
    ]),
    ...lines.map(({ title, accent, points }, index) => {
      const end = points[points.length - 1]
      return s('g', { 'data-accent': accent < 0 ? undefined : accent % 8 },
        s('path', { class: 'line', 'stroke-dasharray': dash(lines, index), d: points.map(([x, y], n) => `${n ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('') }),
        points.length < 20 ? points.map(([x, y]) => s('circle', { class: 'point', cx: x, cy: y, r: 3 })) : null,
        end && s('path', { class: 'leader', d: `M${end[0].toFixed(1)} ${end[1].toFixed(1)}L${area.right + 8} ${places[index]}` }),
        s('text', { class: 'name', x: area.right + 10, y: places[index] + 4 }, title))
    }),
  ]
}

/** Colour is never alone: lines differ in their dashes too. */
const DASHES = ['none', '7 3', '2 3', '9 3 2 3', '12 4', '4 4', '1 4', '6 2 1 2']

/** A mechanism has its dashes as it has its colour, in every chart; those without a colour take turns. @param {Line[]} lines @param {number} index */
function dash(lines, index) {
  const { accent } = lines[index]
  const turn = accent < 0 ? lines.slice(0, index).filter((line) => line.accent < 0).length : accent
  return DASHES[turn % DASHES.length]
}

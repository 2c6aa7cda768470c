// Where everything on a stage stands. Pure: a scene and a width in, boxes and routes out.
//
// User space is above the line, the kernel below it; the two processes stand in the same place on every stage, and parts
// of the kernel lie the deeper the later they come. So the way of a message shows what it costs.

/** @import { Gauge, Part, Scene } from '../../types' */

/** @typedef {{ x: number, y: number }} Point */
/** @typedef {{ x: number, y: number, w: number, h: number }} Rect */
/**
 * @typedef {object} Box
 * @property {Part} part
 * @property {number} x
 * @property {number} y
 * @property {number} w
 * @property {number} h
 * @property {{ text: string, x: number, y: number }[]} label
 * @property {{ gauge: Gauge, x: number, y: number, chars: number, label: string[], below: boolean }[]} gauges the lines of its label; `below`: the value has a line of its own
 * @property {Rect[]} slots
 * @property {Point | null} content where the text of the message that lies here is written
 * @property {Point} rest where a message that is here is drawn
 */
/** @typedef {{ width: number, height: number, line: number, narrow: boolean, boxes: Map<string, Box> }} Layout */

/** The width of a letter and the height of a line of the stage's typeface, 12 px monospace. */
export const CHAR = 7.25
export const LINE = 17
const PAD = 10
const GAP = 12
const TOP = 34
/** Letters kept free for a gauge's number, with a space on each side. */
const VALUE = 9
/** Letters that words need beside their label; with fewer they have a line of their own. */
const WORDS = 22
/** Lines in a process's box under its name: pid, parent, core, state, call. */
const FACTS = 5

/**
 * Breaks text between words.
 * @param {string} text @param {number} chars
 */
export function wrap(text, chars) {
  /** @type {string[]} */
  const lines = []
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1]
    if (last !== undefined && last.length + 1 + word.length <= chars) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/**
 * @param {Scene} scene @param {number} width in px
 * @returns {Layout}
 */
export function layout(scene, width) {
  const narrow = width < 640
  const margin = narrow ? 6 : 16
  const processWidth = narrow ? (width - 3 * margin) / 2 : Math.min(190, Math.max(160, width * 0.2))
  /** @type {Map<string, Box>} */
  const boxes = new Map()
  const isProcess = (/** @type {Part} */ part) => part.form.is === 'process'

  const processes = scene.stage.filter(isProcess)
  processes.forEach((part, index) => {
    const x = index === 0 ? margin : width - margin - processWidth
    boxes.set(part.id, processBox(part, { x, y: TOP, w: processWidth }, narrow ? index : null))
  })
  const processBottom = Math.max(TOP, ...[...boxes.values()].map((box) => box.y + box.h))

  const lane = narrow ? margin + 22 : margin + processWidth + 26
  const user = scene.stage.filter((part) => !isProcess(part) && part.space === 'user')
  let y = narrow ? processBottom + GAP : TOP
  for (const part of user) {
    const box = partBox(part, lane, y, width - 2 * lane)
    boxes.set(part.id, box)
    y += box.h + GAP
  }
  const line = Math.round(Math.max(processBottom + GAP, y) + 4)

  const kernelLane = narrow ? lane : margin + processWidth / 2 + 34
  y = line + 16
  for (const part of scene.stage.filter((part) => !isProcess(part) && part.space === 'kernel')) {
    const box = partBox(part, kernelLane, y, width - 2 * kernelLane)
    boxes.set(part.id, box)
    y += box.h + GAP
  }
  const height = Math.round(Math.max(y + 14, line + 84, narrow ? 0 : 440))
  return { width, height, line, narrow, boxes }
}

/** @param {Part} part @param {{ x: number, y: number, w: number }} place @param {number | null} side 0 left, 1 right, when there are lanes at the edges */
function processBox(part, { x, y, w }, side) {
  const h = PAD + LINE * (FACTS + 1) + 28
  const rest = { x: side === null ? x + w / 2 : side === 0 ? x + 11 : x + w - 11, y: y + h - 15 }
  return { part, x, y, w, h, label: [{ text: part.label, x: x + PAD, y: y + PAD + 10 }], gauges: [], slots: [], content: null, rest }
}

/** The lines of facts in a process's box. @param {Box} box */
export const factLines = (box) => Array.from({ length: FACTS }, (_, index) => ({ x: box.x + PAD, y: box.y + PAD + 11 + LINE * (index + 1) }))

/** @param {Part} part @param {number} x @param {number} top @param {number} w @returns {Box} */
function partBox(part, x, top, w) {
  const inner = w - 2 * PAD
  let y = top + PAD + 9
  const label = wrap(part.label, Math.floor(inner / CHAR)).map((text, index) => ({ text, x: x + PAD, y: y + index * LINE }))
  y += label.length * LINE

  // Words have a line of their own; numbers stand in columns.
  const lines = part.gauges.filter((gauge) => gauge.unit === 'text').map((gauge) => [gauge])
  const numbers = part.gauges.filter((gauge) => gauge.unit !== 'text')
  const columns = columnsOf(numbers, Math.floor(inner / CHAR))
  for (let index = 0; index < numbers.length; index += columns.length) lines.push(numbers.slice(index, index + columns.length))
  const fit = Math.floor(inner / CHAR)
  const gauges = lines.flatMap((line) => {
    const below = line.length === 1 && line[0].label.length + 1 + (line[0].unit === 'text' ? WORDS : VALUE) > fit
    const row = line.map((gauge, column) => {
      const before = columns.slice(0, column).reduce((sum, chars) => sum + chars, 0)
      const chars = gauge.unit === 'text' ? fit : columns[column]
      return { gauge, x: x + PAD + before * CHAR, y, chars: below ? fit - 2 : chars - gauge.label.length - 2, label: below ? wrap(gauge.label, fit) : [gauge.label], below }
    })
    y += LINE * (below ? row[0].label.length + 1 : 1)
    return row
  })

  const { is } = part.form
  const named = is === 'name'
  // The row in which messages are drawn, beside their text.
  const row = y - 9 + (named ? 0 : 11)
  const slots = is === 'buffer' ? inRow(part.form.slots, x + PAD, row - 10, inner) : []
  const below = slots.length ? LINE + 4 : 0
  const content = is === 'region' || is === 'queue' || is === 'buffer' ? { x: x + PAD, y: row + 4 + below } : null
  if (!named) y = row + below + 15
  const rest = { x: x + w / 2, y: row }
  return { part, x, y: top, w, h: y - top + (named ? -4 : 0), label, gauges, slots, content, rest }
}

/**
 * As many columns as the gauges of a part fit into, each as wide as its widest; what is left is shared.
 * @param {Gauge[]} gauges @param {number} chars that fit beside each other
 */
function columnsOf(gauges, chars) {
  for (let columns = Math.min(3, gauges.length); columns > 1; columns--) {
    const widths = Array.from({ length: columns }, (_, column) =>
      Math.max(...gauges.filter((_, index) => index % columns === column).map((gauge) => gauge.label.length + VALUE)))
    const left = chars - widths.reduce((sum, width) => sum + width, 0)
    if (left >= 0) return widths.map((width) => width + Math.floor(left / columns))
  }
  return [chars]
}

/** The slots of a buffer, side by side. @param {number} slots @param {number} x @param {number} y @param {number} w @returns {Rect[]} */
function inRow(slots, x, y, w) {
  const n = Math.max(1, Math.min(slots, 64))
  const step = w / n
  return Array.from({ length: n }, (_, index) => ({ x: x + index * step, y, w: step - Math.min(3, step / 4), h: 20 }))
}

/**
 * The way from one part to another, as corners: out of a process, down its lane, across.
 * @param {Layout} stage @param {string} from @param {string} to @param {number} [slot] which slot of a buffer
 * @returns {Point[]}
 */
export function route(stage, from, to, slot = 0) {
  const [a, b] = [stage.boxes.get(from), stage.boxes.get(to)]
  if (!a || !b) return []
  const [start, end] = [restIn(a, slot), restIn(b, slot)]
  if (from === to) return [start]
  if (b.part.form.is === 'process' && a.part.form.is !== 'process') return route(stage, to, from, slot).reverse()
  if (a.part.form.is !== 'process') return [start, end]
  if (stage.narrow || b.part.space === 'kernel') return [start, { x: start.x, y: end.y }, end]
  const edge = a.x < b.x ? (a.x + a.w + b.x) / 2 : (b.x + b.w + a.x) / 2
  return [start, { x: edge, y: start.y }, { x: edge, y: end.y }, end]
}

/** @param {Box} box @param {number} slot */
function restIn(box, slot) {
  if (!box.slots.length) return box.rest
  const { x, y, w, h } = box.slots[slot % box.slots.length]
  return { x: x + w / 2, y: y + h / 2 }
}

/** A place on a way: 0 is its start, 1 its end. @param {Point[]} points @param {number} share @returns {Point} */
export function along(points, share) {
  const lengths = points.slice(1).map((point, index) => Math.hypot(point.x - points[index].x, point.y - points[index].y))
  let left = lengths.reduce((sum, length) => sum + length, 0) * Math.min(1, Math.max(0, share))
  for (let index = 0; index < lengths.length; index++) {
    if (left <= lengths[index] && lengths[index] > 0) {
      const part = left / lengths[index]
      const [a, b] = [points[index], points[index + 1]]
      return { x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part }
    }
    left -= lengths[index]
  }
  return points[points.length - 1]
}

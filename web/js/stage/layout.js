// Where everything on a stage stands. Pure: a scene and a width in, boxes and routes out.
//
// User space is above the line, the kernel below it; the two processes stand in the same place on every stage, and parts
// of the kernel lie the deeper the later they come. So the way of a message shows what it costs.
//
// A stage fits on one screen with its controls. So each part shows what moves: its name, its first numbers, and a track on
// which bytes, messages and sleepers are drawn. The more parts there are, the less height each of them takes.

/** @import { Gauge, Part, Scene } from '../../types' */

/** @typedef {{ x: number, y: number }} Point */
/** @typedef {{ x: number, y: number, w: number, h: number }} Rect */
/** @typedef {{ gauge: Gauge, label: string, x: number, y: number, chars: number }} Shown a gauge on the drawing; `chars` is the room of its number */
/**
 * @typedef {object} Box
 * @property {Part} part
 * @property {number} x
 * @property {number} y
 * @property {number} w
 * @property {number} h
 * @property {{ text: string, x: number, y: number }[]} label
 * @property {{ text: string, x: number, y: number } | null} note the rest of its label, where there is room for it
 * @property {Shown[]} gauges
 * @property {Rect | null} track where bytes, messages and sleepers are drawn
 * @property {Rect[]} slots
 * @property {Point | null} content where the text of the message that lies here is written
 * @property {Point} rest where a message that is here is drawn
 * @property {{ x: number, y: number, chars: number, end: boolean, notes: boolean }} sleeper where a sleeper is named; `end`: its last letter stands there; `notes`: in place of the note
 */
/** @typedef {{ width: number, height: number, line: number, narrow: boolean, boxes: Map<string, Box> }} Layout */

/** The width of a letter and the height of a line of the stage's typeface, 12 px monospace. */
export const CHAR = 7.25
export const LINE = 17
const PAD = 10
/** From the top of a box, or of a line, to the foot of its letters. */
const FOOT = 13
const TRACK = 24
/** The room for a message before the name of a part without a track: one below the other, so that a message falls straight. */
const TOKEN = 34
/** How many messages are drawn at once; more than that are counted. */
export const TOKENS = 24
/** Gauges of a part on the drawing; the others stand in what each part holds. */
const FRONT = 3
/** Letters kept free for a gauge's number, with a space on each side: of bytes, and of anything else. */
const BYTES = 11
const VALUE = 7
/** Letters that name a sleeper. */
const SLEEPER = 10
/** Lines in a process's box under its name: pid and core, state, call. */
const FACTS = 3

/** How a part is drawn: its name, its track and its numbers below each other; name and numbers on one line; all on one line. */
const FULL = 0
const MERGED = 1
const FLAT = 2

/** A wide and a narrow stage: what they measure, and how high they may be. */
const WIDE = { margin: 16, top: 28, gap: 10, foot: 16, high: 388 }
const NARROW = { margin: 6, top: 22, gap: 6, foot: 15, high: 366 }

/** The gauges that stand on the drawing: a part's first numbers. @param {Part} part */
export const front = ({ gauges }) => gauges.filter((gauge) => gauge.unit !== 'text').slice(0, FRONT)

/** A label's first words name the thing; what follows the colon says more of it. @param {string} label @returns {[string, string]} */
export function nameOf(label) {
  const at = label.indexOf(': ')
  return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 2)]
}

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
  // As much as can be said without being higher than the screen: queues are flattened first, then all the rest.
  /** @type {[number, number][]} */
  const ways = [[FULL, FULL], [FULL, FLAT], [MERGED, FLAT], [FLAT, FLAT]]
  /** @type {Layout | null} */
  let found = null
  for (const [track, queue] of ways) {
    found = lay(scene, width, (part) => part.form.is === 'region' || part.form.is === 'buffer' ? track : part.form.is === 'queue' ? queue : FLAT)
    if (found.height <= (found.narrow ? NARROW : WIDE).high) break
  }
  return spread(/** @type {Layout} */ (found))
}

/**
 * @param {Scene} scene @param {number} width @param {(part: Part) => number} how each part is drawn
 * @returns {Layout}
 */
function lay(scene, width, how) {
  const narrow = width < 640
  const { margin, top, gap, foot } = narrow ? NARROW : WIDE
  const processWidth = narrow ? (width - 3 * margin) / 2 : Math.min(208, Math.max(160, width * 0.21))
  /** @type {Map<string, Box>} */
  const boxes = new Map()
  const isProcess = (/** @type {Part} */ part) => part.form.is === 'process'

  const processes = scene.stage.filter(isProcess)
  processes.forEach((part, index) => {
    const x = index === 0 ? margin : width - margin - processWidth
    boxes.set(part.id, processBox(part, { x, y: top, w: processWidth }, narrow ? index : null))
  })
  const processBottom = Math.max(top, ...[...boxes.values()].map((box) => box.y + box.h))

  const lane = narrow ? margin + 22 : margin + processWidth + 26
  let y = narrow ? processBottom + gap : top
  for (const part of scene.stage.filter((part) => !isProcess(part) && part.space === 'user')) {
    const box = partBox(part, lane, y, width - 2 * lane, how(part))
    boxes.set(part.id, box)
    y += box.h + gap
  }
  const line = Math.round(Math.max(processBottom + gap, y) + 2)

  const kernelLane = narrow ? lane : margin + processWidth / 2 + 34
  y = line + gap + 2
  for (const part of scene.stage.filter((part) => !isProcess(part) && part.space === 'kernel')) {
    const box = partBox(part, kernelLane, y, width - 2 * kernelLane, how(part))
    boxes.set(part.id, box)
    y += box.h + gap
  }
  return { width, height: Math.round(Math.max(y - gap + foot, line + 60)), line, narrow, boxes }
}

/** A wide stage is always as high, so that its controls stand where they stood: what is left goes between the parts of the kernel. @param {Layout} stage */
function spread(stage) {
  const left = stage.narrow ? 0 : WIDE.high - stage.height
  if (left <= 0) return stage
  const below = [...stage.boxes.values()].filter((box) => box.part.space === 'kernel')
  const each = left / (below.length + 1)
  below.forEach((box, index) => move(box, each * (index + 1)))
  stage.height = WIDE.high
  return stage
}

/** @param {Box} box @param {number} by */
function move(box, by) {
  const all = [box, ...box.label, ...box.gauges, ...box.slots, box.note, box.track, box.content, box.rest, box.sleeper]
  for (const one of new Set(all)) if (one) one.y += by
}

/** @param {Part} part @param {{ x: number, y: number, w: number }} place @param {number | null} side 0 left, 1 right, when there are lanes at the edges */
function processBox(part, { x, y, w }, side) {
  const h = PAD + LINE * (FACTS + 1) + 22
  const rest = { x: side === null ? x + w / 2 : side === 0 ? x + 11 : x + w - 11, y: y + h - 13 }
  return { part, x, y, w, h, label: [{ text: part.label, x: x + PAD, y: y + 7 + FOOT }], note: null, gauges: [], track: null, slots: [], content: null, rest, sleeper: { x: x + w - PAD, y: rest.y + 4, chars: Math.floor(w / CHAR / 2), end: true, notes: false } }
}

/** The lines of facts in a process's box. @param {Box} box */
export const factLines = (box) => Array.from({ length: FACTS }, (_, index) => ({ x: box.x + PAD, y: box.y + 7 + FOOT + LINE * (index + 1) }))

/** @param {Part} part @param {number} x @param {number} top @param {number} w @param {number} how @returns {Box} */
function partBox(part, x, top, w, how) {
  const tracked = how !== FLAT && part.form.is !== 'layer' && part.form.is !== 'name'
  const left = x + PAD + (tracked || part.form.is === 'name' ? 0 : TOKEN)
  const inner = x + w - PAD - left
  const fit = Math.floor(inner / CHAR)
  const [name, more] = nameOf(part.label)
  const lines = wrap(name, fit)
  const label = lines.map((text, index) => ({ text, x: left, y: top + 6 + FOOT + index * LINE }))
  const last = label[label.length - 1]
  const used = last.text.length + 1
  const gauges = front(part).map((gauge) => ({ gauge, label: nameOf(gauge.label)[0], chars: gauge.unit === 'B' ? BYTES : VALUE }))
  // Each with its number, and a space to the next.
  const wide = (/** @type {typeof gauges} */ some) => some.reduce((sum, { label, chars }) => sum + label.length + 2 + chars, -1)
  // As many as fit on the line of the name; if not even one does, or a track leaves room for more, they have a line of their own.
  let beside = how === FULL ? 0 : gauges.length
  while (beside > 0 && used + wide(gauges.slice(0, beside)) > fit) beside--
  const own = beside === 0 && gauges.length > 0
  let shown = own ? gauges.length : beside
  while (own && shown > 1 && wide(gauges.slice(0, shown)) > fit) shown--

  let y = last.y + LINE - FOOT
  const track = tracked ? { x: left, y: y + 3, w: inner, h: TRACK } : null
  if (track) y = track.y + track.h + 2
  const foot = own ? y + FOOT : last.y
  if (own) y = foot + LINE - FOOT
  const first = left + (own ? 0 : (fit - wide(gauges.slice(0, beside)) + 1) * CHAR)
  /** @type {Shown[]} */
  const drawn = []
  gauges.slice(0, shown).reduce((at, one) => {
    drawn.push({ ...one, x: at, y: foot })
    return at + (one.label.length + 2 + one.chars) * CHAR
  }, first)
  const end = own || !drawn.length ? x + w - PAD : first - CHAR
  const noted = left + used * CHAR + CHAR
  const note = more && noted + more.length * CHAR <= end ? { text: more, x: noted, y: last.y } : null

  const { is } = part.form
  const slots = is === 'buffer' && track ? inRow(part.form.slots, track) : []
  const content = track && !slots.length ? { x: track.x + 6, y: track.y + 16 } : null
  const rest = track ? { x: x + w / 2, y: track.y + TRACK / 2 } : { x: x + PAD + 11, y: label[0].y - 4 }
  // A sleeper is named beside the name of its part, and over its track only where there is no room for it.
  const named = Math.floor((end - noted) / CHAR)
  const sleeper = track && named < SLEEPER
    ? { x: x + w - PAD - 4, y: track.y + 16, chars: Math.floor(w / CHAR / 2) - 4, end: true, notes: false }
    : { x: noted, y: last.y, chars: named, end: false, notes: true }
  return { part, x, y: top, w, h: y + 5 - top, label, note, gauges: drawn, track, slots, content, rest, sleeper }
}

/** The slots of a buffer, side by side. @param {number} slots @param {Rect} track @returns {Rect[]} */
function inRow(slots, track) {
  const n = Math.max(1, Math.min(slots, 64))
  const step = track.w / n
  return Array.from({ length: n }, (_, index) => ({ x: track.x + index * step, y: track.y, w: step - Math.min(3, step / 4), h: track.h }))
}

/**
 * The way from one part to another, as corners: out of a process, down its lane, across.
 * @param {Layout} stage @param {string} from @param {string} to
 * @returns {Point[]}
 */
export function route(stage, from, to) {
  const [a, b] = [stage.boxes.get(from), stage.boxes.get(to)]
  if (!a || !b) return []
  const [start, end] = [restIn(a), restIn(b)]
  if (from === to) return [start]
  if (b.part.form.is === 'process' && a.part.form.is !== 'process') return route(stage, to, from).reverse()
  if (a.part.form.is !== 'process') return [start, end]
  if (stage.narrow || b.part.space === 'kernel') return [start, { x: start.x, y: end.y }, end]
  const edge = a.x < b.x ? (a.x + a.w + b.x) / 2 : (b.x + b.w + a.x) / 2
  return [start, { x: edge, y: start.y }, { x: edge, y: end.y }, end]
}

/** Where a message lies: in a buffer at its front, as all that it holds. @param {Box} box */
function restIn(box) {
  const [front] = box.slots
  return front ? { x: front.x + front.w / 2, y: front.y + front.h / 2 } : box.rest
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

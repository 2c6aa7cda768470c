// The strip of times: when the sender was in its call, when each message was on its way, when the receiver was in its call.
// Each message is as wide as every other and true to scale inside, with its length below; so is each pause. A click goes to
// a message. Below stands what its shades mean.

import { h, s } from '../dom.js'
import { duration, times } from '../format.js'
import { linear } from '../scale.js'
import { endOf } from './recording.js'
import { onDrawing } from './terms.js'

/** @import { Recording } from './recording.js' */
/** @import { Warp } from './warp.js' */
/** @import { Message } from './way.js' */

const ROWS = /** @type {const} */ (['send', 'flight', 'recv'])
const NAMES = { send: 'in send', flight: 'on its way', recv: 'in recv' }
const LEFT = 84
const RIGHT = 12
const HEIGHT = 16
const GAP = 4
const TOP = 6
const AXIS = TOP + 3 * (HEIGHT + GAP)
/** Above so many messages, they are no longer drawn one by one. */
const SINGLE = 400
/** A pause narrower than this is not marked, in px. */
const NARROW = 7
/** What a shade means that its row does not name; the last two are seldom, and stand there when they are needed. @type {[string, string][]} */
const SHADES = [
  ['wakes', 'the receiver is being woken'], ['waits', 'the receiver waits for the message'], ['pause', 'a pause, played shorter'],
  ['open', 'not followed to its end'], ['lost', 'lost'],
]
/** Shades that are always explained, so that nothing moves when a recording comes. */
const USUAL = 3
/** The width of a letter of the axis, in px. */
const LETTER = 7

export class Strip {
  /** @param {HTMLElement} into @param {number} accent @param {(t: number) => void} seek */
  constructor(into, accent, seek) {
    this.into = into
    this.seek = seek
    this.cursor = s('line', { class: 'cursor', y1: 0, y2: AXIS + 4 })
    this.svg = s('svg', { class: 'strip', height: AXIS + 20, 'aria-hidden': true, 'data-accent': accent % 8, onclick: (/** @type {MouseEvent} */ event) => this.click(event) })
    this.shades = SHADES.map(([name, text]) => h('li', { 'data-shade': name }, h('i', { class: name }), text))
    into.append(this.svg, h('ul', { class: 'legend', 'aria-label': 'The shades of the strip' }, this.shades))
    /** @type {Recording | null} */
    this.recording = null
    /** @type {(t: number) => number} from trace time to px */
    this.x = linear([0, 1], [LEFT, 1])
    this.width = 0
    /** The moment under the cursor. */
    this.moment = 0
    new ResizeObserver(() => this.resize()).observe(into)
    this.resize()
  }

  resize() {
    const width = Math.max(240, Math.floor(this.into.clientWidth))
    if (width === this.width) return
    this.width = width
    this.svg.setAttribute('width', String(width))
    this.svg.setAttribute('viewBox', `0 0 ${width} ${AXIS + 20}`)
    this.build()
  }

  /** @param {Recording} recording @param {Warp} warp */
  load(recording, warp) {
    this.recording = recording
    this.warp = warp
    this.moment = recording.from
    this.build()
  }

  clear() {
    this.recording = null
    this.build()
  }

  build() {
    const right = this.width - RIGHT
    const names = ROWS.map((row, index) => s('text', { class: 'axis', x: 0, y: y(index) + 12 }, onDrawing(NAMES[row])))
    const lines = ROWS.map((_, index) => s('line', { class: 'hair', x1: LEFT, x2: right, y1: y(index) + HEIGHT + 1.5, y2: y(index) + HEIGHT + 1.5 }))
    this.svg.replaceChildren(...lines, ...names)
    for (const shade of this.shades.slice(USUAL)) shade.hidden = true
    if (!this.recording || !this.warp) return
    const { recording, warp } = this
    const straight = linear([0, Math.max(1, warp.length)], [LEFT, right])
    this.x = (t) => straight(warp.shown(t))
    const bars = recording.messages.length <= SINGLE ? this.single(recording) : this.dense(recording)
    this.svg.append(...this.axis(right), ...bars, this.cursor)
    for (const shade of this.shades.slice(USUAL)) shade.hidden = !this.svg.querySelector(`.${shade.dataset.shade}`)
    this.at(this.moment)
  }

  /** @param {Recording} recording */
  single(recording) {
    return recording.messages.flatMap((message) => {
      const { sendBegin, sendEnd, recvBegin, recvEnd } = message
      const waits = recvBegin < sendBegin
      return [
        // If the end of the call was not recorded but the message arrived, its length is unknown.
        this.bar(0, sendBegin, Number.isFinite(sendEnd) || Number.isFinite(recvEnd) ? sendEnd : endOf(message), 'call'),
        this.bar(1, sendBegin, endOf(message), Number.isFinite(recvEnd) ? 'flight' : message.open ? 'open' : 'lost', `message ${message.id}: ${Number.isFinite(recvEnd) ? duration(recvEnd - sendBegin) : message.open ? 'not followed to its end' : 'lost'}`),
        message.way?.wakes ? this.bar(1, message.way.wakes.from, message.way.wakes.to, 'wakes', wakes(message)) : null,
        waits ? this.bar(2, recvBegin, Math.min(sendBegin, recvEnd), 'waits') : null,
        Number.isFinite(recvEnd) ? this.bar(2, waits ? sendBegin : recvBegin, recvEnd, 'call') : null,
      ].filter((bar) => bar !== null)
    })
  }

  /** Columns of one pixel, in one path a row. @param {Recording} recording */
  dense(recording) {
    const paths = ['', '', '']
    const filled = [-1, -1, -1]
    for (const { sendBegin, sendEnd, recvBegin, recvEnd } of recording.messages) {
      const spans = [[sendBegin, sendEnd], [sendBegin, recvEnd], [Math.max(recvBegin, sendBegin), recvEnd]]
      spans.forEach(([from, to], row) => {
        if (!Number.isFinite(from) || !Number.isFinite(to)) return
        const start = Math.max(Math.floor(this.x(from)), filled[row] + 1)
        const end = Math.floor(this.x(to))
        if (end < start) return
        filled[row] = end
        paths[row] += `M${start} ${y(row)}H${end + 1}V${y(row) + HEIGHT}H${start}Z`
      })
    }
    return paths.map((d, row) => s('path', { class: row === 1 ? 'flight' : 'call', d }))
  }

  /** @param {number} row @param {number} from @param {number} to @param {string} name @param {string} [title] */
  bar(row, from, to, name, title) {
    if (!Number.isFinite(from) || !Number.isFinite(to)) return null
    const x = this.x(from)
    return s('rect', { class: name, x, y: y(row), width: Math.max(1, this.x(to) - x - 0.5), height: HEIGHT }, title ? s('title', {}, title) : null)
  }

  /** The length of each message and each pause, where there is room for it. @param {number} right */
  axis(right) {
    const { recording, warp } = /** @type {{ recording: Recording, warp: Warp }} */ (/** @type {unknown} */ (this))
    const middle = (/** @type {number} */ from, /** @type {number} */ to) => (this.x(from) + this.x(to)) / 2
    const flown = recording.messages.length <= SINGLE ? recording.messages.filter(({ recvEnd }) => Number.isFinite(recvEnd)) : []
    const flights = flown.map(({ sendBegin, recvEnd }) => ({ x: middle(sendBegin, recvEnd), text: duration(recvEnd - sendBegin) }))
    const long = warp.long.slice(0, SINGLE).map(({ from, to, times: n }) => ({ x: middle(from, to), text: `${duration(to - from)}, ${times(n)} the median` }))
    const pauses = warp.cuts.filter(({ from, to }) => this.x(to) - this.x(from) >= NARROW).slice(0, SINGLE)
    const paused = pauses.map(({ from, to }) => ({ x: middle(from, to), text: duration(to - from), faint: true }))
    /** @type {[number, number][]} */
    const taken = []
    const texts = [...long, ...flights, ...paused].flatMap(({ x, text, ...more }) => {
      const half = (text.length * LETTER) / 2
      const at = Math.min(right - half, Math.max(LEFT + half, x))
      if (taken.some(([from, to]) => at - half < to + LETTER && at + half > from - LETTER)) return []
      taken.push([at - half, at + half])
      return [s('text', { class: 'faint' in more ? 'axis pause' : 'axis', x: at, y: AXIS + 14, 'text-anchor': 'middle' }, text)]
    })
    const marks = pauses.map(({ from, to }) => s('rect', { class: 'pause', x: this.x(from), y: TOP, width: this.x(to) - this.x(from), height: AXIS - TOP - GAP }, s('title', {}, `a pause of ${duration(to - from)}, played shorter`)))
    return [...marks, ...texts]
  }

  /** @param {number} t */
  at(t) {
    this.moment = t
    const x = this.x(t).toFixed(1)
    this.cursor.setAttribute('x1', x)
    this.cursor.setAttribute('x2', x)
  }

  /** @param {MouseEvent} event */
  click(event) {
    if (!this.recording || !this.warp) return
    const inside = event.clientX - this.svg.getBoundingClientRect().left
    const t = this.warp.real(((inside - LEFT) / (this.width - RIGHT - LEFT)) * this.warp.length)
    const hit = this.recording.messages.find((message) => message.sendBegin <= t && t <= endOf(message))
    this.seek(hit ? hit.sendBegin : t)
  }
}

/** How much of a flight is the waking of its receiver. @param {Message} message */
function wakes({ way, sendBegin, recvEnd }) {
  const { from, to } = way?.wakes ?? { from: 0, to: 0 }
  return `the receiver is woken: ${duration(to - from)} of ${duration(recvEnd - sendBegin)}`
}

/** @param {number} row */
const y = (row) => TOP + row * (HEIGHT + GAP)

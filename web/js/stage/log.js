// The event log: every event of a recording, filtered, copied, and only as many rows drawn as can be seen.

import { button, h, say, show } from '../dom.js'
import { clock, count, duration, plural } from '../format.js'
import { atMost } from '../scale.js'
import { describe, gaugesOf, whole } from './words.js'

/** @import { Scene } from '../../types' */
/** @import { Recording } from './recording.js' */
/** @import { Values } from './words.js' */

const ROW = 24
/** Rows drawn above and below what can be seen. */
const SPARE = 6

export class Log {
  /** @param {(t: number) => void} seek goes to the time of an event @param {() => void} save keeps what is shown in a file */
  constructor(seek, save) {
    /** @type {ReturnType<typeof gaugesOf>} */
    this.gauges = new Map()
    /** @type {Scene | null} */
    this.scene = null
    this.seek = seek
    /** @type {Recording | null} */
    this.recording = null
    /** The time of a line, told apart from that of every other. @type {(ns: number) => string} */
    this.clock = duration
    /** @type {number[]} indices of the events that pass the filter */
    this.shown = []
    this.now = -1
    /** What was read before each event that reads. @type {Map<number, Values>} */
    this.before = new Map()
    /** What is drawn, so that nothing is drawn twice. */
    this.drawn = ''
    this.filter = h('input', { type: 'search', placeholder: 'Filter', 'aria-label': 'Filter the events', oninput: () => this.sift() })
    this.copy = button('Copy', () => this.copyAll(), { class: 'quiet' })
    const keep = button('Save', save, { class: 'quiet', title: 'Save this recording as a trace, which Replay shows' })
    this.said = h('span', { class: 'faint nums' })
    this.rows = h('div', { class: 'rows' })
    this.box = h('div', {
      class: 'log', tabindex: 0, role: 'region', 'aria-label': 'Event log', title: 'A press on a line goes to its moment and opens it; so does Enter on the marked one',
      onscroll: () => this.draw(), onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && this.open(this.now),
    }, this.rows)
    this.opened = h('div', { class: 'whole', hidden: true, role: 'group', 'aria-label': 'The opened event' })
    this.element = h('section', { class: 'panel', 'aria-labelledby': 'log-head' },
      h('div', { class: 'head' }, h('h2', { id: 'log-head' }, 'Events'), this.said, this.filter, this.copy, keep),
      this.box, this.opened)
    this.clear()
  }

  clear() {
    this.recording = null
    this.shown = []
    this.drawn = ''
    this.opened.hidden = true
    this.rows.removeAttribute('role')
    this.rows.style.height = ''
    say(this.said, '')
    show(this.rows, h('p', { class: 'faint' }, 'Nothing has happened yet.'))
  }

  /** @param {Recording} recording @param {Scene} scene */
  load(recording, scene) {
    this.recording = recording
    this.gauges = gaugesOf(scene)
    this.scene = scene
    this.clock = clockOf(recording)
    this.rows.style.setProperty('--time', `${this.clock(recording.to - recording.from).length}ch`)
    this.box.scrollTop = 0
    this.opened.hidden = true
    this.before.clear()
    /** @type {Values} */
    let last = {}
    recording.events.forEach(({ what, values }, index) => {
      // Of new processes nothing was read before.
      if (what === 'processes') last = {}
      if (what !== 'gauges') return
      this.before.set(index, last)
      last = { ...last, ...values }
    })
    this.sift()
  }

  sift() {
    if (!this.recording) return
    const wanted = this.filter.value.trim().toLowerCase()
    const { events } = this.recording
    this.shown = []
    for (let index = 0; index < events.length; index++) {
      if (!wanted || `${this.line(index)} ${JSON.stringify(events[index])}`.toLowerCase().includes(wanted)) this.shown.push(index)
    }
    say(this.said, wanted ? `${count(this.shown.length)} of ${count(events.length)}` : count(events.length))
    this.rows.style.height = `${Math.max(1, this.shown.length) * ROW}px`
    this.drawn = ''
    this.draw()
  }

  /** @param {number} index */
  line(index) {
    if (!this.recording) return ''
    const { who, text } = this.told(index)
    return `${this.clock(this.recording.times[index] - this.recording.from)}  ${who} ${text}`
  }

  /** @param {number} index */
  told(index) {
    const { events, mode } = /** @type {Recording} */ (this.recording)
    const { what, count: of = 0 } = events[index]
    if (mode === 'watched' && what === 'batch-begin') return { who: 'lab', text: `${plural(of, 'message')} that ${of === 1 ? 'was' : 'were'} seen`, foretold: true }
    if (mode === 'watched' && what === 'batch-end') return { who: 'lab', text: 'no message is under way', foretold: true }
    return describe(events[index], this.gauges, this.before.get(index), this.scene)
  }

  /** Goes to an event, and says all of it. @param {number} index */
  open(index) {
    const { recording } = this
    if (!recording?.events[index]) return
    this.seek(recording.times[index])
    this.opened.hidden = false
    show(this.opened,
      h('div', { class: 'head' }, h('p', {}, this.line(index)), button('Close', () => { this.opened.hidden = true }, { class: 'quiet' })),
      h('dl', { class: 'facts' }, whole(recording.events[index], this.gauges).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))))
  }

  /** Marks the event of this moment, and keeps it in sight unless the reader is reading elsewhere. @param {number} t */
  at(t) {
    if (!this.recording) return
    const index = atMost(this.recording.times, t) - 1
    if (index === this.now) return
    this.now = index
    const place = atMost(this.shown, index) - 1
    const reading = this.box.contains(document.activeElement) || this.box.matches(':hover')
    if (!reading) this.box.scrollTop = Math.max(0, place * ROW - this.box.clientHeight / 2)
    this.draw()
  }

  draw() {
    if (!this.recording) return
    const height = this.box.clientHeight || 300
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - SPARE)
    const last = Math.min(this.shown.length, Math.ceil((this.box.scrollTop + height) / ROW) + SPARE)
    const key = `${this.recording.id} ${first} ${last} ${this.now} ${this.shown.length}`
    if (key === this.drawn) return
    this.drawn = key
    // A list without items is none.
    this.rows.removeAttribute('role')
    if (!this.shown.length) return show(this.rows, h('p', { class: 'faint' }, 'No event passes the filter.'))
    this.rows.setAttribute('role', 'list')
    show(this.rows, this.shown.slice(first, last).map((index, offset) => this.row(index, first + offset)))
  }

  /** @param {number} index of the event @param {number} place in the list */
  row(index, place) {
    const recording = /** @type {Recording} */ (this.recording)
    const { who, text, foretold } = this.told(index)
    const row = h('div', {
      role: 'listitem', class: `row ${who}${index === this.now ? ' now' : ''}${foretold ? '' : ' unforetold'}`,
      'aria-setsize': this.shown.length, 'aria-posinset': place + 1, title: text,
      onclick: () => this.open(index),
    },
      h('span', { class: 'time' }, this.clock(recording.times[index] - recording.from)),
      h('span', { class: 'text' }, h('span', { class: 'who' }, `${who} `), text, foretold ? null : h('em', {}, ' not foretold')))
    row.style.top = `${place * ROW}px`
    return row
  }

  async copyAll() {
    await copyText(this.shown.map((index) => this.line(index)).join('\n'), this.copy)
  }
}

/** Its events' times, told apart. @param {Recording} recording */
function clockOf({ times, from, to }) {
  let gap = Infinity
  for (let index = 1; index < times.length; index++) if (times[index] > times[index - 1]) gap = Math.min(gap, times[index] - times[index - 1])
  return clock(to - from, gap)
}

/** Copies, and says on the button itself whether it could. @param {string} text @param {HTMLElement} on */
export async function copyText(text, on) {
  const before = on.textContent ?? ''
  let said = 'Copied'
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    said = 'No clipboard'
  }
  say(on, said)
  setTimeout(() => say(on, before), 1500)
}

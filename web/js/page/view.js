// A stage with everything around it: the one bar, the strip of true times, the steps, the log, the figures. Live stages and
// replayed traces are shown by the same view. Stage, bar and steps fit on one screen; the rest is read beside the stage, which
// stays in view.

import { button, field, h, say, select } from '../dom.js'
import { bytes, count, duration, times, value } from '../format.js'
import { still } from '../prefs.js'
import { Stage } from '../stage/draw.js'
import { Journey } from '../stage/journey.js'
import { Log } from '../stage/log.js'
import { Player } from '../stage/player.js'
import { arrivedBy, Cutter, endOf, wholeOf } from '../stage/recording.js'
import { Strip } from '../stage/strip.js'
import { Steps } from '../stage/steps.js'
import { MODES, titleOf } from '../stage/words.js'
import { written } from '../trace.js'
import { Figures } from './figures.js'
import { Results } from './experiments.js'
import { Keys } from './keys.js'
import { menu } from './menu.js'

/** @import { Child } from '../dom.js' */
/** @import { Event, Header, Scene } from '../../types' */
/** @import { Recording } from '../stage/recording.js' */

/** How fine the slider is. */
const FINE = 1000
/** Recordings that can be gone back to. */
const KEPT = 20
/** Where everything stands in one column, as in `stage.css`. */
const COLUMN = matchMedia('(max-width: 64rem)')
const NOTHING = 'Nothing recorded yet.'

/** The keys of a stage, for its tooltip. */
const KEYS = 'Space plays and pauses, ← and → step, a digit goes to that message or tenth, Home and End to the ends'

export class View {
  /**
   * @param {Header} header @param {number} accent
   * @param {{ sends?: Child, more?: Child, said?: Child, experiments?: Node, speed?: number, paced?: () => void, play?: boolean }} [options] `paced` is told when another speed is chosen
   */
  constructor(header, accent, { sends, more, said, experiments, speed = 1, paced = () => {}, play = true } = {}) {
    this.header = header
    this.play = play
    this.paced = paced
    this.scene = header.scene
    this.cutter = new Cutter(header)
    /** @type {Recording[]} */
    this.recordings = []
    /** Whose recording each is: it is shown as it was, whatever runs now. @type {WeakMap<Recording, Header>} */
    this.headers = new WeakMap()
    this.ground = h('div', { class: 'ground' })
    /** What the bar says, for paper. */
    this.moment = h('p', { class: 'moment nums' })
    this.stage = new Stage(header.scene, this.ground, accent)
    this.log = new Log((t) => this.player.seek(t), () => this.save())
    this.journey = new Journey(header.scene, accent, (t) => this.player.seek(t))
    this.steps = new Steps(header.scene)
    this.figures = new Figures(header)
    this.results = new Results(header.scene)
    const stripBox = h('div', { class: 'strip-box' })
    this.front = h('section', { class: 'panel front', 'aria-label': 'Stage' }, this.bar(speed, sends, more), this.ground, this.moment, said ?? null, stripBox)
    this.left = h('div', { class: 'left' }, this.front)
    this.element = h('div', { class: 'bench', 'data-accent': accent % 8 },
      this.left,
      h('div', { class: 'right' }, this.journey.element, this.steps.element, experiments ?? null, this.results.element, this.log.element, this.figures.why, this.figures.element))
    this.player = new Player(this.stage, header, this.cutter)
    this.player.speed = speed
    this.strip = new Strip(stripBox, accent, (t) => this.player.seek(t))
    this.player.changed = () => this.show()
    this.player.show()
    this.keys = new Keys(this)
    this.leave = new AbortController()
    COLUMN.addEventListener('change', () => this.settle(), { signal: this.leave.signal })
    this.settle()
  }

  /** What each part holds stands below the stage; where all is one column, after what is looked at more. */
  settle() {
    const { element } = this.stage.holds
    if (COLUMN.matches) this.steps.element.after(element)
    else this.left.append(element)
  }

  /**
   * The stage and its steps are those of an experiment, or the scene's; and it is shown as it was recorded.
   * @param {Scene | null} staged @param {Header} [header]
   */
  change(staged, header = this.header) {
    const scene = staged ?? this.scene
    // What an experiment's own stage holds has no header.
    this.framed = staged ? '' : framed(header)
    this.stage.holds.frame(this.framed)
    this.player.header = staged ? { ...header, scene } : header
    if (scene === this.stage.scene) return
    this.player.recording = null
    this.stage.change(scene)
    this.stage.holds.frame(this.framed)
    const steps = new Steps(scene)
    this.steps.element.replaceWith(steps.element)
    this.steps = steps
  }

  /** The one bar: what is sent, where the replay is, and behind one word all that is seldom needed. @param {number} speed @param {Child} sends @param {Child} more */
  bar(speed, sends, more) {
    this.toggle = button('Pause', () => this.playOrPause(), { disabled: true, class: 'toggle', title: 'Space' })
    this.back = button(['◂', h('span', { class: 'word' }, ' Back')], () => this.player.step(-1), { disabled: true, title: '←' })
    this.forth = button([h('span', { class: 'word' }, 'Step '), '▸'], () => this.player.step(1), { disabled: true, title: '→' })
    this.slider = h('input', { type: 'range', min: 0, max: FINE, value: 0, disabled: true, 'aria-label': 'Moment of the replay', class: 'scrub', title: KEYS, oninput: () => this.scrub() })
    this.speed = select([['0.25', '4× slower'], ['0.5', '2× slower'], ['1', 'usual'], ['2', '2× faster'], ['4', '4× faster'], ['Infinity', 'to the end']],
      String(speed), (value) => { this.player.speed = Number(value); this.paced(); this.show() }, { 'aria-label': 'Speed of the replay' })
    this.which = h('select', { 'aria-label': 'Which recording', onchange: () => this.choose(Number(this.which?.value)), disabled: true }, h('option', { value: '' }, 'none'))
    this.counter = h('output', { class: 'counter nums', 'aria-label': 'Messages that have arrived', title: 'Messages that have arrived at this moment of the replay, of all that were sent; a dash where that is not known' }, '0 / 10')
    this.pace = h('span', {}, NOTHING)
    this.recorded = h('span', { class: 'word' })
    this.caption = h('p', { class: 'caption nums' }, this.recorded, this.pace)
    this.more = menu('more ▾', 'more', more, h('div', { class: 'row' }, field('Speed', this.speed), field('Recording', this.which)), h('p', { class: 'faint' }, `${KEYS}.`))
    return h('div', { class: 'controls' }, sends, this.toggle, this.back, this.forth, this.counter, this.slider, this.caption, this.more.element)
  }

  /** @param {string} recorded @param {string} pace @param {string} more */
  pacing(recorded, pace, more) {
    if (!this.recorded || !this.pace || !this.caption) return
    say(this.recorded, recorded)
    say(this.pace, pace)
    if (this.caption.title !== more) this.caption.title = more
  }

  playOrPause() {
    if (this.player.playing) this.player.pause()
    else this.player.play()
  }

  /** To a message, by its number, or to a tenth where there are more than ten. @param {number} digit */
  jump(digit) {
    const { player } = this
    const { recording } = player
    if (!recording) return
    player.pause()
    const few = recording.messages.length <= 10
    if (!few) player.seek(player.warp.real((digit / 10) * player.warp.length))
    else if (digit <= recording.messages.length) player.seek(digit ? recording.messages[digit - 1].sendBegin : recording.from)
  }

  /** To the start or the end. @param {boolean} end */
  turn(end) {
    const { recording } = this.player
    if (!recording) return
    this.player.pause()
    this.player.seek(end ? recording.to : recording.from)
  }

  /** The stage is where it can be seen, and nothing lies over it. */
  bring() {
    if (this.more) this.more.element.open = false
    const { top, bottom } = this.front.getBoundingClientRect()
    if (top < -1 || Math.min(bottom, top + innerHeight / 2) > innerHeight) this.front.scrollIntoView({ block: 'start', behavior: still() ? 'auto' : 'smooth' })
  }

  /** @param {Header} header of new processes, or of the trace */
  restart(header) {
    this.header = header
    this.player.pause()
    this.cutter = Object.assign(new Cutter(header), { recordings: this.cutter.recordings })
    this.player.header = header
    this.player.known = this.cutter
    this.player.recording = null
    this.change(null)
    this.figures.restart(header)
    this.unload()
  }

  /** Nothing of a recording is shown any more: the processes that stand here now have no part in it. */
  unload() {
    this.log.clear()
    this.strip.clear()
    this.journey.clear()
    this.steps.clear()
    for (const control of [this.toggle, this.back, this.forth, this.slider]) if (control) control.disabled = true
    if (this.counter) say(this.counter, '0 / 10')
    this.pacing('', NOTHING, '')
    say(this.moment, '')
    if (this.slider) this.slider.value = '0'
    if (this.which) this.which.value = ''
    this.player.show()
  }

  /** Takes an event as it comes. @param {Event} event @returns {Recording | null} */
  take(event) {
    const made = this.cutter.take(event)
    if (made) this.record(made, this.play)
    else if (this.cutter.depth === 0) {
      if (event.what === 'note' || event.what === 'unavailable') this.results.loose(event)
      if (!this.player.recording) this.player.show()
    }
    return made
  }

  /** @param {Recording} made @param {boolean} play */
  record(made, play) {
    this.headers.set(made, this.header)
    this.recordings.push(made)
    if (this.recordings.length > KEPT) this.recordings.shift()
    this.figures.add(made)
    this.results.add(made)
    if (this.which) {
      this.which.replaceChildren(h('option', { value: '' }, 'none'), ...this.recordings.map((one) => h('option', { value: one.id }, `${title(one, this.scene)}; ${settings(this.headers.get(one) ?? this.header)}`)))
      this.which.disabled = false
    }
    this.load(made, play)
  }

  /** Keeps the recording that is shown as a trace in a file. */
  save() {
    const { recording } = this.player
    if (!recording) return
    const header = this.headers.get(recording) ?? this.header
    const link = h('a', { href: URL.createObjectURL(new Blob([written(header, wholeOf(recording))])), download: `ipcscope-${header.scene.kind}-${recording.experiment ?? recording.mode}.ndjson` })
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href))
  }

  /** @param {number} id */
  choose(id) {
    const found = this.recordings.find((one) => one.id === id)
    if (found) this.load(found, true)
  }

  /** @param {Recording} recording @param {boolean} play */
  load(recording, play) {
    this.change(recording.staged, this.headers.get(recording))
    this.steps.clear()
    this.log.load(recording, this.stage.scene)
    this.journey.load(recording)
    if (this.which) this.which.value = String(recording.id)
    for (const control of [this.toggle, this.back, this.forth, this.slider]) if (control) control.disabled = false
    this.player.load(recording, play)
    this.strip.load(recording, this.player.warp)
    this.figures.seen(recording)
    this.show()
  }

  scrub() {
    const { player, slider } = this
    if (!player.recording || !slider) return
    player.pause()
    player.seek(player.warp.real((Number(slider.value) / FINE) * player.warp.length))
  }

  /** Everything that follows the moment. */
  show() {
    const { player } = this
    const { recording, now } = player
    if (!recording || !this.toggle || !this.slider || !this.counter) return
    // Not `disabled`: the keyboard's place must not be lost at an end.
    this.back?.setAttribute('aria-disabled', String(player.atStart))
    this.forth?.setAttribute('aria-disabled', String(player.atEnd))
    say(this.toggle, player.playing ? 'Pause' : player.atEnd ? 'Replay' : 'Resume')
    const place = player.warp.length ? player.warp.shown(now) / player.warp.length : 1
    this.slider.value = String(Math.round(place * FINE))
    const moment = `${this.log.clock(now - recording.from)} of ${duration(recording.to - recording.from)}`
    const there = arrived(recording, now)
    this.slider.setAttribute('aria-valuetext', moment)
    say(this.counter, there)
    say(this.moment, `Shown: ${moment}.${there === '–' ? '' : ` Arrived: ${there}.`}`)
    this.pacing('recorded, now ', pace(player.slowed), `${lasted(recording)} in all${player.warp.cuts.length ? '; pauses are cut short, the strip says how long they were' : ''}`)
    this.strip.at(now)
    this.journey.at(now)
    this.log.at(now)
    this.steps.at(player.current(), player.woken())
  }

  remove() {
    this.leave.abort()
    this.player.pause()
    this.keys.remove()
    this.journey.remove()
    this.stage.remove()
  }
}

/** How many messages have arrived, and of how many. @param {Recording} recording @param {number} now */
function arrived(recording, now) {
  if (recording.experiment !== null && recording.count === 0) return '–'
  const here = arrivedBy(recording, now)
  return `${here === null ? '–' : count(here)} / ${count(recording.count)}`
}

/** How many bytes a message takes on this stage. @param {Header} header */
function framed({ size_bytes, frame_bytes }) {
  const around = (frame_bytes ?? 0) - size_bytes
  const [all, own, more] = [size_bytes + around, size_bytes, around].map((count) => value(count, 'B'))
  return around > 0 ? `Each message takes ${all}: its own ${own}, and ${more} of header and padding.` : ''
}

/** How it is shown. @param {number} slowed */
const pace = (slowed) => (slowed === 0 ? 'shown at its end' : slowed >= 1 ? `replayed ${times(slowed)} slower` : `replayed ${times(1 / slowed)} faster`)

/** How long it was. @param {Recording} recording */
function lasted({ messages, from, to }) {
  const ends = messages.map(endOf).filter(Number.isFinite)
  return duration(ends.length ? ends.reduce((a, b) => Math.max(a, b)) - messages[0].sendBegin : to - from)
}

/** @param {Recording} recording @param {Scene} scene */
function title(recording, scene) {
  const what = recording.experiment !== null ? titleOf(scene, recording.experiment) : `${MODES[recording.mode] ?? 'events'}, ${count(recording.count)}`
  return `${recording.id}: ${what}`
}

const WAITS = /** @type {Record<string, string>} */ ({ block: 'both sleep while they wait', spin: 'both spin while they wait', hybrid: 'both spin, then sleep' })
const PLACES = /** @type {Record<string, string>} */ ({ 'cross-core': 'two cores', 'same-core': 'one core' })

/** How the receiver of two programs that were only watched was seen to wait. @type {Record<string, string>} */
const SEEN_WAITS = { block: 'the receiver sleeps while it waits', spin: 'the receiver spins while it waits', 'not seen': 'the receiver was not seen to wait' }

/** How the two wait, where they are, and what they carry, in words. @param {{ wait: string, placement: string, size_bytes: number, channel?: string }} like */
export const settings = ({ wait, placement, size_bytes, channel }) => channel !== undefined
  ? [SEEN_WAITS[wait] ?? wait, ...(placement === 'unpinned' ? [] : [PLACES[placement] ?? placement]), `at most ${bytes(size_bytes)}`].join(' · ')
  : [WAITS[wait.split(':')[0]] ?? wait, PLACES[placement] ?? placement, bytes(size_bytes)].join(' · ')

// A stage with everything around it: the replay's controls, the strip of true times, the steps, the log, the figures. Live
// stages and replayed traces are shown by the same view.

import { button, h, say, select } from '../dom.js'
import { count, duration, times } from '../format.js'
import { atMost } from '../scale.js'
import { Stage } from '../stage/draw.js'
import { Journey } from '../stage/journey.js'
import { Log } from '../stage/log.js'
import { Player } from '../stage/player.js'
import { Cutter, endOf, wholeOf } from '../stage/recording.js'
import { Strip } from '../stage/strip.js'
import { Steps } from '../stage/steps.js'
import { written } from '../trace.js'
import { Figures } from './figures.js'
import { Results } from './experiments.js'

/** @import { Event, Header, Scene } from '../../types' */
/** @import { Recording } from '../stage/recording.js' */

/** How fine the slider is. */
const FINE = 1000
/** Recordings that can be gone back to. */
const KEPT = 20

export class View {
  /**
   * @param {Header} header @param {number} accent
   * @param {{ controls?: Node, above?: Node, experiments?: Node, speed?: number, play?: boolean }} [options]
   */
  constructor(header, accent, { controls, above, experiments, speed = 1, play = true } = {}) {
    this.header = header
    this.play = play
    this.scene = header.scene
    this.cutter = new Cutter(header)
    /** @type {Recording[]} */
    this.recordings = []
    this.ground = h('div', { class: 'ground' })
    this.log = new Log((t) => this.player.seek(t), () => this.save())
    this.journey = new Journey(header.scene, accent, (t) => this.player.seek(t))
    this.steps = new Steps(header.scene)
    this.figures = new Figures(header)
    this.results = new Results(header.scene)
    const stripBox = h('div', { class: 'strip-box' })
    this.element = h('div', { class: 'bench', 'data-accent': accent % 8 },
      h('div', { class: 'left' },
        h('section', { class: 'panel', 'aria-label': 'Stage' }, above ?? null, this.ground, controls ?? null, this.transport(speed), stripBox),
        this.journey.element,
        this.log.element,
        this.figures.why,
        experiments ?? null,
        this.results.element),
      h('div', { class: 'right' }, this.steps.element, this.figures.element))
    this.stage = new Stage(header.scene, this.ground, accent)
    this.player = new Player(this.stage, header, this.cutter)
    this.player.speed = speed
    this.strip = new Strip(stripBox, accent, (t) => this.player.seek(t))
    this.player.changed = () => this.show()
    this.player.show()
  }

  /** The stage and its steps are those of an experiment, or the scene's. @param {Scene | null} staged */
  change(staged) {
    const scene = staged ?? this.scene
    if (scene === this.stage.scene) return
    this.player.recording = null
    this.player.header = staged ? { ...this.header, scene } : this.header
    this.stage.change(scene)
    const steps = new Steps(scene)
    this.steps.element.replaceWith(steps.element)
    this.steps = steps
  }

  /** @param {number} speed */
  transport(speed) {
    this.toggle = button('Pause', () => (this.player.playing ? this.player.pause() : this.player.play()), { disabled: true })
    this.back = button('◂ Back', () => this.player.step(-1), { disabled: true })
    this.forth = button('Step ▸', () => this.player.step(1), { disabled: true })
    this.slider = h('input', { type: 'range', min: 0, max: FINE, value: 0, disabled: true, 'aria-label': 'Moment of the replay', class: 'scrub', oninput: () => this.scrub() })
    this.speed = select([['0.25', '4× slower'], ['0.5', '2× slower'], ['1', 'usual'], ['2', '2× faster'], ['4', '4× faster'], ['Infinity', 'to the end']],
      String(speed), (value) => { this.player.speed = Number(value); this.show() }, { 'aria-label': 'Speed of the replay' })
    this.which = h('select', { 'aria-label': 'Which recording', onchange: () => this.choose(Number(this.which?.value)), hidden: true })
    this.counter = h('output', { class: 'counter nums', 'aria-label': 'Messages that have arrived' }, '0 / 10')
    this.caption = h('p', { class: 'caption nums' }, 'Nothing recorded yet.')
    return h('div', { class: 'transport' },
      h('div', { class: 'row' }, this.toggle, this.back, this.forth, this.slider, this.counter),
      h('div', { class: 'row' }, this.caption, this.which, this.speed))
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
    this.steps.at([])
    for (const control of [this.toggle, this.back, this.forth, this.slider]) if (control) control.disabled = true
    if (this.counter) say(this.counter, '0 / 10')
    if (this.caption) say(this.caption, 'Nothing recorded yet.')
    this.recordings = []
    if (this.which) this.which.hidden = true
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
    this.recordings.push(made)
    if (this.recordings.length > KEPT) this.recordings.shift()
    this.figures.add(made)
    this.results.add(made)
    if (this.which) {
      this.which.replaceChildren(...this.recordings.map((one) => h('option', { value: one.id }, title(one))))
      this.which.hidden = this.recordings.length < 2
    }
    this.load(made, play)
  }

  /** Keeps the recording that is shown as a trace in a file. */
  save() {
    const { recording } = this.player
    if (!recording) return
    const link = h('a', { href: URL.createObjectURL(new Blob([written(this.header, wholeOf(recording))])), download: `ipcscope-${this.header.scene.kind}-${recording.experiment ?? recording.mode}.ndjson` })
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
    this.change(recording.staged)
    this.log.load(recording)
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
    if (!recording || !this.toggle || !this.slider || !this.counter || !this.caption) return
    // Not `disabled`: the keyboard's place must not be lost at an end.
    this.back?.setAttribute('aria-disabled', String(player.atStart))
    this.forth?.setAttribute('aria-disabled', String(player.atEnd))
    say(this.toggle, player.playing ? 'Pause' : player.atEnd ? 'Replay' : 'Resume')
    const place = player.warp.length ? player.warp.shown(now) / player.warp.length : 1
    if (document.activeElement !== this.slider || player.playing) this.slider.value = String(Math.round(place * FINE))
    this.slider.setAttribute('aria-valuetext', `${duration(now - recording.from)} of ${duration(recording.to - recording.from)}`)
    say(this.counter, `${count(atMost(recording.arrivals, now))} / ${count(recording.count)}`)
    say(this.caption, caption(recording, player.slowed, player.warp.cuts.length))
    this.strip.at(now)
    this.journey.at(now)
    this.log.at(now)
    this.steps.at(player.current())
  }

  remove() {
    this.player.pause()
    this.stage.remove()
  }
}

/** @param {Recording} recording @param {number} slowed @param {number} cuts */
function caption(recording, slowed, cuts) {
  const ends = recording.messages.map(endOf).filter(Number.isFinite)
  const whole = duration(ends.length ? ends.reduce((a, b) => Math.max(a, b)) - recording.messages[0].sendBegin : recording.to - recording.from)
  const speed = slowed >= 1 ? `slowed ${times(slowed)}` : `${times(1 / slowed)} faster than it was`
  return `${whole}, ${speed}${cuts ? '; pauses cut' : ''}`
}

/** @param {Recording} recording */
function title(recording) {
  const what = recording.experiment ?? `${recording.mode || 'events'}, ${count(recording.count)}`
  return `${recording.id}: ${what}`
}

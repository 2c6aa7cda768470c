// Plays a recording on a stage. Everything shown is a function of one moment, so that it can be paused, stepped and
// scrubbed; nothing is simulated between recordings, and nothing moves when nothing is played.

import { duration } from '../format.js'
import { atMost } from '../scale.js'
import { still } from '../prefs.js'
import { TOKENS } from './layout.js'
import { awaited, during, endOf, lastSent, onTheWay, since } from './recording.js'
import { mirrored, wayOf } from './way.js'
import { warp } from './warp.js'
import { DOING } from './words.js'

/** @import { Event, Header, Process, Value } from '../../types' */
/** @import { Figure } from './effects.js' */
/** @import { Recording } from './recording.js' */
/** @import { Message } from './way.js' */
/** @import { Age, Facts, Stage } from './draw.js' */

/** How long a replay takes unless it is asked to be faster: for a message, at least, and at most, in ms. */
const PER_MESSAGE_MS = 1_600
const LEAST_MS = 2_500
const MOST_MS = 24_000
/** Of so many messages at once a step is lit. */
const LIT = 4
/** From one step to the next where nothing may move, in ms. */
const JUMP_MS = 900

/** @type {Recording | null} */
const NOTHING = null

export class Player {
  /**
   * @param {Stage} stage @param {Header} header
   * @param {{ gauges: Record<string, Value>, states: Record<string, Event> }} known what is so when nothing is played
   */
  constructor(stage, header, known) {
    this.stage = stage
    this.header = header
    this.known = known
    this.recording = NOTHING
    this.warp = warp(0, 0)
    /** The moment shown, in trace nanoseconds. */
    this.now = 0
    this.playing = false
    /** How many times faster than usual; `Infinity` jumps to the end. */
    this.speed = 1
    /** @type {() => void} Called when the moment, or whether it is playing, has changed. */
    this.changed = () => {}
    this.frame = 0
    this.timer = 0
    /** @type {WeakMap<Recording, Float64Array>} what happens in each, to go through it step by step */
    this.all = new WeakMap()
    /** @type {WeakMap<Recording, Float64Array>} the steps of each, in order of time */
    this.done = new WeakMap()
    this.longestFrame = 0
    stage.redrawn = () => this.draw()
  }

  /** @param {Recording} recording @param {boolean} [play] */
  load(recording, play = true) {
    this.pause()
    this.recording = recording
    this.warp = warp(recording.from, recording.to, recording.messages.map((message) => ({ from: message.sendBegin, to: endOf(message) })), recording.readAt)
    this.now = recording.from
    if (!play || this.speed === Infinity || still()) this.seek(recording.to)
    else this.play()
  }

  /** How long the whole takes on the screen, in ms. */
  get lasts() {
    return Math.min(MOST_MS, Math.max(LEAST_MS, this.warp.length * PER_MESSAGE_MS)) / this.speed
  }

  /** How many times slower than it was a usual message is played. */
  get slowed() {
    return this.warp.length > 0 ? (this.lasts * 1e6) / this.warp.length / Math.max(1, this.warp.usual) : 1
  }

  get atStart() {
    return !this.recording || this.now <= this.recording.from
  }

  get atEnd() {
    return !this.recording || this.now >= this.recording.to
  }

  play() {
    if (!this.recording || this.playing) return
    if (this.atEnd) this.now = this.recording.from
    this.playing = true
    if (still()) return this.jump()
    let last = performance.now()
    const tick = (/** @type {number} */ time) => {
      if (!this.playing || !this.recording) return
      const passed = Math.max(0, time - last)
      last = time
      const shown = this.warp.shown(this.now) + (passed / this.lasts) * this.warp.length
      const end = shown >= this.warp.length
      this.now = end ? this.recording.to : this.warp.real(shown)
      if (end) this.playing = false
      else this.frame = requestAnimationFrame(tick)
      this.show()
    }
    this.frame = requestAnimationFrame(tick)
    this.changed()
  }

  /** Plays without motion: a step, and another after a while. */
  jump() {
    this.step(1)
    this.playing = !this.atEnd
    if (this.playing) this.timer = setTimeout(() => this.jump(), JUMP_MS / this.speed)
    this.changed()
  }

  pause() {
    cancelAnimationFrame(this.frame)
    clearTimeout(this.timer)
    if (!this.playing) return
    this.playing = false
    this.changed()
  }

  /** @param {number} t in trace nanoseconds */
  seek(t) {
    if (!this.recording) return
    this.now = Math.min(this.recording.to, Math.max(this.recording.from, t))
    this.show()
  }

  /** To the next thing that happens, or the one before. @param {1 | -1} direction */
  step(direction) {
    if (!this.recording) return
    this.pause()
    const moments = this.moments()
    const here = atMost(moments, this.now)
    const next = direction > 0 ? here : moments[here - 1] < this.now ? here - 1 : here - 2
    if (next >= 0 && next < moments.length) this.seek(moments[next])
  }

  /** Everything that happens, each moment once: events, and the steps of every message. They are compared as they are. */
  moments() {
    const { recording } = this
    if (!recording) return []
    let found = this.all.get(recording)
    if (!found) {
      const within = this.steps(recording).filter((at) => at > recording.from && at < recording.to)
      found = Float64Array.from(new Set([...recording.times, ...within])).sort()
      this.all.set(recording, found)
    }
    return found
  }

  /** When the steps of its messages were done. @param {Recording} recording */
  steps(recording) {
    let found = this.done.get(recording)
    if (!found) {
      found = Float64Array.from(recording.messages.flatMap((message) => this.way(message).moments.map(({ at }) => at))).sort()
      this.done.set(recording, found)
    }
    return found
  }

  /**
   * What a figure is at this moment: as it was read, derived from the steps since, or older, because it was read before the last
   * step that is shown and does not follow from the steps.
   * @param {string} field @returns {[Age, string]} and that in words
   */
  age(field) {
    const { recording, now } = this
    const track = recording?.gauges.get(field)
    const figure = during(track, now)
    if (!recording || !figure) return ['read', '']
    if (!figure.read) return ['derived', 'derived from the steps since it was read']
    const [at, steps] = [since(track, now), this.steps(recording)]
    if (recording.followed.has(field) || at >= (steps[atMost(steps, now) - 1] ?? -Infinity)) return ['read', '']
    return ['older', `${whenRead(at, recording)}, before this step`]
  }

  /** @param {Message} message */
  way(message) {
    return wayOf(this.header, message)
  }

  /** Draws, and calls `changed`. */
  show() {
    const start = performance.now()
    this.draw()
    this.changed()
    this.longestFrame = Math.max(this.longestFrame, performance.now() - start)
  }

  /** The stage at this moment. */
  draw() {
    const { stage, header } = this
    const processes = (this.recording && during(this.recording.processes, this.now)) ?? header.processes
    for (const process of processes) this.drawProcess(process)
    this.drawSleepers()
    this.drawGauges()
    const { found, more } = this.recording ? onTheWay(this.recording, this.now, TOKENS) : { found: [], more: 0 }
    /** @type {Map<string, { payload: string, count: number }>} */
    const lying = new Map()
    const undrawn = found.filter((message, index) => !this.drawMessage(message, index, lying)).length
    stage.clear(found.length)
    for (const part of header.scene.stage) stage.content(part.id, lying.get(part.id)?.payload ? `“${lying.get(part.id)?.payload}”` : '')
    stage.waiting(more + undrawn)
    stage.light(this.lit())
  }

  /** @param {Process} process */
  drawProcess(process) {
    const { recording, now, header } = this
    const told = recording ? during(recording.states.get(process.actor), now) : this.known.states[process.actor]
    const core = told?.core ?? process.core
    const [state, where, look] = this.says(process.actor, told)
    /** @type {Facts} */
    const facts = [
      `${process.name ? `${process.name}, ` : ''}pid ${process.pid || '–'}`,
      process.parent ? `parent ${process.parent}` : '',
      core !== null ? `core ${core}` : header.channel === undefined ? 'on any core' : '',
      state, where,
    ]
    this.stage.process(process.actor, facts, look)
  }

  /**
   * What a process does at this moment, where, and how it is drawn: by its own stamps, by the steps that it has done, or by
   * what the kernel was last seen to say, whichever is newest.
   * @param {string} actor @param {Event | undefined} told @returns {[string, string, string]}
   */
  says(actor, told) {
    const { recording, now } = this
    if (!recording) return told ? [...kernelSays(told), told.state ?? ''] : ['', '', '']
    const [states, calls, rests] = [recording.states.get(actor), recording.calls.get(actor), recording.rests.get(actor)]
    const rest = during(rests, now)
    const stamped = since(calls, now)
    if (told?.state === 'dead') return [...kernelSays(told), 'dead']
    const resting = rest && since(rests, now) >= Math.max(stamped, since(states, now))
    if (resting) {
      if (rest.part !== null) return ['sleeping', rest.call && `in ${rest.call}()`, 'sleeping']
      if (now < rest.runs) return ['woken', 'not yet running', 'waking']
    }
    // The kernel calls a process running that has no core yet.
    if (rest?.part === null && now < rest.runs && told?.state === 'running') return ['woken', 'not yet running', 'waking']
    if (told && !resting && since(states, now) >= stamped) return [...kernelSays(told), told.state ?? '']
    const call = during(calls, now)
    return [call ? (DOING[call] ?? `in ${call}()`) : 'between two calls', '', call ? 'busy' : '']
  }

  /** A process that sleeps is drawn in the queue in which it sleeps. */
  drawSleepers() {
    const { recording, now, header, stage } = this
    const asleep = [...(recording?.rests ?? [])].filter(([actor]) => this.says(actor, during(recording?.states.get(actor), now))[2] === 'sleeping')
    for (const { id } of header.scene.stage) stage.sleeper(id, asleep.filter(([, rests]) => during(rests, now)?.part === id).map(([actor]) => actor))
  }

  drawGauges() {
    const { recording, now, stage, known, header } = this
    /** @param {string} field @returns {Figure | undefined} */
    const figure = (field) => (recording ? during(recording.gauges.get(field), now) : { value: known.gauges[field], read: true })
    const read = (/** @type {string} */ field) => figure(field)?.value
    let any = false
    const ages = new Set()
    for (const part of header.scene.stage) {
      for (const { field } of part.gauges) {
        const [age, words] = this.age(field)
        ages.add(age)
        any ||= read(field) !== undefined
        stage.gauge(field, read(field), age, words)
      }
      if (part.level) stage.fill(part.id, share(read(part.level.held), read(part.level.size)))
    }
    const last = recording?.readings[atMost(recording.readAt, now) - 1]
    // Of processes that came on since, nothing was read yet.
    const theirs = any && last && last.at >= since(recording?.processes, now)
    const when = theirs && recording ? whenRead(last.at, recording) : ''
    stage.readAt(!ages.has('derived') ? when : when ? `${when}; slanted: derived since` : 'slanted: derived', ages.has('older') ? 'faint: before this step' : '')
  }

  /** @param {Message} message @param {number} index @param {Map<string, { payload: string, count: number }>} lying what rests at each part */
  drawMessage(message, index, lying) {
    const { stops } = this.way(message)
    let here = 0
    while (here + 1 < stops.length && stops[here + 1].at <= this.now) here++
    const next = stops[here + 1]
    const share = next ? (this.now - stops[here].at) / Math.max(1, next.at - stops[here].at) : 0
    const { part } = stops[here]
    const rests = !next || next.part === part
    const there = lying.get(part)
    const label = message.id < 10_000 ? String(message.id) : `…${String(message.id).slice(-3)}`
    const drawn = this.stage.token(index, part, (next ?? stops[here]).part, share, label, message.back, rests ? (there?.count ?? 0) : 0)
    if (rests) lying.set(part, { payload: there?.payload || message.payload, count: (there?.count ?? 0) + 1 })
    return drawn
  }

  /** The steps that happen now: the latest one of each message that is on its way, or that its receiver waits for. None of one that only lies there. */
  current() {
    const { recording, now } = this
    if (!recording) return []
    const next = awaited(recording, now)
    const { found } = onTheWay(recording, now, LIT)
    return (next ? [...found, next] : found).flatMap((message) => {
      const { moments, lies } = this.way(message)
      const last = moments.findLast((moment) => moment.at <= now)
      return last && !(lies && now >= lies.from && now < lies.to) ? [{ message, moment: last }] : []
    })
  }

  /** The last message by now whose receiver had to be woken, if that was not long before. */
  woken() {
    const { recording, now } = this
    return recording ? lastSent(recording, now, LIT).findLast((message) => (this.way(message).wakes?.from ?? Infinity) <= now) : undefined
  }

  /** What is lit: the parts of those steps, and what the kernel did beyond them. */
  lit() {
    const { scene } = this.header
    const side = (/** @type {boolean} */ back, /** @type {string} */ id) => (back ? mirrored(scene, id) : id)
    const lit = this.current().map(({ message, moment: { step } }) => ({
      part: side(message.back, step.at),
      actor: step.actor === 'kernel' ? null : side(message.back, step.actor),
      foretold: true,
    }))
    const event = this.recording?.events[atMost(this.recording.times, this.now) - 1]
    if (event?.side === 'kernel' && event.step === undefined) {
      const touched = new Set(scene.steps.flatMap(({ at, to }) => [at, to]))
      const deepest = scene.stage.findLast((part) => part.space === 'kernel' && touched.has(part.id))
      if (deepest) lit.push({ part: deepest.id, actor: null, foretold: false })
    }
    return lit
  }
}

/** When a figure was read, in words. @param {number} at @param {Recording} recording */
const whenRead = (at, recording) => (at === -Infinity ? 'read before the replay' : `read at ${duration(at - recording.from)}`)

/** A process's state, and where it is, in the kernel's words. @param {Event} told @returns {[string, string]} */
function kernelSays({ state, call, wchan, signal, exit_code }) {
  if (state === 'dead') return [state, signal ? `of ${signal}` : exit_code === undefined ? '' : `exit ${exit_code}`]
  return [state ?? '', call ? `in ${call}()` : wchan ? `in ${wchan}` : '']
}

/** How full a buffer is, from 0 to 1. @param {unknown} held @param {unknown} size */
const share = (held, size) => (Number(held) >= 0 && Number(size) > 0 ? Math.min(1, Number(held) / Number(size)) : 0)

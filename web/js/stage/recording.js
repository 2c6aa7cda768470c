// A stream of events, cut into recordings: a batch, or a whole experiment, is one. A recording can be asked what was true
// at any moment of it, in little time however long it is.

import { atMost } from '../scale.js'

import { follow } from './effects.js'
import { budget } from './way.js'

/** @import { Event, Header, Process, Scene, Value } from '../../types' */
/** @import { Difference, Figure, Reading, Rest } from './effects.js' */
/** @import { Message } from './way.js' */

/** Something that is so from its time on. @template T @typedef {{ at: number[], is: T[] }} Track */

/** @template T @returns {Track<T>} */
const track = () => ({ at: [], is: [] })

/** @template T @param {Track<T>} on @param {number} at @param {T} is */
function put(on, at, is) {
  on.at.push(at)
  on.is.push(is)
}

/** What is so at `t`. @template T @param {Track<T> | undefined} on @param {number} t @returns {T | undefined} */
export const during = (on, t) => on && on.is[atMost(on.at, t) - 1]

/** Since when. @param {Track<any> | undefined} on @param {number} t */
export const since = (on, t) => (on && on.at[atMost(on.at, t) - 1]) ?? -Infinity

/**
 * @typedef {object} Recording
 * @property {number} id
 * @property {string | null} experiment its id, if this is one
 * @property {string} mode as the batch says, or `watched`: of programs that the lab did not start, whose calls are all that is known
 * @property {number} count how many messages were asked for, or took part
 * @property {number | null} arrived how many of those arrived, where only some were followed one by one and it was told
 * @property {Scene | null} staged the scene with another stage, where an experiment plays on one
 * @property {Event[]} events
 * @property {number[]} times of the events, ascending
 * @property {number} from
 * @property {number} to
 * @property {Message[]} messages by the time they were sent
 * @property {Float64Array} ended by index: the latest end of any message up to it
 * @property {number[]} arrivals the arrivals alone, ascending
 * @property {Map<string, Track<Event>>} states of each side
 * @property {Reading[]} readings of the gauges; the first is what was known before
 * @property {number[]} readAt when each of them was over
 * @property {Map<string, Track<Figure | undefined>>} gauges by field: what was read, and what follows from the steps since
 * @property {Map<string, Track<Rest>>} rests of each side: where it sleeps
 * @property {Set<string>} followed the fields whose figures follow from the steps; any other is known when it is read only
 * @property {Difference[]} differences between what was foretold and what was read
 * @property {number} held figures that were foretold and then read as foretold
 * @property {Map<string, Track<string>>} calls what each side is doing by its own stamps
 * @property {Track<Process[]>} processes
 */

/** Cuts a stream into recordings, and keeps what is known between them. */
export class Cutter {
  /** @param {Header} header */
  constructor(header) {
    this.header = header
    /** @type {Event[]} */
    this.open = []
    this.depth = 0
    this.recordings = 0
    /** @type {Record<string, Value>} */
    this.gauges = {}
    /** @type {Record<string, Event>} */
    this.states = {}
  }

  /**
   * Takes one event; gives back a recording when one is complete.
   * @param {Event} event
   * @returns {Recording | null}
   */
  take(event) {
    const begins = event.what === 'batch-begin' || event.what === 'experiment-begin'
    const ends = event.what === 'batch-end' || event.what === 'experiment-end'
    if (begins) this.depth++
    if (this.depth > 0) this.open.push(event)
    else this.know(event)
    if (ends && this.depth > 0 && --this.depth === 0) return this.finish()
    return null
  }

  /** What was cut off in the middle, such as by a closed socket. @returns {Recording | null} */
  finish() {
    const events = this.open
    this.open = []
    this.depth = 0
    if (!events.length) return null
    const made = recording(events, this, ++this.recordings)
    // An experiment with processes of its own says nothing about those that stay.
    if (made.processes.at.length === 1) events.forEach((event) => this.know(event))
    return made
  }

  /** @param {Event} event */
  know(event) {
    if (event.what === 'gauges') Object.assign(this.gauges, event.values)
    if (event.what === 'state' && event.side) this.states[event.side] = event
    if (event.what === 'died' && event.side) this.states[event.side] = { ...event, state: 'dead' }
  }
}

/** By time, between the first and the last: a note is told at once, and may be told before what came earlier. @param {Event[]} events */
const ordered = (events) => [...events.slice(0, 1), ...events.slice(1, -1).sort((a, b) => a.t_ns - b.t_ns), ...events.slice(1).slice(-1)]

/**
 * @param {Event[]} told @param {{ header: Header, gauges: Record<string, Value>, states: Record<string, Event> }} before what was known before them
 * @param {number} id
 * @returns {Recording}
 */
export function recording(told, before, id = 0) {
  const events = ordered(told)
  const first = events[0]
  const { parts: stage, steps } = events.find(({ what }) => what === 'stage') ?? {}
  const staged = stage && steps ? { ...before.header.scene, stage, steps } : null
  const header = staged ? { ...before.header, scene: staged } : before.header
  /** @type {Recording} */
  const made = {
    id,
    experiment: first.what === 'experiment-begin' ? (first.id ?? '') : null,
    mode: before.header.channel === undefined ? (events.find((event) => event.what === 'batch-begin')?.mode ?? '') : 'watched',
    count: 0,
    arrived: null,
    staged,
    events,
    times: [],
    from: first.t_ns,
    to: first.t_ns,
    messages: [],
    ended: new Float64Array(),
    arrivals: [],
    states: new Map(),
    readings: [{ from: -Infinity, at: -Infinity, values: before.gauges }],
    readAt: [],
    gauges: new Map(),
    rests: new Map(),
    followed: new Set(),
    differences: [],
    held: 0,
    calls: new Map(),
    processes: track(),
  }
  const start = first.t_ns
  put(made.processes, -Infinity, before.header.processes)
  for (const [side, event] of Object.entries(before.states)) put(entry(made.states, side), -Infinity, event)

  /** @type {Map<number, Message>} */
  const messages = new Map()
  let now = start
  for (const event of events) {
    // The last may be of any time; it must not turn the clock back.
    now = Math.max(now, event.t_ns)
    made.times.push(now)
    note(made, messages, event, now)
  }
  made.to = now
  if (made.mode === 'watched') made.calls = inCalls(events)
  finishMessages(made, messages, header)
  made.readAt = made.readings.map(({ at }) => at)
  Object.assign(made, follow(header, made.messages, made.readings, made.processes.at.slice(1), !someOf(made)))
  return made
}

/**
 * The system call that each side is in, where each one was seen; of several threads, the call that began last.
 * @param {Event[]} events @returns {Map<string, Track<string>>}
 */
function inCalls(events) {
  /** @type {Map<string, Track<string>>} */
  const calls = new Map()
  const seen = events.flatMap(({ what, side, name, t_ns, duration_ns }) => (what === 'syscall' && side && name ? [{ side, name, from: t_ns, to: t_ns + (duration_ns ?? 0) }] : []))
  const edges = seen.flatMap((call) => [{ at: call.from, call, begins: true }, { at: call.to, call, begins: false }]).sort((a, b) => a.at - b.at)
  /** @type {Map<string, typeof seen>} */
  const open = new Map()
  for (const { at, call, begins } of edges) {
    const others = (open.get(call.side) ?? []).filter((other) => other !== call)
    const inside = begins ? [...others, call] : others
    open.set(call.side, inside)
    put(entry(calls, call.side), at, inside.at(-1)?.name ?? '')
  }
  return calls
}

/** @template T @param {Map<string, Track<T>>} map @param {string} name @returns {Track<T>} */
function entry(map, name) {
  let found = map.get(name)
  if (!found) map.set(name, (found = track()))
  return found
}

/** @param {Recording} made @param {Map<number, Message>} messages @param {Event} event @param {number} at */
function note(made, messages, event, at) {
  const { what, side } = event
  if (what === 'batch-begin') made.count += event.count ?? 0
  else if (what === 'experiment-end') {
    made.count = Math.max(made.count, event.messages ?? 0)
    made.arrived = event.arrived ?? null
  } else if (what === 'gauges') {
    made.readings.push({ from: at - (event.took_ns ?? 0), at, values: /** @type {Record<string, Value>} */ (event.values ?? {}) })
  } else if (what === 'state' && side) put(entry(made.states, side), at, event)
  else if (what === 'died' && side) put(entry(made.states, side), at, { ...event, state: 'dead' })
  else if (what === 'processes' && event.processes) {
    put(made.processes, at, event.processes)
    // What was known of others says nothing of these.
    for (const known of [made.states, made.calls]) known.forEach((track) => put(/** @type {Track<any>} */ (track), at, undefined))
    for (const message of messages.values()) if (endOf(message) === Infinity) message.lost = at
  }
  if (event.message === undefined) return

  const message = messageOf(messages, event)
  if (what === 'send-begin') {
    message.sendBegin = at
    message.payload = event.payload ?? ''
    if (side) put(entry(made.calls, side), at, 'send')
  } else if (what === 'send-end') {
    message.sendEnd = at
    if (side) put(entry(made.calls, side), at, '')
  } else if (what === 'recv-begin') {
    message.recvBegin = at
    if (side) put(entry(made.calls, side), at, 'recv')
  } else if (what === 'recv-end') {
    message.recvEnd = at
    if (event.payload !== undefined) message.payload = event.payload
    message.ahead = event.ahead_bytes ?? 0
    if (side) put(entry(made.calls, side), at, '')
  } else if (what === 'failed') {
    message.failed = event.error ?? 'failed'
    if (event.call === 'send') Object.assign(message, { lost: at, unsent: true })
    else message.refused = at
    if (side) put(entry(made.calls, side), at, '')
  }
  if (what === 'switch-in' && side === (message.back ? 'sender' : 'receiver')) message.ran = at
  // A call in which its process slept is told when it was entered, and again when it returned: the step was before.
  const returned = what === 'syscall' && event.duration_ns !== undefined && message.entered.get(side ?? '') === event.name
  if (what === 'syscall') message.entered.set(side ?? '', event.duration_ns === undefined ? event.name : undefined)
  if (event.step !== undefined && !returned && !message.stamped.has(event.step)) message.stamped.set(event.step, at)
}

/** @param {Map<number, Message>} messages @param {Event} event */
function messageOf(messages, event) {
  const id = /** @type {number} */ (event.message)
  let found = messages.get(id)
  if (!found) {
    found = { id, back: false, payload: '', sendBegin: NaN, sendEnd: NaN, recvBegin: NaN, recvEnd: Infinity, lost: Infinity, refused: NaN, unsent: false, open: false, failed: null, stamped: new Map(), entered: new Map(), ran: NaN, ahead: 0, read: NaN, within: null, stuck: NaN, stuckIn: '', dozes: NaN, dozesIn: '', waitedLong: false }
    messages.set(id, found)
  }
  if (event.direction === 'back') found.back = true
  return found
}

/** @param {Recording} made @param {Map<number, Message>} messages @param {Header} header */
function finishMessages(made, messages, header) {
  made.messages = [...messages.values()]
    .filter((message) => !Number.isNaN(message.sendBegin))
    .sort((a, b) => a.sendBegin - b.sendBegin)
  for (const track of made.calls.values()) {
    // The end of a call that was not told: it was over when its message had arrived.
    const sent = track.is.at(-1) === 'send' && made.messages.find(({ sendBegin }) => sendBegin === track.at.at(-1))
    if (sent && Number.isFinite(sent.recvEnd)) put(track, sent.recvEnd, '')
  }
  const death = made.events.some((event) => event.what === 'died')
  for (const message of made.messages) {
    if (endOf(message) !== Infinity) continue
    // One that was there, and was not what had been sent, or could not be taken, is lost from then on.
    message.lost = message.refused >= message.sendBegin ? message.refused : made.to
    message.open = !death && message.failed === null
  }
  for (const back of [false, true]) {
    const messages = made.messages.filter((message) => message.back === back)
    reads(messages, header.frame_bytes ?? NaN)
    let long = false
    for (const message of messages) {
      const { sendBegin, sendEnd, recvBegin, recvEnd } = message
      const stuck = seenAsleep(made, back ? 'receiver' : 'sender', sendBegin, Math.min(Number.isFinite(sendEnd) ? sendEnd : made.to, recvEnd))
      const dozes = seenAsleep(made, back ? 'sender' : 'receiver', recvBegin, sendBegin)
      Object.assign(message, { stuck: stuck.at, stuckIn: stuck.call, dozes: dozes.at, dozesIn: dozes.call })
      message.waitedLong = long
      if (sendBegin > recvBegin) long = sendBegin - recvBegin > budget(header.wait)
    }
  }
  made.ended = new Float64Array(made.messages.length)
  let latest = -Infinity
  made.messages.forEach((message, index) => {
    latest = Math.max(latest, endOf(message))
    made.ended[index] = latest
    if (Number.isFinite(message.recvEnd)) made.arrivals.push(message.recvEnd)
  })
  made.arrivals.sort((a, b) => a - b)
  // One whose sender was refused was never sent.
  made.count = Math.max(made.count, made.messages.filter(({ unsent }) => !unsent).length)
}

/**
 * What each call of the receiver took out of the kernel: its message and what lay behind it, or nothing because an earlier
 * call had brought it.
 * @param {Message[]} messages of one direction @param {number} frame
 */
function reads(messages, frame) {
  let [before, reader] = [0, /** @type {Message | null} */ (null)]
  for (const message of messages.filter(({ recvEnd }) => Number.isFinite(recvEnd)).sort((a, b) => a.recvEnd - b.recvEnd)) {
    message.read = frame + message.ahead - before
    if (message.read === 0) message.within = reader
    else reader = message
    before = message.ahead
  }
}

/**
 * When the kernel first said that a process sleeps in the channel, between two moments, and in which call; `NaN` if it did not.
 * @param {Recording} made @param {string} side @param {number} from @param {number} to
 */
function seenAsleep(made, side, from, to) {
  const states = made.states.get(side)
  if (!states) return { at: NaN, call: '' }
  for (let index = atMost(states.at, from); index < states.at.length && states.at[index] < to; index++) {
    if (states.is[index]?.state === 'sleeping') return { at: states.at[index], call: states.is[index].call ?? '' }
  }
  return { at: NaN, call: '' }
}

/**
 * The messages on their way at `t`, at most `limit` of them, and how many there are in all.
 * @param {Recording} from @param {number} t @param {number} limit
 */
export function onTheWay(from, t, limit) {
  const sent = upTo(from.messages, t)
  const first = atMost(from.ended, t)
  /** @type {Message[]} */
  const found = []
  let more = 0
  for (let index = first; index < sent; index++) {
    const message = from.messages[index]
    if (endOf(message) <= t) continue
    if (found.length < limit) found.push(message)
    else more++
  }
  return { found, more }
}

/** The message that a receiver waits for at `t` and that was not sent yet. @param {Recording} from @param {number} t */
export function awaited(from, t) {
  const next = from.messages[upTo(from.messages, t)]
  return next && next.recvBegin <= t ? next : null
}

/** The last messages that were sent by `t`, at most `limit`. @param {Recording} from @param {number} t @param {number} limit */
export function lastSent({ messages }, t, limit) {
  const sent = upTo(messages, t)
  return messages.slice(Math.max(0, sent - limit), sent)
}

/** How many messages were sent by `t`. @param {Message[]} messages @param {number} t */
function upTo(messages, t) {
  let low = 0
  let high = messages.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (messages[middle].sendBegin <= t) low = middle + 1
    else high = middle
  }
  return low
}

/** When a message had arrived, or was lost. @param {Message} message */
export const endOf = (message) => Math.min(message.recvEnd, message.lost)

/** Whether only some of its messages were followed one by one. @param {Recording} of */
export const someOf = ({ experiment, count, messages }) => experiment !== null && count > messages.length

/** How many messages had arrived by `t`; where only some were followed that is known at the end, if at all. @param {Recording} from @param {number} t */
export const arrivedBy = (from, t) => (!someOf(from) ? atMost(from.arrivals, t) : t >= from.to ? from.arrived : null)

/** The flights that arrived, in nanoseconds. @param {Recording} from */
export const flights = (from) =>
  from.messages.filter((message) => Number.isFinite(message.recvEnd)).map((message) => message.recvEnd - message.sendBegin)

/** The events of a recording, from 0 on, behind what was known before them. @param {Recording} from @returns {Event[]} */
export function wholeOf(from) {
  const states = [...from.states.values()].filter(({ at }) => at[0] === -Infinity).map(({ is }) => is[0])
  const [{ values }] = from.readings
  return [...states, { t_ns: 0, what: 'gauges', values }, ...from.events].map((event) => ({ ...event, t_ns: Math.max(0, event.t_ns - from.from) }))
}

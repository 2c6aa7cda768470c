// What a stage shows between two readings: the figures that were read last, changed by the effects of the steps since.

import { atMost } from '../scale.js'
import { isFull, mirrored, mirroredGauge, wayOf } from './way.js'

/** @import { Effect, Header, Scene, Step, Value } from '../../types' */
/** @import { Message } from './way.js' */

/** What a gauge says, and whether that was read or follows from the steps. @typedef {{ value: Value, read: boolean }} Figure */
/** Where a process sleeps, and in which call; awake, `part` is `null`, and until `runs` it is woken and does not run yet. @typedef {{ part: string | null, call: string, runs: number }} Rest */
/** A reading of the gauges, begun at `from` and over at `at`. @typedef {{ from: number, at: number, values: { [field: string]: Value } }} Reading */
/** @typedef {{ at: number, field: string, foretold: Value, read: Value }} Difference */
/** @typedef {{ at: number, message: Message, effects: readonly Effect[], step: Step }} Done what a step does */

/**
 * Everything that the steps of some messages do.
 * @param {Header} header @param {Message[]} messages
 */
function done(header, messages) {
  /** @type {Done[]} */
  const found = []
  for (const message of messages) {
    const { moments, read } = wayOf(header, message)
    // What an earlier call has read must have been there by then.
    const latest = message.within ? read : Infinity
    moments.forEach(({ at: told, step }, index) => {
      const at = Math.min(told, latest)
      // A sender that goes on with its call sleeps no longer.
      if (isFull(moments[index - 1]?.step)) found.push({ at, message, effects: [{ is: 'wakes', process: 'sender' }], step })
      if (step.effects?.length) found.push({ at, message, effects: step.effects, step })
    })
  }
  return found
}

/** The call in which a step's process is. @param {Scene} scene @param {Step} step */
function callOf(scene, step) {
  if (step.act.is === 'syscall') return step.act.name ?? ''
  const before = scene.steps.slice(0, scene.steps.indexOf(step)).findLast((other) => other.actor === step.actor && other.act.is === 'syscall')
  return before?.act.is === 'syscall' ? (before.act.name ?? '') : ''
}

/**
 * Follows the figures of a recording.
 * @param {Header} header @param {Message[]} messages
 * @param {Reading[]} readings in order of time; the first is what was known before
 * @param {number[]} changes when other processes came on: nothing is known of them yet
 * @param {boolean} all whether these are all the messages: else bytes are known only where they were read
 */
export function follow(header, messages, readings, changes, all) {
  const { scene, frame_bytes } = header
  /** @type {Map<string, { at: number[], is: (Figure | undefined)[] }>} */
  const gauges = new Map()
  /** @type {Map<string, { at: number[], is: Rest[] }>} */
  const rests = new Map()
  /** @type {Difference[]} */
  const differences = []
  let held = 0
  const put = (/** @type {Map<string, { at: number[], is: any[] }>} */ map, /** @type {string} */ name, /** @type {number} */ at, /** @type {any} */ is) => {
    let track = map.get(name)
    if (!track) map.set(name, (track = { at: [], is: [] }))
    track.at.push(at)
    track.is.push(is)
  }
  const last = (/** @type {string} */ field) => gauges.get(field)?.is.at(-1)
  const limits = new Map(scene.stage.flatMap(({ level }) => (level ? [[level.held, level.size]] : [])))
  /** How much fits, at most. */
  const limit = (/** @type {string} */ field) => {
    const size = last(limits.get(field) ?? '')?.value
    return typeof size === 'number' ? size : Infinity
  }
  const named = namedIn(scene)
  const isMoving = all ? moving(messages) : () => false

  const change = (/** @type {number} */ at, /** @type {string} */ field, /** @type {number} */ by) => {
    const value = last(field)?.value
    if (!all || typeof value !== 'number' || Number.isNaN(by)) return
    put(gauges, field, at, { value: Math.max(0, Math.min(value + by, limit(field))), read: false })
  }
  const apply = (/** @type {Done} */ { at, message, step }, /** @type {Effect} */ effect) => {
    const side = (/** @type {string} */ id) => (message.back ? mirrored(scene, id) : id)
    const gauge = (/** @type {string} */ field) => (message.back ? mirroredGauge(scene, field) : field)
    if (effect.is === 'add' || effect.is === 'take') {
      const field = gauge(effect.gauge)
      const frame = frame_bytes ?? NaN
      const bytes = effect.by === 'frame' ? frame : effect.by === 'read' ? message.read : effect.by === 'fitting' && frame > limit(field) ? frame : NaN
      change(at, field, effect.is === 'add' ? bytes : -bytes)
    } else if (effect.is === 'set') put(gauges, gauge(effect.gauge), at, { value: effect.to, read: false })
    else if (effect.is === 'show') put(gauges, gauge(effect.gauge), at, { value: message.payload, read: false })
    else if (effect.is === 'sleeps') put(rests, side(step.actor), at, { part: side(effect.at), call: (step.actor === 'receiver' ? message.dozesIn : message.stuckIn) || callOf(scene, step), runs: Infinity })
    else if (effect.is === 'wakes' && (rests.get(side(effect.process))?.is.at(-1)?.part ?? null) !== null) {
      put(rests, side(effect.process), at, { part: null, call: '', runs: (effect.process === 'receiver' ? message.way?.wakes?.to : undefined) ?? at })
    }
  }
  const read = (/** @type {Reading} */ { from, at, values }) => {
    const moving = isMoving(from, at)
    for (const [field, value] of Object.entries(values)) {
      const before = last(field)
      // Whether a step of a call in progress is before or after a reading that differs, cannot be told: what was foretold stays.
      if (all && before && named.has(field) && moving && before.value !== value) continue
      if (all && before && named.has(field)) {
        if (before.value !== value) differences.push({ at, field, foretold: before.value, read: value })
        else if (!before.read) held++
      }
      put(gauges, field, at, { value, read: true })
    }
  }
  const forget = (/** @type {number} */ at) => {
    for (const field of gauges.keys()) put(gauges, field, at, undefined)
    for (const side of rests.keys()) put(rests, side, at, { part: null, call: '', runs: at })
  }

  const steps = done(header, messages)
  const happens = [
    ...changes.map((at) => ({ at, rank: 0, run: () => forget(at) })),
    // What is taken at a moment has come by then.
    ...steps.map((one) => ({ at: one.at, rank: one.effects.some(({ is }) => is === 'take') ? 2 : 1, run: () => one.effects.forEach((effect) => apply(one, effect)) })),
    ...readings.map((one) => ({ at: one.at, rank: 3, run: () => read(one) })),
  ].sort((a, b) => a.at - b.at || a.rank - b.rank)
  for (const { run } of happens) run()
  return { gauges, rests, differences, held, followed: all ? named : new Set() }
}

/**
 * Tells whether a call is at work between two moments: a sender is in its call and not stuck there, or a receiver is in its call and
 * was not seen asleep, or its message was sent.
 * @param {Message[]} messages
 */
function moving(messages) {
  const calls = messages
    .flatMap(({ sendBegin, sendEnd, stuck, recvBegin, recvEnd, dozes }) => [
      { from: sendBegin, to: Number.isNaN(stuck) ? sendEnd : stuck },
      { from: recvBegin, to: Number.isNaN(dozes) ? recvEnd : dozes },
      { from: Math.max(sendBegin, recvBegin), to: recvEnd },
    ])
    .filter(({ from, to }) => from < to)
    .sort((a, b) => a.from - b.from)
  const starts = calls.map(({ from }) => from)
  // The latest end of any call up to each.
  let latest = -Infinity
  const ends = calls.map(({ to }) => (latest = Math.max(latest, to)))
  return (/** @type {number} */ from, /** @type {number} */ to) => (ends[atMost(starts, to) - 1] ?? -Infinity) > from
}

/** The gauges that effects name, of both directions. @param {Scene} scene */
function namedIn(scene) {
  const forward = scene.steps.flatMap((step) => (step.effects ?? []).flatMap((effect) => ('gauge' in effect ? [effect.gauge] : [])))
  return new Set(forward.flatMap((field) => [field, mirroredGauge(scene, field)]))
}

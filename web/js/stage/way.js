// The way of one message over the stage: which step of the scene happens when, and where the message is meanwhile.
//
// Both processes stamp four moments: before and after send, before and after recv. A step that a probe saw stands where it
// says. The others follow from the stamps and from what the calls cost when they need not wait: the sender's steps take the
// time of a send whose receiver is idle, the receiver's take the time of a recv whose message has arrived, and what lies
// between is the waking of the receiver, or its looking.

/** @import { CallCosts, Header, Part, Scene, Step } from '../../types' */

/**
 * @typedef {object} Message
 * @property {number} id
 * @property {boolean} back travels from the receiver to the sender
 * @property {string} payload
 * @property {number} sendBegin
 * @property {number} sendEnd
 * @property {number} recvBegin
 * @property {number} recvEnd `Infinity` when it never arrived
 * @property {number} lost when it was known to be lost; `Infinity` when it was not
 * @property {number} refused when a call for it ended without it; `NaN` when none did
 * @property {boolean} unsent its sender was refused
 * @property {boolean} open the recording ends before its end is told
 * @property {string | null} failed why it did not arrive
 * @property {Map<string, number>} stamped steps with a stamp of their own
 * @property {Map<string, string | undefined>} entered the call in which each side was seen, and has not returned
 * @property {number} ran when a probe saw its receiver get the core, the last time; `NaN` when none did
 * @property {number} ahead bytes of further messages that the receiver has read by its end
 * @property {number} read bytes that its call took out of the kernel; `NaN` when that is not told
 * @property {Message | null} within the message whose call had brought this one, too
 * @property {number} stuck when its sender was seen asleep for want of room; `NaN` when it was not
 * @property {string} stuckIn the call in which it was seen asleep; empty when the kernel did not tell
 * @property {number} dozes when its receiver was first seen asleep before it was sent; `NaN` when it was not
 * @property {string} dozesIn the call in which that was
 * @property {boolean} waitedLong whether the receiver's wait before this one was longer than it polls
 * @property {Way} [way] worked out when it is first needed
 */
/** @typedef {{ at: number, step: Step, stamped: boolean }} Moment */
/** @typedef {{ at: number, part: string }} Stop */
/**
 * @typedef {object} Way
 * @property {Moment[]} moments
 * @property {Stop[]} stops
 * @property {{ from: number, to: number } | null} wakes while the receiver is made to run
 * @property {{ from: number, to: number } | null} lies while it lies where it is: its receiver has not come yet, or has read it in an earlier call
 * @property {number} read when the receiver has taken the message, and whatever its call read besides, out of the kernel
 */

/** How long a hybrid receiver polls before it sleeps, unless it says so. */
const HYBRID_NS = 50_000
/** A process that goes to sleep does so in at most this share of the time until it is woken, or is seen asleep. */
const FALLS = 0.1
/** The sender's share of a flight where nothing is known of the calls' costs and the receiver ends first. */
const SENDS = 0.7

/** How long a receiver polls before it sleeps, in nanoseconds. @param {string} wait */
export function budget(wait) {
  if (wait === 'spin') return Infinity
  if (wait === 'block') return 0
  const told = /^hybrid:(\d+)us$/.exec(wait)
  return told ? Number(told[1]) * 1000 : HYBRID_NS
}

/**
 * Whether the receiver was asleep: it was seen so, or it came first and its way of waiting sleeps. One that polls first sleeps
 * at once while its waits last longer than it polls.
 * @param {Message} message @param {string} wait
 */
export function asleep(message, wait) {
  const waited = message.sendBegin - message.recvBegin
  if (!(waited > 0)) return false
  return message.dozes > 0 || waited > budget(wait) || (message.waitedLong === true && wait !== 'spin')
}

/**
 * The steps that this message took.
 * @param {Scene} scene @param {Message} message @param {string} wait
 */
function taken(scene, message, wait) {
  return scene.steps.filter((step) => {
    if (message.stamped.has(step.id)) return true
    switch (step.when) {
      case 'receiver-first':
        return message.recvBegin < message.sendBegin
      case 'receiver-asleep':
        return asleep(message, wait)
      case 'full':
        return !Number.isNaN(message.stuck)
      default:
        return true
    }
  })
}

/** The index of the first step that the message itself takes part in. @param {Step[]} steps */
function firstOfSender(steps) {
  const index = steps.findIndex((step) => step.actor === 'sender')
  return index < 0 ? 0 : index
}

/** The last step before the receiver has the message. @param {Step[]} steps */
function arrival(steps) {
  const index = steps.findLastIndex(
    (step) => step.to === 'receiver' || (step.at === 'receiver' && (step.act.is === 'copy' || step.act.is === 'load')))
  return index < 0 ? steps.length - 1 : index
}

/** Whether a step makes a sleeping receiver run. @param {Step} step */
export const isWaking = (step) => step.act.is === 'wake' || (step.effects ?? []).some((effect) => effect.is === 'wakes' && effect.process === 'receiver')

/** Whether a sender sleeps by this step for want of room. @param {Step | undefined} step */
export const isFull = (step) => step?.when === 'full' && (step.act.is === 'sleep' || (step.effects ?? []).some(({ is }) => is === 'sleeps'))

/** Whether a step takes the message somewhere: one that sets a flag does not. @param {Step} step */
const carries = (step) => step.to !== null || (['store', 'load', 'copy'].includes(step.act.is) && !(step.effects ?? []).some(({ is }) => is === 'set'))

/** Whether a step takes bytes out of the kernel. @param {Step} step */
const takesRead = (step) => (step.effects ?? []).some((effect) => effect.is === 'take' && effect.by === 'read')

/**
 * When the sender's own part ends and the receiver's begins.
 * @param {Message} message @param {CallCosts | undefined} calls @param {boolean} wakes whether the sender also wakes the receiver
 */
function parts({ sendBegin, sendEnd, recvBegin, recvEnd }, calls, wakes) {
  const back = Number.isFinite(sendEnd) ? sendEnd : recvEnd
  const flight = recvEnd - sendBegin
  if (!calls || !Number.isFinite(flight)) {
    const sent = recvEnd === Infinity ? back : Math.min(back, sendBegin + flight * SENDS)
    return { sent, takes: Math.max(sent, recvBegin) }
  }
  // A flight shorter than both costs is shared out in their proportion.
  const scale = Math.min(1, flight / Math.max(1, calls.send_ns + calls.recv_ns))
  const own = sendBegin + calls.send_ns * scale
  const sent = wakes || recvEnd < back ? Math.min(back, own) : Math.min(back, recvEnd - calls.recv_ns * scale)
  return { sent, takes: Math.max(sent, recvBegin, recvEnd - calls.recv_ns * scale) }
}

/**
 * @param {Pick<Header, 'scene' | 'wait' | 'calls'>} header @param {Message} message
 * @returns {Way}
 */
export function wayOf(header, message) {
  if (message.way) return message.way
  const { scene, wait, calls } = header
  const steps = taken(scene, message, wait)
  const first = firstOfSender(steps)
  const home = arrival(steps)
  const turn = Math.max(first, steps.findIndex((step, index) => index > first && step.actor === 'receiver'))
  const wake = steps.findIndex((step, index) => index > first && index < turn && isWaking(step))
  const { sendBegin, sendEnd, recvBegin, recvEnd, stuck, dozes, within } = message
  const full = steps.findIndex(isFull)
  // It was seen asleep; it fell asleep as soon as it found no room. When there was some it did what was left of its call.
  const sleeps = sendBegin + Math.min((stuck - sendBegin) * FALLS, calls ? calls.send_ns : Infinity)
  const over = Math.min(Number.isFinite(sendEnd) ? sendEnd : Infinity, recvEnd)
  const room = Number.isFinite(over) ? Math.max(stuck, over - (calls ? calls.send_ns : (over - stuck) * FALLS)) : Infinity
  const { sent, ...rest } = parts(full < 0 ? message : { ...message, sendBegin: room }, calls, wake >= 0)
  const takes = wake >= 0 && message.ran > sent && message.ran < recvEnd ? message.ran : rest.takes
  const falls = Math.min(((dozes > 0 ? dozes : sendBegin) - recvBegin) * FALLS, calls ? calls.send_ns + calls.recv_ns : Infinity)

  const between = (/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ n, /** @type {number} */ of) =>
    from + ((to - from) * n) / Math.max(1, of)
  const at = (/** @type {number} */ index) => {
    if (index < first) return between(recvBegin, recvBegin + falls, index, first)
    if (full >= 0 && index <= full) return index === full ? sleeps : between(sendBegin, sleeps, index - first, full - first)
    if (wake >= 0 && index >= wake && index < turn) return sent
    const begun = full >= 0 ? full + 1 : first
    if (index < turn) return between(full >= 0 ? room : sendBegin, sent, index - begun, (wake >= 0 ? wake : turn) - begun)
    // A receiver that looks again and again is at its first step until it finds the message.
    if (index === turn && wake < 0) return Math.max(sent, recvBegin)
    if (index <= home) return between(takes, recvEnd, wake < 0 ? Math.max(0, index - turn - 1) : index - turn, home - turn + (wake < 0 ? 0 : 1))
    return recvEnd
  }
  // What an earlier call has read must have been there by then.
  const latest = within ? wayOf(header, within).read : Infinity
  const done = within ? steps.filter((_, index) => index < turn) : steps
  const moments = done.map((step, index) => {
    const own = message.stamped.get(step.id)
    return own === undefined ? { at: Math.min(at(index), index < first ? Infinity : Math.max(sendBegin, latest)), step, stamped: false } : { at: own, step, stamped: true }
  })
  // What follows a step that a probe saw is not before it.
  moments.forEach((moment, index) => {
    const before = moments[index - 1]
    if (before && !moment.stamped && message.stamped.size) moment.at = Math.max(moment.at, before.at)
  })
  message.way = {
    moments: moments.filter((moment) => Number.isFinite(moment.at)),
    stops: stops(header, message, moments, sent),
    wakes: wake >= 0 && Number.isFinite(takes) ? { from: moments[wake].at, to: takes } : null,
    lies: recvBegin > sent ? { from: sent, to: within ? recvEnd : recvBegin } : Number.isNaN(recvBegin) && recvEnd === Infinity ? { from: sent, to: Infinity } : null,
    read: within ? wayOf(header, within).read : (moments.find(({ step }) => takesRead(step))?.at ?? recvEnd),
  }
  return message.way
}

/**
 * Where the message is. It rests at a part until a step takes it on, and is on its way until the next moment.
 * @param {Pick<Header, 'scene' | 'wait' | 'calls'>} header @param {Message} message @param {Moment[]} moments @param {number} sent when its sender has done its part
 */
function stops(header, message, moments, sent) {
  /** @type {Stop[]} */
  const found = [{ at: message.sendBegin, part: 'sender' }]
  const here = () => found[found.length - 1]
  const stop = (/** @type {number} */ at, /** @type {string} */ part) => {
    if (Number.isFinite(at)) found.push({ at: Math.max(at, here().at), part })
  }
  const own = moments.filter(({ at }) => at >= message.sendBegin)
  const full = own.findIndex(({ step }) => isFull(step))
  own.forEach(({ at, step }, index) => {
    if (!carries(step) || here().part === 'receiver') return
    if (step.at !== here().part) {
      stop(own[index - 1]?.at ?? message.sendBegin, here().part)
      stop(at, step.at)
    }
    if (step.to === null) return
    // A sender that finds no room has the message until there is some.
    const leaves = index < full ? (own[full + 1]?.at ?? Infinity) : at
    stop(leaves, here().part)
    const next = own.find((later) => later.at > leaves)?.at ?? message.recvEnd
    // One that its receiver takes in another's call, or never, lies where its sender has brought it.
    stop(message.within || next === Infinity ? Math.min(next, Math.max(leaves, sent)) : next, step.to)
  })
  if (message.within && here().part !== 'receiver') {
    const { read } = wayOf(header, message.within)
    stop(read, here().part)
    stop(read, 'receiver')
  }
  if (here().part !== 'receiver') stop(message.recvEnd, 'receiver')
  return message.back ? found.map(({ at, part }) => ({ at, part: mirrored(header.scene, part) })) : found
}

/**
 * The same part seen from the other side: the other process, the region that the other one writes, the queue whose gauges
 * are those of the way back.
 * @param {Scene} scene @param {string} id
 */
export function mirrored(scene, id) {
  const owner = (/** @type {Part} */ { form }) => (form.is === 'process' ? form.actor : form.is === 'region' ? form.writer : undefined)
  const part = scene.stage.find((part) => part.id === id)
  const side = part && owner(part)
  if (!part) return id
  const back = (/** @type {Part} */ twin) => twin.gauges.some((gauge) => part.gauges.some(({ field }) => gauge.field === `back_${field}`))
  return scene.stage.find((twin) => twin.form.is === part.form.is && (side ? owner(twin) !== side : twin !== part && back(twin)))?.id ?? id
}

/** The same gauge seen from the other side. @param {Scene} scene @param {string} field */
export function mirroredGauge(scene, field) {
  const swapped = field.startsWith('sender_') ? field.replace('sender_', 'receiver_') : field.replace('receiver_', 'sender_')
  const twins = field.startsWith('back_') ? [field.slice(5)] : [`back_${field}`, swapped]
  const known = (/** @type {string} */ twin) => scene.stage.some((part) => part.gauges.some((gauge) => gauge.field === twin))
  return twins.find((twin) => twin !== field && known(twin)) ?? field
}

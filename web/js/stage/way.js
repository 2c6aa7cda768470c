// The way of one message over the stage: which step of the scene happens when, and where the message is meanwhile.
//
// Both processes stamp four moments: before and after send, before and after recv. Steps that carry a stamp of their own
// (from a probe) stand where it says; the others are spread evenly between the stamps around them.

/** @import { Part, Scene, Step } from '../../types' */

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
 * @property {boolean} open the recording ends before its end is told
 * @property {string | null} failed why it did not arrive
 * @property {Map<string, number>} stamped steps with a stamp of their own
 * @property {Way} [way] worked out when it is first needed
 */
/** @typedef {{ at: number, step: Step, stamped: boolean }} Moment */
/** @typedef {{ at: number, part: string }} Stop */
/** @typedef {{ moments: Moment[], stops: Stop[] }} Way */

/** How long a hybrid receiver polls before it sleeps, unless it says so. */
const HYBRID_NS = 50_000

/**
 * Whether the receiver must have been asleep: it came first, and its way of waiting sleeps.
 * @param {Message} message @param {string} wait
 */
export function asleep(message, wait) {
  const waited = message.sendBegin - message.recvBegin
  if (!(waited > 0) || wait === 'spin') return false
  if (wait === 'block') return true
  const budget = /^hybrid:(\d+)us$/.exec(wait)
  return waited > (budget ? Number(budget[1]) * 1000 : HYBRID_NS)
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
        return false
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

/**
 * @param {Scene} scene @param {Message} message @param {string} wait
 * @returns {Way}
 */
export function wayOf(scene, message, wait) {
  if (message.way) return message.way
  const steps = taken(scene, message, wait)
  const first = firstOfSender(steps)
  const home = arrival(steps)
  const turn = Math.max(first, steps.findIndex((step, index) => index > first && step.actor === 'receiver'))
  const { sendBegin, recvBegin } = message
  const recvEnd = Number.isFinite(message.recvEnd) ? message.recvEnd : Infinity
  const sendEnd = Number.isFinite(message.sendEnd) ? message.sendEnd : recvEnd
  // The sender may come back from its call after the receiver has the message: its part of the way ends before that.
  const handed = recvEnd === Infinity ? sendEnd : Math.min(sendEnd, sendBegin + (recvEnd - sendBegin) * 0.7)
  const taking = Math.max(handed, recvBegin)

  /** @type {Moment[]} */
  const moments = steps.map((step, index) => {
    const own = message.stamped.get(step.id)
    if (own !== undefined) return { at: own, step, stamped: true }
    const between = (/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ n, /** @type {number} */ of) =>
      from + ((to - from) * n) / Math.max(1, of)
    let at
    if (index < first) at = between(recvBegin, sendBegin, index, first)
    else if (index < turn) at = between(sendBegin, handed, index - first, turn - first)
    else if (index <= home) at = between(taking, recvEnd, index - turn, home - turn + 1)
    else at = recvEnd
    return { at, step, stamped: false }
  })
  message.way = { moments: moments.filter((moment) => Number.isFinite(moment.at)), stops: stops(scene, message, moments) }
  return message.way
}

/**
 * Where the message is. It rests at a part until a step takes it on, and is on its way until the next moment.
 * @param {Scene} scene @param {Message} message @param {Moment[]} moments
 */
function stops(scene, message, moments) {
  /** @type {Stop[]} */
  const found = [{ at: message.sendBegin, part: 'sender' }]
  const here = () => found[found.length - 1]
  const stop = (/** @type {number} */ at, /** @type {string} */ part) => {
    if (Number.isFinite(at)) found.push({ at: Math.max(at, here().at), part })
  }
  const own = moments.filter(({ at }) => at >= message.sendBegin)
  own.forEach(({ at, step }, index) => {
    const moves = step.to !== null || ['store', 'load', 'copy'].includes(step.act.is)
    if (!moves || here().part === 'receiver') return
    if (step.at !== here().part) {
      stop(own[index - 1]?.at ?? message.sendBegin, here().part)
      stop(at, step.at)
    }
    if (step.to === null) return
    stop(at, here().part)
    stop(own.find((later) => later.at > at)?.at ?? message.recvEnd, step.to)
  })
  if (here().part !== 'receiver') stop(message.recvEnd, 'receiver')
  return message.back ? found.map(({ at, part }) => ({ at, part: mirrored(scene, part) })) : found
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

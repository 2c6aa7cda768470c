// An event as a line of the log: one thing, said once, in words. What else the event carries, in the names of the trace and of
// the kernel, is read when the line is opened.

import { bytes, count, duration, plural, value as valueText } from '../format.js'
import { nameOf } from './layout.js'

/** @import { Event, Gauge, Part, Range, Scene, Value } from '../../types' */

/** @typedef {Record<string, unknown>} Values */

/** What a process does in its call of the channel; the system calls that it makes meanwhile are the steps'. @type {Record<string, string>} */
export const DOING = { send: 'sending', recv: 'receiving' }

/** How the messages of a batch are sent. @type {Record<string, string>} */
export const MODES = { paced: 'one by one', burst: 'in a burst', step: 'paused and inspected', xray: 'under probes', watched: 'as they were sent' }
/** What the kernel did, where its own functions would be said otherwise. */
const KERNEL = /** @type {Record<string, string>} */ ({
  wake: 'makes a sleeping process runnable', 'switch-in': 'gives a process the core', 'switch-out': 'takes a process off the core',
  fault: 'brings in a page', packet: 'carries a packet',
})

/** A scene's gauges by their fields; where two parts have a gauge of the same name, the part stands beside it. @param {Scene} scene */
export function gaugesOf(scene) {
  const labels = scene.stage.flatMap((part) => part.gauges.map(({ label }) => label))
  const told = (/** @type {Part} */ part, /** @type {Gauge} */ gauge) =>
    labels.indexOf(gauge.label) === labels.lastIndexOf(gauge.label) ? gauge : { ...gauge, label: `${gauge.label} (${nameOf(part.label)[0]})` }
  return new Map(scene.stage.flatMap((part) => part.gauges.map((gauge) => /** @type {[string, Gauge]} */ ([gauge.field, told(part, gauge)]))))
}

/** A gauge and its figure. @param {string} field @param {unknown} value @param {Map<string, Gauge>} gauges */
function figure(field, value, gauges) {
  const gauge = gauges.get(field)
  return `${gauge?.label ?? field} ${valueText(/** @type {Value} */ (value), gauge?.unit ?? '')}`
}

/** What was read that is not as it was. @param {Values} values @param {Map<string, Gauge>} gauges @param {Values} before */
function read(values, gauges, before) {
  const news = Object.entries(values).filter(([field, value]) => before[field] !== value)
  return news.length ? `reads: ${news.map(([field, value]) => figure(field, value, gauges)).join(', ')}` : 'reads the same as before'
}

/** What an experiment of a scene is called. @param {Scene | null} scene @param {string} id */
export const titleOf = (scene, id) => scene?.experiments.find((one) => one.id === id)?.title ?? id

/** @param {Event} event @param {Map<string, Gauge>} gauges @param {Values} before what was read last @param {Scene | null} scene @returns {string} */
function what(event, gauges, before, scene) {
  const quoted = event.payload ? ` “${event.payload}”` : ''
  const message = event.message === undefined ? '' : ` #${count(event.message)}`
  switch (event.what) {
    case 'batch-begin':
      return `asks for ${plural(event.count ?? 0, 'message')}, ${MODES[event.mode ?? ''] ?? event.mode}`
    case 'batch-end':
      return 'all is done'
    case 'send-begin':
      return `sends${message}${quoted}${event.bytes === undefined ? '' : `, ${bytes(event.bytes)}`}`
    case 'send-end':
      return `has sent${message}`
    case 'recv-begin':
      return `wants${message}`
    case 'recv-end':
      return `has${message}${quoted}`
    case 'failed':
      return `${DOING[event.call ?? ''] ?? event.call ?? 'its call'}${message} failed: ${event.error ?? 'no reason given'}`
    case 'state':
      return [`is ${event.state}`, event.call && `in ${event.call}()`, event.core !== undefined && `on core ${event.core}`].filter(Boolean).join(', ')
    case 'gauges':
      return read(event.values ?? {}, gauges, before)
    case 'died':
      return `died${event.signal ? ` of ${event.signal}` : event.exit_code !== undefined ? ` with exit code ${event.exit_code}` : ''}`
    case 'processes':
      return `two others: ${(event.processes ?? []).map((process) => `${process.actor} ${process.pid}`).join(', ')}`
    case 'experiment-begin':
      return `begins the experiment “${titleOf(scene, event.id ?? '')}”`
    case 'experiment-end':
      return event.verdict ?? 'the experiment is over'
    case 'syscall':
      return `${event.name}()${event.result === undefined ? '' : ` = ${event.result}`}${event.duration_ns === undefined ? '' : `, ${duration(event.duration_ns)}`}`
    case 'copy':
      return `touches ${event.bytes === undefined ? 'the message' : bytes(event.bytes)}`
    case 'table':
      return `table: ${event.title ?? ''}`
    case 'unavailable':
      return `${event.figure ?? 'a figure'} cannot be had: ${event.why ?? ''}`
    case 'stage':
      return `the stage is now ${(event.parts ?? []).map(({ label }) => label).join(', ')}`
    default:
      return event.text ?? KERNEL[event.what] ?? event.what.replaceAll('-', ' ')
  }
}

/** @param {Event} event @param {Map<string, Gauge>} [gauges] @param {Values} [before] @param {Scene | null} [scene] */
export function describe(event, gauges = new Map(), before = {}, scene = null) {
  return { who: event.side ?? 'lab', text: what(event, gauges, before, scene), foretold: event.side !== 'kernel' || event.step !== undefined }
}

/** Everything that an event carries, by the names of the trace; figures by their words. @param {Event} event @param {Map<string, Gauge>} gauges @returns {[string, string][]} */
export function whole(event, gauges) {
  const { values = {}, ...others } = event
  const named = Object.entries(others).map(([name, value]) => /** @type {[string, string]} */ ([name, typeof value === 'string' ? value : JSON.stringify(value)]))
  const figures = Object.entries(values).map(([field, value]) => /** @type {[string, string]} */ ([gauges.get(field)?.label ?? field, valueText(/** @type {Value} */ (value), gauges.get(field)?.unit ?? '')]))
  return [...named, ...figures]
}

/** The same words of a message that goes the other way: each process does what the other one does. @param {string} text */
export const reversed = (text) => text.replace(/\b(sender|receiver)\b/gi, (word) => {
  const other = word.toLowerCase() === 'sender' ? 'receiver' : 'sender'
  return word[0] === word[0].toUpperCase() ? other[0].toUpperCase() + other.slice(1) : other
})

/** How many: `2`, `0 to 1`, `1 or more`. @param {Range} range */
export const range = ({ least, most }) => (most === null ? `${least} or more` : most === least ? String(least) : `${least} to ${most}`)

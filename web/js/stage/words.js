// An event as a line of the log.

import { bytes, count, duration } from '../format.js'

/** @import { Event, Range } from '../../types' */

/** @param {Event} event */
const number = (event) => (event.message === undefined ? '' : `#${count(event.message)}`)

/** @param {Event} event @returns {string} */
function what(event) {
  const quoted = event.payload ? ` “${event.payload}”` : ''
  switch (event.what) {
    case 'batch-begin':
      return `${count(event.count ?? 0)} messages, ${event.mode ?? ''}`
    case 'batch-end':
      return 'all done'
    case 'send-begin':
      return `calls send${quoted}`
    case 'send-end':
      return 'is back from send'
    case 'recv-begin':
      return 'calls recv'
    case 'recv-end':
      return `has it${quoted}`
    case 'failed':
      return `${event.call ?? 'the call'} failed: ${event.error ?? 'no message'}`
    case 'state':
      return [event.state, event.call && `in ${event.call}()`, event.wchan && `at ${event.wchan}`, event.core !== undefined && `core ${event.core}`].filter(Boolean).join(', ')
    case 'gauges':
      return Object.entries(event.values ?? {}).map(([field, value]) => `${field} ${value}`).join(', ')
    case 'died':
      return `died${event.signal ? ` of ${event.signal}` : event.exit_code !== undefined ? `, exit code ${event.exit_code}` : ''}`
    case 'processes':
      return (event.processes ?? []).map((process) => `${process.actor} is pid ${process.pid}`).join(', ')
    case 'experiment-begin':
      return `experiment: ${event.id}`
    case 'experiment-end':
      return event.verdict ?? 'the experiment is over'
    case 'syscall':
      return `${event.name}(${event.args ?? ''})${event.result === undefined ? '' : ` = ${event.result}`}${event.duration_ns === undefined ? '' : `, ${duration(event.duration_ns)}`}`
    case 'copy':
      return `copies${event.bytes === undefined ? '' : ` ${bytes(event.bytes)}`}${event.function ? ` in ${event.function}` : ''}`
    case 'wake':
    case 'switch-in':
    case 'switch-out':
    case 'fault':
    case 'packet':
      return [event.what.replace('-', ' '), event.function, event.detail].filter(Boolean).join(' ')
    case 'table':
      return `table: ${event.title ?? ''}`
    case 'unavailable':
      return `${event.figure ?? 'a figure'} cannot be had: ${event.why ?? ''}`
    case 'stage':
      return `the stage is now ${(event.parts ?? []).map(({ label }) => label).join(', ')}`
    case 'note':
      return ''
    default:
      return event.what
  }
}

/** Events that stand for themselves, and need no second sentence. */
const SELF = new Set(['experiment-end', 'unavailable', 'table'])

/** @param {Event} event */
export function describe(event) {
  const own = what(event)
  const text = event.text && !SELF.has(event.what) ? (own ? `${own}. ${event.text}` : event.text) : own
  return { who: event.side ?? 'lab', number: number(event), text, foretold: event.side !== 'kernel' || event.step !== undefined }
}

/** How many: `2`, `0 to 1`, `1 or more`. @param {Range} range */
export const range = ({ least, most }) => (most === null ? `${least} or more` : most === least ? String(least) : `${least} to ${most}`)

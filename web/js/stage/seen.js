// What probes saw of a message: its system calls, and the copies of it.

/** @import { Event } from '../../types' */

/** @typedef {'user' | 'kernel'} Space */
/**
 * A system call. One in which the process slept is told twice: when it was entered, and when it returned.
 * @typedef {{ side: string, name: string, from: number, to: number, told: Event[] }} Called
 */
/**
 * A copy of the message from one memory to another.
 * @typedef {{ number: number, side: string, space: Space, name: string, from: number, to: number, reads: Event | undefined, writes: Event | undefined, told: Event[] }} Copied
 */

/** The space of the instruction that touched the message. @param {Event} event @returns {Space} */
export const spaceOf = (event) => event.space ?? (event.detail || event.bytes !== undefined ? 'kernel' : 'user')

/** @param {Event[]} events in order of time @returns {Called[]} */
export function callsOf(events) {
  /** @type {Called[]} */
  const found = []
  /** @type {Map<string, Called>} those that were entered and have not returned */
  const open = new Map()
  const end = events[events.length - 1]?.t_ns ?? 0
  for (const event of events) {
    if (event.what !== 'syscall' || !event.side) continue
    const { side, t_ns, name = 'a call' } = event
    const entered = open.get(side)
    open.delete(side)
    if (entered && entered.name === name && event.duration_ns !== undefined) {
      entered.to = t_ns
      entered.told.push(event)
      continue
    }
    const called = { side, name, from: t_ns, to: event.duration_ns === undefined ? end : t_ns + event.duration_ns, told: [event] }
    found.push(called)
    if (event.duration_ns === undefined) open.set(side, called)
  }
  return found
}

/** @param {Event[]} events in order of time @returns {Copied[]} */
export function copiesOf(events) {
  /** @type {Map<number, Copied>} */
  const found = new Map()
  for (const event of events) {
    if (event.what !== 'copy' || event.copy === undefined) continue
    const { copy: number, t_ns } = event
    let copied = found.get(number)
    if (!copied) {
      copied = { number, side: event.side ?? 'kernel', space: spaceOf(event), name: event.function ?? 'a copy', from: t_ns, to: t_ns, reads: undefined, writes: undefined, told: [] }
      found.set(number, copied)
    }
    copied.to = t_ns
    copied.told.push(event)
    if (event.access === 'read') copied.reads = event
    else copied.writes = event
  }
  return [...found.values()]
}

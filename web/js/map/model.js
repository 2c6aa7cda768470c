// The map as the lab has told it: a snapshot, and the changes after it. Pure.

/** @import { DrawnEdge, DrawnKind, DrawnProcess, DrawnUnread, MapChange, MapSnapshot } from '../../types' */

/** @typedef {{ there: boolean, back: boolean }} Flow whether bytes may go from the first to the second, and back */

export class Model {
  /** @type {Map<string, DrawnKind & { index: number }>} */
  kinds = new Map()
  /** @type {Map<string, DrawnProcess>} */
  processes = new Map()
  /** @type {Map<string, DrawnEdge>} */
  edges = new Map()
  /** @type {DrawnUnread[]} */
  unread = []
  taken = { unix_ms: 0, ns: 0, every_ms: 1000, left_out: 0 }

  /** @param {MapSnapshot | MapChange} frame */
  take(frame) {
    if ('kinds' in frame) {
      this.kinds = new Map(frame.kinds.map((kind, index) => [kind.kind, { ...kind, index }]))
      this.processes.clear()
      this.edges.clear()
    } else {
      for (const id of frame.gone_processes) this.processes.delete(id)
      for (const id of frame.gone_edges) this.edges.delete(id)
    }
    for (const process of frame.processes) this.processes.set(process.id, process)
    for (const edge of frame.edges) this.edges.set(edge.id, edge)
    if (frame.unread) this.unread = frame.unread
    this.taken = { unix_ms: frame.taken_unix_ms, ns: frame.took_ns, every_ms: frame.every_ms, left_out: frame.left_out }
  }
}

/** Whether its two sides are told apart; memory and queues have one only. @param {DrawnEdge} edge */
const twoSided = (edge) => edge.beyond !== null || edge.ends.some(({ side }) => side === 1)

/** Whether no two programs are joined by it: it has one end that is seen, or only itself. @param {DrawnEdge} edge */
export function alone(edge) {
  const [first] = edge.ends
  if (!edge.ends.some(({ process }) => process !== first.process)) return true
  return twoSided(edge) && !edge.ends.some(({ side }) => side !== first.side)
}

/** What may go between some processes and others by an edge. @param {DrawnEdge} edge @param {(process: string) => boolean} here @param {(process: string) => boolean} there @returns {Flow} */
export function flow(edge, here, there) {
  const sided = twoSided(edge)
  const goes = (/** @type {(process: string) => boolean} */ from, /** @type {(process: string) => boolean} */ to) =>
    edge.ends.some((one) => one.writes && from(one.process) && edge.ends.some((other) => other.reads && to(other.process) && other.process !== one.process && (!sided || other.side !== one.side)))
  return { there: goes(here, there), back: goes(there, here) }
}

/** Pairs of processes that an edge joins: each writer or first side with each other one. Of many, one with each of the others. @param {DrawnEdge} edge @returns {[string, string][]} */
export function pairs(edge) {
  const of = (/** @type {(end: DrawnEdge['ends'][0]) => boolean} */ which) => [...new Set(edge.ends.filter(which).map(({ process }) => process))]
  const sided = twoSided(edge)
  const writers = of(({ writes }) => writes)
  const first = sided ? of(({ side }) => side === 0) : writers.length ? writers : of(() => true).slice(0, 1)
  const second = sided ? of(({ side }) => side === 1) : of(() => true)
  if (!first.length || !second.length) return []
  const many = first.length * second.length > 12
  /** @type {Map<string, [string, string]>} */
  const found = new Map()
  const join = (/** @type {string} */ a, /** @type {string} */ b) => {
    const key = a < b ? `${a} ${b}` : `${b} ${a}`
    if (a !== b && !found.has(key)) found.set(key, [a, b])
  }
  for (const a of many ? first.slice(0, 1) : first) for (const b of second) join(a, b)
  if (many) for (const a of first) join(a, second[0])
  return [...found.values()]
}

/** The bytes that wait at an edge; `null` where that is not counted or was not read. Several ends of one side see the same. @param {DrawnEdge} edge */
export function queued(edge) {
  const at = (/** @type {number} */ wanted) => {
    const counts = edge.ends.flatMap(({ side, queued_bytes: bytes }) => (side === wanted && bytes !== null ? [bytes] : []))
    return counts.length ? Math.max(...counts) : null
  }
  const [here, there] = [at(0), at(1)]
  return here === null && there === null ? null : (here ?? 0) + (there ?? 0)
}

/** How a process is called. @param {DrawnProcess | undefined} process */
export const called = (process) => (process ? `${process.name} ${process.pid}` : 'a process that has ended')

/** The sign of a flow. @param {Flow} flow */
export const arrow = ({ there, back }) => (there && back ? '⇄' : there ? '→' : back ? '←' : '–')

// What may be said of a report's rows: which of them may be compared, how many times one is another, who is best.
// The same rules as the terminal's tables: a ratio exists only between rows that work, wait and sit alike.

import { bytes } from './format.js'
import { median } from './scale.js'

/** @import { Report, Row } from '../types' */

/**
 * @typedef {object} Ratio
 * @property {number} value
 * @property {number} low the least quotient of any two launches
 * @property {number} high the greatest
 * @property {'different' | 'no-difference' | 'unknown'} verdict
 */

/** @typedef {{ key: string, workload: string, size: number, wait: string, placement: string, rows: Row[] }} Group */

/** What a row is compared by. @type {Record<string, { name: string, unit: 'ns' | 'rate', less: boolean, of: (row: Row) => number | null | undefined, each: (row: Row) => (number | null)[] }>} */
export const MEASURES = {
  p50: {
    name: 'median latency',
    unit: 'ns',
    less: true,
    of: (row) => row.latency_ns?.p50,
    each: (row) => row.each_launch.map((launch) => launch.latency_ns_p50),
  },
  p99: { name: 'p99 latency', unit: 'ns', less: true, of: (row) => row.latency_ns?.p99, each: () => [] },
  rate: {
    name: 'messages a second',
    unit: 'rate',
    less: false,
    of: (row) => row.messages_per_s,
    each: (row) => row.each_launch.map((launch) => launch.messages_per_s),
  },
  cpu: { name: 'CPU time a message', unit: 'ns', less: true, of: (row) => cpu(row), each: () => [] },
}

/** Whether messages follow each other without an answer. @param {string} workload */
export const isStream = (workload) => workload === 'stream' || workload === 'corked'

/** The measure that a workload is judged by. @param {string} workload */
export const judgedBy = (workload) => (isStream(workload) ? 'rate' : 'p50')

/** @param {number | null | undefined} value */
const positive = (value) => (value !== null && value !== undefined && Number.isFinite(value) && value > 0 ? value : null)

/** CPU time a message of each side, in nanoseconds. @param {Row} row @returns {[number, number] | null} */
export function cpuSides(row) {
  if (!row.sides || !row.messages || row.failed) return null
  const [a, b] = row.sides.map((side) => (side.user_ns + side.system_ns) / row.messages)
  return [a, b]
}

/** CPU time a message, both sides together. @param {Row} row */
export function cpu(row) {
  const sides = cpuSides(row)
  return sides && sides[0] + sides[1]
}

/** What the channels of a group had room for, in words; nothing where it is not told. @param {Group} group @param {(kind: string) => string} title */
export function channels(group, title) {
  const had = group.rows.flatMap((row) => {
    if (!row.channel_bytes) return []
    const [least, most] = row.channel_bytes
    return [`${title(row.kind)} ${bytes(least)}${most > least ? ` to ${bytes(most)}` : ''}`]
  })
  return had.join(', ')
}

/** Switches a message, both sides: by itself, and put aside. @param {Row} row @returns {[number, number] | null} */
export function switches(row) {
  if (!row.sides || !row.messages || row.failed) return null
  const sum = (/** @type {'voluntary_switches' | 'involuntary_switches'} */ field) =>
    (row.sides ?? []).reduce((total, side) => total + side[field], 0) / row.messages
  return [sum('voluntary_switches'), sum('involuntary_switches')]
}

/** Rows that may be compared, together. @param {Row[]} rows @returns {Group[]} */
export function groups(rows) {
  /** @type {Map<string, Group>} */
  const found = new Map()
  for (const row of rows) {
    const key = [row.workload, row.size_bytes, row.wait, row.placement].join('|')
    const group = found.get(key)
    if (group) group.rows.push(row)
    else found.set(key, { key, workload: row.workload, size: row.size_bytes, wait: row.wait, placement: row.placement, rows: [row] })
  }
  return [...found.values()]
}

/**
 * How many times `a` is `b`; `null` when the two must not be compared, or one has no figure.
 * @param {Row} a @param {Row} b @param {string} by
 * @returns {Ratio | null}
 */
export function ratio(a, b, by = judgedBy(a.workload)) {
  const alike =
    a.workload === b.workload && a.size_bytes === b.size_bytes && a.placement === b.placement && a.wait === b.wait
  if (!alike || a.failed || b.failed) return null
  if (by !== 'rate' && a.latency_ns?.basis !== b.latency_ns?.basis) return null
  const measure = MEASURES[by]
  const [whole, other] = [positive(measure.of(a)), positive(measure.of(b))]
  if (whole === null || other === null) return null
  const launches = [a, b].map((row) => measure.each(row).map(positive).filter((value) => value !== null))
  const value = whole / other
  if (launches[0].length < 2 || launches[1].length < 2) return { value, low: value, high: value, verdict: 'unknown' }
  const low = Math.min(...launches[0]) / Math.max(...launches[1])
  const high = Math.max(...launches[0]) / Math.min(...launches[1])
  return { value, low, high, verdict: low <= 1 && high >= 1 ? 'no-difference' : 'different' }
}

/** How many times worse `row` is than `best`: above 1 whichever way the measure points. @param {Row} row @param {Row} best @param {string} by */
export const slower = (row, best, by = judgedBy(row.workload)) =>
  MEASURES[by].less ? ratio(row, best, by) : ratio(best, row, by)

/** The mechanisms of a group that have the figure, best first. @param {Group} group @param {string} by */
export function ranked(group, by = judgedBy(group.workload)) {
  const measure = MEASURES[by]
  return group.rows
    .filter((row) => row.entrant === 'mechanism' && !row.failed && positive(measure.of(row)) !== null)
    .sort((a, b) => (Number(measure.of(a)) - Number(measure.of(b))) * (measure.less ? 1 : -1))
}

/** Whether launches fall into two camps: the widest gap is above 1.6 times, with at least two on each side. @param {number[]} numbers */
export function twoModes(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  if (sorted.length < 4 || sorted[0] <= 0) return false
  let widest = 0
  for (let index = 1; index < sorted.length - 1; index++) {
    if (sorted[index + 1] / sorted[index] > sorted[widest + 1] / sorted[widest]) widest = index
  }
  return sorted[widest + 1] / sorted[widest] > 1.6 && widest >= 1 && sorted.length - widest > 2
}

/** Whether a row's launches disagree so much that its one figure stands for neither camp. @param {Row} row */
export const bimodal = (row) =>
  twoModes(MEASURES[judgedBy(row.workload)].each(row).filter((value) => value !== null))

/** The rows of a report that share a stage's way of waiting and placement; of one size, the nearest. @param {Report} report @param {{wait: string, placement: string, size: number}} like */
export function rowsLike(report, { wait, placement, size }) {
  const alike = report.rows.filter(
    (row) => row.wait === wait && row.placement === placement && !isStream(row.workload) && row.entrant === 'mechanism' && !row.failed)
  const sizes = [...new Set(alike.map((row) => row.size_bytes))]
  const nearest = sizes.sort((a, b) => Math.abs(Math.log(a / size)) - Math.abs(Math.log(b / size)))[0]
  const workload = alike.find((row) => row.size_bytes === nearest)?.workload
  return alike.filter((row) => row.size_bytes === nearest && row.workload === workload)
}

/** The floor of a group, if its rows have one. @param {Group} group */
export function floor(group) {
  const floors = group.rows.map((row) => row.floor_ns).filter((value) => value !== null)
  return floors.length ? median(floors) : null
}

/** Whether a count is not what is quoted: `2` is two, `3+` is three or more. @param {number | undefined} found @param {string | null | undefined} quoted */
export function differs(found, quoted) {
  const said = /^(\d+)(\+?)$/.exec(quoted ?? '')
  if (found === undefined || !said) return false
  const than = Number(said[1])
  return found < than - 0.5 || (!said[2] && found > than + 0.5)
}

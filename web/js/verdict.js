// Sentences about a report. Each names its figure, and follows from these numbers alone.

import { bytes, duration, each, list, parseDuration, rate, times } from './format.js'
import { bimodal, cpu, groups, judgedBy, MEASURES, ranked, ratio, slower, isStream, switches } from './results.js'

/** @import { Report, Row, Scene } from '../types' */
/** @import { Group } from './results.js' */

/** @typedef {(kind: string) => string} Title */

/** @param {number} value @param {string} unit */
const shown = (value, unit) => (unit === 'ns' ? duration(value) : `${rate(value)} messages a second`)

/** Who is best of a group by one figure, and by how much. @param {Group} group @param {string} by @param {Title} title */
function best(group, by, title) {
  const order = ranked(group, by)
  if (order.length < 2) return null
  const measure = MEASURES[by]
  const [first, ...rest] = order
  const alike = rest.filter((row) => slower(row, first, by)?.verdict === 'no-difference')
  const names = list([first, ...alike].map((row) => title(row.kind)))
  const figure = shown(Number(measure.of(first)), measure.unit)
  const last = order[order.length - 1]
  const behind = slower(last, first, by)
  const most = { p50: 'lowest median latency', p99: 'lowest p99 latency', rate: 'most messages a second', cpu: 'least CPU time a message' }[by]
  const tail = behind && behind.verdict !== 'no-difference' ? ` ${title(last.kind)} is behind by ${times(behind.value)}.` : ''
  return alike.length
    ? `The ${most}: ${names}, which do not differ by more than their launches do (${figure}).${tail}`
    : `The ${most}: ${names}, ${figure}.${tail}`
}

/** @param {Group} group @param {Title} title */
export function verdicts(group, title) {
  const measures = isStream(group.workload) ? ['rate', 'cpu'] : ['p50', 'p99', 'cpu']
  return measures.map((by) => best(group, by, title)).filter((text) => text !== null)
}

/** What makes a group's numbers doubtful. @param {Group} group @param {Title} title */
export function doubts(group, title) {
  const told = group.rows.filter(bimodal).map((row) => `The launches of ${title(row.kind)} fall into two camps: its one figure stands for neither.`)
  for (const row of group.rows) for (const note of row.notes) told.push(`${title(row.kind)}: ${note}`)
  return told
}

/** @param {Report} report @param {string} kind @param {string} workload @param {string} wait */
const find = (report, kind, workload, wait) => {
  const size = Math.min(...report.rows.map((row) => row.size_bytes).filter((size) => size >= 64), Infinity)
  return report.rows.find((row) => row.kind === kind && row.workload === workload && row.wait === wait && !row.failed && row.latency_ns?.p50 && (row.size_bytes === size || size === Infinity))
}

/**
 * What textbooks say of each mechanism's latency, beside what was measured under each way of waiting.
 * @param {Report} report @param {Scene[]} scenes
 */
export function claims(report, scenes) {
  const waits = [...new Set(report.rows.map((row) => row.wait))]
  const workload = report.rows.some((row) => row.workload === 'ping-pong') ? 'ping-pong' : (report.rows.find((row) => !isStream(row.workload))?.workload ?? '')
  const rows = scenes.map((scene) => ({
    scene,
    quoted: parseDuration(scene.quoted?.latency ?? ''),
    measured: waits.map((wait) => find(report, scene.kind, workload, wait)),
  })).filter(({ measured }) => measured.some(Boolean))
  return { waits, workload, rows, why: reasons(report, rows, waits) }
}

/** @param {Report} report @param {{ scene: Scene, quoted: number | null, measured: (Row | undefined)[] }[]} rows @param {string[]} waits */
function reasons(report, rows, waits) {
  const told = []
  const spans = rows.flatMap(({ scene, measured }) => {
    const values = measured.flatMap((row) => row?.latency_ns?.p50 ?? [])
    return values.length > 1 ? [{ scene, low: Math.min(...values), high: Math.max(...values) }] : []
  }).sort((a, b) => b.high / b.low - a.high / a.low)
  if (spans.length && spans[0].high / spans[0].low > 1.5) {
    const { scene, low, high } = spans[0]
    told.push(`The way of waiting: ${scene.title} takes ${duration(low)} or ${duration(high)}, with nothing changed but how both ends wait. A figure that does not say how one waits can be off by that, ${times(high / low)} here.`)
  }
  const quoted = rows.filter((row) => row.quoted !== null && row.quoted > 0)
  if (quoted.length > 1) {
    const [low, high] = [quoted, quoted].map((all, index) => all.reduce((a, b) => (Number(a.quoted) < Number(b.quoted) === (index === 0) ? a : b)))
    const measured = waits.flatMap((wait, index) => {
      const [a, b] = [high.measured[index], low.measured[index]]
      const found = a && b ? ratio(a, b) : null
      return found ? [`${times(found.value)} by ${wait}${found.verdict === 'no-difference' ? ' (no difference)' : ''}`] : []
    })
    if (measured.length) told.push(`A ratio is not a constant: textbooks have ${high.scene.title} at ${times(Number(high.quoted) / Number(low.quoted))} of ${low.scene.title}; here it is ${list(measured)}.`)
  }
  told.push(`The placement: these processes ran ${report.plan.placement === 'same-core' ? 'on the same core' : report.plan.placement === 'cross-core' ? 'on two cores' : report.plan.placement}. A message that must wake a core pays for that, whatever carries it.`)
  const streamed = report.rows.filter((row) => row.workload === 'stream' && row.messages_per_s && !row.failed && row.entrant === 'mechanism')
  const batched = streamed.flatMap((row) => {
    const alone = report.rows.find((other) => other.workload === 'ping-pong' && other.kind === row.kind && other.wait === row.wait && other.size_bytes === row.size_bytes && other.messages_per_s)
    return alone?.messages_per_s && row.messages_per_s ? [{ row, factor: row.messages_per_s / alone.messages_per_s }] : []
  }).sort((a, b) => b.factor - a.factor)[0]
  if (batched && batched.factor > 1.5) told.push(`One at a time, or many on their way: by ${batched.row.wait}, the same channel carries ${times(batched.factor)} as many messages a second when none has to be answered first.`)
  return told
}

/**
 * Advice that follows from these numbers.
 * @param {Report} report @param {Scene[]} scenes @param {Title} title
 */
export function advice(report, scenes, title) {
  const told = []
  const found = groups(report.rows)
  const pingPong = found.filter((group) => !isStream(group.workload))
  for (const group of pingPong) {
    const order = ranked(group, 'p50')
    if (order.length < 2) continue
    const [first, last] = [order[0], order[order.length - 1]]
    const span = Number(last.latency_ns?.p50) / Number(first.latency_ns?.p50)
    const setting = `${group.workload}, ${bytes(group.size)}, waiting by ${group.wait}`
    if (span < 2) told.push(`${setting}: everything is within ${times(span)}. Choose by what you need, not by speed: ${needs(scenes)}.`)
    else if (span > 5) told.push(`${setting}: ${title(first.kind)} is worth its trouble if latency is what you need: ${duration(Number(first.latency_ns?.p50))} instead of ${duration(Number(last.latency_ns?.p50))}.`)
  }
  const costly = pingPong.flatMap((group) => ranked(group, 'p50').slice(0, 1)).filter((row) => (switches(row)?.[0] ?? 1) < 0.05 && cpu(row) !== null)
  for (const row of costly.slice(0, 1)) {
    const asleep = report.rows.find((other) => other.kind === row.kind && other.workload === row.workload && other.size_bytes === row.size_bytes && (switches(other)?.[0] ?? 0) > 0.3)
    if (asleep) told.push(`${title(row.kind)} is fast because neither side sleeps (${each(switches(row)?.[0] ?? 0)} switches a message): it keeps two cores busy, also when nothing is sent. If you cannot spare them, count with ${duration(Number(asleep.latency_ns?.p50))}.`)
  }
  const tails = pingPong.flatMap((group) => ranked(group, 'p50')).filter((row) => row.latency_ns?.p50 && row.latency_ns.p99 && row.latency_ns.p99 / row.latency_ns.p50 > 5)
  if (tails.length) told.push(`The tail is long for ${list([...new Set(tails.map((row) => title(row.kind)))])}: p99 is more than five times the median. If a late message hurts, read the percentile chart, not the median.`)
  const streams = found.filter((group) => judgedBy(group.workload) === 'rate').flatMap((group) => ranked(group).slice(0, 1)).sort((a, b) => Number(b.messages_per_s) - Number(a.messages_per_s))
  if (streams[0]) told.push(`For many messages without answers, ${title(streams[0].kind)} carries most: ${rate(Number(streams[0].messages_per_s))} a second of ${bytes(streams[0].size_bytes)}.`)
  return told
}

/** What sets mechanisms apart beside speed. @param {Scene[]} scenes */
function needs(scenes) {
  const far = scenes.filter((scene) => scene.cross_host).map((scene) => scene.title)
  const near = scenes.filter((scene) => scene.duplex && !scene.cross_host).map((scene) => scene.title)
  return [far.length && `${list(far)} for other machines`, near.length && `${list(near)} for both ways on this one`].filter(Boolean).join(', ')
}

// What a race found: a group of comparable rows at a time, and what all of them say together.

import { api } from '../api.js'
import { button, h, named, segments, select, show, table } from '../dom.js'
import { bytes, date, duration, each, plural, rate } from '../format.js'
import { bars } from '../chart/bars.js'
import { percentiles } from '../chart/percentiles.js'
import { sweep } from '../chart/sweep.js'
import { channels, cpu, cpuSides, floor, groups, judgedBy, ranked, slower, switches } from '../results.js'
import { copyText } from '../stage/log.js'
import { accent, lab, machineText, title } from '../store.js'
import { advice, claims, doubts, verdicts } from '../verdict.js'
import { versus } from './figures.js'
import { Comparing } from './comparing.js'

/** @import { Child } from '../dom.js' */
/** @import { Report, Row } from '../../types' */
/** @import { Group } from '../results.js' */

const BASIS = /** @type {Record<string, string>} */ ({
  'half-round-trip': 'half of a measured round trip',
  'one-way-stamped': 'from before send to after recv, stamped on both sides; the queue is part of it',
  'from-due-time': 'from the moment a message was due to after recv',
})

/** @param {number | null | undefined} value */
const ns = (value) => (value === null || value === undefined ? '–' : duration(value))

/** How the samples of a group were taken. @param {Group} group */
const basis = (group) => BASIS[group.rows.find((row) => row.latency_ns)?.latency_ns?.basis ?? ''] ?? 'not sampled'

export class ReportView {
  /** @param {Report} report @param {string} id @param {string} [command] */
  constructor(report, id, command) {
    this.report = report
    this.id = id
    this.groups = groups(report.rows)
    this.chosen = { by: 'p50', scale: 'log' }
    this.figures = h('div', { class: 'stack' })
    this.sweeps = h('div', {})
    this.current = this.groups[0]
    const single = this.groups.filter((group) => group.size === this.groups[0]?.size).length === this.groups.length
    const options = this.groups.map((group) => /** @type {[string, string]} */ ([group.key, `${group.workload}, ${single ? '' : `${bytes(group.size)}, `}${group.wait}`]))
    const choose = (/** @type {string} */ key) => this.choose(key)
    this.element = h('div', { class: 'stack report' },
      h('section', { class: 'panel', 'aria-labelledby': 'run-head' },
        h('div', { class: 'head' }, h('h2', { id: 'run-head' }, `Race of ${date(report.started_unix_ms)}`), this.exports()),
        h('p', { class: 'faint' }, this.circumstances()),
        command ? this.command(command) : null,
        options.length < 2 ? null : options.length <= 6 ? segments('Show', options, this.current.key, choose) : h('label', { class: 'field' }, h('span', {}, 'Show'), select(options, this.current.key, choose))),
      this.figures,
      this.sweepPanel(),
      this.claimsPanel(),
      this.advicePanel(),
      new Comparing(id).element)
    if (this.current) this.choose(this.current.key)
  }

  circumstances() {
    const { report } = this
    const { plan, machine } = report
    return [
      machineText(machine),
      `${plural(plan.count, 'message')} a row over ${plural(plan.launches, 'fresh launch')}, ${plan.placement}`,
      plan.capacity_bytes ? `channels asked to hold ${bytes(plan.capacity_bytes)} each way` : '',
      `the clock costs ${duration(Number(report.clock_cost_ns.toPrecision(2)))} a reading`,
      report.rounds_dropped ? `${plural(report.rounds_dropped, 'round')} dropped: the floor changed, or they were disturbed` : '',
      report.page_open ? 'a lab page was open' : '',
      plan.quick ? 'quick, not to be quoted' : '',
      report.interrupted ? 'stopped before its end' : '',
    ].filter(Boolean).join('; ') + '.'
  }

  exports() {
    return h('span', { class: 'exports' }, ['json', 'csv', 'markdown', 'html'].map((form) =>
      h('a', { href: api.exported(this.id, form), download: true, class: 'button quiet' }, form === 'markdown' ? 'Markdown' : form.toUpperCase())))
  }

  /** @param {string} command */
  command(command) {
    const copy = button('Copy', () => void copyText(command, copy), { class: 'quiet' })
    return h('p', { class: 'command' }, h('code', {}, command), copy)
  }

  /** @param {string} key */
  choose(key) {
    this.bars?.stop()
    const group = this.groups.find((group) => group.key === key) ?? this.groups[0]
    this.current = group
    this.chosen.by = judgedBy(group.workload)
    this.bars = bars(group, this.chosen)
    const name = `${group.workload}, ${bytes(group.size)}, ${group.wait}, ${group.placement}`
    const told = verdicts(group, title)
    const doubtful = doubts(group, title)
    const chart = percentiles(group.rows, name)
    show(this.figures,
      h('section', { class: 'panel', 'aria-labelledby': 'group-head' },
        h('h2', { id: 'group-head' }, name),
        h('ul', { class: 'verdicts' }, told.map((text) => h('li', {}, text))),
        doubtful.length ? h('ul', { class: 'doubts' }, doubtful.map((text) => h('li', {}, text))) : null,
        this.bars.element,
        this.table(group, name)),
      chart && h('section', { class: 'panel', 'aria-labelledby': 'tail-head' }, h('h2', { id: 'tail-head' }, 'Latency by percentile'), chart,
        h('p', { class: 'faint' }, `Each curve ends where fewer than ten samples lie beyond. Latency: ${basis(group)}.`)))
  }

  /** @param {Group} group @param {string} name */
  table(group, name) {
    const best = ranked(group)[0]
    const line = floor(group)
    const rows = group.rows.map((row) => this.row(row, best))
    return [
      table(`Figures: ${name}`, ['entrant', 'p50', 'p90', 'p99', 'p99.9', 'max', 'msg/s', 'CPU/msg', 'switches/msg', judgedBy(group.workload) === 'rate' ? 'vs best (rate)' : 'vs best (p50)'], rows),
      h('p', { class: 'faint' }, `Latency: ${basis(group)}. Ranges are over all pairs of launches; ≈ says that they overlap.`,
        line === null ? '' : ` Floor, two cache lines bounced between the same two processes: ${duration(line)}.`),
      this.channels(group),
    ]
  }

  /** What the channels had, where room was asked for. @param {Group} group */
  channels(group) {
    const asked = this.report.plan.capacity_bytes
    if (!asked) return null
    const had = channels(group, title) || 'not told'
    return h('p', { class: 'faint' }, `Channels were asked to hold ${bytes(asked)} each way, and had: ${had}. That is as each of them counts: room for its longest messages and for what the kernel keeps beside them may come on top, and nothing goes beyond the system's limits.`)
  }

  /** @param {Row} row @param {Row | undefined} best @returns {Child[]} */
  row(row, best) {
    const name = row.entrant === 'mechanism' ? named(title(row.kind), accent(row.kind)) : named(row.entrant === 'null' ? 'no channel' : row.kind, -1)
    if (row.failed) return [name, h('span', { class: 'bad' }, `failed: ${row.failed}`)]
    const sides = cpuSides(row)
    const found = best && row.entrant !== 'null' && row !== best ? slower(row, best) : null
    const latency = row.latency_ns
    return [
      name, ns(latency?.p50), ns(latency?.p90), ns(latency?.p99), ns(latency?.p999), ns(latency?.max),
      row.messages_per_s === null ? '–' : rate(row.messages_per_s),
      sides ? `${duration(Math.round(cpu(row) ?? 0))}` : '–',
      switches(row) ? each(switches(row)?.[0] ?? 0) : '–',
      row === best ? 'best' : found ? versus(found) : '–',
    ]
  }

  sweepPanel() {
    const sizes = new Set(this.report.rows.map((row) => row.size_bytes))
    if (sizes.size < 2) return null
    /** @type {Map<string, Row[]>} */
    const sets = new Map()
    for (const row of this.report.rows) {
      const key = [row.workload, row.wait].join(', ')
      sets.set(key, [...(sets.get(key) ?? []), row])
    }
    const keys = [...sets.keys()]
    let [key, by] = [keys[0], 'p50']
    const draw = () => show(this.sweeps, sweep(sets.get(key) ?? [], by, `By size, ${key}`) ?? h('p', {}, 'Too few sizes have this figure.'))
    draw()
    return h('section', { class: 'panel', 'aria-labelledby': 'sweep-head' },
      h('h2', { id: 'sweep-head' }, 'By the size of the message'),
      h('div', { class: 'row' },
        keys.length > 1 ? segments('Rows', keys.map((key) => [key, key]), key, (value) => { key = value; draw() }) : null,
        segments('Figure by size', [['p50', 'median'], ['rate', 'rate'], ['bandwidth', 'bytes a second']], by, (value) => { by = value; draw() })),
      this.sweeps)
  }

  claimsPanel() {
    const { waits, workload, rows, why } = claims(this.report, lab.scenes)
    if (!rows.length) return null
    return h('section', { class: 'panel', 'aria-labelledby': 'claims-head' },
      h('h2', { id: 'claims-head' }, 'What textbooks say, and what was measured'),
      table(`Quoted latency beside the measured median (${workload})`, ['mechanism', 'quoted', ...waits.map((wait) => `measured, ${wait}`), 'quoted copies', 'quoted calls', 'use it for'],
        rows.map(({ scene, measured }) => [named(scene.title, accent(scene.kind)), scene.quoted.latency.replace(' ', '\u00a0'), ...measured.map((row) => ns(row?.latency_ns?.p50)), scene.quoted.copies, scene.quoted.syscalls, scene.quoted.use_when])),
      h('h3', {}, 'Why they differ'),
      h('ul', {}, why.map((text) => h('li', {}, text))))
  }

  advicePanel() {
    const told = advice(this.report, lab.scenes, title)
    return told.length
      ? h('section', { class: 'panel', 'aria-labelledby': 'advice-head' }, h('h2', { id: 'advice-head' }, 'What follows from these numbers'), h('ul', {}, told.map((text) => h('li', {}, text))), h('p', {}, h('a', { href: '#/choose' }, 'Choose by your own constraints')))
      : null
  }

  replay() {
    this.bars?.play()
  }

  stop() {
    this.bars?.stop()
  }
}


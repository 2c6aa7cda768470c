// The result of a race, as it was judged: a group of comparable rows at a time, and what all of
// them say together. Draws the same in the lab's page and in an exported file.

import { h, marked, named, segments, select, show, table } from '../dom.js'
import { asSentence, date, tied } from '../format.js'
import { explained } from '../glossary.js'
import { bars } from '../chart/bars.js'
import { percentiles } from '../chart/percentiles.js'
import { sweep } from '../chart/sweep.js'

/** @import { Child } from '../dom.js' */
/** @import { JudgedGroup, JudgedRow, JudgedRun } from '../../types' */

/** @param {string[]} lines @param {string} [kind] @returns {Child} */
const list = (lines, kind) => (lines.length ? h('ul', { class: kind }, lines.map((line) => h('li', {}, tied(line)))) : null)

/** @param {string} id @param {Child} head @param {...Child} children */
const panel = (id, head, ...children) => h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, head), children)

/** @param {JudgedRow} row */
const name = (row) => named(row.title, row.scene ?? -1)

export class ReportView {
  /** @param {JudgedRun} run @param {{ exports?: Child, command?: Child, advice?: Child, below?: Child }} [around] what only one of the two places has */
  constructor({ report, judged }, around = {}) {
    this.report = report
    this.judged = judged
    this.chosen = { by: 'p50', scale: 'log' }
    this.figures = h('div', { class: 'stack' })
    const options = judged.groups.map((group, index) => /** @type {[string, string]} */ ([String(index), group.title]))
    const choose = (/** @type {string} */ index) => this.choose(Number(index))
    this.element = h('div', { class: 'stack report' },
      h('section', { class: 'panel', 'aria-labelledby': 'run-head' },
        h('div', { class: 'head' }, h('h2', { id: 'run-head' }, `Race of ${date(report.started_unix_ms)}`, marked(judged.marks)), around.exports),
        h('p', { class: 'faint' }, tied(`${judged.above.join('; ')}.`)),
        around.command,
        options.length < 2 ? null : options.length <= 6 ? segments('Show', options, '0', choose) : h('label', { class: 'field' }, h('span', {}, 'Show'), select(options, '0', choose))),
      this.figures,
      this.sweepPanel(),
      this.claimsPanel(),
      judged.advice.length ? panel('advice-head', 'What follows from these numbers', list(judged.advice.map(({ text }) => asSentence(text))), around.advice) : null,
      panel('below-head', 'To read these figures', list([...judged.below, ...judged.befell].map(asSentence), 'faint')),
      around.below)
    if (judged.groups.length) this.choose(0)
  }

  /** @param {number} index */
  choose(index) {
    this.bars?.stop()
    const group = this.judged.groups[index]
    this.chosen.by = group.measure
    this.bars = bars(this.report, group.rows, this.judged.figures, this.chosen)
    const head = `${group.title}, ${group.placement}`
    const chart = percentiles(this.report, group.rows, head)
    const told = new Set()
    show(this.figures,
      panel('group-head', explained(head, told), list(group.verdicts, 'verdicts'), list(group.doubts, 'doubts'), this.bars.element,
        table(`Figures: ${head}`, this.judged.columns.map((column) => explained(column, told)), group.rows.map((row) => this.row(row)))),
      chart && panel('tail-head', explained('Latency by percentile', told), chart, h('p', { class: 'faint' }, 'Each curve ends where fewer than ten samples lie beyond.')))
  }

  /** @param {JudgedRow} row @returns {Child[]} */
  row(row) {
    if (row.failed) return [name(row), h('span', { class: 'bad' }, `failed: ${row.failed}`)]
    return [name(row), ...row.cells.slice(1).map((cell) => tied(cell))]
  }

  sweepPanel() {
    const { groups, figures } = this.judged
    if (new Set(groups.map((group) => group.size_bytes)).size < 2) return null
    /** @type {Map<string, JudgedGroup[]>} */
    const sets = new Map()
    for (const group of groups) {
      const key = `${group.workload}, ${group.wait}`
      sets.set(key, [...(sets.get(key) ?? []), group])
    }
    const keys = [...sets.keys()]
    const drawn = figures.filter(({ by_size }) => by_size)
    const [into, which] = [h('div', {}), h('div', {})]
    /** Each workload begins with the figure that judges it. @param {string} key */
    const choose = (key) => {
      const set = sets.get(key) ?? []
      const draw = (/** @type {string} */ by) => show(into, sweep(set, figures, by, `By size, ${key}`) ?? h('p', {}, 'Too few sizes have this figure.'))
      show(which, segments('Figure by size', drawn.map(({ by, label }) => [by, label]), set[0].measure, draw))
      draw(set[0].measure)
    }
    choose(keys[0])
    return panel('sweep-head', 'By the size of the message',
      h('div', { class: 'row' },
        keys.length > 1 ? segments('Rows', keys.map((key) => [key, key]), keys[0], choose) : null,
        which),
      into)
  }

  claimsPanel() {
    const { claims } = this.judged
    if (!claims) return null
    return panel('claims-head', 'What textbooks say, and what was measured',
      table(`Quoted latency beside the measured median (${tied(claims.setting)})`, claims.columns,
        claims.rows.map(({ scene, cells: [title, ...cells] }) => [named(title, scene), ...cells.map((cell) => tied(cell))])),
      h('h3', {}, 'Why they differ'),
      list(claims.why))
  }

  replay() {
    this.bars?.play()
  }

  stop() {
    this.bars?.stop()
  }
}

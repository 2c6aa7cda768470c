// Two races beside each other: one from the history, the other from the history or from a file.

import { api, sentence } from '../api.js'
import { button, h, select, show, table } from '../dom.js'
import { asSentence, date, tied } from '../format.js'
import { state } from '../live.js'
import { dropzone } from './files.js'

/** @import { Child } from '../dom.js' */
/** @import { Comparison } from '../../types' */

export class Comparing {
  /** @param {string} id of the run that is `b` */
  constructor(id) {
    this.id = id
    this.result = h('div', { class: 'compared' })
    const others = state.runs.filter((run) => run.id !== id)
    const picked = select(others.map((run) => [run.id, `${date(run.started_unix_ms)}, ${run.title}`]), others[0]?.id ?? '', undefined, { 'aria-label': 'An earlier race' })
    this.element = h('section', { class: 'panel', 'aria-labelledby': 'compare-head' },
      h('h2', { id: 'compare-head' }, 'Compare with an older race'),
      h('div', { class: 'row' },
        others.length ? [picked, button('Compare', () => void this.with(picked.value, 'the earlier race'))] : null,
        dropzone('report', 'Drop a report here (JSON), or choose one', (text, name) => void this.file(text, name), (fault) => this.fail(fault))),
      this.result)
  }

  /** @param {string} text @param {string} name */
  async file(text, name) {
    let older
    try {
      older = JSON.parse(text)
    } catch (error) {
      return this.fail(`${name} is not JSON. ${sentence(error)}`)
    }
    await this.with(older, name)
  }

  /** @param {unknown} older @param {string} name */
  async with(older, name) {
    try {
      show(this.result, comparison(await api.compare(older, this.id), name, 'this race'))
    } catch (error) {
      this.fail(sentence(error))
    }
  }

  /** @param {Child} fault */
  fail(fault) {
    show(this.result, h('p', { class: 'bad', role: 'alert' }, fault))
  }
}

/** @param {Comparison} found @param {string} a @param {string} b */
export function comparison({ columns, rows, below, warnings }, a, b) {
  const tone = (/** @type {string | null} */ verdict) => (verdict === 'better' ? 'good' : verdict === 'worse' ? 'bad' : undefined)
  return [
    warnings.length ? h('ul', { class: 'doubts' }, warnings.map((text) => h('li', {}, text))) : null,
    table(`b: ${b}, measured against a: ${a}`, columns, rows.flatMap(({ lines }) => lines).map(({ cells, verdict }) => cells.map((cell, index) =>
      index === columns.length - 1 ? h('span', { class: tone(verdict) }, cell) : index ? tied(cell) : cell))),
    h('ul', { class: 'faint' }, ['Of two lines of a row, the first is by the figure that judges it', ...below].map((text) => h('li', {}, asSentence(text)))),
    rows.some(({ failed }) => failed) ? h('ul', { class: 'doubts' }, rows.flatMap(({ label, failed }) => (failed ? [h('li', {}, `${label}: ${failed}`)] : []))) : null,
  ]
}

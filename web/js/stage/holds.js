// What each part holds: everything that can be read of it, its words too. The drawing shows the numbers that move.

import { h, say } from '../dom.js'
import { value as valueText } from '../format.js'
import { onStage } from './terms.js'

/** @import { Scene, Value } from '../../types' */
/** @import { Age } from './draw.js' */

/** Marks a figure by its age. @param {Element} figure @param {Age} age */
export function mark({ classList }, age) {
  classList.toggle('derived', age === 'derived')
  classList.toggle('older', age === 'older')
}

export class Holds {
  /** @param {Scene} scene */
  constructor(scene) {
    /** @type {Map<string, HTMLElement>} by the gauge's field, or the process's part */
    this.values = new Map()
    /** @type {Map<string, string>} */
    this.units = new Map()
    const told = new Set()
    const row = (/** @type {string} */ key, /** @type {string} */ label) => {
      const value = h('dd', {}, '–')
      this.values.set(key, value)
      return h('div', {}, h('dt', {}, onStage(label, told)), value)
    }
    const parts = scene.stage.map((part) => {
      const process = part.form.is === 'process'
      for (const { field, unit } of part.gauges) this.units.set(field, unit)
      const rows = process ? [row(part.id, 'process')] : part.gauges.map(({ field, label }) => row(field, label))
      return h('div', { class: 'held' }, h('h3', {}, onStage(part.label, told)), rows.length ? h('dl', { class: 'facts' }, rows) : h('p', { class: 'faint' }, 'Nothing of it can be read.'))
    })
    this.framed = h('p', { class: 'faint framed' })
    this.element = h('section', { class: 'panel holds', 'aria-labelledby': 'holds-head', tabindex: 0 },
      h('h2', { id: 'holds-head' }, 'What each part holds'), this.framed, h('div', { class: 'helds' }, parts))
  }

  /** @param {string} id @param {string} words */
  process(id, words) {
    const value = this.values.get(id)
    if (value) say(value, words)
  }

  /** How many bytes a message takes. @param {string} words */
  frame(words) {
    say(this.framed, words)
  }

  /** @param {string} field @param {Value | undefined} value @param {Age} age @param {string} words its age in words */
  gauge(field, value, age, words) {
    const shown = this.values.get(field)
    if (!shown) return
    mark(shown, age)
    if (shown.title !== words) shown.title = words
    say(shown, value === undefined ? '–' : valueText(value, this.units.get(field) ?? ''))
  }
}

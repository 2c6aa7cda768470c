// What experiments and probes found: verdicts, tables, what cannot be had. Drawn from their events alone.

import { h, prose, show, table } from '../dom.js'
import { asSentence, list, readable } from '../format.js'
import { titleOf } from '../stage/words.js'

/** @import { Child } from '../dom.js' */
/** @import { Event, Scene } from '../../types' */
/** @import { Recording } from '../stage/recording.js' */

let results = 0

/** @param {Event} event @param {string} of @returns {Child} */
function finding(event, of) {
  switch (event.what) {
    case 'table':
      return [
        table(event.title ?? 'Figures', event.columns ?? [], (event.rows ?? []).map((row) => row.map(readable)), `${of}${event.title ?? 'Figures'}`),
        h('p', { class: 'faint' }, asSentence([event.basis, event.instrument].filter(Boolean).join(': '))),
      ]
    case 'unavailable':
      return h('p', { class: 'missing' }, h('strong', {}, `${event.figure ?? 'A figure'} cannot be had here. `), prose(asSentence(event.why ?? '')), event.remedy ? h('small', {}, ' What would help: ', prose(asSentence(event.remedy))) : null)
    case 'died':
      return h('p', { class: 'bad' }, `The ${event.side ?? 'process'} died${event.signal ? ` of ${event.signal}` : event.exit_code !== undefined ? ` with exit code ${event.exit_code}` : ''}.`, event.text && !event.text.includes(event.signal ?? '') ? ` ${asSentence(event.text)}` : '')
    case 'note':
      return h('p', { class: event.tone === 'plain' ? '' : (event.tone ?? '') }, prose(asSentence(event.text ?? '')))
    default:
      return null
  }
}

const TOLD = new Set(['table', 'unavailable', 'died', 'note'])

export class Results {
  /** @param {Scene} scene */
  constructor(scene) {
    this.scene = scene
    this.list = h('div', { class: 'stack' })
    this.element = h('section', { class: 'findings', 'aria-label': 'Findings', hidden: true }, this.list)
  }

  /** @param {Recording} recording */
  add(recording) {
    const told = recording.events.filter((event) => TOLD.has(event.what))
    const end = recording.events.find((event) => event.what === 'experiment-end')
    const xray = recording.mode === 'xray'
    if (!end && !told.length && !xray) return
    const name = recording.experiment !== null ? titleOf(this.scene, recording.experiment) : xray ? 'X-ray' : 'Seen in flight'
    const unforetold = recording.events.filter((event) => event.side === 'kernel' && event.step === undefined)
    this.put(name, recording.id,
      end && h('p', { class: `verdict ${end.held === false ? 'bad' : end.held ? 'good' : ''}` },
        end.held === null ? h('strong', {}, 'Not tried: ') : h('span', { 'aria-hidden': true }, end.held ? '✓ ' : '✗ '), prose(asSentence(end.verdict ?? ''))),
      told.map((event) => finding(event, `${name} ${recording.id}: `)),
      xray && unforetold.length
        ? h('p', {}, `Not in the scene: ${list([...new Set(unforetold.map((event) => event.function ?? event.name ?? event.what))].slice(0, 12))}.`)
        : null)
  }

  /** A sentence that belongs to no recording. @param {Event} event */
  loose(event) {
    this.put('', 0, finding(event, ''))
  }

  /** @param {string} head @param {number} number of the recording @param {...Child} children */
  put(head, number, ...children) {
    const id = `result-${results++}`
    const card = h('article', head ? { class: 'panel', 'aria-labelledby': id } : { class: 'panel' }, head ? h('h2', { id }, head, h('small', {}, ` recording ${number}`)) : null)
    const body = h('div', {})
    show(body, ...children)
    card.append(body)
    this.element.hidden = false
    this.list.prepend(card)
    while (this.list.children.length > 6) this.list.lastElementChild?.remove()
  }
}

// The map as a list: each group, its processes, and under each what it is joined with. For narrow windows, and for reading aloud.

import { button, h, say } from '../dom.js'
import { bytes, plural } from '../format.js'
import { Keyed } from './keyed.js'
import { sample } from './look.js'
import { alone, arrow, called, flow, queued } from './model.js'

/** @import { DrawnEdge } from '../../types' */
/** @import { Model } from './model.js' */
/** @import { Sight } from './sight.js' */

/** Edges of a process that are listed. */
const LISTED = 12
/** Processes of a group that are listed. */
const PROCESSES = 100

/** @typedef {{ process: string, edges: DrawnEdge[] }} Entry */
/** @typedef {{ key: string, title: string, open: boolean, entries: Entry[] }} Section */
/** @typedef {{ process: (id: string) => void, edge: (edge: DrawnEdge) => void, open: (group: string, open: boolean) => void }} Acts */

export class Roll {
  /** @param {Model} model @param {Acts} acts */
  constructor(model, acts) {
    this.model = model
    this.acts = acts
    this.element = h('div', { class: 'roll' })
    /** @type {Map<string, { title: Element, list: Keyed<Entry, HTMLLIElement>, more: Element }>} */
    this.parts = new Map()
    this.sections = new Keyed(this.element, (/** @type {Section} */ { key }) => key, (section) => this.make(section),
      (section) => JSON.stringify([section.title, section.open, section.entries.map(({ process, edges }) => [process, edges])]), (_, section) => this.fill(section))
  }

  /** @param {Sight} sight */
  draw(sight) {
    /** @type {Map<string, DrawnEdge[]>} */
    const of = new Map()
    for (const edge of sight.edges) {
      for (const process of new Set(edge.ends.map(({ process }) => process))) of.set(process, [...(of.get(process) ?? []), edge])
    }
    this.sections.show(sight.groups.map(({ key, title, open, boxes }) => ({ key, title, open, entries: boxes.flatMap(({ processes }) => processes).map((process) => ({ process, edges: of.get(process) ?? [] })) })))
  }

  /** @param {Section} section */
  make({ key, open }) {
    const title = h('summary', {})
    const list = h('ul', { class: 'programs' })
    const more = h('p', { class: 'faint' })
    const element = h('details', { open }, title, list, more)
    element.addEventListener('toggle', () => this.acts.open(key, element.open))
    this.parts.set(key, { title, more, list: new Keyed(list, ({ process }) => process, ({ process }) => this.entry(process), ({ process, edges }) => JSON.stringify([this.model.processes.get(process)?.name, edges]), (entry, { process, edges }) => this.fillEntry(entry, process, edges)) })
    return element
  }

  /** @param {Section} section */
  fill({ key, title, open, entries }) {
    const part = this.parts.get(key)
    if (!part) return
    say(part.title, `${title}: ${plural(entries.length, 'process')}`)
    part.list.show(open ? entries.slice(0, PROCESSES) : [])
    say(part.more, open && entries.length > PROCESSES ? `${plural(entries.length - PROCESSES, 'more process')}: search for one.` : '')
  }

  /** @param {string} id */
  entry(id) {
    return h('li', { 'data-process': id }, button('', () => this.acts.process(id), { class: 'program' }), h('ul', { class: 'joins' }))
  }

  /** @param {Element} entry @param {string} process @param {DrawnEdge[]} edges */
  fillEntry(entry, process, edges) {
    const [head, list] = entry.children
    say(head, called(this.model.processes.get(process)))
    list.replaceChildren(...edges.slice(0, LISTED).map((edge) => h('li', {}, button(joinText(this.model, edge, process), () => this.acts.edge(edge), { class: 'join' }))),
      ...(edges.length > LISTED ? [h('li', { class: 'faint' }, `${edges.length - LISTED} more: open the program`)] : []))
  }
}

/** An edge in a line, as one of its processes sees it. @param {Model} model @param {DrawnEdge} edge @param {string} process */
export function joinText(model, edge, process) {
  const others = [...new Set(edge.ends.map((end) => end.process).filter((id) => id !== process))]
  const way = flow(edge, (id) => id === process, (id) => id !== process)
  const one = alone(edge)
  const there = one && edge.beyond ? `${edge.beyond.words}${edge.beyond.address ? `: ${edge.beyond.address}` : ''}` : others.length ? called(model.processes.get(others[0])) : 'itself'
  const also = one && edge.beyond && others.length ? `, and ${plural(others.length, 'other program')} at this end` : ''
  const more = also || (others.length > 1 ? ` and ${others.length - 1} more` : '')
  const waits = queued(edge)
  return [sample(model.kinds, edge.kind), ' ', `${one && !others.length ? '' : `${arrow(way)} `}${there}${more}`, h('span', { class: 'faint' }, ` ${model.kinds.get(edge.kind)?.title ?? edge.kind}`), waits ? h('span', { class: 'waits nums' }, ` ${bytes(waits)} waiting`) : null]
}

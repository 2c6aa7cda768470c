// What is known of one program, of one edge, or of several edges between the same two: the sheet beside the map.

import { button, h } from '../dom.js'
import { bytes, count, list, plural } from '../format.js'
import { sample } from './look.js'
import { alone, arrow, called, flow } from './model.js'
import { joinText } from './roll.js'

/** @import { Child } from '../dom.js' */
/** @import { DrawnEdge, DrawnEnd, DrawnProcess } from '../../types' */
/** @import { Model } from './model.js' */

/** @typedef {{ process: (id: string) => void, edge: (edge: string) => void }} Acts */

/** Edges that are listed at once. */
const LISTED = 40

/** Ends of one side that are not behind a word. */
const ENDS = 4

/** @param {[string, Child | null][]} facts */
const facts = (facts) => h('dl', { class: 'facts' }, facts.filter(([, text]) => text !== null && text !== '').map(([label, text]) => h('div', {}, h('dt', {}, label), h('dd', {}, text))))

const STATES = /** @type {Record<string, string>} */ ({
  running: 'runs, or could', sleeping: 'sleeps until something happens', uninterruptible: 'sleeps, and no signal wakes it: mostly for a disk',
  stopped: 'stopped by a signal', traced: 'stopped by a debugger', zombie: 'has ended, and its parent has not asked how', idle: 'has nothing to do',
})

/** @param {Model} model @param {DrawnProcess} process @param {Acts} acts @returns {{ title: string, body: Child[] }} */
export function ofProcess(model, process, acts) {
  // What joins it with others comes first.
  const edges = [...model.edges.values()].filter(({ ends }) => ends.some((end) => end.process === process.id)).sort((a, b) => Number(alone(a)) - Number(alone(b)))
  const parent = [...model.processes.values()].find(({ pid }) => pid === process.parent)
  return {
    title: called(process),
    body: [
      h('p', {}, h('code', { class: 'command' }, process.command || process.name)),
      facts([
        ['Service', process.service],
        ['Session', String(process.session)],
        ['Started by', parent ? button(called(parent), () => acts.process(parent.id), { class: 'quiet', 'data-key': 'parent' }) : String(process.parent)],
        ['User', String(process.uid)],
        ['Threads', count(process.threads)],
        ['State', STATES[process.state] ?? process.state],
        ['Listens at', process.listens.length ? h('ul', { class: 'plain' }, process.listens.map((text) => h('li', {}, text))) : null],
      ]),
      h('h3', {}, plural(edges.length, 'edge')),
      joins(model, edges, process.id, acts),
    ],
  }
}

/** @param {Model} model @param {DrawnEdge[]} edges @param {string} process @param {Acts} acts */
const joins = (model, edges, process, acts) => [
  h('ul', { class: 'joins' }, edges.slice(0, LISTED).map((edge) => h('li', {}, button(joinText(model, edge, process), () => acts.edge(edge.id), { class: 'join', 'data-key': edge.id })))),
  edges.length > LISTED ? h('p', { class: 'faint' }, `${plural(edges.length - LISTED, 'more edge')}.`) : null,
]

/** @param {Model} model @param {DrawnEdge[]} edges of one kind @param {Acts} acts @returns {{ title: string, body: Child[] }} */
export function ofSeveral(model, edges, acts) {
  const kind = model.kinds.get(edges[0].kind)
  return {
    title: `${edges.length} × ${kind?.title ?? edges[0].kind}`,
    body: [h('p', { class: 'faint' }, kind?.means ?? ''), joins(model, edges, edges[0].ends[0].process, acts)],
  }
}

/** @param {Model} model @param {DrawnEdge} edge @param {Acts} acts @returns {{ title: string, body: Child[] }} */
export function ofEdge(model, edge, acts) {
  const kind = model.kinds.get(edge.kind)
  const sides = [...new Set(edge.ends.map(({ side }) => side))]
  const first = edge.ends[0]?.process
  return {
    title: kind?.title ?? edge.kind,
    body: [
      h('p', {}, sample(model.kinds, edge.kind), ' ', edge.name ? h('code', {}, edge.name) : h('span', { class: 'faint' }, 'without a name')),
      h('p', { class: 'faint' }, kind?.means ?? ''),
      ...sides.map((side) => {
        const ends = edge.ends.filter((end) => end.side === side)
        return [h('h3', {}, sides.length > 1 || edge.beyond ? ['First side', 'Second side'][side] ?? `Side ${side}` : plural(ends.length, 'end')), h('ul', { class: 'ends' }, ends.slice(0, ENDS).map((end) => ofEnd(model, edge, end, acts))),
          ends.length > ENDS ? h('details', {}, h('summary', {}, plural(ends.length - ENDS, 'more end')), h('ul', { class: 'ends' }, ends.slice(ENDS).map((end) => ofEnd(model, edge, end, acts)))) : null]
      }),
      edge.more_ends ? h('p', { class: 'faint' }, `${plural(edge.more_ends, 'more end')} not listed.`) : null,
      edge.beyond ? [h('h3', {}, 'The other side'), h('p', {}, edge.beyond.words, edge.beyond.address ? [': ', h('code', {}, edge.beyond.address)] : null)] : null,
      facts([
        ['Goes', first ? goes(edge, first) : null],
        ['Room', edge.capacity_bytes === null ? null : bytes(edge.capacity_bytes)],
        ...edge.facts.map(({ label, text }) => /** @type {[string, string]} */ ([label, text])),
        ['The kernel’s name', h('code', {}, edge.id)],
      ]),
      edge.unread.length ? h('p', { class: 'missing' }, `Not read: ${list(edge.unread)}.`) : null,
    ],
  }
}

/** @param {DrawnEdge} edge @param {string} first */
function goes(edge, first) {
  const way = arrow(flow(edge, (id) => id === first, (id) => id !== first))
  const words = /** @type {Record<string, string>} */ ({ '→': 'one way, from the first', '←': 'one way, to the first', '⇄': 'both ways' })
  return words[way] ?? null
}

/** @param {Model} model @param {DrawnEdge} edge @param {DrawnEnd} end @param {Acts} acts */
function ofEnd(model, edge, end, acts) {
  const { queued_bytes: waiting } = end
  const full = waiting !== null && edge.capacity_bytes ? Math.min(1, waiting / edge.capacity_bytes) : null
  const bar = full === null ? null : h('span', { class: 'level', role: 'img', 'aria-label': `${Math.round(full * 100)} percent full` }, h('i', {}))
  if (bar && full !== null) /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${full * 100}%`
  const does = end.reads && end.writes ? 'reads and writes' : end.reads ? 'reads' : end.writes ? 'writes' : 'neither reads nor writes'
  return h('li', {},
    button(called(model.processes.get(end.process)), () => acts.process(end.process), { class: 'quiet', 'data-key': `end ${end.process} ${end.side}` }),
    h('p', { class: 'nums' }, [does, end.descriptors.length ? `descriptor${end.descriptors.length > 1 ? 's' : ''} ${end.descriptors.join(', ')}` : 'mapped', end.address].filter(Boolean).join(' · ')),
    waiting === null && end.queued_messages === null && end.unacknowledged_bytes === null ? null
      : h('p', { class: 'nums' }, bar, [waiting !== null ? `${bytes(waiting)} wait to be read` : '', end.queued_messages !== null ? `${count(end.queued_messages)} in it` : '', end.unacknowledged_bytes ? `${bytes(end.unacknowledged_bytes)} sent and not acknowledged` : ''].filter(Boolean).join(' · ')),
    end.by_last_call ? h('p', { class: 'faint' }, 'By its last call: others may have it, too.') : null)
}

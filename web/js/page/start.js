// The first page: a card for each mechanism, one for the race, and what the last race found.

import { h, marked, named, show } from '../dom.js'
import { date, plural, tied } from '../format.js'
import { explained } from '../glossary.js'
import { watch } from '../live.js'
import { miniature } from '../stage/miniature.js'
import { brief, lab, lastRun, machineLine, noRaceYet } from '../store.js'

/** @import { Judged, JudgedGroup, JudgedRun } from '../../types' */

/** How many groups of the last race are shown. */
const SHOWN = 4

/** @param {unknown} _place @param {AbortSignal} signal */
export async function start(_place, signal) {
  const last = h('div', { class: 'last' })
  await showLast(last)
  watch(() => void showLast(last), signal)
  const element = h('div', {},
    h('div', { class: 'title' },
      h('h1', {}, 'Two processes, one message'),
      h('p', { class: 'lead' }, 'See how a message gets from one process to another on this machine, step by step, and what each mechanism costs here. The processes are real, and so is every figure.')),
    cards(
      ...lab.scenes.map((scene, index) => card(`#/m/${encodeURIComponent(scene.kind)}`, scene.title, scene.summary, scene.tags, miniature(scene, index), index)),
      card('#/race', 'Race', 'All mechanisms side by side: the same verified messages, one mechanism at a time, nothing else running.', ['compare all', 'percentiles', 'export'], null, -1)),
    h('section', { class: 'panel', 'aria-labelledby': 'last-head' }, h('h2', { id: 'last-head' }, 'The last race'), last),
    lab.replay ? h('p', {}, 'The lab was started with a trace. ', h('a', { href: '#/replay' }, 'Replay it')) : null,
    h('p', { class: 'faint' }, machineLine()))
  return { title: 'Start', element }
}

/** As many columns as there are mechanisms; the race lies across all of them. @param {...HTMLElement} all */
function cards(...all) {
  const list = h('ul', { class: 'cards' }, all)
  list.style.setProperty('--columns', String(Math.max(1, Math.min(lab.scenes.length, 5))))
  return list
}

/** @param {string} link @param {string} title @param {string} text @param {string[]} tags @param {Node | null} drawing @param {number} index */
const card = (link, title, text, tags, drawing, index) =>
  h('li', { class: index < 0 ? 'card across' : 'card', 'data-accent': index < 0 ? undefined : index % 8 },
    drawing,
    h('h2', {}, h('a', { href: link }, title)),
    h('p', {}, text),
    h('ul', { class: 'tags', 'aria-label': `${title}, in short` }, tags.map((tag) => h('li', {}, explained(tag)))))

/** @param {HTMLElement} into */
async function showLast(into) {
  const id = lastRun()
  const shown = id ?? noRaceYet()
  if (into.dataset.run === shown) return
  into.dataset.run = shown
  if (!id) {
    return show(into, h('p', {}, noRaceYet()), h('p', {}, h('a', { href: '#/race', class: 'button' }, 'Go to the race')))
  }
  try {
    const found = await brief(id)
    if (into.dataset.run === id) show(into, summary(found, id))
  } catch (error) {
    show(into, h('p', { class: 'bad' }, `The last race cannot be read. ${error instanceof Error ? error.message : ''}`))
  }
}

/** @param {JudgedRun} found @param {string} id */
function summary({ report, judged }, id) {
  const told = new Set()
  const more = judged.groups.length - SHOWN
  return [
    h('p', { class: 'faint' }, date(report.started_unix_ms), ', ', explained(report.plan.placement, told), `, ${plural(report.plan.count, 'message')} a row`, marked(judged.marks)),
    h('div', { class: 'podia' }, judged.groups.slice(0, SHOWN).map((group) => podium(group, judged, told))),
    h('p', {}, h('a', { href: `#/race?run=${id}` }, more > 0 ? `The whole race, with ${plural(more, 'more group')}` : 'The whole race')),
  ]
}

/** @param {JudgedGroup} group @param {Judged} judged @param {Set<string>} told the terms that were explained */
function podium({ title, measure, rows, ranked, verdicts }, { figures }, told) {
  const at = figures.findIndex(({ by }) => by === measure)
  return h('div', { class: 'podium' },
    h('h3', {}, explained(tied(title), told)),
    h('p', { class: 'faint' }, explained(figures[at].name, told)),
    ranked.length ? null : verdicts.map((text) => h('p', {}, text)),
    h('ol', {}, ranked.map((place) => {
      const { title, scene, best, behind, figures } = rows[place]
      return h('li', {}, named(title, scene ?? -1),
        h('span', { class: 'nums' }, tied(figures[at]?.text ?? '')),
        h('span', { class: 'nums faint' }, tied(behind ?? (best ? '' : '–'))))
    })))
}

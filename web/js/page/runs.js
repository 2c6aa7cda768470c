// The history: every race that was run here, to open, compare and delete.

import { api, sentence } from '../api.js'
import { button, commandLine, h, say, show } from '../dom.js'
import { bytes, date, duration, plural, tied } from '../format.js'
import { state, watch } from '../live.js'
import { lab, noRaceYet, status } from '../store.js'
import { comparison } from './comparing.js'
import { dropzone } from './files.js'

/** @import { Run } from '../../types' */

/** @param {unknown} _place @param {AbortSignal} signal */
export async function runs(_place, signal) {
  const list = h('div', {})
  const compared = h('div', { class: 'compared' })
  const said = h('p', { class: 'said', role: 'note' })
  /** @type {string[]} in the order in which they were ticked */
  let ticked = []
  let drawn = ''

  const compare = button('Compare the two', async () => {
    if (ticked.length !== 2) return say(said, 'Tick two races first.')
    const [a, b] = [...ticked].sort((one, other) => started(one) - started(other))
    try {
      show(compared, comparison(await api.compare(a, b), date(started(a)), date(started(b))))
      say(said, '')
    } catch (error) {
      say(said, sentence(error))
    }
  })
  const started = (/** @type {string} */ id) => state.runs.find((run) => run.id === id)?.started_unix_ms ?? 0
  const tick = (/** @type {string} */ id, /** @type {boolean} */ on) => {
    ticked = [...ticked.filter((one) => one !== id), ...(on ? [id] : [])].slice(-2)
    for (const box of list.querySelectorAll('input')) box.checked = ticked.includes(box.value)
    compare.setAttribute('aria-disabled', String(ticked.length !== 2))
  }
  const draw = (/** @type {Run[]} */ runs) => {
    const key = JSON.stringify([runs, noRaceYet()])
    if (key === drawn) return
    drawn = key
    ticked = ticked.filter((id) => runs.some((run) => run.id === id))
    show(list, runs.length ? [h('ul', { class: 'runs' }, runs.map((run) => item(run, ticked.includes(run.id), tick, said))), state.older ? h('p', { class: 'faint' }, `${plural(state.older, 'older run')} kept but not listed here.`) : null] : h('p', {}, noRaceYet(), ' ', h('a', { href: '#/race' }, 'Go to the race')))
    compare.setAttribute('aria-disabled', String(ticked.length !== 2))
  }
  const keep = async (/** @type {string} */ text, /** @type {string} */ name) => {
    try {
      await api.keep(text)
      say(said, `${name} is part of the history now.`)
      status(`${name} is part of the history now.`)
    } catch (error) {
      say(said, `${name}: ${sentence(error)}`)
    }
  }
  if (!state.runs.length) state.runs = await api.runs()
  watch((state) => draw(state.runs), signal)
  const element = h('div', {},
    h('div', { class: 'title' }, h('h1', {}, 'Runs'), h('p', { class: 'lead' }, 'Every race is kept as a file on this machine, until you delete it', lab.folder ? [': ', h('code', {}, lab.folder)] : null, '.')),
    h('section', { class: 'panel', 'aria-label': 'All runs' },
      h('div', { class: 'row' }, compare, dropzone('report', 'Drop a report here to keep it', (text, name) => void keep(text, name), (fault) => show(said, fault)), said),
      compared, list))
  return { title: 'Runs', element }
}

/** @param {Run} run @param {boolean} checked @param {(id: string, on: boolean) => void} tick @param {HTMLElement} said */
function item(run, checked, tick, said) {
  const name = `${date(run.started_unix_ms)}, ${run.title}`
  const box = h('input', { type: 'checkbox', value: run.id, checked, 'aria-label': `Compare ${name}`, onchange: () => tick(run.id, box.checked) })
  const remove = button('Delete', async () => {
    if (remove.dataset.sure !== 'yes') {
      remove.dataset.sure = 'yes'
      say(remove, 'Delete for good?')
      return
    }
    try {
      await api.remove(run.id)
      status('The run is deleted.')
    } catch (error) {
      say(said, sentence(error))
    }
  }, { class: 'quiet', 'aria-label': `Delete ${name}`, onblur: () => { remove.dataset.sure = ''; say(remove, 'Delete') } })
  return h('li', {}, box,
    h('div', {}, h('a', { href: `#/race?run=${encodeURIComponent(run.id)}` }, tied(run.title)),
      h('p', { class: 'faint nums' }, `${date(run.started_unix_ms)}, took ${duration(run.elapsed_ms * 1e6)}, ${plural(run.rows, 'row')}, ${bytes(run.bytes)}`,
        run.interrupted ? ', stopped early' : '', run.failed_rows ? h('strong', { class: 'bad' }, `, ${plural(run.failed_rows, 'row')} failed`) : null),
      run.unkept ? h('p', { class: 'bad' }, `In memory only, until the lab ends: open it and export it. It could not be kept: ${run.unkept}.`) : null,
      h('p', {}, commandLine(run.command))),
    remove)
}

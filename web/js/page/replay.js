// A trace from a file, or the one that the lab was started with: the same view as a live stage.

import { api, sentence } from '../api.js'
import { h, named, select, show } from '../dom.js'
import { count, date } from '../format.js'
import { accent, lab, status } from '../store.js'
import { read } from '../trace.js'
import { dropzone } from './files.js'
import { settings, View } from './view.js'

/** @import { Event, Header } from '../../types' */
/** @import { Place } from '../router.js' */

/** @param {Place} place @param {AbortSignal} signal */
export async function replay(place, signal) {
  const shown = h('div', {}, lab.replay ? null : h('p', { class: 'lead' }, 'A recorded trace is shown as it was live: its file carries the scene. A mechanism’s page saves one beside its events; ', h('code', {}, 'ipcscope show MECHANISM --json'), ' writes one, too.'))
  const fault = h('p', { class: 'bad fault-line', role: 'alert' })
  /** @type {View | null} */
  let view = null
  const which = h('span', {})
  const open = async (/** @type {string} */ text, /** @type {string} */ name) => {
    try {
      const traces = await read(text)
      const names = traces.map(({ header }, index) => /** @type {[string, string]} */ ([String(index), `${index + 1}: ${header.scene.title}, ${settings(header)}`]))
      show(which, traces.length > 1 && select(names, '0', (index) => put(traces[Number(index)], name), { 'aria-label': 'Traces in this file' }))
      put(traces[0], name)
    } catch (error) {
      fault.textContent = `${name}: ${sentence(error)}`
    }
  }
  /** @param {{ header: Header, events: Event[] }} trace @param {string} name */
  const put = ({ header, events }, name) => {
    view?.remove()
    const known = accent(header.scene.kind)
    const made = new View(header, known < 0 ? lab.scenes.length : known, { speed: place.query.get('speed') === 'max' ? Infinity : 1, play: false })
    view = made
    const about = [name, header.channel ? `watched: ${header.channel}` : '', header.started_unix_ms ? date(header.started_unix_ms) : '', header.machine, `${count(events.length)} events`].filter(Boolean).join('; ')
    show(what, h('h2', {}, named(header.scene.title, known < 0 ? lab.scenes.length : known)), h('p', { class: 'lead', title: `${header.scene.summary} ${about}` }, about), which.firstChild ? null : h('p', { class: 'faint' }, settings(header)))
    show(shown, made.element)
    made.stage.lay()
    for (const event of events) made.take(event)
    const rest = made.cutter.finish()
    if (rest) made.record(rest, false)
    const first = made.recordings[0]
    if (first) made.load(first, true)
    fault.textContent = rest ? 'The trace ends in the middle of a batch; the complete part is shown.' : ''
    status(`The trace ${name} is shown.`)
  }
  const what = h('div', { class: 'title line' })
  const element = h('div', {},
    h('div', { class: 'title line replay' }, h('h1', {}, 'Replay'), what, which, dropzone('trace', 'Drop a trace here, or choose one', (text, name) => void open(text, name), (why) => show(fault, why), 'Open a trace')),
    fault, shown)
  signal.addEventListener('abort', () => view?.remove())
  if (lab.replay) {
    try {
      const text = await api.replay()
      // The stage is laid out for the room it has, so it must stand on the page first.
      setTimeout(() => void open(text, 'given to replay'))
    } catch (error) {
      fault.textContent = sentence(error)
    }
  }
  return { title: 'Replay', element }
}

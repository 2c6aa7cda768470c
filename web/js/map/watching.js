// Watching an edge from its sheet: for how long, how far it is, and what was seen. It goes on when the page is left.

import { api, sentence } from '../api.js'
import { button, h, prose, s, say, select, show } from '../dom.js'
import { bytes, count, duration, plural } from '../format.js'
import { linear } from '../scale.js'

/** @import { DrawnDirection, DrawnWatch, WatchAnswer } from '../../types' */

/** Between two questions how far it is, in ms. */
const EVERY = 500
/** How long a watch may last, in seconds. @type {[string, string][]} */
const LASTS = [['2', '2 s'], ['5', '5 s'], ['10', '10 s'], ['30', '30 s'], ['60', '60 s']]

export class Watching {
  constructor() {
    /** The edge whose sheet is shown. */
    this.edge = ''
    this.lasts = '5'
    this.timer = 0
    this.said = h('p', { class: 'said', role: 'note' })
    this.start = button('Watch', () => void this.begin(), { class: 'primary' })
    this.stop = button('Stop', () => void this.ask(api.stopWatch), { hidden: true })
    this.bar = h('progress', { max: 1, value: 0, 'aria-label': 'How far the watch is' })
    this.seen = h('div', { class: 'watched' })
    this.element = h('section', { class: 'watching', 'aria-label': 'Watch this edge' },
      h('div', { class: 'row' }, this.start, select(LASTS, this.lasts, (lasts) => { this.lasts = lasts }, { 'aria-label': 'For how long' }), this.stop, this.bar),
      h('p', { class: 'faint' }, 'Calls, sizes and times are counted by the kernel; the bytes are not read, and the programs are not stopped. Each of their calls is slower by some 0.1 to 0.3 µs meanwhile.'),
      this.said, this.seen)
  }

  /** @param {string} edge */
  of(edge) {
    if (edge === this.edge) return
    this.edge = edge
    say(this.said, '')
    show(this.seen)
    void this.look()
  }

  /** No sheet of an edge is shown. */
  leave() {
    this.edge = ''
    clearTimeout(this.timer)
  }

  async begin() {
    await this.ask(() => api.watch(this.edge, Number(this.lasts)))
  }

  /** @param {() => Promise<unknown>} act */
  async ask(act) {
    try {
      await act()
      say(this.said, '')
      show(this.seen)
    } catch (error) {
      say(this.said, sentence(error))
    }
    await this.look()
  }

  async look() {
    clearTimeout(this.timer)
    const { edge } = this
    if (!edge) return
    /** @type {WatchAnswer} */
    let answer
    try {
      answer = await api.watched()
    } catch (error) {
      say(this.said, sentence(error))
      this.timer = window.setTimeout(() => void this.look(), 4 * EVERY)
      return
    }
    if (edge !== this.edge) return
    this.tell(answer)
    if (answer.running) this.timer = window.setTimeout(() => void this.look(), EVERY)
  }

  /** @param {WatchAnswer} answer */
  tell({ running, last, failed }) {
    const here = running?.edge === this.edge
    this.start.disabled = running !== null
    this.stop.hidden = !running
    this.bar.classList.toggle('running', here)
    if (running) this.bar.value = Math.min(1, running.elapsed_ms / running.lasts_ms)
    if (running && !here) say(this.said, `Another edge is watched now: ${running.edge}.`)
    else if (here) say(this.said, `Watching: ${duration(Math.min(running.elapsed_ms, running.lasts_ms) * 1e6)} of ${duration(running.lasts_ms * 1e6)}.`)
    else if (failed?.edge === this.edge) say(this.said, `Nothing was seen: ${failed.why}.`)
    else if (last?.edge === this.edge) {
      say(this.said, '')
      if (!this.seen.hasChildNodes()) show(this.seen, ...result(last))
    } else if (/^(Another|Watching)/.test(this.said.textContent ?? '')) say(this.said, '')
  }
}

/** @param {DrawnWatch} seen */
const result = (seen) => [
  h('h3', {}, 'What was seen'),
  seen.findings.length ? h('ul', { class: 'found' }, seen.findings.map(({ sentence, evidence, remedy }) => h('li', {}, h('strong', {}, sentence), ` ${remedy}`, h('span', { class: 'faint' }, ` ${evidence.join('; ')}.`)))) : null,
  ...seen.directions.map(direction),
  h('h3', {}, 'What the programs did'),
  h('dl', { class: 'figures-seen' }, seen.ends.map(({ label, text }) => [h('dt', {}, label), h('dd', {}, text)])),
  seen.told.map((text) => h('p', { class: 'faint' }, text)),
  seen.unavailable.map((text) => h('p', { class: 'missing' }, `Not to be had: ${text}.`)),
  h('p', {}, h('a', { class: 'button', href: '/api/watch/report', download: 'ipcscope-watch.json' }, 'Save as JSON')),
  seen.repeats ? h('p', { class: 'faint' }, prose('`ipcscope rehearse ipcscope-watch.json` runs the same traffic over every mechanism.')) : null,
]

/** @param {DrawnDirection} direction */
function direction({ from, to, figures, bars, queued }) {
  return h('section', { class: 'direction' },
    h('h3', {}, `${from} → ${to}`),
    h('dl', { class: 'figures-seen' }, figures.map(({ label, text }) => [h('dt', {}, label), h('dd', {}, text)])),
    bars.map(({ title, bars }) => {
      const most = Math.max(...bars.map(({ count }) => count), 1)
      return h('figure', {}, h('figcaption', { class: 'faint' }, title), h('ul', { class: 'bars' }, bars.map(({ label, count: times }) => {
        const bar = h('i', {})
        bar.style.width = `${(times / most) * 100}%`
        return h('li', {}, h('span', {}, label), h('span', { class: 'track' }, bar), h('span', { class: 'value' }, count(times)))
      })))
    }),
    line(queued))
}

/** What waited over time. @param {[number, number][]} queued */
function line(queued) {
  const most = Math.max(0, ...queued.map(([, waits]) => waits))
  if (queued.length < 2 || most === 0) return null
  const [wide, high] = [300, 60]
  const x = linear([queued[0][0], queued[queued.length - 1][0]], [1, wide - 1])
  const y = linear([0, most], [high - 1, 3])
  return h('figure', {}, h('figcaption', { class: 'faint' }, `Bytes that wait, over ${duration(queued[queued.length - 1][0])}: at most ${bytes(most)}`),
    s('svg', { class: 'queue', viewBox: `0 0 ${wide} ${high}`, role: 'img', 'aria-label': `Bytes that wait, at ${plural(queued.length, 'look')}: at most ${bytes(most)}` },
      s('path', { d: queued.map(([at, waits], index) => `${index ? 'L' : 'M'}${x(at).toFixed(1)} ${y(waits).toFixed(1)}`).join('') })))
}

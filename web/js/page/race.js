// The race: its plan, a page that stays silent while it is timed, and the result.

import { api, sentence } from '../api.js'
import { button, h, say, show } from '../dom.js'
import { count, duration, plural } from '../format.js'
import { state, watch } from '../live.js'
import { href, rename } from '../router.js'
import { lab, lastRun, report, status } from '../store.js'
import { copyText } from '../stage/log.js'
import { Comparing } from './comparing.js'
import { PlanForm, SWEEP } from './plan-form.js'
import { ReportView } from './report-view.js'

/** @import { Place } from '../router.js' */
/** @import { Plan } from '../../types' */

/** Messages a row in a sweep: enough for a median of the largest, and soon over. */
const SWEEP_COUNT = 4_000

/** @param {Place} place @param {AbortSignal} signal */
export async function race(place, signal) {
  const page = new Race(place)
  if (!state.runs.length) state.runs = await api.runs()
  const id = place.query.get('run') ?? lastRun()
  if (id) await page.open(id, false)
  watch((_, is) => page.live(is), signal)
  signal.addEventListener('abort', () => page.view?.stop())
  return { title: 'Race', element: page.element }
}

class Race {
  /** @param {Place} place */
  constructor(place) {
    this.form = new PlanForm(place.query, () => void this.start(this.form.plan()))
    this.cancel = button('Cancel', () => void this.stop(), { class: 'absent' })
    this.sweep = button('Sweep the sizes', () => void this.sweepSizes(), { title: '8 B to 1 MiB' })
    this.bar = h('progress', { max: 1, value: 0, 'aria-label': 'Rounds done' })
    this.said = h('p', { class: 'said nums' }, '')
    this.results = h('div', { class: 'stack' })
    this.form.element.append(h('div', { class: 'row actions' }, this.form.start, this.sweep, this.cancel, this.bar, this.said), this.form.fault)
    this.element = h('div', {},
      h('div', { class: 'title' }, h('h1', {}, 'Race'), h('p', { class: 'lead' }, 'The same verified messages between two real processes over each mechanism, in turns, nothing else running. This page stays still meanwhile.')),
      h('section', { class: 'panel', 'aria-label': 'Controls' }, this.form.element),
      this.results)
    show(this.results, h('section', { class: 'panel' }, h('p', {}, 'No race was run on this machine yet. Press “Start the race”: with these settings it takes about fifteen seconds.')))
    /** @type {ReportView | null} */
    this.view = null
    this.running = false
    this.mine = false
  }

  /** @param {Partial<Plan> | null} plan */
  async start(plan) {
    if (!plan || this.running) return
    rename(PlanForm.address(plan))
    this.form.fault.textContent = ''
    this.mine = true
    this.view?.stop()
    try {
      await api.race(plan)
      this.show(true, 'Starting…')
    } catch (error) {
      this.mine = false
      this.form.fault.textContent = sentence(error)
    }
  }

  async sweepSizes() {
    const plan = this.form.plan()
    if (!plan) return
    this.form.sizes.value = SWEEP.join(', ')
    await this.start({ ...plan, quick: undefined, sizes: SWEEP.filter((size) => size <= lab.limits.size_bytes), count: SWEEP_COUNT, launches: 2 })
  }

  async stop() {
    say(this.said, 'Stopping…')
    try {
      await api.stopRace()
    } catch (error) {
      say(this.said, sentence(error))
    }
  }

  /** @param {string} is */
  live(is) {
    if (!state.connected) {
      if (this.running) say(this.said, 'The connection to the lab is lost; the race may still be running.')
      return
    }
    if (state.race) {
      const { done, total, label, elapsed_ms } = state.race
      this.bar.max = Math.max(total, 1)
      this.bar.value = done
      const left = done > 0 ? ` About ${duration((elapsed_ms / done) * (total - done) * 1e6)} left.` : ''
      this.show(true, `${count(done)} of ${plural(total, 'round')}, ${label}. ${duration(elapsed_ms * 1e6)} so far.${left}`)
      if (is === 'first' || is === 'snapshot') this.view?.stop()
    } else if (is === 'race-ended' && state.ended) void this.ended(state.ended)
    else if (this.running) this.show(false, 'The race ended while the connection was lost.')
  }

  /** @param {NonNullable<typeof state.ended>} ended */
  async ended({ run, interrupted, error }) {
    const text = error ?? (interrupted ? 'The race was stopped; the results so far are kept.' : 'The race is over.')
    this.show(false, text)
    status(text)
    if (!run) return
    await this.open(run, this.mine)
    rename(href('race', { run }))
    this.mine = false
  }

  /** @param {boolean} running @param {string} text */
  show(running, text) {
    if (running !== this.running) {
      this.running = running
      this.cancel.classList.toggle('absent', !running)
      this.form.start.setAttribute('aria-disabled', String(running))
      this.sweep.setAttribute('aria-disabled', String(running))
      this.bar.classList.toggle('running', running)
      if (running) {
        this.view?.stop()
        status('The race is running.')
      } else this.bar.value = 0
    }
    say(this.said, text)
  }

  /** @param {string} id @param {boolean} replay */
  async open(id, replay) {
    try {
      const found = await report(id)
      this.view?.stop()
      // A race that has just ended may be in the history before the page was told.
      const known = state.runs.some((run) => run.id === id) ? state.runs : await api.runs()
      this.view = new ReportView(found, {
        exports: exports(id),
        command: commandLine(known.find((run) => run.id === id)?.command),
        advice: h('p', {}, h('a', { href: '#/choose' }, 'Choose by your own constraints')),
        below: new Comparing(id).element,
      })
      show(this.results, this.view.element)
      if (replay) this.view.replay()
    } catch (error) {
      show(this.results, h('section', { class: 'panel' }, h('p', { class: 'bad' }, `The run ${id} cannot be shown. ${sentence(error)}`), h('p', {}, h('a', { href: '#/runs' }, 'See all runs'))))
    }
  }
}

/** @param {string} id */
const exports = (id) => h('span', { class: 'exports' }, ['json', 'csv', 'markdown', 'html'].map((form) =>
  h('a', { href: api.exported(id, form), download: true, class: 'button quiet' }, form === 'markdown' ? 'Markdown' : form.toUpperCase())))

/** @param {string | undefined} command */
function commandLine(command) {
  if (!command) return null
  const copy = button('Copy', () => void copyText(command, copy), { class: 'quiet' })
  return h('p', { class: 'command' }, h('code', {}, command), copy)
}

// The race: its plan, a page that stays silent while it is timed, and the result.

import { api, sentence } from '../api.js'
import { button, commandLine, h, say, show } from '../dom.js'
import { bytes, count, duration, plural } from '../format.js'
import { state, watch } from '../live.js'
import { href, parse, rename } from '../router.js'
import { lab, lastRun, noRaceYet, report, status } from '../store.js'
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
  const page = new Race(place.query)
  if (!state.runs.length) state.runs = await api.runs()
  const named = place.query.get('run')
  const id = named ?? lastRun()
  if (id) await page.open(id, false)
  if (named && page.view && !place.query.has('size')) page.fill(page.view.report.plan)
  watch((_, is) => page.live(is), signal)
  signal.addEventListener('abort', () => page.view?.stop())
  return { title: 'Race', element: page.element }
}

class Race {
  /** @param {URLSearchParams} query */
  constructor(query) {
    this.cancel = button('Cancel', () => void this.stop(), { class: 'absent' })
    this.sweep = button(`Sweep the sizes, ${bytes(SWEEP[0])} to ${bytes(SWEEP[SWEEP.length - 1])}`, () => void this.sweepSizes())
    this.bar = h('progress', { max: 1, value: 0, 'aria-label': 'Rounds done' })
    this.said = h('p', { class: 'said nums' }, '')
    this.results = h('div', { class: 'stack' })
    this.asked = h('section', { class: 'panel', 'aria-label': 'Controls' })
    this.form = this.ask(query)
    /** @type {HTMLButtonElement | null} */
    this.again = null
    this.element = h('div', {},
      h('div', { class: 'title' }, h('h1', {}, 'Race'), h('p', { class: 'lead' }, 'The same verified messages between two real processes over each mechanism, in turns, nothing else running. This page stays still meanwhile.')),
      this.asked,
      this.results)
    /** @type {ReportView | null} */
    this.view = null
    this.running = false
    this.mine = false
    this.none()
  }

  /** @param {URLSearchParams} query */
  ask(query) {
    const form = new PlanForm(query, () => void this.start(form.plan()))
    form.element.append(h('div', { class: 'row actions' }, form.start, this.sweep, this.said, form.fault, this.bar, this.cancel))
    show(this.asked, form.element)
    return form
  }

  /** Puts the plan of a race into the form. @param {Plan} plan */
  fill(plan) {
    this.form = this.ask(parse(PlanForm.address(plan)).query)
    this.block()
  }

  /** While no race is in the history. */
  none() {
    if (!this.view) show(this.results, h('section', { class: 'panel' }, h('p', {}, noRaceYet())))
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

  /** The same race once more, in the same order. @param {Plan} plan */
  async rerun({ rivals: _, ...plan }) {
    if (this.running) return
    this.fill(plan)
    await this.start(plan)
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
      this.bar.classList.toggle('running', running)
      this.block()
      this.none()
      if (running) {
        this.view?.stop()
        status('The race is running.')
      } else this.bar.value = 0
    }
    say(this.said, text)
  }

  /** Nothing else can be started while a race runs. */
  block() {
    for (const start of [this.form.start, this.sweep, this.again]) start?.setAttribute('aria-disabled', String(this.running))
  }

  /** @param {string} id @param {boolean} replay */
  async open(id, replay) {
    try {
      const found = await report(id)
      this.view?.stop()
      // A race that has just ended may be in the history before the page was told.
      const known = state.runs.some((run) => run.id === id) ? state.runs : await api.runs()
      const { plan } = found.report
      // The page cannot start programs of others.
      this.again = plan.rivals?.length ? null : button('Run again', () => void this.rerun(plan), { class: 'quiet' })
      this.view = new ReportView(found, {
        exports: h('span', { class: 'exports' }, this.again, exports(id)),
        command: copied(known.find((run) => run.id === id)?.command),
        advice: h('p', {}, h('a', { href: '#/choose' }, 'Choose by your own constraints')),
        below: new Comparing(id).element,
      })
      show(this.results, this.view.element)
      this.block()
      if (replay) this.view.replay()
    } catch (error) {
      show(this.results, h('section', { class: 'panel' }, h('p', { class: 'bad' }, `The run ${id} cannot be shown. ${sentence(error)}`), h('p', {}, h('a', { href: '#/runs' }, 'See all runs'))))
    }
  }
}

/** @param {string} id */
const exports = (id) => ['json', 'csv', 'markdown', 'html'].map((form) =>
  h('a', { href: api.exported(id, form), download: true, class: 'button quiet' }, form === 'markdown' ? 'Markdown' : form.toUpperCase()))

/** @param {string | undefined} command */
function copied(command) {
  if (!command) return null
  const copy = button('Copy', () => void copyText(command, copy), { class: 'quiet' })
  return h('p', { class: 'command' }, commandLine(command), copy)
}

// A mechanism's page: a live stage of two processes that stay, and what can be asked of them.

import { sentence, socket } from '../api.js'
import { button, field, h, named, prose, say, segments, select, show } from '../dom.js'
import { asSentence, bytes, cutUtf8 } from '../format.js'
import { explained } from '../glossary.js'
import { state, watch } from '../live.js'
import { href, rename } from '../router.js'
import { accent, lab, sceneOf, status } from '../store.js'
import { meaning } from '../stage/terms.js'
import { event as readEvent, header as readHeader } from '../trace.js'
import { menu } from './menu.js'
import { settings, View } from './view.js'

/** @import { Header, Scene } from '../../types' */
/** @import { Place } from '../router.js' */

/** Choices with what each means. @param {[string, string][]} choices @returns {[string, string, string?][]} */
const told = (choices) => choices.map(([value, text]) => [value, text, meaning.get(text)])

const WAITS = /** @type {[string, string][]} */ ([['block', 'block'], ['hybrid', 'hybrid'], ['spin', 'spin']])
const PLACEMENTS = /** @type {[string, string][]} */ ([['cross-core', 'two cores'], ['same-core', 'one core']])
const MODES = /** @type {[string, string][]} */ ([['paced', 'one by one'], ['burst', 'burst'], ['step', 'pause and inspect'], ['asleep', 'inspect the receiver']])
const SIZES = [64, 1024, 65_536]
const TEXT_LIMIT = 64
/** The server closes a stage with this when it is over: the last note says why. */
const OVER = 1000
/** … and with this when it cannot have it now. */
const TRY_AGAIN_LATER = 1013

/** @param {Place} place @param {AbortSignal} signal @param {boolean} pressed whether the reader came by a link of ours */
export function mechanism(place, signal, pressed) {
  const scene = sceneOf(place.rest)
  if (!scene) {
    return {
      title: 'Unknown mechanism',
      element: h('div', {}, h('h1', {}, 'Unknown mechanism'), h('p', {}, `This lab has no mechanism “${place.rest}”. `, h('a', { href: '#/' }, 'See those it has.'))),
    }
  }
  const bench = new Bench(scene, place.query)
  signal.addEventListener('abort', () => {
    bench.close()
    bench.view.remove()
  })
  watch(() => bench.raceMaybe(), signal)
  if (pressed) bench.open()
  else bench.offer()
  return { title: scene.title, element: bench.element, mounted: () => bench.view.stage.lay() }
}

/** A header for a stage that has not started yet. @param {Scene} scene @param {{ wait: string, placement: string, size: number }} like @returns {Header} */
const expected = (scene, { wait, placement, size }) => ({
  format: '', schema: 0, scene, wait, placement, size_bytes: size, clock: '–', started_unix_ms: 0, machine: '',
  processes: [
    { actor: 'sender', pid: 0, parent: 0, core: null },
    { actor: 'receiver', pid: 0, parent: 0, core: null },
  ],
})

/** The way of waiting that costs the fewest calls, where each of the two has a core of its own. @param {Scene} scene */
function usualWait({ budgets }) {
  const cost = (/** @type {string} */ wait) => {
    const budget = budgets.find((budget) => budget.wait === wait)
    return budget ? (budget.sender_syscalls.most ?? Infinity) + (budget.receiver_syscalls.most ?? Infinity) : Infinity
  }
  const waits = WAITS.map(([wait]) => wait)
  return waits.reduce((best, wait) => (cost(wait) < cost(best) ? wait : best))
}

/** Whether a stage carries messages back: on the same connection, or by parts of their own. @param {Scene} scene */
const bothWays = (scene) => scene.duplex || scene.stage.some((part) => part.gauges.some(({ field }) => field.startsWith('back_')))

class Bench {
  /** @param {Scene} scene @param {URLSearchParams} query */
  constructor(scene, query) {
    this.scene = scene
    const placement = query.get('placement') ?? (lab.cores.length > 1 ? 'cross-core' : 'same-core')
    const wait = query.get('wait') ?? (placement === 'same-core' ? 'block' : usualWait(scene))
    this.setup = { wait, placement, size: Number(query.get('size')) || 64 }
    this.direction = 'forward'
    this.mode = query.get('mode') ?? 'paced'
    this.asked = query
    /** What was asked for and is not complete. */
    this.busy = false
    this.lines = 0
    /** @type {WebSocket | undefined} */
    this.socket = undefined
    this.text = h('input', { type: 'text', placeholder: 'your own text', maxlength: TEXT_LIMIT, autocomplete: 'off', spellcheck: 'false' })
    this.said = h('p', { class: 'said', role: 'note' }, 'Starting two processes…')
    this.again = button('Try again', () => this.open(), { class: 'absent' })
    this.start = button('Start', () => this.open(), { class: 'primary absent', 'aria-label': 'Start two processes' })
    const xray = 'One message under the probes that this machine allows'
    this.sends = [
      button('Send 10', () => this.send(10), { class: 'primary' }),
      button('Send 1', () => this.send(1)),
      button('X-ray 1', () => this.ask({ do: 'xray' }, 'One message under probes…'), { title: xray }),
    ]
    this.experiments = scene.experiments.map((one) =>
      h('li', {},
        button(one.title, () => this.ask({ do: 'experiment', id: one.id }, `${one.title}…`), { 'data-experiment': one.id }),
        h('p', {}, one.text)))
    this.view = new View(expected(scene, this.setup), accent(scene.kind), {
      // In one place: what can be done now.
      sends: h('span', { class: 'first' }, this.sends[0], this.start, this.again),
      more: this.secondary(),
      said: this.said,
      experiments: scene.experiments.length
        ? h('section', { class: 'panel', 'aria-labelledby': 'experiments-head' }, h('h2', { id: 'experiments-head' }, 'Experiments'), h('ul', { class: 'experiments' }, this.experiments))
        : undefined,
      speed: query.get('speed') === 'max' ? Infinity : 1,
      paced: () => this.rename(),
    })
    this.choices = h('div', { class: 'choices' })
    this.settings = menu('', 'settings', this.choices)
    this.element = h('div', { class: 'mechanism', 'data-accent': accent(scene.kind) % 8 },
      h('div', { class: 'title line' }, h('h1', {}, named(scene.title, accent(scene.kind))), h('p', { class: 'lead', title: scene.summary }, scene.summary), this.settings.element),
      this.view.element)
    this.showSettings()
    this.able()
  }

  /** What stands behind `more`. */
  secondary() {
    const way = /** @type {[string, string][]} */ ([['forward', 'sender to receiver'], ['back', 'receiver to sender']])
    return [
      h('div', { class: 'row' }, this.sends.slice(1)),
      segments('How', told(MODES), this.mode, (value) => { this.mode = value; this.rename() }),
      bothWays(this.scene) ? segments('Direction', way, this.direction, (value) => { this.direction = value }) : null,
      field('Text', this.text),
    ]
  }

  /** The address is that of this stage, with all that was asked for. */
  rename() {
    const { asked, mode, setup, view } = this
    const speed = view.player.speed === Infinity ? 'max' : undefined
    rename(href(`m/${this.scene.kind}`, { ...Object.fromEntries(asked), ...setup, mode: mode === 'paced' ? undefined : mode, speed }))
  }

  showSettings() {
    const change = (/** @type {object} */ to) => {
      Object.assign(this.setup, to)
      this.rename()
      say(this.settings.head, settings(expected(this.scene, this.setup)))
      this.open()
    }
    const { wait, placement, size } = this.setup
    say(this.settings.head, settings(expected(this.scene, this.setup)))
    const cores = lab.cores.length > 1 ? PLACEMENTS : PLACEMENTS.slice(1)
    show(this.choices,
      segments(explained('Waiting'), told(WAITS), wait, (wait) => change({ wait })),
      segments(explained('Placement'), told(cores), placement, (placement) => change({ placement })),
      field('Size', select(SIZES.map((size) => [String(size), bytes(size)]), String(size), (size) => change({ size: Number(size) }))))
  }

  /** Offers a button that starts two processes: opening a link must not start them. */
  offer() {
    say(this.said, 'Nothing runs yet: an address alone starts no process.')
    this.offers(this.start)
  }

  /** Of the three that share one place. @param {HTMLElement} one */
  offers(one) {
    for (const other of [this.sends[0], this.start, this.again]) other.classList.toggle('absent', other !== one)
  }

  /** Starts two processes; those of before are ended. */
  open() {
    this.close()
    this.busy = false
    const pressed = [this.again, this.start].some((one) => one === document.activeElement)
    this.offers(this.sends[0])
    // The button that was pressed goes: the keyboard's place is where the new pair is used.
    if (pressed) this.sends[0].focus({ preventScroll: true })
    say(this.said, 'Starting two processes…')
    const { wait, placement, size } = this.setup
    this.view.restart(expected(this.scene, this.setup))
    const opened = socket('/api/stage', { kind: this.scene.kind, wait, placement, size })
    this.socket = opened
    this.lines = 0
    opened.onmessage = ({ data }) => this.line(String(data))
    opened.onclose = ({ code, reason }) => this.socket === opened && this.closed(code, reason)
    this.able()
  }

  close() {
    const old = this.socket
    this.socket = undefined
    old?.close()
    this.view.player.pause()
  }

  /** @param {string} text */
  line(text) {
    this.lines++
    try {
      if (text.startsWith('{"format"')) {
        const header = readHeader(text, this.lines)
        this.view.restart(header)
        say(this.said, `Two processes are waiting: pid ${header.processes[0].pid} and ${header.processes[1].pid}.`)
        this.socket?.send(JSON.stringify({ do: 'look' }))
        this.able()
        return
      }
      const event = readEvent(text, this.lines)
      if (event.what === 'note' && event.tone === 'bad') {
        if (this.view.cutter.depth === 0) this.done(event.text ?? '')
        else this.tell(event.text ?? '')
      }
      const made = this.view.take(event)
      if (made) this.done(made.experiment === null ? `Recorded: ${made.arrivals.length} of ${made.count} arrived.` : (made.events.at(-1)?.verdict ?? 'The experiment is over.'))
    } catch (error) {
      this.done(`The stage sent something that this page cannot read: ${sentence(error)}`)
    }
  }

  /** @param {string} text */
  done(text) {
    this.busy = false
    this.tell(text)
    this.able()
  }

  /** @param {string} text */
  tell(text) {
    show(this.said, prose(asSentence(text)))
    status(this.said.textContent ?? '')
  }

  /** @param {number} code @param {string} reason */
  closed(code, reason) {
    this.socket = undefined
    this.busy = false
    const rest = this.view.cutter.finish()
    if (rest) this.view.record(rest, false)
    say(this.again, code === OVER ? 'New pair' : 'Try again')
    if (code === OVER) this.again.setAttribute('aria-label', 'Start a new pair')
    else this.again.removeAttribute('aria-label')
    this.offers(this.again)
    this.able()
    if (code === OVER) return
    const why = reason || (code === TRY_AGAIN_LATER ? 'the lab is busy' : state.connected ? 'the lab ended it' : 'the lab does not answer; is ipcscope still running in its terminal?')
    const busy = code !== TRY_AGAIN_LATER ? '' : state.race ? 'a race' : state.probe ? 'a probe' : ''
    const text = busy ? `The stage is closed while ${busy} runs: ${why}` : `The stage is closed: ${why}`
    this.tell(text)
  }

  /** A page that moves would be measured along with a race or a probe: nothing moves while one runs. */
  raceMaybe() {
    if (state.race || state.probe) this.view.player.pause()
  }

  able() {
    const ready = this.socket !== undefined && this.view.header.schema > 0 && !this.busy
    for (const control of [...this.sends, ...this.experiments.flatMap((item) => [...item.querySelectorAll('button')])]) {
      // Not `disabled`: the keyboard's place must not be lost while a batch runs.
      control.setAttribute('aria-disabled', String(!ready))
    }
  }

  /** @param {number} count */
  send(count) {
    const text = cutUtf8(this.text.value, TEXT_LIMIT)
    const how = this.mode === 'asleep' ? { mode: 'step', receiver_first: true } : { mode: this.mode }
    this.ask({ do: 'send', count, ...how, direction: this.direction, ...(text ? { text } : {}) }, count === 1 ? 'Sending one message…' : `Sending ${count} messages…`)
  }

  /** @param {object} command @param {string} told */
  ask(command, told) {
    const { socket } = this
    if (this.busy || !socket || this.view.header.schema === 0) return
    this.busy = true
    say(this.said, told)
    this.able()
    this.view.player.pause()
    this.view.bring()
    socket.send(JSON.stringify(command))
  }
}

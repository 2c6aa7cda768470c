// Two lists that never mix: what follows from the design, and what was measured here, with its instrument and its count.

import { api } from '../api.js'
import { h, marked, named, show } from '../dom.js'
import { count, duration, list, plural, tied } from '../format.js'
import { state } from '../live.js'
import { median } from '../scale.js'
import { arrivedBy, flights, someOf } from '../stage/recording.js'
import { callsOf, copiesOf } from '../stage/seen.js'
import { MODES, range, reversed } from '../stage/words.js'
import { countedRows } from './counted.js'
import { explained } from '../glossary.js'
import { beside, lastRun, noRaceYet } from '../store.js'

/** @import { Child } from '../dom.js' */
/** @import { Beside, CountedAnswer, Header } from '../../types' */
/** @import { Recording } from '../stage/recording.js' */

/** @param {[Child, Child][]} rows */
const facts = (rows) => h('dl', { class: 'facts' }, rows.map(([name, value]) => h('div', {}, h('dt', {}, typeof name === 'string' ? explained(name) : name), h('dd', {}, value))))

export class Figures {
  /** @param {Header} header */
  constructor(header) {
    this.header = header
    /** @type {Map<string, number[]>} by mode */
    this.flights = new Map()
    /** @type {{ after: unknown, answer: Promise<CountedAnswer> } | undefined} */
    this.asked = undefined
    /** @type {{ messages: number, sender: number, receiver: number, copies: number | null, wakes: number } | null} */
    this.counted = null
    this.design = h('div', {})
    this.measured = h('div', { class: 'measured' })
    this.raced = h('div', { class: 'raced' })
    this.quoted = h('div', {})
    this.explanation = h('p', {}, header.scene.explanation)
    this.seenText = h('p', { class: 'seen nums' }, '')
    this.element = h('div', { class: 'stack' },
      h('section', { class: 'panel', 'aria-labelledby': 'design-head' }, h('h2', { id: 'design-head' }, 'By design'), this.design),
      h('section', { class: 'panel', 'aria-labelledby': 'measured-head' }, h('h2', { id: 'measured-head' }, 'Measured here'), this.measured, this.raced),
      h('section', { class: 'panel quoted', 'aria-labelledby': 'quoted-head' }, h('h2', { id: 'quoted-head' }, 'Quoted, and counted'), this.quoted))
    this.why = h('section', { class: 'panel', 'aria-labelledby': 'why-head' }, h('h2', { id: 'why-head' }, 'What happens, and why'), this.explanation, this.seenText)
    this.restart(header)
  }

  /** @param {Header} header */
  restart(header) {
    this.header = header
    this.flights = new Map()
    this.counted = null
    show(this.design, this.designed())
    this.showMeasured()
    show(this.seenText, 'Send some messages to see their figures here.')
    void this.race()
    void this.books()
  }

  /** What textbooks say, beside what was counted. */
  async books() {
    const { header } = this
    const { quoted } = header.scene
    const said = facts([['Latency, quoted', quoted.latency.replace(' ', '\u00a0')], ['Use it for, quoted', quoted.use_when]])
    // What the lab's own two processes cost says nothing of others.
    if (header.channel !== undefined) return show(this.quoted, said)
    const [sender, receiver] = header.processes
    // Asked for once, and again after a probe.
    if (!this.asked || this.asked.after !== state.probed) this.asked = { after: state.probed, answer: api.probe() }
    const { answer } = this.asked
    answer.catch(() => { this.asked = undefined })
    const counted = await countedRows(header.scene, header.wait, [sender.core, receiver.core], answer)
    if (this.header !== header) return
    show(this.quoted, counted, said)
  }

  designed() {
    const { scene, wait } = this.header
    const budget = scene.budgets.find((budget) => budget.wait === wait.split(':')[0])
    /** @type {[Child, Child][]} */
    const rows = budget
      ? [
          ['System calls, sender', range(budget.sender_syscalls)],
          ['System calls, receiver', range(budget.receiver_syscalls)],
          ['Copies by the kernel', range(budget.kernel_copies)],
          ['Wake-ups', range(budget.wakes)],
        ]
      : []
    rows.push(['Both ways', scene.duplex ? 'on one connection' : 'on two connections'])
    rows.push(['Other machines', scene.cross_host ? 'yes' : 'no'])
    return [
      budget || this.header.channel === undefined ? h('p', { class: 'faint' }, budget ? `A message, waiting by ${wait.split(':')[0]}.` : 'A message.') : null,
      facts(rows),
    ]
  }

  /** @param {Recording} recording */
  add(recording) {
    if (recording.mode === 'xray') this.count(recording)
    else if (recording.experiment === null) this.flights.set(recording.mode, [...(this.flights.get(recording.mode) ?? []), ...flights(recording)])
    this.showMeasured()
  }

  /** What probes saw of a message. @param {Recording} recording */
  count({ events, messages }) {
    const calls = callsOf(events)
    const of = (/** @type {string} */ actor) => calls.filter(({ side }) => side === actor).length
    const copies = copiesOf(events)
    this.counted = {
      messages: messages.length, sender: of('sender'), receiver: of('receiver'),
      copies: copies.length ? copies.filter(({ space }) => space === 'kernel').length : null,
      wakes: events.filter(({ what }) => what === 'wake').length,
    }
  }

  showMeasured() {
    const { clock } = this.header
    const known = [...this.flights].filter(([, flights]) => flights.length)
    /** @type {[Child, Child][]} */
    const rows = known.flatMap(([mode, flights]) => {
      const sorted = [...flights].sort((a, b) => a - b)
      return /** @type {[Child, Child][]} */ ([
        [`Flight, ${MODES[mode] ?? mode}: median of ${count(sorted.length)}`, duration(median(sorted))],
        ['fastest, slowest', `${duration(sorted[0])}, ${duration(sorted[sorted.length - 1])}`],
      ])
    })
    if (!rows.length) rows.push(['Flight', h('span', { class: 'faint' }, 'none yet')])
    if (this.counted) {
      const { sender, receiver, copies, wakes } = this.counted
      rows.push(['System calls seen, sender', count(sender)], ['System calls seen, receiver', count(receiver)])
      if (copies !== null) rows.push(['Copies by the kernel seen', count(copies)])
      if (wakes) rows.push(['Wake-ups seen', count(wakes)])
    }
    show(this.measured, facts(rows),
      h('p', { class: 'faint' }, this.header.channel === undefined ? `From before send to after recv, stamped in both processes (${clock}).` : `From the beginning of the call that wrote to the end of the one that read the last byte, as the kernel saw both (${clock}).`,
        this.flights.has('step') ? ' The time of a message that was paused and inspected includes the pause.' : '',
        this.counted ? ` What was seen, was seen of ${plural(this.counted.messages, 'message')} under probes, which slow it down.` : ''))
  }

  /** The reader's own last race, where it waited and sat like this stage. */
  async race() {
    const { scene, wait, placement, size_bytes, channel } = this.header
    if (channel !== undefined) return show(this.raced, null)
    const id = lastRun()
    if (!id) return show(this.raced, h('p', { class: 'faint' }, noRaceYet(), ' ', h('a', { href: '#/race' }, 'Go to the race')))
    /** @type {Beside | null} */
    let found
    try {
      found = await beside(id, { kind: scene.kind, wait, placement, size: String(size_bytes || 64) })
    } catch {
      return show(this.raced, h('p', { class: 'faint' }, 'The last race cannot be read.'))
    }
    if (this.header.scene !== scene || this.header.wait !== wait) return
    const again = h('a', { href: `#/race?wait=${wait}&placement=${placement}` }, 'run one')
    if (!found) return show(this.raced, h('p', { class: 'faint' }, `The last race has no ${scene.title} that waited and sat like this stage (${wait}, ${placement}): `, again, '.'))
    show(this.raced,
      h('h3', {}, 'In your last race', marked(found.marks)),
      facts([
        [`Median, ${found.workload}, ${tied(found.size)}`, tied(found.p50)],
        ...found.versus.map(({ title, scene, ratio }) => /** @type {[Child, Child]} */ ([h('span', {}, 'vs ', named(title, scene ?? -1)), tied(ratio)])),
      ]),
      h('p', { class: 'faint' }, `${wait}, ${placement}; ${plural(found.samples, 'sample')} over ${plural(found.launches, 'launch')}. `, h('a', { href: `#/race?run=${id}` }, 'The whole race')))
  }

  /** The explanation's other half: the numbers just seen. @param {Recording} recording */
  seen(recording) {
    show(this.seenText, justSeen(recording))
  }
}

/** @param {Recording} recording */
function justSeen(recording) {
  const { messages } = recording
  if (!messages.length) return ''
  const home = messages.filter((message) => Number.isFinite(message.recvEnd))
  const came = arrivedBy(recording, recording.to)
  const sentences = came === null ? [] : [`Just now ${count(came)} of ${plural(recording.count, 'message')} arrived.`]
  if (someOf(recording) && home.length) sentences.push(`${plural(messages.length, 'message')} of them ${messages.length > 1 ? 'were' : 'was'} followed on the way.`)
  if (home.length) {
    const own = flights(recording)
    sentences.push(`${home.length > 1 ? 'Half of them took' : 'It took'} ${home.length > 1 ? 'at most ' : ''}${duration(median(own))}${home.length > 1 ? `, the slowest ${duration(own.reduce((a, b) => Math.max(a, b)))}` : ''}${recording.mode === 'step' ? ', with the look at it on its way' : ''}.`)
    const waited = home.filter((message) => message.recvBegin < message.sendBegin).length
    sentences.push(waited === home.length ? 'The receiver was waiting for each.' : waited ? `The receiver was waiting for ${count(waited)} of them.` : 'The receiver never had to wait.')
    const back = home.filter((message) => Number.isFinite(message.sendEnd))
    if (back.length) sentences.push(`The sender was back from its call after ${duration(median(back.map((message) => message.sendEnd - message.sendBegin)))}${back.some((message) => message.recvEnd < message.sendEnd) ? ', sometimes later than the receiver had the message' : ''}.`)
  }
  const failed = messages.filter((message) => message.failed)
  if (failed.length) sentences.push(`${plural(failed.length, 'call')} failed: ${list([...new Set(failed.map((message) => message.failed ?? ''))])}.`)
  const told = sentences.join(' ')
  return messages.every(({ back }) => back) ? reversed(told) : told
}

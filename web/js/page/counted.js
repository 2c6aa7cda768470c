// Textbook figures of a message beside counted ones: copies, calls, wake-ups. The figures come from
// a probe of this machine, or from the record that came with the lab, named with its machine.
// Counting slows a process down, so nothing here is a latency.

import { api, sentence } from '../api.js'
import { button, h, named, prose, say, show, table } from '../dom.js'
import { asSentence, bytes, count, date, differs, duration, each, list, plural } from '../format.js'
import { state, watch } from '../live.js'
import { copyText } from '../stage/log.js'
import { explained } from '../glossary.js'
import { accent, machineText, status, title } from '../store.js'

/** @import { Child } from '../dom.js' */
/** @import { CountedAnswer, Probed, Scene } from '../../types' */

const WAITING = /** @type {Record<string, string>} */ ({ spin: 'Spinning', block: 'Blocking', hybrid: 'Spinning, then blocking' })

/** @param {Probed} row */
const placed = ({ cores, placement }) => (!cores ? placement : cores[0] === cores[1] ? 'one core' : 'two cores')

/** @param {Probed} row */
const setting = (row) => `${row.wait}, ${placed(row)}`

/** @param {Probed} row @param {string} question */
const figure = (row, question) => row.figures.find((figure) => figure.question === question)

/** @param {Probed} row @param {string} question */
const amount = (row, question) => figure(row, question)?.readings[0]?.per_message

/** As a number for each message; `–` where it could not be counted. @param {Probed} row @param {string} question */
function cell(row, question) {
  const found = amount(row, question)
  return found === undefined ? '–' : found < 10 ? each(found) : count(found)
}

/** @param {Probed} row @param {string} question @param {string} [text] */
function beside(row, question, text = cell(row, question)) {
  return differs(amount(row, question), figure(row, question)?.quoted) ? h('strong', {}, text) : text
}

/** Sender and receiver: `1 + 2`. @param {Probed} row */
const calls = (row) => beside(row, 'calls', [cell(row, 'sender-calls'), cell(row, 'receiver-calls')].join(' + '))

/** Why a row is not as quoted, and what could not be counted. @param {Probed} row */
function reasons(row) {
  if (row.failed) return asSentence(`failed: ${row.failed}`)
  const asked = ['kernel-copies', 'calls', 'wakes'].map((question) => figure(row, question))
  const told = asked.flatMap((found) => {
    if (!found) return []
    if (!found.readings.length && found.unavailable) return [`${found.unavailable.what} cannot be had here: ${found.unavailable.why}; ${found.unavailable.remedy}`]
    return differs(found.readings[0]?.per_message, found.quoted) || found.readings[0]?.certainty !== 'exact' ? [found.remark ?? ''] : []
  })
  return told.filter(Boolean).map(asSentence).join(' ')
}

/** With which instruments. @param {Probed[]} rows */
function instruments(rows) {
  const by = (/** @type {string} */ question) => list([...new Set(rows.flatMap((row) => figure(row, question)?.readings.slice(0, 1) ?? []).map((reading) => `${reading.instrument} (${reading.certainty.replace('-', ' ')})`))])
  return [['Copies', by('kernel-copies')], ['calls', by('calls')], ['wake-ups', by('wakes')]].filter(([, by]) => by).map(([what, by]) => `${what} by ${by}`).join(', ')
}

/** Whose figures these are: a machine that is not said to be this one always carries its name. @param {CountedAnswer} counted */
function whose({ id, report }) {
  const when = date(report.started_unix_ms)
  return id === null
    ? `Nothing was counted on this machine yet. These figures are a record of another one: ${machineText(report.machine)}, ${when}.`
    : `Counted on this machine, ${when}.`
}

/** A table for each way of waiting and placement, and under it why it is not as quoted. @param {CountedAnswer} counted */
function tables({ report }) {
  /** @type {Map<string, Probed[]>} */
  const groups = new Map()
  for (const row of report.rows) {
    const key = `${WAITING[row.wait.split(':')[0]] ?? row.wait}, on ${placed(row)}, ${bytes(row.size_bytes)}`
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  const told = new Set()
  return [...groups].map(([key, rows]) => h('div', {},
    table(key, ['mechanism', 'copies: quoted', 'counted', 'calls: quoted', 'counted', 'wakes'].map((column) => explained(column, told)), rows.map((row) => [
      named(title(row.kind), accent(row.kind)),
      figure(row, 'kernel-copies')?.quoted ?? '–', beside(row, 'kernel-copies'),
      figure(row, 'calls')?.quoted ?? '–', calls(row), cell(row, 'wakes'),
    ])),
    why(rows)))
}

/** Each reason once, with those that it is true of. @param {Probed[]} rows */
function why(rows) {
  /** @type {Map<string, Probed[]>} */
  const same = new Map()
  for (const row of rows) same.set(reasons(row), [...(same.get(reasons(row)) ?? []), row])
  const told = [...same].filter(([reason]) => reason)
  return told.length
    ? h('ul', { class: 'why' }, told.map(([reason, rows]) => h('li', {}, rows.map((row) => [named(title(row.kind), accent(row.kind)), ' ']), reason)))
    : h('p', { class: 'faint' }, 'All as quoted.')
}

/** The panel of the method page, where it can be counted anew. @param {AbortSignal} signal */
export async function countedPanel(signal) {
  const figures = h('div', { class: 'counted' })
  const said = h('p', { class: 'said nums' })
  const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Rows counted' })
  const start = button('Count it here', () => void begin(), { class: 'primary' })
  const cancel = button('Cancel', () => void api.stopProbe().catch((error) => say(said, sentence(error))), { class: 'absent' })
  const code = h('code', {}, '')
  const copy = button('Copy', () => void copyText(code.textContent ?? '', copy), { class: 'quiet' })

  const draw = async () => {
    try {
      const counted = await api.probe()
      say(code, counted.command)
      show(figures, h('p', {}, whose(counted)), h('div', { class: 'settings' }, tables(counted)),
        h('p', { class: 'faint' }, `${instruments(counted.report.rows)}; counts are for each message, calls of the sender + of the receiver, bold where they are not as quoted. The sender pauses between messages; its pauses are not counted.`),
        counted.unreadable.map(({ file, why }) => h('p', { class: 'missing' }, `${file} among this machine's probes is not a probe: ${why}.`)))
    } catch (error) {
      show(figures, h('p', { class: 'bad' }, sentence(error)))
    }
  }
  const begin = async () => {
    if (start.getAttribute('aria-disabled') === 'true') return
    try {
      await api.startProbe()
    } catch (error) {
      say(said, sentence(error))
    }
  }
  const running = (/** @type {boolean} */ runs) => {
    start.setAttribute('aria-disabled', String(runs))
    cancel.classList.toggle('absent', !runs)
    bar.classList.toggle('running', runs)
  }
  watch((_, is) => {
    running(state.probe !== null)
    if (state.probe) {
      const { done, total, label, elapsed_ms } = state.probe
      bar.max = Math.max(total, 1)
      bar.value = done
      say(said, `${count(done)} of ${plural(total, 'row')}, ${label}. ${duration(elapsed_ms * 1e6)} so far.`)
    } else if (is === 'probe-ended' && state.probed) {
      const { error, interrupted } = state.probed
      const text = error ?? (interrupted ? 'Stopped; its counts are not kept.' : 'Counted.')
      say(said, text)
      status(text)
      void draw()
    }
  }, signal)
  if (!state.probe) say(said, 'Takes about half a minute, and closes the stages.')
  await draw()
  return h('section', { class: 'panel', 'aria-labelledby': 'counted-head' },
    h('h2', { id: 'counted-head' }, 'Textbook figures and counts'),
    figures,
    h('div', { class: 'row actions' }, start, said, bar, cancel),
    h('p', { class: 'command' }, code, copy))
}

/**
 * A mechanism's own rows, under what textbooks say of it.
 * @param {Scene} scene @param {string} wait @param {[number | null, number | null]} cores of the stage @param {Promise<CountedAnswer>} answer
 * @returns {Promise<Child[]>}
 */
export async function countedRows(scene, wait, cores, answer) {
  const quoted = scene.quoted
  let counted
  try {
    counted = await answer
  } catch (error) {
    return [h('p', { class: 'bad' }, sentence(error))]
  }
  const rows = counted.report.rows.filter((row) => row.kind === scene.kind)
  const place = cores[0] === null ? '' : cores[0] === cores[1] ? 'one core' : 'two cores'
  const here = rows.find((row) => row.wait.split(':')[0] === wait.split(':')[0] && placed(row) === place)
  return [
    table('For each message', ['waiting', 'copies', 'calls', 'wakes'].map((column) => explained(column)), [
      ['textbooks', quoted.copies, quoted.syscalls, '–'],
      ...rows.map((row) => /** @type {Child[]} */ ([h('span', { class: row === here ? 'here' : 'there' }, setting(row)), beside(row, 'kernel-copies'), calls(row), cell(row, 'wakes')])),
    ]),
    here ? h('p', {}, `${asSentence(setting(here))} `, prose(reasons(here) || 'All as quoted.')) : null,
    h('p', { class: 'faint' }, rows.length ? `${whose(counted)} Calls: sender + receiver. ` : 'This mechanism was not counted. ',
      h('a', { href: '#/method' }, 'All mechanisms, and count here')),
  ]
}

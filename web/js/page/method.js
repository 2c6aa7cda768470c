// How the numbers are made, and what this machine can and cannot measure.

import { api } from '../api.js'
import { h } from '../dom.js'
import { bytes, count } from '../format.js'
import { explained } from '../glossary.js'
import { lab, machineLine } from '../store.js'
import { countedPanel } from './counted.js'

const VERDICT = { yes: 'yes', partly: 'partly', no: 'no' }

const HOW = /** @type {[string, string][]} */ ([
  ['Two processes', 'Always two processes, never two threads, started anew for every round from this same program. Each is pinned to its core, and the core is read back. The lab itself sleeps while they run.'],
  ['Every message is verified', 'Each carries its number and a payload that its receiver compares. One that is lost, doubled, out of order or damaged fails the row, and a failed row has no number.'],
  ['Waiting and placement', 'They matter more than the mechanism, so they are part of every row. Ratios are shown only between rows that share them.'],
  ['The clock', 'One clock for both processes. The cost of a reading is measured and shown, never subtracted.'],
  ['Latency', 'In ping-pong, half of a measured round trip. In a stream and in paced rows, stamped on both sides; a paced message counts from when it was due.'],
  ['Throughput', 'The clock stops when the receiver has verified the last message.'],
  ['Percentiles', 'Printed only if at least ten samples lie beyond. The maximum is one sample.'],
  ['Launches', 'Rounds are shuffled among all entrants, over several launches. A range runs over all pairs of launches; if it contains 1, the two do not differ.'],
  ['The floor', 'Cache lines bounced between the same two processes before and after each round: the time the hardware itself needs. If it changes during a round, the round is dropped and counted.'],
  ['This page', 'It stays still while a race is timed, and a report says whether a page was open.'],
  ['A stage', 'Ten real messages are recorded first and replayed afterwards, each as long as another, slowed by the factor shown; pauses are played shorter. The stamps are measured. Steps between them take what a call takes that need not wait, and the rest of a flight is the waking of its receiver. A slanted figure follows from the steps; the others were read.'],
  ['Quoted, designed, measured', 'Three kinds of figure, never mixed: quoted from textbooks, following from the design, and measured here with a named instrument.'],
])

/** Plain names for a machine's facts. @type {Record<string, string>} */
const FACTS = {
  cpu: 'processor', os: 'operating system', cores_online: 'cores', smt_active: 'two threads a core (SMT)', cache_l1d: 'data cache, level 1', cache_l2: 'cache, level 2',
  cache_l3: 'cache, level 3', memory_bytes: 'memory', virtualised: 'virtualised by',
}

/** @param {string} name @param {unknown} value */
function fact(name, value) {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number') return name.endsWith('bytes') ? bytes(value) : count(value)
  const kib = /^(\d+)K$/.exec(String(value))
  return kib ? bytes(Number(kib[1]) * 1024) : String(value)
}

/** @param {unknown} _place @param {AbortSignal} signal */
export async function method(_place, signal) {
  const { limits, machine } = lab
  const [counted, { findings }] = await Promise.all([countedPanel(signal), api.doctor()])
  const facts = Object.entries(machine).filter(([, value]) => value !== null && typeof value !== 'object')
  const told = new Set()
  const element = h('div', {},
    h('div', { class: 'title' }, h('h1', {}, 'Method'), h('p', { class: 'lead' }, 'What a message costs by textbooks and by counting, how each number is made, and what this machine cannot measure.')),
    counted,
    h('section', { class: 'panel', 'aria-labelledby': 'findings-head' }, h('h2', { id: 'findings-head' }, 'What this machine can measure'),
      h('ul', { class: 'doctor' }, findings.map((finding) =>
        h('li', { class: finding.verdict }, h('span', { class: 'verdict-mark' }, VERDICT[finding.verdict] ?? finding.verdict),
          h('div', {}, h('strong', {}, finding.what), h('p', {}, finding.text), finding.remedy ? h('p', { class: 'faint' }, `What would help: ${finding.remedy}`) : null))))),
    h('section', { class: 'panel', 'aria-labelledby': 'how-head' }, h('h2', { id: 'how-head' }, 'How a number is made'),
      h('dl', { class: 'method' }, HOW.map(([name, text]) => h('div', {}, h('dt', {}, name), h('dd', {}, explained(text, told)))))),
    h('section', { class: 'panel', 'aria-labelledby': 'machine-head' }, h('h2', { id: 'machine-head' }, 'The machine'),
      h('p', {}, machineLine()),
      h('dl', { class: 'facts machine' }, facts.map(([name, value]) => h('div', {}, h('dt', {}, FACTS[name] ?? name.replaceAll('_', ' ')), h('dd', {}, fact(name, value))))),
      h('p', { class: 'faint' }, `Limits of this lab: ${bytes(limits.size_bytes)} a message, ${count(limits.count)} messages a row, ${count(limits.launches)} launches. ipcscope ${lab.version}.`)))
  return { title: 'Method', element }
}

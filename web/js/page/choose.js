// Constraints in, a ranked answer out; each reason cites a row of your own measurements, or says
// that there is none.

import { api, sentence } from '../api.js'
import { button, field, h, marked, named, select, show } from '../dom.js'
import { parseSizes, tied } from '../format.js'
import { explained } from '../glossary.js'
import { href, rename } from '../router.js'
import { accent } from '../store.js'
import { PlanForm } from './plan-form.js'

/** @import { Child } from '../dom.js' */
/** @import { ChoiceAnswer } from '../../types' */
/** @import { Place } from '../router.js' */

/** @param {Place} place */
export async function choose(place) {
  const asked = (/** @type {string} */ name, /** @type {string} */ usual = '') => place.query.get(name) ?? usual
  const answer = h('div', { class: 'answer' })
  const changed = () => void ask()
  const controls = {
    same_host: select([['', 'either'], ['true', 'on this machine'], ['false', 'on another one, too']], asked('same_host'), changed),
    both_ways: select([['', 'either'], ['true', 'both ways'], ['false', 'one way']], asked('both_ways'), changed),
    size_bytes: h('input', { type: 'text', value: asked('size_bytes'), placeholder: '64', size: 8, onchange: changed }),
    rate_per_s: h('input', { type: 'text', inputmode: 'numeric', value: asked('rate_per_s'), placeholder: 'any', size: 8, onchange: changed }),
    isolation: select([['', 'any'], ['none', 'none: one program'], ['crash', 'a crash must stay contained'], ['hostile', 'the peer may be hostile']], asked('isolation'), changed),
    cpu: select([['', 'any'], ['spare', 'a core may be kept busy'], ['shared', 'no spinning']], asked('cpu'), changed),
    idle: select([['', 'either'], ['true', 'mostly idle'], ['false', 'always busy']], asked('idle'), changed),
  }
  const constraints = () => {
    /** @type {Record<string, unknown>} */
    const found = {}
    for (const [name, control] of Object.entries(controls)) {
      const text = control.value.trim()
      if (!text) continue
      if (text === 'true' || text === 'false') found[name] = text === 'true'
      else if (name === 'size_bytes') found[name] = parseSizes(text)?.[0] ?? text
      else if (name === 'rate_per_s') found[name] = /^\d+$/.test(text) ? Number(text) : text
      else found[name] = text
    }
    return found
  }
  let asks = 0
  const ask = async () => {
    const turn = ++asks
    const wanted = constraints()
    rename(href('choose', Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, String(value)]))))
    /** @type {Child} */
    let said
    try {
      said = answered(await api.choose(wanted))
    } catch (error) {
      said = h('p', { class: 'bad', role: 'alert' }, sentence(error))
    }
    // An answer to what is no longer asked is late.
    if (turn === asks) show(answer, said)
  }
  await ask()
  const labels = { same_host: 'The peer is', both_ways: 'Messages go', size_bytes: 'Size of a message', rate_per_s: 'Messages a second', isolation: 'Isolation', cpu: 'CPU', idle: 'Traffic' }
  const element = h('div', {},
    h('div', { class: 'title' }, h('h1', {}, 'Choose'), h('p', { class: 'lead' }, 'Say what you need. The answer rests on your own measurements, and marks what does not.')),
    h('div', { class: 'choosing' },
      h('form', { class: 'panel', 'aria-label': 'Your constraints', onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); changed() } },
        Object.entries(controls).map(([name, control]) => field(explained(labels[/** @type {'cpu'} */ (name)]), control)),
        h('button', { type: 'submit', class: 'primary' }, 'Answer')),
      h('section', { class: 'stack', 'aria-label': 'The answer' }, answer)))
  return { title: 'Choose', element }
}

/** @param {ChoiceAnswer} found */
function answered({ answers, excluded, missing }) {
  const told = new Set()
  return [
    answers.length ? h('ol', { class: 'answers' }, answers.map((one, index) =>
      h('li', { class: 'panel', 'data-accent': accent(one.kind) % 8 },
        h('h2', {}, named(one.title, accent(one.kind)), h('small', {}, ` waiting by ${one.wait}`), index === 0 ? h('span', { class: 'badge' }, 'fits best') : null),
        h('ul', {}, one.reasons.map((reason) => h('li', {}, explained(tied(reason.text), told), ' ',
          reason.basis === 'measured' && reason.run ? h('a', { class: 'basis', href: `#/race?run=${encodeURIComponent(reason.run)}` }, 'measured here') : h('span', { class: 'basis' }, reason.basis === 'measured' ? 'measured here' : 'by design'), marked(reason.marks)))),
        h('p', {}, h('a', { href: href(`m/${encodeURIComponent(one.kind)}`, { wait: one.wait.split(':')[0] }) }, `See ${one.title} at work`)))))
      : h('p', { class: 'panel' }, 'No mechanism fits all of these constraints.'),
    missing ? measure(missing) : null,
    excluded.length ? h('section', { class: 'panel', 'aria-labelledby': 'out-head' }, h('h2', { id: 'out-head' }, 'Ruled out'),
      h('ul', {}, excluded.map((one) => h('li', {}, named(one.title, accent(one.kind)), `: ${one.why}`)))) : null,
  ]
}

/** @param {NonNullable<ChoiceAnswer['missing']>} plan */
function measure(plan) {
  const fault = h('p', { class: 'bad', role: 'alert' })
  return h('section', { class: 'panel', 'aria-labelledby': 'missing-head' },
    h('h2', { id: 'missing-head' }, 'Not measured yet'),
    h('p', {}, 'Some of this is not measured yet. A short race would measure it.'),
    button('Measure what is missing', async () => {
      try {
        await api.race(plan)
        location.hash = PlanForm.address(plan)
      } catch (error) {
        show(fault, sentence(error))
      }
    }, { class: 'primary' }),
    fault)
}

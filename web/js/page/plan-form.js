// The controls of a race: its plan, and the address that holds the same plan.

import { field, h, named, select } from '../dom.js'
import { bytes, count, parseSizes } from '../format.js'
import { explained } from '../glossary.js'
import { href } from '../router.js'
import { accent, lab } from '../store.js'

/** @import { Plan, Workload } from '../../types' */

const WAITS = ['spin', 'block', 'hybrid']
const WORKLOADS = ['ping-pong', 'stream', 'corked', 'paced']
const PLACEMENTS = /** @type {[string, string][]} */ ([['cross-core', 'two cores'], ['same-core', 'same core'], ['unpinned', 'unpinned']])
export const SWEEP = [8, 64, 512, 4096, 32_768, 262_144, 1 << 20]

export class PlanForm {
  /** @param {URLSearchParams} query @param {() => void} submitted */
  constructor(query, submitted) {
    const listed = (/** @type {string} */ name, /** @type {string[]} */ usual) => query.get(name)?.split(',').filter(Boolean) ?? usual
    const number = (/** @type {string} */ name, /** @type {number} */ usual) => Number(query.get(name)) || usual
    const counts = [lab.quick.count, lab.usual.count, lab.usual.count * 10]
    this.count = select(counts.map((n) => [String(n), count(n)]), String(number('count', lab.usual.count)), undefined, { name: 'count' })
    this.sizes = h('input', { type: 'text', name: 'size', value: listed('size', ['64']).join(', '), size: 9, autocomplete: 'off', spellcheck: 'false', oninput: () => this.check() })
    this.placement = select(PLACEMENTS, query.get('placement') ?? 'cross-core', undefined, { name: 'placement' })
    this.launches = h('input', { type: 'number', name: 'launches', min: 1, max: lab.limits.launches, value: String(number('launches', lab.usual.launches)), class: 'short' })
    this.capacity = h('input', { type: 'text', name: 'capacity', value: query.get('capacity') ?? '', size: 6, placeholder: 'usual', autocomplete: 'off', spellcheck: 'false', oninput: () => this.check() })
    this.quick = h('input', { type: 'checkbox', name: 'quick', checked: query.has('quick'), onchange: () => this.hasten() })
    /** What was chosen before the race became a quick one. @type {{ count: string, launches: string }} */
    this.unhurried = { count: this.count.value, launches: this.launches.value }
    this.waits = this.boxes('Waiting', 'wait', WAITS, listed('wait', ['spin', 'block']))
    this.workloads = this.boxes('Workload', 'workload', WORKLOADS, listed('workload', ['ping-pong', 'stream']))
    const kinds = lab.scenes.map((scene) => scene.kind)
    this.kinds = this.boxes('Mechanisms', 'kinds', kinds, listed('kinds', kinds))
    this.start = h('button', { type: 'submit', class: 'primary' }, 'Start the race')
    this.fault = h('p', { class: 'bad fault', role: 'alert' })
    this.element = h('form', { class: 'plan', 'aria-label': 'What to race', onsubmit: (/** @type {SubmitEvent} */ event) => { event.preventDefault(); submitted() } },
      h('div', { class: 'row' },
        field('Messages', this.count), field('Sizes', this.sizes), field(explained('Placement'), this.placement), field(explained('Launches'), this.launches), field(explained('Capacity'), this.capacity), h('label', { class: 'field' }, h('span', {}, explained('Quick')), h('span', { class: 'tick' }, this.quick, ' a first look'))),
      h('div', { class: 'row' }, this.waits, this.workloads),
      h('details', { class: 'kinds' }, h('summary', {}, 'Which mechanisms'), this.kinds))
    this.hasten()
  }

  /** A quick race has its own number of messages and launches. */
  hasten() {
    const quick = this.quick.checked
    if (quick && !this.count.disabled) this.unhurried = { count: this.count.value, launches: this.launches.value }
    const { count, launches } = quick ? lab.quick : this.unhurried
    this.count.value = String(count)
    this.launches.value = String(launches)
    this.count.disabled = this.launches.disabled = quick
  }

  /** @param {string} legend @param {string} name @param {string[]} values @param {string[]} chosen */
  boxes(legend, name, values, chosen) {
    const all = [...values, ...chosen.filter((value) => !values.includes(value) && name === 'wait')]
    return h('fieldset', { class: 'boxes', 'data-name': name }, h('legend', {}, explained(legend)), h('span', {}, all.map((value) => {
      const index = name === 'kinds' ? accent(value) : -1
      return h('label', {}, h('input', { type: 'checkbox', name, value, checked: chosen.includes(value) }),
        index < 0 ? h('span', {}, value) : named(lab.scenes[index].title, index))
    })))
  }

  /** @param {HTMLElement} boxes */
  static ticked(boxes) {
    return [...boxes.querySelectorAll('input')].filter((box) => box.checked).map((box) => box.value)
  }

  /** What a channel may hold: nothing for the usual; `null` when it is no number of bytes. @returns {number | undefined | null} */
  capacityBytes() {
    if (!this.capacity.value.trim()) return undefined
    const sizes = parseSizes(this.capacity.value)
    return sizes?.length === 1 ? sizes[0] : null
  }

  /** Says at once what cannot be a size. */
  check() {
    const sizes = parseSizes(this.sizes.value)
    const limit = lab.limits.size_bytes
    const capacity = this.capacityBytes()
    const fault = capacity === null ? 'A capacity is a number of bytes, such as 64k or 2M; nothing is the usual one.' : !sizes ? 'Sizes are bytes, such as 64, 1k, 1M, in a list with commas.' : sizes.some((size) => size > limit) ? `A message holds at most ${bytes(limit)}.` : ''
    for (const [input, wrong] of /** @type {[HTMLInputElement, boolean][]} */ ([[this.sizes, fault !== '' && capacity !== null], [this.capacity, capacity === null]])) {
      input.setCustomValidity(wrong ? fault : '')
      input.setAttribute('aria-invalid', String(wrong))
    }
    if (this.fault.textContent !== fault) this.fault.textContent = fault
    return fault === '' ? sizes : null
  }

  /** What is asked for; `null` when it cannot be. @returns {Partial<Plan> | null} */
  plan() {
    const sizes = this.check()
    const [waits, workloads, kinds] = [this.waits, this.workloads, this.kinds].map((boxes) => PlanForm.ticked(boxes))
    if (!sizes) return null
    for (const [name, chosen] of Object.entries({ 'way of waiting': waits, workload: workloads, mechanism: kinds })) {
      if (!chosen.length) {
        this.fault.textContent = `Choose at least one ${name}.`
        return null
      }
    }
    const quick = this.quick.checked
    return { kinds, workloads: /** @type {Workload[]} */ (workloads), sizes, waits, placement: this.placement.value, capacity_bytes: this.capacityBytes() ?? undefined, ...(quick ? { quick } : { count: Number(this.count.value), launches: Number(this.launches.value) || 1 }) }
  }

  /** The address of this page with this plan. @param {Partial<Plan>} plan */
  static address(plan) {
    return href('race', {
      count: plan.count, size: plan.sizes?.join(','), placement: plan.placement, wait: plan.waits?.join(','),
      workload: plan.workloads?.join(','), launches: plan.launches, capacity: plan.capacity_bytes, quick: plan.quick ? 1 : undefined,
      kinds: plan.kinds && plan.kinds.length < lab.scenes.length ? plan.kinds.join(',') : undefined,
    })
  }
}

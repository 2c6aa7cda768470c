// The steps of one message, as the scene foretells them; the one that happens now is marked.

import { h } from '../dom.js'

/** @import { Act, Scene } from '../../types' */
/** @import { Moment } from './way.js' */

const WHEN = /** @type {const} */ ({
  always: '',
  'receiver-first': 'if the receiver came first',
  'receiver-asleep': 'if the receiver sleeps',
  full: 'if there is no room',
})

/** @param {Act} act */
const actText = (act) => (act.is === 'syscall' ? `${act.name ?? 'syscall'}()` : act.is)

export class Steps {
  /** @param {Scene} scene */
  constructor(scene) {
    /** @type {Map<string, HTMLElement>} */
    this.items = new Map()
    const items = scene.steps.map((step) => {
      const item = h('li', { class: step.actor },
        h('span', { class: 'who' }, step.actor),
        h('code', {}, actText(step.act)),
        h('span', {}, step.text, WHEN[step.when] ? h('small', {}, ` ${WHEN[step.when]}`) : null))
      this.items.set(step.id, item)
      return item
    })
    this.element = h('section', { class: 'panel', 'aria-labelledby': 'steps-head' },
      h('h2', { id: 'steps-head' }, 'One message, step by step'),
      h('ol', { class: 'steps' }, items),
      h('p', { class: 'faint' }, 'Sending and receiving are stamped by the processes themselves. Steps between two stamps are spread evenly, unless a probe saw them.'))
    /** @type {Set<HTMLElement>} */
    this.marked = new Set()
  }

  /** @param {{ moment: Moment }[]} current */
  at(current) {
    const now = new Set(current.flatMap(({ moment }) => this.items.get(moment.step.id) ?? []))
    for (const item of this.marked) if (!now.has(item)) item.classList.remove('now')
    for (const item of now) item.classList.add('now')
    this.marked = now
  }
}

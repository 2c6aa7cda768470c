// The steps of one message, as the scene foretells them; the one that happens now is marked.

import { h, say, show } from '../dom.js'
import { count, duration } from '../format.js'
import { term } from '../vocabulary.js'
import { ACTS, onStage } from './terms.js'
import { isWaking } from './way.js'
import { reversed } from './words.js'

/** @import { Act, Scene } from '../../types' */
/** @import { Message, Moment } from './way.js' */

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
    /** How long the waking took, beside the step that wakes. @type {Map<string, HTMLElement>} */
    this.took = new Map()
    /** Whether the words are those of a message that goes back. */
    this.back = false
    /** Every text, as it is and as it is of a message that goes back. @type {[HTMLElement, string][]} */
    this.texts = []
    const text = (/** @type {'span' | 'small'} */ tag, /** @type {string} */ words, name = '') => {
      const element = h(tag, name ? { class: name } : {})
      this.texts.push([element, words])
      return element
    }
    const acts = new Set()
    const act = (/** @type {Act} */ act) => {
      const known = acts.has(act.is)
      acts.add(act.is)
      return known ? actText(act) : term(actText(act), ACTS[act.is])
    }
    const items = scene.steps.map((step) => {
      const item = h('li', { class: step.actor },
        h('code', {}, act(step.act)), text('span', step.actor, 'who'), ' ', text('span', step.text),
        WHEN[step.when] ? [' ', text('small', WHEN[step.when])] : null)
      if (isWaking(step)) {
        const took = h('small', { class: 'took nums' })
        item.append(' ', took)
        this.took.set(step.id, took)
      }
      this.items.set(step.id, item)
      return item
    })
    this.list = h('ol', { class: 'steps', tabindex: 0, 'aria-labelledby': 'steps-head' }, items)
    this.element = h('section', { class: 'panel foretold', 'aria-labelledby': 'steps-head' },
      h('h2', { id: 'steps-head', title: 'Sending and receiving are stamped by the processes themselves. Steps between two stamps take what a call takes that need not wait, unless a probe saw them.' }, 'One message, step by step'),
      this.list)
    this.write()
    /** @type {Set<HTMLElement>} */
    this.marked = new Set()
    /** The one that is kept in sight. @type {HTMLElement | undefined} */
    this.first = undefined
  }

  /** Nothing is said of the messages of a recording that is no longer shown. */
  clear() {
    this.at([])
  }

  /** @param {{ message: Message, moment: Moment }[]} current @param {Message} [woken] the last one before whose receiver had to be woken */
  at(current, woken) {
    if (current.length) this.turn(current[0].message.back)
    const wakes = woken?.way?.wakes
    for (const [id, took] of this.took) {
      const here = woken && wakes && woken.way?.moments.some(({ step }) => step.id === id)
      say(took, here ? `#${count(woken.id)}: ${duration(wakes.to - wakes.from)} of its ${duration(woken.recvEnd - woken.sendBegin)}` : '')
    }
    const now = new Set(current.flatMap(({ moment }) => this.items.get(moment.step.id) ?? []))
    for (const item of this.marked) if (!now.has(item)) item.classList.remove('now')
    for (const item of now) if (!this.marked.has(item)) item.classList.add('now')
    const [first] = now
    if (first && first !== this.first) this.bring(first)
    this.first = first
    this.marked = now
  }

  /** @param {boolean} back */
  turn(back) {
    if (back === this.back) return
    this.back = back
    this.write()
  }

  write() {
    const told = new Set()
    for (const [element, words] of this.texts) show(element, onStage(this.back ? reversed(words) : words, told))
  }

  /** A step is kept in sight, within the list. @param {HTMLElement} item */
  bring(item) {
    const { list } = this
    if (list.scrollHeight <= list.clientHeight || list.matches(':hover')) return
    const [above, below] = [item.offsetTop, item.offsetTop + item.offsetHeight]
    if (above < list.scrollTop) list.scrollTop = above
    else if (below > list.scrollTop + list.clientHeight) list.scrollTop = below - list.clientHeight
  }
}

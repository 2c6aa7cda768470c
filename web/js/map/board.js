// The map as a drawing: boxes at the places that they keep, links under them.

import { button, h, mark, s, say } from '../dom.js'
import { bytes, plural } from '../format.js'
import { Keyed } from './keyed.js'
import { look } from './look.js'
import { ordered, Places } from './places.js'
import { routes } from './routes.js'

/** @import { Model } from './model.js' */
/** @import { Block } from './places.js' */
/** @import { Rect, Route } from './routes.js' */
/** @import { Box, Link, Sight } from './sight.js' */

/** The height of a row of the grid, and of a box, in px. */
const ROW = 20
const HIGH = 40
/** The width of a column, at least. */
const COLUMN = 196
/** Links that have their numbers written on them, at the most. */
const NUMBERED = 200

/** @typedef {{ box: Box, rect: Rect, inside: number, facts: string }} Placed */
/** @typedef {{ link: Link, route: Route }} Drawn */
/** @typedef {{ box: (box: Box) => void, link: (link: Link) => void, close: (group: string) => void, none: () => void }} Acts */

export class Board {
  /** @param {Model} model @param {Acts} acts */
  constructor(model, acts) {
    this.model = model
    this.acts = acts
    this.links = s('svg', { class: 'links', 'aria-hidden': true })
    this.numbers = s('svg', { class: 'links numbers', 'aria-hidden': true })
    this.blocks = h('div', {})
    this.boxes = h('div', {})
    this.element = h('div', { class: 'board', role: 'group', 'aria-label': 'Programs: arrow keys go from box to box, Enter opens one, Escape lets go' }, this.blocks, this.links, this.boxes, this.numbers)
    /** @type {Places | null} */
    this.places = null
    /** @type {Sight | null} */
    this.sight = null
    /** @type {Map<string, Rect>} */
    this.rects = new Map()
    /** @type {Set<string> | null} the boxes and links that are not dimmed */
    this.near = null
    this.kept = {
      blocks: new Keyed(this.blocks, keyOf, () => h('div', { class: 'block' }), (block) => JSON.stringify([block.x, block.y, block.w, block.h, this.width, this.titleOf(block)]), (element, block) => this.fillBlock(element, block)),
      boxes: new Keyed(this.boxes, (/** @type {Placed} */ { box }) => box.id, (placed) => this.makeBox(placed), ({ box, rect, inside, facts }) => JSON.stringify([box.title, box.processes.length, rect, inside, facts, this.joins?.get(box.id)]), (element, placed) => this.fillBox(element, placed)),
      links: new Keyed(this.links, (/** @type {Drawn} */ { link }) => link.id, ({ link }) => this.makeLink(link), ({ route }) => route.d + route.heads.join(''), fillLink),
      numbers: new Keyed(this.numbers, (/** @type {Drawn} */ { link }) => link.id, ({ link }) => s('g', { ...this.lookOf(link), 'data-link': link.id }), ({ link, route }) => `${route.middle} ${link.edges.length} ${link.queued} ${link.full}`, fillNumbers),
    }
    this.element.addEventListener('keydown', (event) => this.press(event))
    this.element.addEventListener('click', ({ target }) => {
      if (target === this.element || target === this.links) this.acts.none()
    })
    new ResizeObserver(() => {
      if (this.sight && this.element.isConnected && this.element.clientWidth !== this.width) this.draw(this.sight, true)
    }).observe(this.element)
  }

  /** @param {Sight} sight @param {boolean} anew whether boxes may go elsewhere */
  draw(sight, anew) {
    this.sight = sight
    this.width = this.element.clientWidth
    if (!this.width) return
    const columns = Math.max(1, Math.floor((this.width + 8) / COLUMN))
    if (anew || !this.places || this.places.columns !== columns) this.places = new Places(columns)
    const { places } = this
    const wide = this.width / columns
    const gap = Math.min(64, Math.max(40, wide * 0.27))
    places.update(ordered(sight.groups, sight.links))
    this.rects = new Map([...places.places()].map(({ box, x, y }) => [box, { x: Math.round(x * wide + gap * 0.2), y: y * ROW, w: Math.round(wide - gap), h: HIGH }]))
    const high = (places.rows + 1) * ROW
    for (const svg of [this.links, this.numbers]) {
      mark(svg, 'width', String(this.width))
      mark(svg, 'height', String(high))
    }
    this.element.style.height = `${high}px`
    /** @type {Map<string, number>} how many edges lead from each box */
    this.joins = new Map()
    for (const { a, b, edges } of sight.links) for (const box of [a, b]) this.joins.set(box, (this.joins.get(box) ?? 0) + edges.length)
    this.kept.blocks.show(places.blocks)
    this.kept.boxes.show([...this.rects].flatMap(([id, rect]) => {
      const box = sight.boxes.get(id)
      return box ? [{ box, rect, inside: sight.within.get(id) ?? 0, facts: this.facts(box) }] : []
    }))
    const ways = routes(sight.links, this.rects, gap)
    const drawn = sight.links.flatMap((link) => {
      const route = ways.get(link.id)
      return route ? [{ link, route }] : []
    })
    this.kept.links.show(drawn)
    this.kept.numbers.show(drawn.filter(({ link }) => link.edges.length > 1 || link.queued > 0).slice(0, NUMBERED))
    this.rove()
    this.highlight(this.near)
  }

  /** @param {Link} link */
  lookOf({ kind }) {
    const { accent, quiet } = look(this.model.kinds, kind)
    return { 'data-accent': accent, 'data-quiet': quiet }
  }

  /** @param {Block} block */
  titleOf(block) {
    const group = this.sight?.groups.find(({ key }) => key === block.group)
    const several = Boolean(group?.open && group.boxes.reduce((sum, { processes }) => sum + processes.length, 0) > 1)
    return { title: group?.title ?? '', several }
  }

  /** @param {HTMLElement} element @param {Block} block */
  fillBlock(element, block) {
    const { title, several } = this.titleOf(block)
    const wide = (this.width ?? 0) / (this.places?.columns ?? 1)
    const gap = Math.min(64, Math.max(40, wide * 0.27))
    Object.assign(element.style, { left: `${Math.round(block.x * wide)}px`, top: `${block.y * ROW}px`, width: `${Math.round(block.w * wide - gap * 0.6)}px`, height: `${(block.h - 0.35) * ROW}px` })
    // One box says itself what it is.
    element.classList.toggle('bare', !several)
    element.replaceChildren(...(several ? [h('span', { class: 'of', title }, title), button('–', () => this.acts.close(block.group), { class: 'close', 'aria-label': `Close ${title}`, title: 'One box for all of them' })] : []))
  }

  /** @param {Box} box */
  facts({ is, processes }) {
    const first = this.model.processes.get(processes[0])
    if (is !== 'process') return is === 'group' ? names(processes.map((id) => this.model.processes.get(id)?.name ?? '')) : ''
    const state = first?.state ?? ''
    return [`pid ${first?.pid ?? '–'}`, ['stopped', 'traced', 'zombie', 'uninterruptible'].includes(state) ? state : ''].filter(Boolean).join(', ')
  }

  /** @param {Placed} placed */
  makeBox({ box }) {
    // No button: on paper those are left out.
    const element = h('div', { class: `box of-${box.is}`, role: 'button', tabindex: -1, 'data-box': box.id, onclick: () => {
      const now = this.sight?.boxes.get(box.id)
      if (now) this.acts.box(now)
    } }, h('span', { class: 'name' }), ' ', h('span', { class: 'sub' }))
    return element
  }

  /** @param {HTMLElement} element @param {Placed} placed */
  fillBox(element, { box, rect, inside, facts }) {
    Object.assign(element.style, { left: `${rect.x}px`, top: `${rect.y}px`, width: `${rect.w}px`, height: `${rect.h}px` })
    const [name, sub] = element.children
    say(name, box.is === 'stack' ? `${box.title} ×${box.processes.length}` : box.title)
    const count = box.is === 'process' ? '' : plural(box.processes.length, 'process')
    say(sub, [count, facts, inside ? `${inside} within` : ''].filter(Boolean).join(', '))
    const joins = this.joins?.get(box.id) ?? 0
    element.setAttribute('aria-description', `${plural(joins, 'edge')}${box.is === 'process' ? '' : '; press to open it'}`)
    element.title = box.is === 'process' ? (this.model.processes.get(box.processes[0])?.command ?? '') : 'Open it'
  }

  /** @param {Link} link */
  makeLink(link) {
    const { dash } = look(this.model.kinds, link.kind)
    const pressed = () => {
      const now = this.sight?.links.find(({ id }) => id === link.id)
      if (now) this.acts.link(now)
    }
    return s('g', { class: 'link', ...this.lookOf(link), 'data-link': link.id, onclick: pressed },
      s('path', { class: 'hit' }), s('path', { class: 'line', 'stroke-dasharray': dash }), s('path', { class: 'heads' }))
  }

  /** Dims all but these boxes and links. @param {Set<string> | null} near */
  highlight(near) {
    this.near = near
    this.element.classList.toggle('chosen', near !== null)
    for (const [kept, key] of /** @type {const} */ ([[this.kept.boxes, 'box'], [this.kept.links, 'link'], [this.kept.numbers, 'link']])) {
      for (const [id, { element }] of kept.all) element.classList.toggle('near', near?.has(`${key} ${id}`) ?? false)
    }
  }

  /** Says which boxes are chosen. @param {(box: Box) => boolean} is */
  choose(is) {
    for (const [id, { element }] of this.kept.boxes.all) {
      const box = this.sight?.boxes.get(id)
      if (box?.is === 'process') mark(element, 'aria-pressed', String(is(box)))
    }
  }

  /** One box can be reached by Tab. */
  rove() {
    const all = [...this.kept.boxes.all.values()].map(({ element }) => element)
    if (!all.some((element) => element.getAttribute('tabindex') === '0')) all[0]?.setAttribute('tabindex', '0')
  }

  /** @param {string} id */
  focus(id) {
    const element = /** @type {HTMLElement | undefined} */ (this.kept.boxes.get(id))
    if (!element) return
    for (const other of this.boxes.querySelectorAll('[tabindex="0"]')) other.setAttribute('tabindex', '-1')
    element.setAttribute('tabindex', '0')
    element.focus()
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const from = event.target instanceof HTMLElement ? event.target.dataset.box : undefined
    if (event.key === 'Escape') this.acts.none()
    if (from && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault()
      if (event.target instanceof HTMLElement) event.target.click()
    }
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    const here = from && this.rects.get(from)
    if (!way || !here || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const [dx, dy] = way
    let best = { id: '', far: Infinity }
    for (const [id, { x, y }] of this.rects) {
      const [along, aside] = dx ? [(x - here.x) * dx, Math.abs(y - here.y)] : [(y - here.y) * dy, Math.abs(x - here.x)]
      const far = along + 3 * aside
      if (along > 4 && far < best.far) best = { id, far }
    }
    if (best.id) this.focus(best.id)
  }

  /** @param {string} group */
  bring(group) {
    const block = this.places?.blocks.find((one) => one.group === group)
    const element = block && this.kept.blocks.get(keyOf(block))
    element?.scrollIntoView({ block: 'nearest' })
  }
}

/** A block has its place to itself. @param {Block} block */
const keyOf = ({ group, x, y }) => `${group} ${x} ${y}`

/** The most frequent names, a few of them. @param {string[]} all */
function names(all) {
  const counts = new Map()
  for (const name of all) counts.set(name, (counts.get(name) ?? 0) + 1)
  const sorted = [...counts].sort((a, b) => b[1] - a[1])
  return sorted.slice(0, 2).map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(', ') + (sorted.length > 2 ? ' …' : '')
}

/** @param {Element} element @param {Drawn} drawn */
function fillLink(element, { route }) {
  const [hit, line, heads] = element.children
  hit.setAttribute('d', route.d)
  line.setAttribute('d', route.d)
  heads.setAttribute('d', route.heads.join(''))
}

/** How many there are, and how much waits: a bar where it is known how much there is room for. @param {Element} element @param {Drawn} drawn */
function fillNumbers(element, { link, route }) {
  const text = [link.edges.length > 1 ? `×${link.edges.length}` : '', link.queued ? bytes(link.queued) : ''].filter(Boolean).join(' ')
  const width = Math.max(24, text.length * 6.4 + 6)
  const [x, y] = route.middle
  element.setAttribute('transform', `translate(${(x - width / 2).toFixed(1)} ${(y - 8).toFixed(1)})`)
  element.replaceChildren(
    s('rect', { class: 'ground', width, height: link.full === null ? 14 : 18, rx: 2 }),
    s('text', { x: width / 2, y: 11, 'text-anchor': 'middle' }, text),
    ...(link.full === null ? [] : [s('rect', { class: 'room', x: 3, y: 13, width: width - 6, height: 4 }), s('rect', { class: 'filled', x: 3, y: 13, width: Math.max(1, (width - 6) * link.full), height: 4 })]))
}

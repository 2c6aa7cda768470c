// Draws a stage as SVG, and changes what changes on it: facts of processes, gauges, the messages on their way.

import { s, say, show } from '../dom.js'
import { value as valueText } from '../format.js'
import { Holds, mark } from './holds.js'
import { along, CHAR, factLines, layout, nameOf, route, TOKENS } from './layout.js'
import { onDrawing } from './terms.js'

/** @import { Scene, Value } from '../../types' */
/** @import { Box, Layout, Point, Rect } from './layout.js' */

/** How wide a message's number is drawn. @param {string} label */
const tokenWidth = (label) => Math.max(22, 10 + 7 * label.length)

/** What is said of a process: its pid, its parent, its core, its state, and where it is. @typedef {[string, string, string, string, string]} Facts */

/** How a figure came about: see `Player.age`. @typedef {'read' | 'derived' | 'older'} Age */

let stages = 0

/** @param {SVGRectElement} bar @param {Rect} place @param {number} from @param {number} to shares of the place */
function stretch(bar, place, from, to) {
  bar.setAttribute('x', (place.x + place.w * from).toFixed(1))
  bar.setAttribute('width', (place.w * Math.max(0, to - from)).toFixed(1))
}

/** @param {string} text @param {number} chars */
const cut = (text, chars) => (text.length > chars ? `${text.slice(0, Math.max(1, chars - 1))}…` : text)

/** Says as much as there is room for; the rest can be read by pointing at it. @param {SVGElement} node @param {string} text @param {number} chars */
function fit(node, text, chars) {
  const shown = cut(text, chars)
  if (node.firstChild?.textContent === shown) return
  node.replaceChildren(shown)
  if (shown !== text) node.append(s('title', {}, text))
}

/**
 * A part as it is drawn. `filled` are the bytes in it, one for each slot, or one for the whole track.
 * @typedef {object} Drawn
 * @property {SVGGElement} box
 * @property {SVGTextElement[]} facts
 * @property {Map<string, SVGTSpanElement>} gauges
 * @property {Map<string, SVGTitleElement>} ages what is said of each figure's age
 * @property {SVGTextElement | null} content
 * @property {SVGRectElement[]} filled
 * @property {SVGTextElement} sleeper
 * @property {SVGTextElement | null} note
 */

export class Stage {
  /**
   * @param {Scene} scene @param {HTMLElement} into @param {number} accent the scene's place in the list of scenes
   */
  constructor(scene, into, accent) {
    this.scene = scene
    this.into = into
    this.id = `stage-${stages++}`
    /** Everything that can be read of each part: the drawing shows what moves. */
    this.holds = new Holds(scene)
    this.svg = s('svg', { class: 'stage', role: 'group', 'aria-label': `The stage: ${scene.title}`, 'data-accent': accent % 8 })
    into.append(this.svg)
    /** @type {() => void} */
    this.redrawn = () => {}
    this.width = 0
    this.observer = new ResizeObserver(() => this.lay())
    this.observer.observe(into)
  }

  /** Another stage stands here. @param {Scene} scene */
  change(scene) {
    this.scene = scene
    const holds = new Holds(scene)
    this.holds.element.replaceWith(holds.element)
    this.holds = holds
    this.width = 0
    this.lay()
  }

  /** Draws everything anew when there is another width to draw it for. */
  lay() {
    const width = Math.max(264, Math.floor(this.into.clientWidth))
    if (width === this.width || !this.into.isConnected) return
    this.width = width
    this.at = layout(this.scene, width)
    this.build(this.at)
    this.redrawn()
  }

  /** @param {Layout} at */
  build(at) {
    /** @type {Map<string, Drawn>} */
    this.parts = new Map()
    const hatch = `${this.id}-hatch`
    const ground = [
      s('defs', {}, s('pattern', { id: hatch, width: 8, height: 8, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
        s('line', { x1: 0, y1: 0, x2: 0, y2: 8, class: 'hatch' }))),
      s('rect', { class: 'kernel', x: 0, y: at.line, width: at.width, height: at.height - at.line }),
      s('rect', { x: 0, y: at.line, width: at.width, height: at.height - at.line, fill: `url(#${hatch})` }),
      s('line', { class: 'border', x1: 0, y1: at.line, x2: at.width, y2: at.line }),
      s('text', { class: 'space', x: at.narrow ? 6 : 16, y: at.narrow ? 14 : 18 }, onDrawing('user space')),
      s('text', { class: 'space', x: at.narrow ? 6 : 16, y: at.height - 6 }, onDrawing('kernel')),
    ]
    this.ways = s('g', { 'aria-hidden': true })
    this.calls = s('g', { 'aria-hidden': true })
    this.pulse = s('g', { 'aria-hidden': true })
    this.ways.append(...this.guides(at))
    this.tokens = Array.from({ length: TOKENS }, () => {
      const text = s('text', { y: 4 })
      const pill = s('rect', { y: -9, height: 18, rx: 9 })
      return { token: s('g', { class: 'token', display: 'none' }, pill, text), pill, text }
    })
    this.more = s('text', { class: 'space', x: at.width - 12, y: at.narrow ? 14 : 18, 'text-anchor': 'end' })
    this.read = s('text', { class: 'space', x: at.width - 12, y: at.height - 6, 'text-anchor': 'end' })
    this.svg.replaceChildren(
      ...ground,
      this.ways,
      this.calls,
      ...[...at.boxes.values()].map((box) => this.box(box)),
      this.pulse,
      s('g', { 'aria-hidden': true }, ...this.tokens.map(({ token }) => token)),
      this.more,
      this.read,
    )
    this.svg.setAttribute('width', String(at.width))
    this.svg.setAttribute('height', String(at.height))
    this.svg.setAttribute('viewBox', `0 0 ${at.width} ${at.height}`)
  }

  /** The ways that messages take, faintly. @param {Layout} at */
  guides(at) {
    const seen = new Set()
    /** @type {SVGPathElement[]} */
    const drawn = []
    let here = 'sender'
    const go = (/** @type {string} */ to) => {
      const name = `${here} ${to}`
      if (to !== here && !seen.has(name)) drawn.push(s('path', { class: 'guide', d: path(route(at, here, to)) }))
      seen.add(name)
      here = to
    }
    for (const step of this.scene.steps) {
      if (here === 'receiver' || step.when !== 'always') continue
      if (step.to === null && !['store', 'load', 'copy'].includes(step.act.is)) continue
      go(step.at)
      if (step.to !== null) go(step.to)
    }
    if (here !== 'receiver') go('receiver')
    return drawn
  }

  /** @param {Box} box */
  box(box) {
    const { part, x, y, w, h, track, note } = box
    const process = part.form.is === 'process'
    const text = (/** @type {Point} */ at, /** @type {string} */ name, /** @type {string} */ words) => s('text', { x: at.x, y: at.y, class: name }, process ? words : onDrawing(words))
    const facts = process ? factLines(box).map((at) => text(at, 'fact', '')) : []
    const content = box.content && text(box.content, 'content', '')
    const places = box.slots.length ? box.slots : track ? [track] : []
    const slots = places.map((slot) => s('rect', { class: box.slots.length ? 'slot' : 'track', x: slot.x, y: slot.y, width: slot.w, height: slot.h }))
    const filled = places.map((slot) => s('rect', { class: 'filled', x: slot.x, y: slot.y, width: 0, height: slot.h }))
    const sleeper = s('text', { class: 'sleeper', x: box.sleeper.x, y: box.sleeper.y, 'text-anchor': box.sleeper.end ? 'end' : 'start' })
    /** @type {Map<string, SVGTSpanElement>} */
    const gauges = new Map()
    /** @type {Map<string, SVGTitleElement>} */
    const ages = new Map()
    const gaugeTexts = box.gauges.map(({ gauge, label, x, y }) => {
      const shown = s('tspan', { class: 'value' }, '–')
      const age = s('title', {}, '')
      gauges.set(gauge.field, shown)
      ages.set(gauge.field, age)
      return s('text', { x, y, class: 'gauge', 'data-gauge': gauge.field }, onDrawing(label), ' ', shown)
    })
    const rest = note && text(note, 'note', note.text)
    const group = s('g', { class: `part form-${part.form.is}`, 'data-part': part.id },
      note || !nameOf(part.label)[1] ? '' : s('title', {}, part.label),
      s('rect', { class: 'frame', x, y, width: w, height: h, rx: part.form.is === 'name' ? 14 : 3 }),
      ...box.label.map((line) => text(line, process ? 'name' : 'label', line.text)),
      rest ?? '',
      ...facts, ...gaugeTexts, ...slots, ...filled, content ?? '', sleeper)
    this.parts?.set(part.id, { box: group, facts, gauges, ages, content, filled, sleeper, note: rest })
    return group
  }

  /** @param {string} id @param {Facts} facts @param {string} state */
  process(id, facts, state) {
    const [pid, parent, core, doing, where] = facts
    this.holds.process(id, [pid, parent, core].filter(Boolean).join(', '))
    const part = this.parts?.get(id)
    const box = this.at?.boxes.get(id)
    if (!part || !box) return
    const chars = Math.floor((box.w - 20) / CHAR)
    const lines = [[pid, core].filter(Boolean).join(' · '), doing, where]
    part.facts.forEach((node, index) => fit(node, lines[index], chars))
    if (part.box.dataset.state !== state) part.box.dataset.state = state
  }

  /** @param {string} field @param {Value | undefined} value @param {Age} [age] @param {string} [words] its age in words */
  gauge(field, value, age = 'read', words = '') {
    this.holds.gauge(field, value, age, words)
    for (const [id, part] of this.parts ?? []) {
      const node = part.gauges.get(field)
      if (!node) continue
      mark(node, age)
      const said = part.ages.get(field)
      if (said) say(said, words)
      if (said && words && !said.isConnected) node.before(said)
      else if (said && !words) said.remove()
      const shown = this.at?.boxes.get(id)?.gauges.find((one) => one.gauge.field === field)
      if (shown) fit(node, value === undefined ? '–' : valueText(value, shown.gauge.unit), shown.chars)
    }
  }

  /** How full a part's track is, from 0 to 1: its slots are filled one after the other, each by its bytes. @param {string} id @param {number} share */
  fill(id, share) {
    const places = this.places(id)
    this.parts?.get(id)?.filled.forEach((bar, index) => stretch(bar, places[index], 0, Math.min(1, Math.max(0, share * places.length - index))))
  }

  /** Which processes sleep in a part's queue. @param {string} id @param {string[]} actors */
  sleeper(id, actors) {
    const part = this.parts?.get(id)
    const box = this.at?.boxes.get(id)
    if (!part || !box) return
    const words = actors.length ? `☾ ${actors.join(', ')}` : ''
    // As much as there is room for, and where there is none nothing: the process says it, too.
    say(part.sleeper, words && ([`${words} sleeps here`, words, '☾'].find(({ length }) => length <= box.sleeper.chars) ?? ''))
    // Its words stand where the rest of the label does, so that the track has all its room.
    if (part.note && box.sleeper.notes) part.note.setAttribute('display', words ? 'none' : 'inline')
  }

  /** Where a part's bytes are drawn. @param {string} id */
  places(id) {
    const box = this.at?.boxes.get(id)
    return !box ? [] : box.slots.length ? box.slots : box.track ? [box.track] : []
  }

  /** The text of the message that lies at a part. @param {string} id @param {string} words */
  content(id, words) {
    const part = this.parts?.get(id)
    const box = this.at?.boxes.get(id)
    if (part?.content && box) say(part.content, cut(words, Math.floor((box.w / 2 - 36) / CHAR)))
  }

  /**
   * Puts a message on the stage, unless its place is full of resting messages.
   * @param {number} index of the token
   * @param {string} from @param {string} to @param {number} share of the way
   * @param {string} label @param {boolean} back
   * @param {number} before how many others rest here already
   * @returns {boolean} whether there was room
   */
  token(index, from, to, share, label, back, before) {
    if (!this.at || !this.tokens) return true
    const { token, pill, text } = this.tokens[index]
    const points = route(this.at, from, to)
    if (!points.length) return true
    const at = along(points, share)
    const box = this.at.boxes.get(from)
    const width = tokenWidth(label)
    const shift = box ? before * (width + 4) : 0
    const room = !box || !shift || at.x + shift + width / 2 + 4 <= box.x + box.w
    if (!room) token.setAttribute('display', 'none')
    if (!room) return false
    if (pill.getAttribute('width') !== String(width)) {
      pill.setAttribute('width', String(width))
      pill.setAttribute('x', String(-width / 2))
    }
    token.setAttribute('transform', `translate(${(at.x + shift).toFixed(1)} ${at.y.toFixed(1)})`)
    token.removeAttribute('display')
    token.classList.toggle('back', back)
    say(text, label)
    return true
  }

  /** Says when the figures on the stage were read. @param {string} said @param {string} more where there is room */
  readAt(said, more) {
    const text = [said, this.at?.narrow ? '' : more].filter(Boolean).join('; ')
    if (this.read && this.read.textContent !== text) show(this.read, onDrawing(text))
  }

  /** Says how many messages are on their way and not drawn. @param {number} count */
  waiting(count) {
    if (this.more) say(this.more, count ? `and ${count} more on their way` : '')
  }

  /** Takes the tokens from `index` on off the stage. @param {number} index */
  clear(index) {
    for (const { token } of this.tokens?.slice(index) ?? []) token.setAttribute('display', 'none')
  }

  /**
   * Lights up what happens now.
   * @param {{ part: string, actor: string | null, foretold: boolean }[]} now
   */
  light(now) {
    const key = now.map((one) => `${one.part} ${one.actor} ${one.foretold}`).join()
    if (!this.at || !this.pulse || !this.calls || this.pulse.dataset.key === key) return
    this.pulse.dataset.key = key
    this.pulse.replaceChildren()
    this.calls.replaceChildren()
    for (const { part, actor, foretold } of now) {
      const box = this.at.boxes.get(part)
      if (!box) continue
      const name = foretold ? 'now' : 'now unforetold'
      this.pulse.append(s('rect', { class: name, x: box.x - 3, y: box.y - 3, width: box.w + 6, height: box.h + 6, rx: 5 }))
      if (actor && actor !== part) this.calls.append(s('path', { class: name, d: path(route(this.at, actor, part)) }))
    }
  }

  remove() {
    this.observer.disconnect()
    this.svg.remove()
  }
}

/** @param {Point[]} points */
const path = (points) => points.map(({ x, y }, index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('')

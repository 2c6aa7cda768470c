// The journey of one message as probes saw it: time runs down, in four lanes side by side, the sender's program, its kernel,
// the receiver's kernel and its program. Every function stands where it was seen, on one scale; a wait that would
// leave no room for the rest is one hatched band that says how long it was. A line leads from the copy that writes a byte to the copy that reads it there.

import { h, s, show } from '../dom.js'
import { asSentence, bytes, clock, duration, plural } from '../format.js'
import { spread, ticks } from '../scale.js'
import { callsOf, copiesOf, spaceOf } from './seen.js'

/** @import { Event, Scene } from '../../types' */
/** @import { Recording } from './recording.js' */
/** @import { Copied } from './seen.js' */
/** @import { Span } from './warp.js' */

/**
 * A block: what stands in a lane from one moment to another.
 * @typedef {{ lane: number, from: number, to: number, form: 'call' | 'sleep' | 'seen', label: string, below: string, told: Event[] }} Block
 */
/** A line from a moment in one lane to a moment in another. @typedef {{ from: Block, at: number, to: Block, until: number, form: 'byte' | 'wake', text: string }} Join */
/** @typedef {{ blocks: Block[], joins: Join[], from: number, to: number, zero: number, bands: Span[] }} Journeyed */

const LANES = /** @type {const} */ ([['sender', 'user'], ['sender', 'kernel'], ['receiver', 'kernel'], ['receiver', 'user']])
/** A wait becomes a band when it takes this share of what is not yet one: before the message sets off, and after that. */
const EARLY = 0.1
const SHARE = 0.5
/** How high a band is. */
const BAND = 46
/** How high a label of one line is, and what is left free below one. */
const LINE = 18
const FREE = 3
const TOP = 44
const BOTTOM = 26
/** The room of the times. */
const LEFT = 56
/** The drawing grows until no label is farther from its block than this, beside the lanes and in them, or it is this high. */
const BESIDE = 60
const NEAR = 14
const HIGH = 860
/** Below this width the lanes are this wide, and the labels stand beside them. */
const NARROW = 560
const SLIM = 28
/** The width on paper: A4 without its margins and the panel's. */
const PAPER = 664

/** What a process does that leaves no copy. @type {Record<string, string>} */
const WORDS = { wake: 'wakes', packet: 'packet', fault: 'fault' }
const PROGRAM = 'the program'

/** Whether probes saw anything of this recording. @param {Recording} recording */
const isXray = ({ mode, events }) => mode !== 'watched' && events.some((event) => event.what === 'syscall' || event.what === 'copy')

/** The lane of an event: what no side did stands in the kernel that it was done to. @param {string | undefined} side @param {string} space */
const laneOf = (side, space) => (side === 'sender' ? (space === 'user' ? 0 : 1) : space === 'user' && side === 'receiver' ? 3 : 2)

/** What a recording holds of one message, as blocks and lines. @param {Event[]} events @returns {Journeyed} */
export function journey(events) {
  const own = events.filter((event) => event.message !== undefined)
  const end = own[own.length - 1]?.t_ns ?? 0
  /** @type {Block[]} */
  const blocks = []
  /** @type {Join[]} */
  const joins = []
  const put = (/** @type {number} */ lane, /** @type {Block['form']} */ form, /** @type {number} */ from, /** @type {number} */ to, /** @type {string} */ label, /** @type {Event[]} */ told, below = '') => {
    const block = { lane, form, from, to, label, below, told }
    blocks.push(block)
    return block
  }
  for (const [side, name] of [['sender', 'send'], ['receiver', 'recv']]) {
    const begins = own.find((event) => event.what === `${name}-begin`)
    const ends = own.find((event) => event.what === `${name}-end`)
    if (begins || ends) put(laneOf(side, 'user'), 'call', (begins ?? ends)?.t_ns ?? 0, ends?.t_ns ?? end, `${name}()`, [begins, ends].filter((event) => event !== undefined))
  }
  for (const { side, name, from, to, told } of callsOf(own)) put(laneOf(side, 'kernel'), 'call', from, to, `${name}()`, told)
  /** @type {Map<string, Block>} processes without a core */
  const away = new Map()
  /** @type {Map<string | undefined, Join>} wake-ups whose process does not run yet */
  const woken = new Map()
  for (const event of own) {
    const { side, what, t_ns } = event
    const asleep = away.get(side ?? '')
    if (asleep && what !== 'switch-in') {
      // It was not seen to get its core back, and does something.
      asleep.to = t_ns
      away.delete(side ?? '')
    }
    if (what === 'switch-out') {
      away.set(side ?? '', put(laneOf(side, 'kernel'), 'sleep', t_ns, end, event.step === undefined ? 'put aside' : 'sleeps', [event]))
    } else if (what === 'switch-in') {
      const block = asleep ?? put(laneOf(side, 'kernel'), 'sleep', t_ns, t_ns, 'runs again', [])
      Object.assign(block, { to: t_ns, told: [...block.told, event] })
      away.delete(side ?? '')
      const join = woken.get(side)
      if (join) joins.push({ ...join, to: block, until: t_ns, text: `${duration(t_ns - join.at)} from the wake-up until it runs` })
      woken.delete(side)
    } else if (what in WORDS) {
      const block = put(laneOf(side, 'kernel'), 'seen', t_ns, t_ns, `${WORDS[what]}${event.function ? ` · ${event.function}` : ''}`, [event])
      if (what === 'wake') woken.set(side === 'receiver' ? 'sender' : 'receiver', { from: block, at: t_ns, to: block, until: t_ns, form: 'wake', text: '' })
    }
  }
  touches(own, put)
  /** @type {[Copied, Block][]} */
  const copies = copiesOf(own).map((copied) => [copied, put(laneOf(copied.side, copied.space), 'seen', copied.from, copied.to, `copy ${copied.number} · ${copied.space === 'user' ? PROGRAM : copied.name}`, copied.told, way(copied))])
  copies.forEach(([{ writes }, from], index) => {
    if (!writes) return
    const next = copies.slice(index + 1).find(([{ reads }]) => reads?.place === writes.place)
    const reads = next?.[0].reads
    if (next && reads) joins.push({ from, at: writes.t_ns, to: next[1], until: reads.t_ns, form: 'byte', text: `${writes.place ?? 'the byte'}: written, and ${duration(reads.t_ns - writes.t_ns)} later read` })
  })
  blocks.sort((a, b) => a.from - b.from || b.to - a.to)
  const moments = blocks.flatMap((block) => [block.from, block.to, ...block.told.map((event) => event.t_ns)]).sort((a, b) => a - b)
  const from = moments[0] ?? 0
  const to = Math.max(from + 1, moments[moments.length - 1] ?? 1)
  const zero = own.find((event) => event.what === 'send-begin')?.t_ns ?? from
  return { blocks, joins, from, to, zero, bands: waits(moments, zero) }
}

/** Touches that belong to no copy, those of one place after each other as one. @param {Event[]} events @param {(lane: number, form: 'seen', from: number, to: number, label: string, told: Event[]) => Block} put */
function touches(events, put) {
  /** @type {Map<number, { place: string | undefined, block: Block } | undefined>} by lane */
  const last = new Map()
  for (const event of events) {
    if (event.what !== 'copy') continue
    const lane = laneOf(event.side, spaceOf(event))
    const open = last.get(lane)
    if (event.copy !== undefined) last.set(lane, undefined)
    else if (open && open.place === event.place) {
      const told = [...open.block.told, event]
      Object.assign(open.block, { to: event.t_ns, told, label: `${open.block.label.replace(/ ×\d+$/, '')} ×${told.length}` })
    } else last.set(lane, { place: event.place, block: put(lane, 'seen', event.t_ns, event.t_ns, `touches · ${spaceOf(event) === 'user' ? PROGRAM : (event.function ?? '')}`, [event]) })
  }
}

/** @param {number} t @param {number} zero when send began */
const moment = (t, zero) => `${duration(Math.abs(t - zero))} ${t < zero ? 'before' : 'after'} send began`

/** Into which memory. @param {Copied} copied */
const way = ({ writes }) => (writes?.place ? `→ ${writes.place}` : '')

/** The waits that would leave too little room for the rest. @param {number[]} moments ascending @param {number} zero when the message sets off @returns {Span[]} */
function waits(moments, zero) {
  const pauses = moments.slice(1).map((to, index) => ({ from: moments[index], to })).sort((a, b) => b.to - b.from - (a.to - a.from))
  let rest = (moments[moments.length - 1] ?? 0) - (moments[0] ?? 0)
  const cut = pauses.filter(({ from, to }) => {
    const long = to - from > rest * (to <= zero ? EARLY : SHARE) && to - from < rest
    if (long) rest -= to - from
    return long
  })
  return cut.sort((a, b) => a.from - b.from)
}

/** From time to px: one scale, but for the bands. @param {Journeyed} of @param {number} height */
export function descent({ from, to, bands }, height) {
  const cut = bands.reduce((sum, band) => sum + band.to - band.from, 0)
  const px = (height - TOP - BOTTOM - bands.length * BAND) / Math.max(1, to - from - cut)
  return (/** @type {number} */ t) => {
    let y = TOP + (t - from) * px
    for (const band of bands) {
      if (t <= band.from) break
      const within = Math.min(t, band.to) - band.from
      y += (within / (band.to - band.from)) * BAND - within * px
    }
    return y
  }
}

let journeys = 0

export class Journey {
  /** @param {Scene} scene @param {number} accent @param {(t: number) => void} seek */
  constructor(scene, accent, seek) {
    this.scene = scene
    this.seek = seek
    this.id = `journey-${journeys++}`
    /** @type {Journeyed | null} */
    this.of = null
    this.width = 0
    this.height = 0
    this.narrow = false
    this.lane = 0
    /** Where the lanes end. */
    this.right = 0
    /** @type {(t: number) => number} */
    this.y = () => 0
    /** @type {HTMLButtonElement[]} by time */
    this.buttons = []
    /** @type {HTMLElement | null} what is open */
    this.open = null
    this.cursor = s('line', { class: 'cursor' })
    this.svg = s('svg', { 'aria-hidden': true })
    this.labels = h('div', { role: 'group', 'aria-label': 'Everything that was seen, by time: arrows go on, Enter opens', onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event) })
    this.box = h('div', { class: 'lanes' }, this.svg, this.labels)
    this.element = h('section', { class: 'panel journey', 'aria-labelledby': this.id, 'data-accent': accent % 8, hidden: true },
      h('div', { class: 'head' }, h('h2', { id: this.id }, 'The journey of one message')),
      h('p', { class: 'faint' }, 'As probes saw it, from the top down. Every event stops its process for a moment, so the order is true and each length is longer than without probes. A hatched band is a long wait, with its true length. A solid line joins the copy that writes to the copy that reads there; a dashed one, a wake-up to its process. Open a block to see how the kernel came to it.'),
      this.box)
    new ResizeObserver(() => this.lay()).observe(this.box)
    // What is on paper is laid out before anything is resized, and stays so until it is printed.
    this.leave = new AbortController()
    this.paper = false
    for (const [name, paper] of /** @type {const} */ ([['beforeprint', true], ['afterprint', false]])) {
      addEventListener(name, () => {
        this.paper = paper
        this.lay()
      }, { signal: this.leave.signal })
    }
  }

  /** @param {Recording} recording */
  load(recording) {
    if (!isXray(recording)) return this.clear()
    this.of = journey(recording.events)
    this.element.hidden = false
    this.width = 0
    this.lay()
  }

  remove() {
    this.leave.abort()
  }

  clear() {
    this.of = null
    this.element.hidden = true
  }

  /** Draws it anew when there is another width to draw it for. */
  lay() {
    const width = this.paper ? PAPER : this.box.clientWidth
    if (!this.of || !width || width === this.width) return
    this.width = width
    const { of, box, svg } = this
    this.narrow = width < NARROW
    this.lane = this.narrow ? SLIM : (width - LEFT) / LANES.length
    this.right = this.narrow ? LEFT + LANES.length * SLIM : width
    this.write()
    const room = this.buttons.map((button) => button.offsetHeight + FREE)
    const all = of.blocks.map((_, index) => index)
    const columns = this.narrow ? [all] : LANES.map((_, lane) => all.filter((index) => of.blocks[index].lane === lane))
    const needed = TOP + BOTTOM + Math.max(...columns.map((own) => own.reduce((sum, index) => sum + room[index], 0)))
    let height = Math.max(360, needed)
    let tops = this.fit(columns, room, height)
    const far = () => Math.max(...tops.map((top, index) => Math.abs(top + LINE / 2 - this.y(of.blocks[index].from))))
    while (far() > (this.narrow ? BESIDE : NEAR) && height < HIGH) tops = this.fit(columns, room, (height += 50))
    this.height = height
    svg.setAttribute('width', String(width))
    svg.setAttribute('height', String(height))
    box.style.height = `${height}px`
    for (const [name, value] of Object.entries({ x1: LEFT, x2: this.right, y1: -9, y2: -9 })) this.cursor.setAttribute(name, String(value))
    svg.replaceChildren(...this.ground(height), ...this.times(height),
      ...of.blocks.filter(({ form }) => form !== 'seen').map((block) => this.bar(block)), ...of.bands.flatMap((band) => this.band(band, tops, room)),
      ...of.blocks.filter(({ form }) => form === 'seen').map((block) => this.bar(block)), ...this.joined(), ...of.blocks.map((block, index) => this.leader(block, tops[index])), this.cursor)
    this.buttons.forEach((button, index) => { button.style.top = `${tops[index]}px` })
  }

  /** Where a lane begins. @param {number} lane */
  x(lane) {
    return LEFT + lane * this.lane
  }

  /** Where the labels of a lane begin. @param {number} lane */
  label(lane) {
    return this.narrow ? this.right + 14 : this.x(lane) + 14
  }

  /** Where the labels stand in a drawing of this height: each at its block, and below the one before. @param {number[][]} columns @param {number[]} room @param {number} height */
  fit(columns, room, height) {
    const { blocks } = /** @type {Journeyed} */ (this.of)
    this.y = descent(/** @type {Journeyed} */ (this.of), height)
    const tops = blocks.map(() => 0)
    for (const own of columns) {
      const places = spread(own.map((index) => this.y(blocks[index].from) - LINE / 2), own.map((index) => room[index]), TOP - 4, height - (room[own[own.length - 1]] ?? 0))
      own.forEach((index, place) => { tops[index] = places[place] })
    }
    return tops
  }

  /** The lanes and their names. @param {number} height */
  ground(height) {
    const { narrow, lane } = this
    return [
      s('defs', {}, s('pattern', { id: `${this.id}-hatch`, width: 7, height: 7, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, s('line', { x1: 0, y1: 0, x2: 0, y2: 7, class: 'hatch' }))),
      s('rect', { class: 'kernel', x: this.x(1), y: TOP - 22, width: 2 * lane, height: height - TOP + 22 }),
      ...LANES.map(([side, space], index) => [
        index % 2 ? null : s('text', { class: 'name', x: this.x(index) + (narrow ? 0 : 4), y: 14 }, side),
        // Slim lanes of the kernel have one name for both.
        narrow && index === 2 ? null : s('text', { class: 'axis', x: this.x(index) + (narrow ? 1 : 4), y: TOP - 8 }, space),
        s('line', { class: 'hair', x1: this.x(index), x2: this.x(index), y1: narrow ? TOP - 3 : index % 2 ? TOP - 22 : 2, y2: height }),
      ]).flat().filter((part) => part !== null),
    ]
  }

  /** @param {number} height */
  times(height) {
    const of = /** @type {Journeyed} */ (this.of)
    const { zero, bands } = of
    const length = bands.reduce((left, band) => left - (band.to - band.from), of.to - of.from)
    const step = ticks(0, length, Math.max(2, height / 90))[1] ?? length
    const say = clock(Math.max(Math.abs(of.from - zero), of.to - zero), step)
    const found = []
    for (let index = Math.ceil((of.from - zero) / step); index * step <= of.to - zero; index++) {
      const t = zero + index * step
      // No time stands in a band or at its edge: the next after it is as good.
      const within = bands.find((band) => t > band.from - step / 3 && t < band.to + step / 3)
      if (within && index !== 0) {
        index = Math.max(index, Math.min(Math.ceil((within.to + step / 3 - zero) / step), index < 0 ? 0 : Infinity) - 1)
        continue
      }
      found.push(s('text', { class: 'axis', x: LEFT - 4, y: this.y(t) + 4, 'text-anchor': 'end' }, index === 0 ? '0' : say(index * step)),
        s('line', { class: 'hair', x1: LEFT, x2: this.right, y1: this.y(t), y2: this.y(t) }))
    }
    return found
  }

  /** @param {Span} band @param {number[]} tops of the labels @param {number[]} room of each */
  band(band, tops, room) {
    const { blocks } = /** @type {Journeyed} */ (this.of)
    const y = this.y(band.from)
    const width = this.right - LEFT
    const text = `${duration(band.to - band.from)}${this.narrow ? '' : ', in which nothing was seen'}`
    // At the side where no label stands in its way.
    const taken = !this.narrow && tops.some((top, index) => blocks[index].lane < 2 && top + room[index] > y + 14 && top < y + 32)
    return [
      s('rect', { class: 'band', x: LEFT, y, width, height: BAND }),
      s('rect', { x: LEFT, y, width, height: BAND, fill: `url(#${this.id}-hatch)` }),
      s('text', { class: 'said', x: (taken ? LEFT + width / 2 : LEFT) + 6, y: y + BAND / 2 + 4 }, text),
    ]
  }

  /** @param {Block} block */
  bar({ form, from, to, label, lane }) {
    const x = this.x(lane)
    const y = this.y(from)
    const height = Math.max(form === 'seen' ? 4 : 2, this.y(to) - y)
    if (form === 'seen') return s('rect', { class: 'bar', x: x + 5, y: y - (height === 4 ? 2 : 0), width: 8, height }, s('title', {}, label))
    return s('rect', { class: form, x: x + 2, y, width: this.lane - 4, height, ...(form === 'sleep' ? { fill: `url(#${this.id}-hatch)` } : {}) }, s('title', {}, label))
  }

  /** From a block to its label, where one does not stand at the other. @param {Block} block @param {number} top of the label */
  leader({ lane, form, from }, top) {
    const end = this.label(lane) - 1
    const begin = form === 'seen' ? this.x(lane) + 13 : this.narrow ? this.x(lane) + this.lane - 2 : end
    const d = `M${begin} ${this.y(from)}${this.narrow ? `H${this.right + 2}` : ''}L${end} ${top + LINE / 2}`
    return s('path', { class: 'leader', d: begin < end ? d : '' })
  }

  joined() {
    const { joins } = /** @type {Journeyed} */ (this.of)
    return joins.map(({ from, at, to, until, form, text }) => {
      const [x1, y1, x2, y2] = [this.x(from.lane) + 9, this.y(at), this.x(to.lane) + 9, this.y(until)]
      const middle = (y1 + y2) / 2
      return s('path', { class: `join ${form}`, d: `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}` }, s('title', {}, text))
    })
  }

  /** The names of the blocks, as buttons; how high each is depends on its room. */
  write() {
    const { blocks, zero } = /** @type {Journeyed} */ (this.of)
    this.open = null
    this.buttons = blocks.map((block, index) => {
      const [side, space] = LANES[block.lane]
      const whole = block.form === 'seen' ? block.label : `${block.label} ${duration(block.to - block.from)}`
      const button = h('button', {
        type: 'button', class: `${block.form}${foretold(block) ? '' : ' unforetold'}`, tabindex: index ? -1 : 0, 'aria-expanded': 'false',
        'aria-label': `${whole} ${block.below}: ${side}, ${space}, ${moment(block.from, zero)}`,
        onclick: () => this.toggle(index),
      }, h('span', {}, breakable(whole)), block.below ? h('small', {}, block.below) : null)
      const left = this.label(block.lane)
      button.style.left = `${left}px`
      button.style.maxWidth = `${(this.narrow ? this.width : this.x(block.lane + 1)) - left - 1}px`
      return button
    })
    show(this.labels, this.buttons)
  }

  /** Opens a block, or closes it. @param {number} index */
  toggle(index) {
    const button = this.buttons[index]
    const { blocks, zero } = /** @type {Journeyed} */ (this.of)
    const block = blocks[index]
    const was = button.getAttribute('aria-expanded') === 'true'
    this.open?.remove()
    this.open = null
    this.box.style.height = `${this.height}px`
    for (const one of this.buttons) {
      one.setAttribute('aria-expanded', String(one === button && !was))
      one.tabIndex = one === button ? 0 : -1
    }
    if (was) return
    this.open = this.opened(block, zero)
    button.after(this.open)
    const top = button.offsetTop + button.offsetHeight + 3
    const tall = this.open.offsetHeight
    // Where there is no room below, it stands above.
    const above = top + tall > this.height && button.offsetTop > tall
    this.open.style.top = `${above ? button.offsetTop - tall - 3 : top}px`
    if (!above) this.box.style.height = `${Math.max(this.height, top + tall)}px`
    this.seek(block.from)
  }

  /** All that is known of a block. @param {Block} block @param {number} zero */
  opened({ lane, from, to, form, label, told }, zero) {
    const [side, space] = LANES[lane]
    const first = told[0] ?? {}
    const step = this.scene.steps.find(({ id }) => told.some((event) => event.step === id))
    const stack = (told.find((event) => event.detail)?.detail ?? '').split(' < ').filter(Boolean).reverse()
    const size = told.find((event) => event.bytes !== undefined)?.bytes
    const facts = [
      moment(from, zero),
      first.side === 'kernel' ? 'the kernel, for another task' : `${side}, ${space}`,
      first.cpu === undefined ? '' : `core ${first.cpu}`,
      to > from ? (form === 'seen' ? `its touches are ${duration(to - from)} apart` : `${duration(to - from)} long`) : '',
      size === undefined ? '' : bytes(size),
    ]
    const sentences = [...new Set(told.map((event) => event.text).filter((text) => text !== undefined))]
    return h('div', { class: 'opened' },
      h('h3', {}, label),
      h('p', { class: 'faint nums' }, facts.filter(Boolean).join(' · ')),
      sentences.map((text) => h('p', {}, asSentence(text))),
      step ? h('p', { class: 'faint' }, `In the scene: ${step.text}`) : foretold({ told, form }) ? null : h('p', { class: 'bad' }, 'Not in the scene: the kernel did it all the same.'),
      stack.length ? [h('p', { class: 'faint' }, `How it came to that, ${plural(stack.length, 'function')}:`), h('ol', {}, stack.map((name) => h('li', {}, name)))] : null)
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const index = this.buttons.findIndex((button) => button === document.activeElement)
    if (index < 0) return
    if (event.key === 'Escape' && this.open) return this.toggle(index)
    const { blocks } = /** @type {Journeyed} */ (this.of)
    const { lane, from } = blocks[index]
    const aside = (/** @type {number} */ by) => {
      for (let next = lane + by; next >= 0 && next < LANES.length; next += by) {
        const there = blocks.flatMap((block, at) => (block.lane === next ? [at] : []))
        if (there.length) return there.reduce((a, b) => (Math.abs(blocks[b].from - from) < Math.abs(blocks[a].from - from) ? b : a))
      }
      return index
    }
    /** @type {Record<string, () => number>} */
    const ways = { ArrowDown: () => index + 1, ArrowUp: () => index - 1, ArrowLeft: () => aside(-1), ArrowRight: () => aside(1), Home: () => 0, End: () => blocks.length - 1 }
    const next = this.buttons[ways[event.key]?.() ?? -1]
    if (!next) return
    event.preventDefault()
    for (const one of this.buttons) one.tabIndex = one === next ? 0 : -1
    next.focus()
  }

  /** Marks the moment of the replay. @param {number} t */
  at(t) {
    if (!this.of) return
    const y = String(this.y(Math.min(this.of.to, Math.max(this.of.from, t))))
    this.cursor.setAttribute('y1', y)
    this.cursor.setAttribute('y2', y)
  }
}

/** What was done and its place: the place comes on a line of its own before it breaks, and then after an underscore. @param {string} text */
const breakable = (text) => text.split(/(?<= · )/).map((part, index) => (index ? h('span', {}, part.split(/(?<=\w_)(?=[a-z])/).flatMap((word, index) => (index ? [h('wbr'), word] : [word]))) : part))

/** Whether the scene has it, or it is the program's own affair. @param {{ told: Event[], form: string }} block */
const foretold = ({ told, form }) => form === 'call' || told.every((event) => event.step !== undefined || (event.what === 'copy' && spaceOf(event) === 'user'))

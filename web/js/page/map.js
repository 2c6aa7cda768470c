// The map: which programs of this machine are joined by what, followed once a second.

import { button, field, h, say, segments, select, show } from '../dom.js'
import { duration, list, plural } from '../format.js'
import { Board } from '../map/board.js'
import { follow } from '../map/follow.js'
import { sample } from '../map/look.js'
import { Model } from '../map/model.js'
import { Roll } from '../map/roll.js'
import { ofEdge, ofProcess, ofSeveral } from '../map/sheet.js'
import { Arrangement, GROUPINGS, sight, usualGrouping } from '../map/sight.js'
import { Watching } from '../map/watching.js'
import { status } from '../store.js'

/** @import { Link, Sight, Wanted } from '../map/sight.js' */

/** Below this width a drawing has no room, and a list is read instead. */
const NARROW = 640
/** How long the page waits for the first map, in ms. */
const PATIENCE = 3_000
/** What could not be read, before the rest stands behind a word. */
const UNREAD = 4

/** @param {unknown} _place @param {AbortSignal} signal */
export async function map(_place, signal) {
  const page = new MapPage()
  // With the first map the page has its height.
  await new Promise((ready) => {
    follow((frame) => ready(page.take(frame)), (why) => ready(page.lost(why)), signal)
    setTimeout(ready, PATIENCE)
  })
  return { title: 'Map', element: page.element, mounted: () => page.mounted(signal) }
}

class MapPage {
  model = new Model()
  arrangement = new Arrangement()
  /** @type {Wanted} */
  wanted = { search: '', without: new Set(), joined: true, by: '' }
  /** @type {{ is: 'process' | 'edge' | 'link', id: string } | null} */
  chosen = null
  /** @type {Sight | null} */
  sight = null
  /** @type {'drawing' | 'list'} */
  view = 'drawing'
  sheetSaid = ''
  watching = new Watching()
  /** Where the focus goes when the sheet is closed. @type {HTMLElement | null} */
  from = null

  constructor() {
    this.board = new Board(this.model, {
      box: (box) => (box.is === 'process' ? this.choose({ is: 'process', id: box.processes[0] }) : this.open(box.id, box.group)),
      link: (link) => this.choose(link.edges.length === 1 ? { is: 'edge', id: link.edges[0].id } : { is: 'link', id: link.id }),
      close: (group) => this.close(group),
      none: () => this.choose(null),
    })
    this.roll = new Roll(this.model, {
      process: (id) => this.choose({ is: 'process', id }),
      edge: ({ id }) => this.choose({ is: 'edge', id }),
      open: (group, open) => this.unfold(group, open),
    })
    const changed = (/** @type {Partial<Wanted>} */ wanted) => {
      Object.assign(this.wanted, wanted)
      this.arrangement.reset()
      this.draw(true)
    }
    this.search = h('input', { type: 'search', placeholder: 'name, pid, path, port', 'aria-label': 'Search the map', oninput: () => changed({ search: this.search.value }) })
    this.by = select(GROUPINGS.map(([value, text]) => [value, text]), 'session', (by) => changed({ by }), { 'aria-label': 'Group by' })
    this.joined = h('input', { type: 'checkbox', checked: true, onchange: () => changed({ joined: this.joined.checked }) })
    this.kinds = h('ul', { class: 'edge-kinds' })
    this.views = segments('Shown as', [['drawing', 'drawing'], ['list', 'list']], 'drawing', (view) => {
      this.view = view === 'list' ? 'list' : 'drawing'
      this.draw(true)
    })
    this.told = h('p', { class: 'told faint nums' }, 'The first map is being taken.')
    this.fault = h('p', { class: 'fault bad', role: 'status' })
    this.sheetTitle = h('h2', { tabindex: -1 }, 'Nothing is chosen')
    this.sheetBody = h('div', {}, ...hint())
    this.shut = button('Close', () => this.choose(null), { class: 'quiet', hidden: true })
    this.sheet = h('aside', { class: 'panel sheet', 'aria-label': 'What was chosen' }, h('div', { class: 'head' }, this.sheetTitle, this.shut), this.sheetBody, this.watching.element)
    this.sheet.addEventListener('keydown', ({ key }) => { if (key === 'Escape') this.choose(null) })
    this.unread = h('section', { class: 'panel unread', 'aria-labelledby': 'unread-head' })
    this.changed = changed
    this.ground = h('div', { class: 'ground-of-map panel' }, this.board.element, this.roll.element)
    this.element = h('div', { class: 'atlas' },
      h('div', { class: 'title line' }, h('h1', {}, 'Map'),
        h('p', { class: 'lead' }, 'Which programs of this machine are joined by what, now. Nothing is stopped, traced or changed.')),
      h('section', { class: 'panel', 'aria-label': 'What is shown' },
        h('div', { class: 'row' }, field('Search', this.search), field('Group by', this.by), this.views,
          h('label', { class: 'tick' }, this.joined, 'only what joins two programs'), button('Tidy up', () => changed({}), { title: 'Arranges all boxes anew; until then they keep their places' })),
        this.kinds, this.told, this.fault),
      h('div', { class: 'map-and-sheet' }, this.ground, this.sheet),
      this.unread)
  }

  /** @param {AbortSignal} signal */
  mounted(signal) {
    const narrow = matchMedia(`(max-width: ${NARROW}px)`)
    narrow.addEventListener('change', () => this.draw(true), { signal })
    signal.addEventListener('abort', () => this.watching.leave())
    this.narrow = narrow
    this.draw(true)
  }

  /** @param {any} frame */
  take(frame) {
    if (frame.is === 'paused') {
      say(this.fault, frame.why ? `The map stands still: ${frame.why}.` : '')
      return
    }
    const first = frame.is === 'snapshot'
    say(this.fault, '')
    this.model.take(frame)
    if (first) {
      if (!this.wanted.by) {
        this.wanted.by = usualGrouping(this.model)
        this.by.value = this.wanted.by
      }
    }
    this.draw(first && this.sight === null)
    if (first || frame.unread) this.showUnread()
  }

  /** @param {string} why */
  lost(why) {
    say(this.fault, why)
  }

  /** @param {boolean} anew whether boxes may go elsewhere */
  draw(anew) {
    if (!this.model.kinds.size || !this.narrow) return
    const { model } = this
    this.sight = sight(model, this.arrangement, this.wanted)
    const asList = this.view === 'list' || this.narrow.matches
    this.board.element.hidden = asList
    this.roll.element.hidden = !asList
    this.views.hidden = this.narrow.matches
    if (asList) this.roll.draw(this.sight)
    else this.board.draw(this.sight, anew)
    this.showKinds()
    this.tell()
    this.show()
  }

  tell() {
    if (!this.sight) return
    const { groups, edges, alone, idle, counts } = this.sight
    const { taken } = this.model
    const programs = groups.reduce((sum, { boxes }) => sum + boxes.reduce((sum, { processes }) => sum + processes.length, 0), 0)
    const without = [...counts].filter(([kind]) => this.wanted.without.has(kind)).reduce((sum, [, count]) => sum + count, 0)
    const hidden = [
      alone ? `${plural(alone, 'edge')} with one end, or of one program with itself` : '',
      without ? `${plural(without, 'edge')} of kinds that are not ticked` : '',
      idle ? `${plural(idle, 'program')} ${this.wanted.search ? 'that the search does not mean' : 'joined with nothing shown'}` : '',
    ].filter(Boolean)
    const often = taken.every_ms > 1000 ? `A map takes ${duration(taken.ns)} here, so that one is taken every ${duration(taken.every_ms * 1e6)}, not every second.` : `Taken in ${duration(taken.ns)}, once a second.`
    const room = taken.left_out ? ` ${plural(taken.left_out, 'program and edge')} have no room on this page: ask \`ipcscope map --json\`.`.replace('program and edges', 'programs and edges') : ''
    say(this.told, `${plural(programs, 'program')} and ${plural(edges.length, 'edge')}. ${hidden.length ? `Not shown: ${list(hidden)}. ` : ''}${often}${room}`)
  }

  /** Each kind that there is, as a filter and as the key to the lines. */
  showKinds() {
    const { counts } = this.sight ?? { counts: new Map() }
    for (const kind of this.model.kinds.values()) {
      const there = this.kinds.querySelector(`[data-kind="${CSS.escape(kind.kind)}"]`)
      if (there) {
        say(/** @type {Element} */ (there.querySelector('.count')), String(counts.get(kind.kind) ?? 0))
        continue
      }
      if (!counts.get(kind.kind)) continue
      const box = h('input', { type: 'checkbox', checked: true, onchange: () => {
        if (box.checked) this.wanted.without.delete(kind.kind)
        else this.wanted.without.add(kind.kind)
        this.changed({})
      } })
      const entry = h('li', { 'data-kind': kind.kind, 'data-order': kind.index }, h('label', {}, box, sample(this.model.kinds, kind.kind), h('span', { class: 'term', 'aria-description': kind.means }, kind.title), h('span', { class: 'count faint nums' }, String(counts.get(kind.kind)))))
      const after = [...this.kinds.children].find((other) => Number(other.getAttribute('data-order')) > kind.index)
      this.kinds.insertBefore(entry, after ?? null)
    }
  }

  showUnread() {
    const { unread } = this.model
    const entry = (/** @type {typeof unread[0]} */ { what, whose, why, remedy, processes }) => h('li', {}, h('strong', {}, what), ` of ${whose}${processes ? `, ${plural(processes, 'process')}` : ''}: ${why}. `, h('span', { class: 'faint' }, `To see it: ${remedy}.`))
    show(this.unread, h('h2', { id: 'unread-head' }, unread.length ? 'What could not be read' : 'Everything could be read'),
      unread.length ? h('ul', {}, unread.slice(0, UNREAD).map(entry)) : h('p', { class: 'faint' }, 'Nothing was refused when the map was taken.'),
      unread.length > UNREAD ? h('details', {}, h('summary', {}, `${unread.length - UNREAD} more`), h('ul', {}, unread.slice(UNREAD).map(entry))) : null)
  }

  /** @param {string} id of a box @param {string} group */
  open(id, group) {
    if (id.startsWith('g:')) this.arrangement.open(group, true)
    else this.arrangement.spread(id)
    this.draw(true)
    const first = this.sight?.groups.find(({ key }) => key === group)?.boxes.find(({ processes }) => processes.length > 0)
    this.board.bring(group)
    if (first) this.board.focus(first.id)
    status('It is open.')
  }

  /** @param {string} group */
  close(group) {
    this.arrangement.open(group, false)
    this.draw(true)
    this.board.focus(`g:${group}`)
  }

  /** In the list. @param {string} group @param {boolean} open */
  unfold(group, open) {
    const now = this.arrangement.groups.get(group)
    if (!now || now.open === open) return
    this.arrangement.open(group, open)
    this.draw(true)
  }

  /** @param {MapPage['chosen']} chosen */
  choose(chosen) {
    if (chosen && !this.chosen && document.activeElement instanceof HTMLElement) this.from = document.activeElement
    const had = this.chosen !== null
    const inside = this.sheet.contains(document.activeElement)
    this.chosen = chosen
    this.sheetSaid = ''
    this.show()
    if (!chosen && had && inside) this.from?.focus()
    if (!chosen) return
    // A sheet that is below, and not beside, is gone to.
    if (this.sheet.getBoundingClientRect().top > innerHeight * 0.8 || this.narrow?.matches || inside) {
      this.sheetTitle.focus({ preventScroll: true })
      if (this.narrow?.matches) this.sheet.scrollIntoView({ block: 'nearest' })
    }
    status(`${this.sheetTitle.textContent} is shown.`)
  }

  /** The sheet, and what is not dimmed. */
  show() {
    const { model, chosen } = this
    const acts = { process: (/** @type {string} */ id) => this.choose({ is: 'process', id }), edge: (/** @type {string} */ id) => this.choose({ is: 'edge', id }) }
    const process = chosen?.is === 'process' ? model.processes.get(chosen.id) : undefined
    const edge = chosen?.is === 'edge' ? model.edges.get(chosen.id) : undefined
    const link = chosen?.is === 'link' ? this.sight?.links.find(({ id }) => id === chosen.id) : undefined
    this.shut.hidden = !chosen
    // An edge that is gone keeps what was seen of it.
    this.watching.element.hidden = chosen?.is !== 'edge'
    if (chosen?.is === 'edge') this.watching.of(chosen.id)
    else this.watching.leave()
    this.sheet.classList.toggle('filled', chosen !== null)
    this.board.highlight(chosen && (process || edge || link) ? this.near(process?.id, edge?.id, link) : null)
    this.board.choose(({ processes }) => processes[0] === process?.id)
    const said = JSON.stringify([chosen, process, edge, link?.edges.map(({ id }) => id), process && [...model.edges.values()].filter(({ ends }) => ends.some((end) => end.process === process.id))])
    if (said === this.sheetSaid) return
    this.sheetSaid = said
    const key = document.activeElement instanceof HTMLElement && this.sheetBody.contains(document.activeElement) ? document.activeElement.dataset.key : undefined
    const told = process ? ofProcess(model, process, acts) : edge ? ofEdge(model, edge, acts) : link ? ofSeveral(model, link.edges, acts)
      : chosen ? { title: 'It is gone', body: [h('p', {}, chosen.is === 'process' ? 'The program has ended.' : 'The edge was closed, or its programs have ended.')] } : { title: 'Nothing is chosen', body: hint() }
    say(this.sheetTitle, told.title)
    show(this.sheetBody, ...told.body)
    if (key) /** @type {HTMLElement | null} */ (this.sheetBody.querySelector(`[data-key="${CSS.escape(key)}"]`))?.focus()
  }

  /** What is joined with what was chosen. @param {string | undefined} process @param {string | undefined} edge @param {Link | undefined} link */
  near(process, edge, link) {
    const links = this.sight?.links ?? []
    const box = process && [...(this.sight?.boxes.values() ?? [])].find(({ processes }) => processes.includes(process))?.id
    const meant = links.filter((one) => (link ? one.id === link.id : edge ? one.edges.some(({ id }) => id === edge) : one.a === box || one.b === box))
    return new Set([...(box ? [`box ${box}`] : []), ...meant.flatMap(({ id, a, b }) => [`link ${id}`, `box ${a}`, `box ${b}`])])
  }
}

const hint = () => [
  h('p', {}, 'A box is a program, or several of one name or one group: press it to open it. A line is what joins two of them; the arrow says where bytes may go, a number on it how many there are, and a bar how much waits to be read.'),
  h('p', { class: 'faint' }, 'Choose a program or a line, and all that the kernel tells of it stands here.'),
]

// What of a map is shown: the edges that pass the filters, and the boxes that their processes stand in. Pure.
//
// Processes of one service or session are a group. A group is one box until it is opened, and so are more than a few processes
// of the same name in an open one. What was decided once stays: a box is never put elsewhere because of a later map.

import { alone, flow, pairs, queued } from './model.js'

/** @import { DrawnEdge, DrawnProcess } from '../../types' */
/** @import { Model } from './model.js' */

/**
 * @typedef {object} Wanted
 * @property {string} search
 * @property {Set<string>} without kinds that are not shown
 * @property {boolean} joined only what joins two programs
 * @property {string} by what groups are made by
 */
/**
 * @typedef {object} Box
 * @property {string} id
 * @property {'process' | 'stack' | 'group'} is
 * @property {string} title
 * @property {string[]} processes
 * @property {string} group its key
 */
/** @typedef {{ key: string, title: string, open: boolean, boxes: Box[] }} Group */
/**
 * @typedef {object} Link edges of one kind between two boxes
 * @property {string} id
 * @property {string} a
 * @property {string} b
 * @property {string} kind
 * @property {boolean} there
 * @property {boolean} back
 * @property {DrawnEdge[]} edges
 * @property {number} queued in bytes
 * @property {number | null} full how full the fullest is, where that is known
 */
/** @typedef {{ groups: Group[], boxes: Map<string, Box>, links: Link[], within: Map<string, number>, edges: DrawnEdge[], alone: number, idle: number, counts: Map<string, number> }} Sight */

/** This many of one name are still told apart. */
const FEW = 3
/** This many boxes are opened by themselves. */
const OPENED = 48
/** How many come out of a stack at a time. */
const PORTION = 16
/** Of a group that comes later. */
const OPENED_LATER = 6

/** What groups can be made by, and how each is called. @type {[string, string, string][]} */
export const GROUPINGS = [
  ['service', 'service', 'The unit of systemd, or the container, that a process runs in'],
  ['session', 'session', 'What was started from one terminal or by one setsid(2), and is named after the first of it'],
  ['name', 'program', 'All processes of one name'],
  ['none', 'nothing', 'Each process by itself'],
]

/** The key and the title of a process's group. @param {Model} model @param {DrawnProcess} process @param {string} by @returns {[string, string]} */
function groupOf(model, process, by) {
  if (by === 'service' && process.service) return [`service ${process.service}`, process.service]
  if (by === 'name') return [`name ${process.name}`, process.name]
  if (by === 'none') return ['all', 'All processes']
  return [`session ${process.session}`, `session ${process.session}`]
}

/** By what there are groups, if the reader has not said. @param {Model} model */
export const usualGrouping = (model) => (new Set([...model.processes.values()].map(({ service }) => service)).size > 3 ? 'service' : 'session')

/** Which box each process stands in, kept from map to map. */
export class Arrangement {
  /** @type {Map<string, { title: string, open: boolean, homes: Map<string, string>, stacks: Set<string> }>} by the group's key */
  groups = new Map()
  /** Groups that the reader has opened or closed. @type {Map<string, boolean>} */
  opened = new Map()
  /** How many processes of a stack the reader has taken out of it. @type {Map<string, number>} */
  taken = new Map()

  /** All is arranged anew, but for what the reader has chosen. */
  reset() {
    this.groups.clear()
  }

  /** @param {string} group @param {boolean} open */
  open(group, open) {
    this.opened.set(group, open)
    if (!open) for (const id of [...this.taken.keys()]) if (id.startsWith(`s:${group} `)) this.taken.delete(id)
    this.reset()
  }

  /** A few more of a stack stand by themselves. @param {string} id */
  spread(id) {
    this.taken.set(id, (this.taken.get(id) ?? 0) + PORTION)
    this.reset()
  }

  /** Puts each of these processes into a box. @param {Model} model @param {DrawnProcess[]} shown @param {string} by @returns {Group[]} */
  arrange(model, shown, by) {
    /** @type {Map<string, { title: string, members: DrawnProcess[] }>} */
    const groups = new Map()
    for (const process of shown) {
      const [key, title] = groupOf(model, process, by)
      const group = groups.get(key) ?? { title, members: [] }
      groups.set(key, group)
      group.members.push(process)
    }
    const first = this.groups.size === 0
    for (const key of this.groups.keys()) if (!groups.has(key)) this.groups.delete(key)
    let room = first ? OPENED : OPENED_LATER
    const sized = [...groups].map(([key, group]) => ({ key, ...group, names: names(group.members) }))
    for (const { key, title, members, names } of sized.sort((a, b) => boxesOf(a.names) - boxesOf(b.names) || a.members[0].pid - b.members[0].pid)) {
      let group = this.groups.get(key)
      if (!group) {
        const size = boxesOf(names)
        const open = this.opened.get(key) ?? (members.length === 1 || size <= room)
        if (open && first) room -= size
        group = { title: titled(title, members), open, homes: new Map(), stacks: new Set() }
        this.groups.set(key, group)
        for (const [name, count] of names) if (count > FEW) group.stacks.add(name)
      }
      this.house(key, group.homes, group.stacks, members)
    }
    return [...this.groups].map(([key, { title, open, homes }]) => ({ key, title, open, boxes: open ? boxes(model, key, homes) : [{ id: `g:${key}`, is: 'group', title, processes: [...homes.keys()], group: key }] }))
  }

  /** @param {string} key @param {Map<string, string>} homes @param {Set<string>} stacks @param {DrawnProcess[]} members */
  house(key, homes, stacks, members) {
    const here = new Set(members.map(({ id }) => id))
    for (const id of homes.keys()) if (!here.has(id)) homes.delete(id)
    const single = names(members.filter(({ id }) => homes.get(id) === `p:${id}`))
    for (const { id, name } of members) {
      if (homes.has(id)) continue
      const stack = `s:${key} ${name}`
      const alone = single.get(name) ?? 0
      // One more than a few: those that were there stay, and the new ones stand together.
      if (alone >= FEW) stacks.add(name)
      const stands = !stacks.has(name) || alone < (this.taken.get(stack) ?? 0)
      if (stands) single.set(name, alone + 1)
      homes.set(id, stands ? `p:${id}` : stack)
    }
  }
}

/** @param {DrawnProcess[]} processes */
function names(processes) {
  /** @type {Map<string, number>} */
  const counts = new Map()
  for (const { name } of processes) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** @param {Map<string, number>} names */
const boxesOf = (names) => [...names.values()].reduce((sum, count) => sum + (count > FEW ? 1 : count), 0)

/** A session is known by the program that it began with. @param {string} title @param {DrawnProcess[]} members */
function titled(title, members) {
  const leader = members.find(({ pid, session }) => pid === session) ?? members[0]
  return title.startsWith('session ') ? `${leader.name}, ${title}` : title
}

/** @param {Model} model @param {string} group @param {Map<string, string>} homes @returns {Box[]} */
function boxes(model, group, homes) {
  /** @type {Map<string, Box>} */
  const found = new Map()
  for (const [process, home] of homes) {
    const box = found.get(home) ?? { id: home, is: /** @type {Box['is']} */ (home.startsWith('s:') ? 'stack' : 'process'), title: model.processes.get(process)?.name ?? '', processes: [], group }
    found.set(home, box)
    box.processes.push(process)
  }
  return [...found.values()]
}

/** @param {Model} model @param {Arrangement} arrangement @param {Wanted} wanted @returns {Sight} */
export function sight(model, arrangement, { search, without, joined, by }) {
  const words = search.trim().toLowerCase()
  const says = (/** @type {(string | number | null)[]} */ ...texts) => texts.some((text) => text !== null && String(text).toLowerCase().includes(words))
  const meant = new Set(words ? [...model.processes.values()].filter(({ name, pid, command, service, listens }) => says(name, pid, command, service, ...listens)).map(({ id }) => id) : [])
  /** @type {Map<string, number>} */
  const counts = new Map()
  let solitary = 0
  /** @type {DrawnEdge[]} */
  const edges = []
  for (const edge of model.edges.values()) {
    if (joined && alone(edge)) {
      solitary++
      continue
    }
    if (words && !edge.ends.some(({ process }) => meant.has(process)) && !says(edge.id, edge.name, ...edge.ends.map(({ address }) => address))) continue
    counts.set(edge.kind, (counts.get(edge.kind) ?? 0) + 1)
    if (!without.has(edge.kind)) edges.push(edge)
  }
  const ends = new Set(edges.flatMap(({ ends }) => ends.map(({ process }) => process)))
  const shown = [...model.processes.values()].filter(({ id }) => ends.has(id) || (words ? meant.has(id) : !joined)).sort((a, b) => a.pid - b.pid)
  const groups = arrangement.arrange(model, shown, by)
  const boxes = new Map(groups.flatMap(({ boxes }) => boxes).map((box) => [box.id, box]))
  const home = new Map([...boxes.values()].flatMap(({ id, processes }) => processes.map((process) => /** @type {const} */ ([process, id]))))
  const { links, within } = linked(edges, home)
  return { groups, boxes, links, within, edges, alone: solitary, idle: model.processes.size - shown.length, counts }
}

/** The edges between boxes, those of one kind together; and how many each box has within. @param {DrawnEdge[]} edges @param {Map<string, string>} home */
function linked(edges, home) {
  /** @type {Map<string, Link>} */
  const links = new Map()
  /** @type {Map<string, number>} */
  const within = new Map()
  for (const edge of edges) {
    /** @type {Set<string>} */
    const seen = new Set()
    for (const [one, other] of pairs(edge)) {
      const [a, b] = [home.get(one), home.get(other)].sort()
      if (a === undefined || b === undefined || seen.has(`${a} ${b}`)) continue
      seen.add(`${a} ${b}`)
      if (a === b) {
        within.set(a, (within.get(a) ?? 0) + 1)
        continue
      }
      const id = `${a} ${b} ${edge.kind}`
      const link = links.get(id) ?? { id, a, b, kind: edge.kind, there: false, back: false, edges: [], queued: 0, full: null }
      links.set(id, link)
      const { there, back } = flow(edge, (process) => home.get(process) === a, (process) => home.get(process) === b)
      link.there ||= there
      link.back ||= back
      link.edges.push(edge)
      const waits = queued(edge) ?? 0
      link.queued += waits
      if (edge.capacity_bytes && waits) link.full = Math.max(link.full ?? 0, Math.min(1, waits / edge.capacity_bytes))
    }
  }
  return { links: [...links.values()], within }
}

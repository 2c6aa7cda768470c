// Where boxes stand. Pure: what stands keeps its place, what is new comes to a free one.
//
// The map is a grid. A group is a block of it, with a place for each of its boxes and some to spare; where these do not
// suffice, it goes on in another block.

/** @typedef {{ x: number, y: number, w: number, h: number }} Rect in cells of the grid */
/** @typedef {Rect & { group: string, boxes: (string | null)[] }} Block */

/** Rows of the grid: of a block's title, of a box, and below a block. */
export const TITLE = 1
export const BOX = 3
const BELOW = 1
/** Boxes that stand below each other before a block becomes wider. */
const TALL = 7

export class Places {
  /** @param {number} columns */
  constructor(columns) {
    this.columns = columns
    /** @type {boolean[][]} rows of columns: whether a cell is taken */
    this.taken = []
    /** @type {Block[]} */
    this.blocks = []
  }

  /** Brings the places up to date. @param {{ key: string, boxes: { id: string }[] }[]} groups in the order in which new ones come */
  update(groups) {
    const wanted = new Map(groups.map(({ key, boxes }) => [key, new Set(boxes.map(({ id }) => id))]))
    for (const block of this.blocks) block.boxes = block.boxes.map((box) => (box !== null && wanted.get(block.group)?.has(box) ? box : null))
    for (const block of this.blocks.filter(({ boxes }) => boxes.every((box) => box === null))) this.free(block)
    for (const { key, boxes } of groups) {
      const blocks = this.blocks.filter(({ group }) => group === key)
      const there = new Set(blocks.flatMap(({ boxes }) => boxes))
      const fresh = boxes.map(({ id }) => id).filter((id) => !there.has(id))
      for (const block of blocks) block.boxes = block.boxes.map((box) => box ?? fresh.shift() ?? null)
      if (fresh.length) this.add(key, fresh)
    }
  }

  /** @param {string} group @param {string[]} boxes */
  add(group, boxes) {
    const w = Math.min(this.columns, Math.ceil(boxes.length / TALL))
    const spare = boxes.length > 2 ? 1 : 0
    const rows = Math.ceil((boxes.length + spare) / w)
    const h = TITLE + BOX * rows + BELOW
    const { x, y } = this.find(w, h)
    this.mark({ x, y, w, h }, true)
    this.blocks.push({ x, y, w, h, group, boxes: Array.from({ length: w * rows }, (_, index) => boxes[index] ?? null) })
  }

  /** The uppermost free place. @param {number} w @param {number} h */
  find(w, h) {
    for (let y = 0; ; y++) {
      for (let x = 0; x + w <= this.columns; x++) {
        let free = true
        for (let row = y; row < y + h && free; row++) for (let column = x; column < x + w && free; column++) free = !this.taken[row]?.[column]
        if (free) return { x, y }
      }
    }
  }

  /** @param {Block} block */
  free(block) {
    this.mark(block, false)
    this.blocks.splice(this.blocks.indexOf(block), 1)
  }

  /** @param {Rect} rect @param {boolean} taken */
  mark({ x, y, w, h }, taken) {
    for (let row = y; row < y + h; row++) {
      this.taken[row] ??= []
      for (let column = x; column < x + w; column++) this.taken[row][column] = taken
    }
  }

  get rows() {
    return Math.max(0, ...this.blocks.map(({ y, h }) => y + h))
  }

  /** The place of each box: its column, and its first row. */
  *places() {
    for (const { x, y, w, boxes } of this.blocks) {
      for (const [index, box] of boxes.entries()) if (box !== null) yield { box, x: x + (index % w), y: y + TITLE + BOX * Math.floor(index / w) }
    }
  }
}

/** Groups so that those which are joined come one after the other, the most joined first; and boxes along their flow. @template {{ key: string, boxes: { id: string, group: string }[] }} G @param {G[]} groups @param {{ a: string, b: string, there: boolean, back: boolean }[]} links @returns {G[]} */
export function ordered(groups, links) {
  const of = new Map(groups.flatMap(({ key, boxes }) => boxes.map(({ id }) => [id, key])))
  /** @type {Map<string, Map<string, number>>} */
  const near = new Map(groups.map(({ key }) => [key, new Map()]))
  for (const { a, b } of links) {
    const [one, other] = [of.get(a) ?? '', of.get(b) ?? '']
    if (one === other) continue
    for (const [from, to] of [[one, other], [other, one]]) near.get(from)?.set(to, (near.get(from)?.get(to) ?? 0) + 1)
  }
  const weight = (/** @type {string} */ key) => [...(near.get(key)?.values() ?? [])].reduce((sum, count) => sum + count, 0)
  const left = new Map([...groups].sort((a, b) => weight(b.key) - weight(a.key) || b.boxes.length - a.boxes.length).map((group) => [group.key, group]))
  /** @type {G[]} */
  const found = []
  while (left.size) {
    const line = [[...left.keys()][0]]
    for (const key of line) {
      const group = left.get(key)
      if (!group) continue
      left.delete(key)
      found.push(group)
      line.push(...[...(near.get(key) ?? [])].sort(([, a], [, b]) => b - a).map(([key]) => key))
    }
  }
  for (const group of found) group.boxes = along(group.boxes, links)
  return found
}

/** Boxes so that what goes one way goes down. @template {{ id: string }} B @param {B[]} boxes @param {{ a: string, b: string, there: boolean, back: boolean }[]} links @returns {B[]} */
function along(boxes, links) {
  const inside = new Set(boxes.map(({ id }) => id))
  /** @type {Map<string, Set<string>>} */
  const before = new Map(boxes.map(({ id }) => [id, new Set()]))
  for (const { a, b, there, back } of links) {
    if (!inside.has(a) || !inside.has(b) || there === back) continue
    before.get(there ? b : a)?.add(there ? a : b)
  }
  /** @type {Map<string, B>} */
  const found = new Map()
  const left = new Map(boxes.map((box) => [box.id, box]))
  const ready = (/** @type {B} */ box) => [...(before.get(box.id) ?? [])].every((id) => found.has(id))
  const after = new Map(boxes.map(({ id }) => [id, /** @type {string[]} */ ([])]))
  for (const [id, all] of before) for (const one of all) after.get(one)?.push(id)
  let last = ''
  while (left.size) {
    // What follows the last one, else any that waits for nothing; in a circle any at all.
    const next = after.get(last)?.map((id) => left.get(id)).find((box) => box && ready(box))
    const box = next ?? [...left.values()].find(ready) ?? [...left.values()][0]
    found.set(box.id, box)
    left.delete(box.id)
    last = box.id
  }
  return [...found.values()]
}

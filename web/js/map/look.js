// How kinds of edges look: the colour of the mechanism that works in the same way, or a quiet one; and lines that tell kinds of
// one colour apart.

import { s } from '../dom.js'

/** @import { DrawnKind } from '../../types' */

/** Dashes of the first kind of a colour, the second, and so on. */
const DASHES = ['none', '7 3', '2 3', '10 3 2 3', '1 4']

/** @param {Map<string, DrawnKind & { index: number }>} kinds @param {string} name @returns {{ accent: number | undefined, quiet: number | undefined, dash: string }} */
export function look(kinds, name) {
  const kind = kinds.get(name)
  const scene = kind?.scene ?? null
  const alike = [...kinds.values()].filter((other) => (other.scene ?? null) === scene)
  const turn = Math.max(0, alike.findIndex((other) => other.kind === name))
  if (scene !== null) return { accent: scene % 8, quiet: undefined, dash: DASHES[turn % DASHES.length] }
  return { accent: undefined, quiet: turn % 4, dash: DASHES[Math.floor(turn / 4) % DASHES.length] }
}

/** A piece of its line. @param {Map<string, DrawnKind & { index: number }>} kinds @param {string} name */
export function sample(kinds, name) {
  const { accent, quiet, dash } = look(kinds, name)
  return s('svg', { class: 'sample', width: 26, height: 10, 'aria-hidden': true, 'data-accent': accent, 'data-quiet': quiet },
    s('path', { d: 'M1 5H25', 'stroke-dasharray': dash }))
}

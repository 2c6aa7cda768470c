// What is seldom needed stands behind one word: it opens over the page, and closes when you go elsewhere.

import { h } from '../dom.js'

/** @import { Child } from '../dom.js' */

/** @param {Child} label @param {string} name for its class @param {...Child} children */
export function menu(label, name, ...children) {
  const head = h('summary', {}, label)
  const panel = h('div', { class: 'panel' }, children)
  const element = h('details', { class: `menu ${name}` }, head, panel)
  const leave = (/** @type {Event} */ event) => {
    if (event.target instanceof Node && !element.contains(event.target)) element.open = false
  }
  element.addEventListener('toggle', () => {
    // Where there is more room.
    const { top, bottom } = (panel.offsetParent ?? element).getBoundingClientRect()
    const below = innerHeight - bottom
    element.classList.toggle('down', below > top)
    panel.style.maxHeight = `${Math.max(top, below) - 16}px`
    for (const kind of ['pointerdown', 'focusin']) {
      if (element.open) document.addEventListener(kind, leave)
      else document.removeEventListener(kind, leave)
    }
  })
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !element.open) return
    element.open = false
    head.focus()
  })
  return { element, head }
}

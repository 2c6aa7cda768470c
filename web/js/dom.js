// Making elements. Text only ever becomes text, never markup.

/** @typedef {string | number | Node | null | undefined | false | Child[]} Child */

const SVG = 'http://www.w3.org/2000/svg'

/** @param {Element} element @param {Record<string, any>} props @param {Child[]} children */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name === 'value' || name === 'checked') Reflect.set(element, name, value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  add(element, children)
  return element
}

/** @param {Element} to @param {Child[]} children */
function add(to, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    if (Array.isArray(child)) add(to, child)
    else to.append(child instanceof Node ? child : String(child))
  }
}

/**
 * An HTML element: `h('p', { class: 'note' }, 'text')`. A property `onclick` becomes a listener.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [props] @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export const h = (tag, props = {}, ...children) =>
  /** @type {HTMLElementTagNameMap[K]} */ (fill(document.createElement(tag), props, children))

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [props] @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export const s = (tag, props = {}, ...children) =>
  /** @type {SVGElementTagNameMap[K]} */ (/** @type {unknown} */ (fill(document.createElementNS(SVG, tag), props, children)))

/** Replaces everything inside `element`. @param {Element} element @param {...Child} children */
export function show(element, ...children) {
  element.replaceChildren()
  add(element, children)
}

/** Sets text only if it changed, so that nothing is laid out anew for nothing. @param {Node} node @param {string} text */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** Sets an attribute only if it changed. @param {Element} element @param {string} name @param {string} value */
export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

/** A field with its label. @param {Child} label @param {HTMLElement} control */
export const field = (label, control) => h('label', { class: 'field' }, h('span', {}, label), control)

/** A command line, broken between its words only. @param {string} command */
export const commandLine = (command) =>
  h('code', { class: 'line' }, command.split(' ').map((word, index) => [index ? ' ' : '', h('span', {}, word)]))

/** Words that stand beside figures which are not to be quoted. @param {string[]} marks */
export const marked = (marks) => marks.map((mark) => [' ', h('span', { class: 'mark' }, mark)])

/**
 * A choice of one from a few.
 * @param {[string, string][]} options value and text @param {string} chosen
 * @param {(value: string) => void} [changed] @param {Record<string, any>} [props]
 */
export function select(options, chosen, changed, props = {}) {
  const known = options.some(([value]) => value === chosen) ? options : [...options, [chosen, chosen]]
  return h(
    'select',
    { ...props, onchange: (/** @type {any} */ event) => changed?.(event.target.value) },
    known.map(([value, text]) => h('option', { value, selected: value === chosen }, text)),
  )
}

let groups = 0

/**
 * Radio buttons that look like one switch.
 * @param {Child} legend @param {[string, string, string?][]} options value, text, and what that means @param {string} chosen @param {(value: string) => void} changed
 */
export function segments(legend, options, chosen, changed) {
  const name = `segments-${groups++}`
  return h(
    'fieldset',
    { class: 'segments' },
    h('legend', {}, legend),
    h('span', {}, options.map(([value, text, means]) =>
      h(
        'label',
        {},
        h('input', { type: 'radio', name, value, checked: value === chosen, class: means && 'term', 'aria-description': means, onchange: () => changed(value) }),
        h('span', {}, text),
      ))),
  )
}

/** A button. @param {Child} text @param {() => void} pressed @param {Record<string, any>} [props] */
export const button = (text, pressed, props = {}) => h('button', { type: 'button', onclick: pressed, ...props }, text)

/** Words with `code` between backticks, as elements. @param {string} text @returns {Child[]} */
export const prose = (text) => text.split('`').map((part, index) => (index % 2 ? h('code', {}, part) : part))

/** Whether most cells of a column hold words: those stand at the left and may wrap, numbers stand at the right. @param {Child[]} cells */
function wordy(cells) {
  const told = cells.filter((cell) => typeof cell === 'string' && cell !== '' && cell !== '–').map(String)
  return told.filter((cell) => /^[a-z_(]/i.test(cell)).length * 2 > told.length
}

/**
 * A table that scrolls inside its own box, and can be scrolled by keyboard.
 * @param {string} caption @param {Child[]} columns @param {Child[][]} rows the first cell heads its row
 * @param {string} [name] of the box, where the caption alone is not enough to tell it from others
 */
export function table(caption, columns, rows, name = caption) {
  const kind = columns.map((_, index) => (index && wordy(rows.map((row) => row[index])) ? 'words' : undefined))
  const said = (/** @type {number} */ index) => (typeof columns[index] === 'string' ? columns[index] : undefined)
  return h(
    'div',
    { class: 'wide', tabindex: 0, role: 'region', 'aria-label': name },
    h(
      'table',
      {},
      h('caption', {}, caption),
      h('thead', {}, h('tr', {}, columns.map((column, index) => h('th', { scope: 'col', class: kind[index] }, column)))),
      h('tbody', {}, rows.map(([head, ...cells]) =>
        h('tr', {}, h('th', { scope: 'row', 'data-head': said(0) }, head), cells.map((cell, index) => h('td', { class: kind[index + 1], 'data-head': said(index + 1) }, cell))))),
    ),
  )
}

/** A name in its own colour: the colour is never alone. @param {string} title @param {number} index */
export const named = (title, index) =>
  h('span', { class: 'named', 'data-accent': index < 0 ? undefined : index % 8 }, h('i', {}), title)

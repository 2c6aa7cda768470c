// The files that ipcscope writes: which of them a text is, and where on this page it opens.

import { h } from '../dom.js'

/** @import { Child } from '../dom.js' */

/** A file is at most this long, in bytes. */
const LIMIT = 64 << 20

/**
 * Each kind in words, and the place where it opens.
 * @type {Record<string, { what: string, opens: Child[] }>}
 */
const KINDS = {
  trace: { what: 'a trace of messages', opens: ['It opens under ', h('a', { href: '#/replay' }, 'Replay'), '.'] },
  report: { what: 'the report of a race', opens: ['It opens under ', h('a', { href: '#/runs' }, 'Runs'), ', and can be compared under ', h('a', { href: '#/race' }, 'Race'), '.'] },
  probe: { what: 'the record of a probe', opens: ['No page opens such a file; ', h('a', { href: '#/method' }, 'Method'), ' shows what was counted on this machine.'] },
  findings: { what: 'the findings of the doctor', opens: ['No page opens such a file; ', h('a', { href: '#/method' }, 'Method'), ' shows the findings about this machine.'] },
  comparison: { what: 'a comparison of two races', opens: ['No page opens it; the two races can be compared again under ', h('a', { href: '#/runs' }, 'Runs'), '.'] },
  page: { what: 'a race as a page of its own', opens: ['A browser opens it by itself. ', h('a', { href: '#/runs' }, 'Runs'), ' takes the same race as JSON.'] },
  table: { what: 'the rows of a race as CSV', opens: ['A spreadsheet opens it. ', h('a', { href: '#/runs' }, 'Runs'), ' takes the same race as JSON.'] },
  prose: { what: 'a race as Markdown', opens: ['It is text to read. ', h('a', { href: '#/runs' }, 'Runs'), ' takes the same race as JSON.'] },
  packed: { what: 'a packed file', opens: ['Unpack it first.'] },
}

/** One of the kinds; `null` for anything else, and for what is broken. @param {string} text @returns {string | null} */
function kindOf(text) {
  const plain = text.replace(/^\uFEFF/, '').trimStart()
  if (/^(\x1f[\x8b\uFFFD]|PK\x03\x04)/.test(plain)) return 'packed'
  if (/^<!doctype html>/i.test(plain)) return plain.includes('<title>ipcscope') ? 'page' : null
  if (/^kind,entrant,workload,/.test(plain)) return 'table'
  if (/\n\| entrant \|/.test(plain.slice(0, 10_000))) return 'prose'
  if (!plain.startsWith('{')) return null
  const line = plain.slice(0, (plain.indexOf('\n') + 1 || plain.length + 1) - 1)
  const head = object(line) ?? object(plain)
  const format = head?.format ?? /^\{\s*"format":\s*"([^"]*)"/.exec(plain)?.[1]
  if (format === 'ipcscope-trace') return 'trace'
  if (format === 'ipcscope-probe') return 'probe'
  if (!head) return null
  if ('findings' in head) return 'findings'
  if (Array.isArray(head.rows) && 'plan' in head) return 'report'
  if (Array.isArray(head.rows) && 'warnings' in head) return 'comparison'
  return null
}

/** @param {string} text @returns {any} */
function object(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** What another file of ours is, and where it opens; `null` if it may be one of this kind. @param {string} wanted @param {string} text @param {string} name @returns {Child[] | null} */
function elsewhere(wanted, text, name) {
  const kind = kindOf(text)
  if (kind === null || kind === wanted) return null
  return [`${name} is ${KINDS[kind].what}, and not ${KINDS[wanted].what}. `, KINDS[kind].opens]
}

/**
 * A place to drop a file of one kind on, or to pick one.
 * @param {'trace' | 'report'} wanted @param {string} text @param {(text: string, name: string) => void} taken @param {(fault: Child) => void} refused
 * @param {string} [short] said instead where there is little room
 */
export function dropzone(wanted, text, taken, refused, short) {
  const take = async (/** @type {File | undefined} */ file) => {
    if (!file) return
    if (file.size > LIMIT) return refused(`${file.name} is larger than 64 MiB.`)
    const text = await file.text()
    const other = elsewhere(wanted, text, file.name)
    if (other) refused(other)
    else taken(text, file.name)
  }
  const input = h('input', { type: 'file', class: 'hidden-file', 'aria-label': text, onchange: () => { void take(input.files?.[0]); input.value = '' } })
  const zone = h('label', { class: 'drop' }, input, h('span', { class: short && 'long' }, text), short ? h('span', { class: 'short' }, short) : null)
  zone.addEventListener('dragover', (event) => { event.preventDefault(); zone.classList.add('over') })
  zone.addEventListener('dragleave', () => zone.classList.remove('over'))
  zone.addEventListener('drop', (event) => {
    event.preventDefault()
    zone.classList.remove('over')
    void take(event.dataTransfer?.files[0])
  })
  return zone
}

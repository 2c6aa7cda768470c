// Terms in texts: each that a list explains becomes one that can be asked about. What answers is glossary.js.

import { h } from './dom.js'

/** @import { Child } from './dom.js' */

/** A term that can be asked about, by the keyboard too. @param {string} name @param {string} text */
export const term = (name, text) => h('abbr', { class: 'term', tabindex: 0, 'aria-description': text }, name)

/** What finds the terms of a list in a text. @param {[string[], string][]} terms */
export function vocabulary(terms) {
  const explanations = new Map(terms.flatMap(([names, text]) => names.map((name) => /** @type {[string, string]} */ ([name, text]))))
  const names = [...explanations.keys()].sort((a, b) => b.length - a.length).map((name) => name.replace(/[.*+?^$()[\]{}|\\/]/g, '\\$&'))
  const any = new RegExp(`(?<![\\w.-])(${names.join('|')})(?![\\w(/-]|\\.\\d)`)
  /**
   * A text whose terms can be asked about.
   * @param {string} text @param {Set<string>} [told] terms that were explained nearby already: each needs it once
   * @param {(name: string, text: string) => Element} [make]
   * @returns {Child[]}
   */
  return (text, told = new Set(), make = term) => text.split(any).map((part, index) => {
    const means = index % 2 ? explanations.get(part) : undefined
    if (!means || told.has(part)) return part
    told.add(part)
    return make(part, means)
  })
}

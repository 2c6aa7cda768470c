// Elements that are kept from one map to the next: only what differs is touched.

/**
 * @template T
 * @template {Element} E
 */
export class Keyed {
  /** @type {Map<string, { element: E, said: string }>} */
  all = new Map()

  /**
   * @param {Element} into @param {(item: T) => string} key @param {(item: T) => E} make
   * @param {(item: T) => string} saying what the element depends on: it is filled only when that differs
   * @param {(element: E, item: T) => void} fill
   */
  constructor(into, key, make, saying, fill) {
    this.into = into
    this.key = key
    this.make = make
    this.saying = saying
    this.fill = fill
  }

  /** Shows these, in this order. @param {T[]} items */
  show(items) {
    const wanted = new Set(items.map(this.key))
    for (const [key, { element }] of this.all) {
      if (wanted.has(key)) continue
      element.remove()
      this.all.delete(key)
    }
    /** @type {Element | null} */
    let before = null
    for (const item of items) {
      const key = this.key(item)
      let kept = this.all.get(key)
      if (!kept) {
        kept = { element: this.make(item), said: '' }
        this.all.set(key, kept)
      }
      const said = this.saying(item)
      if (kept.said !== said) {
        kept.said = said
        this.fill(kept.element, item)
      }
      /** @type {Element | null} */
      const next = before ? before.nextElementSibling : this.into.firstElementChild
      if (next !== kept.element) this.into.insertBefore(kept.element, next)
      before = kept.element
    }
  }

  /** @param {string} key */
  get(key) {
    return this.all.get(key)?.element
  }
}

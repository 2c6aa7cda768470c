// The keys of a stage. They are its own wherever they have no other use: not while you type, not on a button that they press.
// On the slider of moments they do what they do elsewhere, and up and down go on and back as well.

/** @import { View } from './view.js' */

/** Fields that are typed into, and those that take the arrows. */
const TYPED = 'input:not([type=range]), select, textarea, [contenteditable]'
/** What the space bar presses, and what is scrolled. */
const PRESSED = 'button, summary, a'
const SCROLLED = '[tabindex="0"]'

export class Keys {
  /** @param {View} view */
  constructor(view) {
    this.view = view
    this.leave = new AbortController()
    const { signal } = this.leave
    // After a press with the pointer the button still has the focus, but the hand is elsewhere: then the space bar is the stage's.
    let pointed = false
    let taken = false
    addEventListener('pointerdown', () => { pointed = true }, { capture: true, signal })
    addEventListener('keydown', (event) => {
      if (event.key === 'Tab') pointed = false
      taken = this.take(event, pointed)
      if (taken) event.preventDefault()
    }, { signal })
    addEventListener('keyup', (event) => {
      if (taken && event.key === ' ') event.preventDefault()
      taken = false
    }, { signal })
  }

  /** @param {KeyboardEvent} event @param {boolean} pointed @returns {boolean} whether the key was the stage's */
  take({ key, target, altKey, ctrlKey, metaKey, defaultPrevented }, pointed) {
    const { view } = this
    if (defaultPrevented || altKey || ctrlKey || metaKey || !view.player.recording || !(target instanceof Element)) return false
    if (target.matches(TYPED)) return false
    const along = target.matches('input')
    const scrolls = target.closest(SCROLLED) !== null
    if (/^[0-9]$/.test(key)) view.jump(Number(key))
    else if (key === ' ' && !scrolls && (pointed || target.closest(PRESSED) === null)) view.playOrPause()
    else if (key === 'ArrowLeft' || (along && key === 'ArrowDown')) view.player.step(-1)
    else if (key === 'ArrowRight' || (along && key === 'ArrowUp')) view.player.step(1)
    else if ((key === 'Home' || key === 'End') && !scrolls) view.turn(key === 'End')
    else return false
    return true
  }

  remove() {
    this.leave.abort()
  }
}

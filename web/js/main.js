// The page: asks the lab what there is, then shows the place that the address names.

import { api, sentence } from './api.js'
import { button, h, say, show } from './dom.js'
import { connect, state, watch } from './live.js'
import { dark, flipTheme } from './prefs.js'
import { parse, wasPressed, watchPresses } from './router.js'
import { lab, setLab, status } from './store.js'

/** @typedef {{ title: string, element: HTMLElement, mounted?: () => void }} Page `mounted` is called when the element has its room */

/** @typedef {(place: import('./router.js').Place, signal: AbortSignal, pressed: boolean) => Page | Promise<Page>} Make `pressed`: the reader came by a link of ours */

/** Each page is asked for when it is gone to: the first one need not wait for the others. @type {Record<string, () => Promise<Make>>} */
const PAGES = {
  '': async () => (await import('./page/start.js')).start,
  m: async () => (await import('./page/mechanism.js')).mechanism,
  race: async () => (await import('./page/race.js')).race,
  choose: async () => (await import('./page/choose.js')).choose,
  map: async () => (await import('./page/map.js')).map,
  runs: async () => (await import('./page/runs.js')).runs,
  method: async () => (await import('./page/method.js')).method,
  replay: async () => (await import('./page/replay.js')).replay,
}

const main = /** @type {HTMLElement} */ (document.querySelector('main'))
const nav = /** @type {HTMLElement} */ (document.querySelector('nav'))
const banner = /** @type {HTMLElement} */ (document.querySelector('#banner'))

let leave = new AbortController()

/** Shows the place of the address. @param {boolean} arriving whether the reader asked for it: then its head takes the focus */
async function go(arriving) {
  const place = parse(location.hash)
  const pressed = wasPressed(location.hash)
  const page = Object.hasOwn(PAGES, place.page) ? PAGES[place.page] : null
  leave.abort()
  leave = new AbortController()
  const { signal } = leave
  mark()
  let made
  try {
    made = page ? await (await page())(place, signal, pressed) : nowhere()
  } catch (error) {
    console.error(error)
    made = broken(error)
  }
  if (signal.aborted) return
  main.replaceChildren(made.element)
  made.mounted?.()
  document.title = `${made.title}, ipcscope`
  if (arriving) {
    scrollTo(0, 0)
    const head = main.querySelector('h1')
    head?.setAttribute('tabindex', '-1')
    head?.focus({ preventScroll: true })
    status(made.title)
  }
}

/** @returns {Page} */
const nowhere = () => ({ title: 'Nothing here', element: h('div', {}, h('h1', {}, 'Nothing here'), h('p', {}, 'No page has this address. ', h('a', { href: '#/' }, 'Go to the start'))) })

/** A page that could not be had, such as when the lab has gone. @param {unknown} error @returns {Page} */
const broken = (error) => ({
  title: 'This page cannot be shown',
  element: h('div', {}, h('h1', {}, 'This page cannot be shown'), h('p', {}, error instanceof TypeError ? 'The lab did not answer the request for this page. Is ipcscope still running in its terminal?' : sentence(error)), h('p', {}, button('Try again', () => void go(true)))),
})

/** Marks the link of this page. */
function mark() {
  const here = location.hash.split('?')[0] || '#/'
  for (const link of nav.querySelectorAll('a')) {
    if (link.getAttribute('href') === here) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
}

function links() {
  const link = (/** @type {string} */ to, /** @type {string} */ text, /** @type {number} */ accent) =>
    h('a', { href: to, 'data-accent': accent < 0 ? undefined : accent % 8 }, text)
  show(nav,
    ...lab.scenes.map((scene, index) => link(`#/m/${encodeURIComponent(scene.kind)}`, scene.title, index)),
    h('span', { class: 'bar', 'aria-hidden': true }),
    link('#/race', 'Race', -1), link('#/choose', 'Choose', -1), link('#/map', 'Map', -1), link('#/runs', 'Runs', -1), link('#/method', 'Method', -1), link('#/replay', 'Replay', -1))
}

/** Says when the lab is out of reach, and offers to try again. */
function connection() {
  const text = h('span', {})
  show(banner, text, button('Try now', connect))
  let lost = false
  watch((_, is) => {
    if (is === 'first') return
    banner.hidden = state.connected
    if (!state.connected) {
      say(text, 'The lab does not answer: it was stopped, or this machine slept. Start ipcscope again, and this page finds it if the address is the same. ')
      if (!lost) status('The connection to the lab is lost.')
    } else if (lost) status('The lab answers again.')
    lost = !state.connected
  }, new AbortController().signal)
}

async function begin() {
  const theme = /** @type {HTMLElement} */ (document.querySelector('#theme'))
  theme.setAttribute('aria-pressed', String(dark()))
  theme.addEventListener('click', () => {
    flipTheme()
    theme.setAttribute('aria-pressed', String(dark()))
  })
  document.querySelector('#skip')?.addEventListener('click', (event) => {
    event.preventDefault()
    main.focus()
  })
  try {
    setLab(await api.lab())
  } catch (error) {
    show(main, h('h1', {}, 'The lab does not answer'), h('p', {}, sentence(error)), h('p', {}, button('Try again', () => location.reload())))
    return
  }
  links()
  connection()
  connect()
  if (location.hash === '' && lab.replay) history.replaceState(null, '', '#/replay')
  // Before the first page is there: a link that is followed meanwhile must not be lost.
  watchPresses()
  addEventListener('hashchange', () => void go(true))
  await go(false)
}

void begin()

// Where we are: `#/m/<kind>?wait=block` is the page `m`, its rest `<kind>`, and what was asked for.
//
// And how we came there. An address can be led to by any page and any mail, so nothing starts because of an address. A link of
// ours that was pressed is known here, in memory, until it has been gone to: nothing outside of this page can put it there.

/**
 * @typedef {object} Place
 * @property {string} page
 * @property {string} rest
 * @property {URLSearchParams} query
 */

/** @param {string} hash @returns {Place} */
export function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [page = '', ...rest] = path.split('/')
  return { page, rest: decode(rest.join('/')), query: new URLSearchParams(query) }
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** @param {string} path @param {Record<string, string | number | undefined>} [query] fields without a value are left out */
export function href(path, query = {}) {
  const fields = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(fields.map(([name, value]) => [name, String(value)])).toString()
  // Commas separate lists, and are easier to read as they are.
  return `#/${path}${text ? `?${text.replaceAll('%2C', ',')}` : ''}`
}

/** Changes the address without leaving the page, so that it can be shared. @param {string} hash */
export const rename = (hash) => history.replaceState(null, '', hash)

/** The address of the link of ours that was pressed last, until it has been gone to. @type {string | null} */
let pressed = null

/** Looks for presses on links of ours. */
export const watchPresses = () => addEventListener('click', (event) => {
  const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0
  const link = event.isTrusted && !elsewhere && event.target instanceof Element ? event.target.closest('a') : null
  const leads = link instanceof HTMLAnchorElement && link.origin === location.origin && link.pathname === location.pathname
  pressed = leads && link.hash !== location.hash ? link.hash : null
}, { capture: true })

/** Whether this address was gone to by a press on a link of ours. It is said once. @param {string} hash */
export function wasPressed(hash) {
  const own = pressed !== null && pressed === hash
  pressed = null
  return own
}

// Where we are: `#/m/<kind>?wait=block` is the page `m`, its rest `<kind>`, and what was asked for.

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

// Reading a trace: one JSON object a line, the header first (docs/trace.md). Whatever is wrong is told with its line
// and its field.

/** @import { Event, Header } from '../types' */

import { SCHEMA, shapes } from './shapes.js'

/** A trace that cannot be read. The message names the line, and the field where one is at fault. */
class TraceError extends Error {}

/** @param {number} line @param {string} what @returns {never} */
function fault(line, what) {
  throw new TraceError(`line ${line}: ${what}`)
}

/** @param {string} text @param {number} line @returns {any} */
function object(text, line) {
  let value
  try {
    value = JSON.parse(text)
  } catch {
    fault(line, 'this is not a whole JSON object; the file may have been cut off here')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fault(line, 'this is not a JSON object')
  return value
}

const isObject = (/** @type {unknown} */ value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Holds a value against its kind (shapes.js). A field without a value may be null or left out, as the lab reads it; here it
 * becomes what the types say.
 * @param {any} value @param {string} kind @param {number} line @param {string} [field] its path
 */
function need(value, kind, line, field = '') {
  const list = /^\[(\d*)\](.*)/.exec(kind)
  const shape = shapes[kind]
  const holds = list ? Array.isArray(value) && (!list[1] || value.length === Number(list[1]))
    : shape || kind === 'object' ? isObject(value)
    : kind === 'integer' || kind === 'count' ? Number.isInteger(value) && (kind === 'integer' || value >= 0)
    : kind === 'unknown' || typeof value === kind
  if (!holds) fault(line, `field \`${field}\` has the wrong type`)
  if (list) value.forEach((/** @type {unknown} */ one, /** @type {number} */ index) => need(one, list[2], line, `${field}[${index}]`))
  for (const [name, inner] of Object.entries(shape ?? {})) {
    const path = field ? `${field}.${name}` : name
    if ((value[name] ?? null) !== null) need(value[name], inner.replace(/^~|\?$/g, ''), line, path)
    else if (inner.startsWith('~')) delete value[name]
    else if (inner.endsWith('?')) value[name] = null
    else fault(line, `field \`${path}\` ${name in value ? 'has the wrong type' : 'is missing'}`)
  }
  const own = shape && `${kind} ${value.is ?? value.what}`
  if (own && own in shapes) need(value, own, line, field)
}

/** @param {string} text @param {number} [line] @returns {Header} */
export function header(text, line = 1) {
  const found = object(text, line)
  if (found.format !== 'ipcscope-trace') fault(line, 'field `format` is not `ipcscope-trace`: this is not one of our traces')
  if (found.schema !== SCHEMA) fault(line, `field \`schema\` is ${JSON.stringify(found.schema)}, and this page reads ${SCHEMA}: record the trace anew`)
  need(found, 'Header', line)
  return found
}

/** Of an event of a kind that this page does not know only what every event has is read. @param {string} text @param {number} line @returns {Event} */
export function event(text, line) {
  const found = object(text, line)
  need(found, 'Event', line)
  return found
}

/** A trace as text. @param {Header} header @param {Event[]} events */
export const written = (header, events) => [header, ...events].map((line) => `${JSON.stringify(line)}\n`).join('')

/** Lets the browser paint. */
const breathe = () => new Promise((resume) => setTimeout(resume))

/** Whether another trace begins with this line: it is a header, and no event that has a field of that name. @param {any} found */
const begins = (found) => found.format !== undefined && found.what === undefined

/**
 * Reads the traces of a file, which stand one after the other, a slice of it at a time: at least one.
 * @param {string} text
 * @returns {Promise<{ header: Header, events: Event[] }[]>}
 */
export async function read(text) {
  const lines = text.split('\n')
  if (lines[lines.length - 1] === '') lines.pop()
  if (!lines.length) fault(1, 'the file is empty')
  /** @type {{ header: Header, events: Event[] }[]} */
  const traces = []
  let since = performance.now()
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]
    if (!index || (line.includes('"format"') && begins(object(line, index + 1)))) traces.push({ header: header(line, index + 1), events: [] })
    else if (line) traces[traces.length - 1].events.push(event(line, index + 1))
    if (index % 256 === 0 && performance.now() - since > 12) {
      await breathe()
      since = performance.now()
    }
  }
  return traces
}

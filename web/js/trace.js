// Reading a trace: one JSON object a line, the header first (docs/trace.md). Whatever is wrong is told with its line
// and its field.

/** @import { Event, Header } from '../types' */

export const SCHEMA = 2

/** A trace that cannot be read. The message names the line, and the field where one is at fault. */
export class TraceError extends Error {}

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

const isText = (/** @type {unknown} */ value) => typeof value === 'string'
const isList = (/** @type {unknown} */ value) => Array.isArray(value)
const isObject = (/** @type {unknown} */ value) => typeof value === 'object' && value !== null && !Array.isArray(value)
const isNumber = (/** @type {unknown} */ value) => typeof value === 'number' && Number.isFinite(value)

/** @param {any} from @param {Record<string, (value: unknown) => boolean>} fields @param {number} line @param {string} [of] */
function need(from, fields, line, of = '') {
  for (const [name, holds] of Object.entries(fields)) {
    if (!(name in from)) fault(line, `field \`${of}${name}\` is missing`)
    if (!holds(from[name])) fault(line, `field \`${of}${name}\` has the wrong type`)
  }
}

/** @param {string} text @param {number} [line] @returns {Header} */
export function header(text, line = 1) {
  const found = object(text, line)
  if (found.format !== 'ipcscope-trace') fault(line, 'field `format` is not `ipcscope-trace`: this is not one of our traces')
  if (found.schema !== SCHEMA) fault(line, `field \`schema\` is ${JSON.stringify(found.schema)}, and this page reads ${SCHEMA}`)
  need(found, { scene: isObject, processes: isList, wait: isText, placement: isText, clock: isText }, line)
  need(found.scene, { kind: isText, title: isText, stage: isList, steps: isList }, line, 'scene.')
  found.scene.stage.forEach((/** @type {any} */ part, /** @type {number} */ index) =>
    need(part, { id: isText, form: isObject, label: isText, space: isText }, line, `scene.stage[${index}].`))
  found.scene.steps.forEach((/** @type {any} */ step, /** @type {number} */ index) =>
    need(step, { id: isText, actor: isText, act: isObject, at: isText }, line, `scene.steps[${index}].`))
  if (found.processes.length !== 2) fault(line, 'field `processes` does not hold two processes')
  const scene = { explanation: '', summary: '', tags: [], budgets: [], experiments: [], duplex: false, cross_host: false, ...found.scene }
  return { size_bytes: 0, started_unix_ms: 0, machine: '', ...found, scene }
}

/** @param {string} text @param {number} line @returns {Event} */
export function event(text, line) {
  const found = object(text, line)
  need(found, { t_ns: isNumber, what: isText }, line)
  if ('message' in found && !isNumber(found.message)) fault(line, 'field `message` is not a number')
  if (found.what === 'gauges') need(found, { values: isObject }, line)
  if (found.what === 'table') need(found, { columns: isList, rows: isList }, line)
  return found
}

/** Lets the browser paint. */
const breathe = () => new Promise((resume) => setTimeout(resume))

/**
 * Reads a whole trace, a slice of it at a time.
 * @param {string} text
 * @returns {Promise<{header: Header, events: Event[]}>}
 */
export async function read(text) {
  const lines = text.split('\n')
  if (lines[lines.length - 1] === '') lines.pop()
  if (!lines.length) fault(1, 'the file is empty')
  const first = header(lines[0])
  /** @type {Event[]} */
  const events = []
  let since = performance.now()
  for (let index = 1; index < lines.length; index++) {
    events.push(event(lines[index], index + 1))
    if (index % 256 === 0 && performance.now() - since > 12) {
      await breathe()
      since = performance.now()
    }
  }
  return { header: first, events }
}

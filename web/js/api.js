// Asking the lab. Every failure becomes one sentence that can be shown.

const token = document.querySelector('meta[name=token]')?.getAttribute('content') ?? ''

/** The lab's answer when it refused a request. */
class Refusal extends Error {
  /** @param {string} text @param {number} status 0 when the lab did not answer */
  constructor(text, status) {
    super(text)
    this.status = status
  }
}

/**
 * @param {string} method @param {string} path @param {unknown} [body]
 * @returns {Promise<any>} the answer; `null` when it has no body
 */
async function ask(method, path, body) {
  /** @type {Response} */
  let answer
  try {
    answer = await fetch(path, {
      method,
      headers: {
        ...(method === 'GET' ? {} : { 'X-Ipcscope-Token': token }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    })
  } catch {
    throw new Refusal('The lab does not answer. Is ipcscope still running in its terminal?', 0)
  }
  const text = await answer.text()
  if (answer.ok) return text ? JSON.parse(text) : null
  throw new Refusal(reason(text) ?? `The lab answered ${answer.status} ${answer.statusText}.`, answer.status)
}

/** @param {string} text */
function reason(text) {
  try {
    return JSON.parse(text).error
  } catch {
    return undefined
  }
}

/** @param {string} id */
const run = (id) => `/api/runs/${encodeURIComponent(id)}`

export const api = {
  /** @returns {Promise<import('../types').LabAnswer>} */
  lab: () => ask('GET', '/api/lab'),
  /** @returns {Promise<import('../types').DoctorAnswer>} */
  doctor: () => ask('GET', '/api/doctor'),
  /** @returns {Promise<import('../types').Run[]>} */
  runs: () => ask('GET', '/api/runs'),
  /** @param {string} id @returns {Promise<import('../types').JudgedRun>} */
  judged: (id) => ask('GET', `${run(id)}/judged`),
  /** Without histograms and progress. @param {string} id @returns {Promise<import('../types').JudgedRun>} */
  brief: (id) => ask('GET', `${run(id)}/brief`),
  /** A mechanism in a race that waited and sat like this. @param {string} id @param {Record<string, string>} like @returns {Promise<import('../types').Beside | null>} */
  beside: (id, like) => ask('GET', `${run(id)}/beside?${new URLSearchParams(like)}`),
  /** @param {string} id */
  remove: (id) => ask('DELETE', run(id)),
  /** @param {string} report the text of a report @returns {Promise<{id: string}>} */
  keep: (report) => ask('POST', '/api/runs', report),
  /** @param {unknown} a @param {unknown} b ids or reports @returns {Promise<import('../types').Comparison>} */
  compare: (a, b) => ask('POST', '/api/compare', { a, b }),
  /** @param {Partial<import('../types').Plan>} plan @returns {Promise<import('../types').RaceStarted>} */
  race: (plan) => ask('POST', '/api/race', plan),
  stopRace: () => ask('DELETE', '/api/race'),
  /** @returns {Promise<import('../types').CountedAnswer>} */
  probe: () => ask('GET', '/api/probe'),
  startProbe: () => ask('POST', '/api/probe'),
  stopProbe: () => ask('DELETE', '/api/probe'),
  /** @returns {Promise<import('../types').WatchAnswer>} */
  watched: () => ask('GET', '/api/watch'),
  /** @param {string} edge @param {number} seconds */
  watch: (edge, seconds) => ask('POST', '/api/watch', { edge, seconds }),
  stopWatch: () => ask('DELETE', '/api/watch'),
  /** @param {object} constraints @returns {Promise<import('../types').ChoiceAnswer>} */
  choose: (constraints) => ask('POST', '/api/choose', constraints),
  /** The trace that the lab was started with, as text. */
  async replay() {
    const answer = await fetch('/api/replay')
    const text = await answer.text()
    if (!answer.ok) throw new Refusal(reason(text) ?? 'The lab was started without a trace.', answer.status)
    return text
  },
  /** @param {string} id @param {string} form */
  exported: (id, form) => `${run(id)}/export/${form}`,
}

/** A WebSocket of the lab's. @param {string} path @param {Record<string, string | number>} query */
export function socket(path, query = {}) {
  const url = new URL(path, location.href)
  url.protocol = 'ws:'
  for (const [name, value] of Object.entries({ ...query, token })) url.searchParams.set(name, String(value))
  return new WebSocket(url)
}

/** A sentence for any error. @param {unknown} error */
export const sentence = (error) => (error instanceof Error ? error.message : String(error))

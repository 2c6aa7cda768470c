// The lab's news for every open page: whether a race or a probe runs, and which runs there are. The
// socket is opened anew when it closes; the first frame after that is the whole state again.

import { socket } from './api.js'

/**
 * @typedef {object} State
 * @property {boolean} connected
 * @property {number} retryAt when the next attempt is due, in ms since 1970; 0 while connected
 * @property {import('../types').RaceState | null} race
 * @property {{run: string | null, interrupted: boolean, error: string | null} | null} ended the last race that ended while this page was open
 * @property {import('../types').ProbeState | null} probe
 * @property {{run: string | null, interrupted: boolean, error: string | null} | null} probed the last probe that ended while this page was open
 * @property {import('../types').Run[]} runs the newest
 * @property {number} older how many more are kept
 * @property {number} pages
 * @property {number} stages
 */

/** @type {State} */
export const state = { connected: false, retryAt: 0, race: null, ended: null, probe: null, probed: null, runs: [], older: 0, pages: 0, stages: 0 }

/** @type {Set<(state: State, is: string) => void>} */
const watchers = new Set()

/**
 * Calls `watcher` now and after every change, until the signal aborts.
 * @param {(state: State, is: string) => void} watcher @param {AbortSignal} signal
 */
export function watch(watcher, signal) {
  watchers.add(watcher)
  signal.addEventListener('abort', () => watchers.delete(watcher))
  watcher(state, 'first')
}

/** @param {string} is */
function changed(is) {
  for (const watcher of watchers) watcher(state, is)
}

/** @type {WebSocket | null} */
let current = null
let attempts = 0
let timer = 0

/** Opens the socket, or opens it anew at once. */
export function connect() {
  clearTimeout(timer)
  current?.close()
  const opened = socket('/api/live')
  current = opened
  opened.onmessage = ({ data }) => {
    attempts = 0
    take(JSON.parse(data))
  }
  opened.onclose = () => {
    if (current !== opened) return
    const delay = Math.min(500 * 2 ** attempts++, 15_000)
    state.connected = false
    state.retryAt = Date.now() + delay
    timer = window.setTimeout(connect, delay)
    changed('closed')
  }
}

/** @param {any} frame */
function take(frame) {
  switch (frame.is) {
    case 'snapshot':
      Object.assign(state, { connected: true, retryAt: 0, race: frame.race, probe: frame.probe, runs: frame.runs, older: frame.older ?? 0, pages: frame.pages, stages: frame.stages })
      break
    case 'race':
      state.race = frame
      break
    case 'race-ended':
      state.race = null
      state.ended = frame
      break
    case 'probe':
      state.probe = frame
      break
    case 'probe-ended':
      state.probe = null
      state.probed = frame
      break
    case 'runs':
      state.runs = frame.runs
      state.older = frame.older ?? 0
      break
    default:
      return
  }
  changed(frame.is)
}

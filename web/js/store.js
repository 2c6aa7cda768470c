// What every page needs of the lab: its scenes and their colours, its last report, and the one line that says what happens.

import { api } from './api.js'
import { state } from './live.js'

/** @import { LabAnswer, Machine, Scene } from '../types' */

/** @type {LabAnswer} */
export let lab

/** @param {LabAnswer} found */
export function setLab(found) {
  lab = found
}

/** A mechanism's place in the list of scenes: its colour. -1 for what is none. @param {string} kind */
export const accent = (kind) => lab.scenes.findIndex((scene) => scene.kind === kind)

/** @param {string} kind */
export const title = (kind) => lab.scenes[accent(kind)]?.title ?? kind

/** @param {string} kind @returns {Scene | undefined} */
export const sceneOf = (kind) => lab.scenes[accent(kind)]

/**
 * Reports never change, so what is said of each is asked for once.
 * @template {unknown[]} A @template T
 * @param {(...asked: A) => Promise<T>} ask @param {number} most how many answers are kept
 */
function kept(ask, most = 8) {
  /** @type {Map<string, Promise<T>>} */
  const answers = new Map()
  return (/** @type {A} */ ...asked) => {
    const key = JSON.stringify(asked)
    let found = answers.get(key)
    if (!found) {
      found = ask(...asked)
      found.catch(() => answers.delete(key))
      if (answers.size >= most) answers.delete([...answers.keys()][0])
      answers.set(key, found)
    }
    return found
  }
}

/** A report of the history. */
export const report = kept(api.judged)

/** The same without what curves and replays are drawn from: a small part of it. */
export const brief = kept(api.brief)

/** A mechanism in a report that waited and sat like a stage. */
export const beside = kept(api.beside, 64)

/** The last run's id. */
export const lastRun = () => (state.connected ? (state.runs[0]?.id ?? null) : (lab.last_run ?? null))

/** What there is to say while no race is in the history. */
export const noRaceYet = () => (state.race ? 'The first race is running. What it finds will stand here.' : 'No race was run on this machine yet.')

/** Says one thing, where screen readers listen and eyes find it. @param {string} text */
export function status(text) {
  const line = document.querySelector('#status')
  if (line && line.textContent !== text) line.textContent = text
}

/** A machine's name. @param {Machine} machine */
export const machineText = ({ cpu, cores_online, kernel, virtualised }) =>
  [cpu, cores_online && `${cores_online} cores`, kernel && `Linux ${kernel}`, virtualised && `${virtualised} guest`].filter(Boolean).join(', ')

/** One line about this machine. */
export const machineLine = () => machineText(lab.machine).replaceAll(', ', ' · ')

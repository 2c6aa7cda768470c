// A stage that nobody sees: what a player would draw is asked of the player itself.

import { Player } from '../../web/js/stage/player.js'

globalThis.cancelAnimationFrame ??= () => {}

/**
 * A player of a recording, at its end and at no speed.
 * @param {import('../../web/types').Header} header @param {import('../../web/js/stage/recording.js').Recording} recording
 * @param {Record<string, Function>} [told] what of the stage's own listens
 * @param {ConstructorParameters<typeof Player>[2]} [known] what is so when nothing is played
 */
export function playerOf(header, recording, told = {}, known = { gauges: {}, states: {} }) {
  const stage = new Proxy(told, { get: (told, name) => told[/** @type {string} */ (name)] ?? (() => true), set: () => true })
  const player = new Player(/** @type {any} */ (stage), header, known)
  player.speed = Infinity
  player.load(recording)
  return player
}

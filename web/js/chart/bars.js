// Bars of one group of rows; and the joint replay, in which all of them set off at once, as they really went.

import { button, h, named, say, segments, show } from '../dom.js'
import { count, duration, tied, times } from '../format.js'
import { still } from '../prefs.js'
import { atMost, decades, linear, log } from '../scale.js'

/** @import { JudgedFigure, JudgedRow, Report, ReportRow } from '../../types' */

/** How long the slowest takes in the replay, in ms. */
const REPLAY_MS = 6_000

/** How far one launch of a row was at each moment. @param {ReportRow} row */
function progressOf(row) {
  const each = row.messages / Math.max(1, row.launches)
  const seconds = row.messages_per_s ? each / row.messages_per_s : 0
  const samples = row.progress?.filter((pair) => Array.isArray(pair) && pair.length === 2) ?? []
  const recorded = samples.length > 1
  const ats = recorded ? samples.map(([at]) => at) : [0, seconds * 1e9]
  const counts = recorded ? samples.map(([, n]) => n) : [0, each]
  if (ats[0] > 0) {
    ats.unshift(0)
    counts.unshift(0)
  }
  const last = counts[counts.length - 1] || 1
  return {
    recorded,
    ns: ats[ats.length - 1],
    messages: last,
    /** The share that was done by then. @param {number} ns */
    share(ns) {
      const index = Math.min(Math.max(atMost(ats, ns), 1), ats.length - 1)
      const part = (ns - ats[index - 1]) / (ats[index] - ats[index - 1] || 1)
      return Math.min(1, Math.max(0, (counts[index - 1] + Math.min(1, Math.max(0, part)) * (counts[index] - counts[index - 1])) / last))
    },
  }
}

/** @param {Report} report @param {JudgedRow[]} judged @param {JudgedFigure[]} figures @param {{ by: string, scale: string }} chosen kept by the caller from group to group */
export function bars(report, judged, figures, chosen) {
  const rows = judged.filter((row) => row.figures.some(Boolean))
  const lines = rows.map((row) => {
    const bar = h('i', {})
    const value = h('span', { class: 'nums value' })
    const index = row.scene ?? -1
    return { row, bar, value, element: h('li', { 'data-accent': index < 0 ? undefined : index % 8 }, named(row.title, index), h('span', { class: 'track' }, bar), value) }
  })
  const caption = h('p', { class: 'faint nums' })

  const draw = () => {
    const at = figures.findIndex(({ by }) => by === chosen.by)
    const { name, less } = figures[at]
    const values = rows.map((row) => row.figures[at]?.value ?? 0)
    const { domain } = decades(values)
    const scale = chosen.scale === 'log' ? log([domain[0] / 2, domain[1]], [0, 100]) : linear([0, Math.max(...values, 1)], [0, 100])
    lines.forEach(({ row, bar, value }, index) => {
      bar.style.width = `${values[index] > 0 ? Math.max(0.5, scale(values[index])) : 0}%`
      say(value, tied(row.figures[at]?.text ?? '–'))
    })
    say(caption, `${name[0].toUpperCase()}${name.slice(1)}: ${less ? 'shorter' : 'longer'} is better.${chosen.scale === 'log' ? ' Logarithmic: equal steps are equal factors.' : ''}`)
  }

  let frame = 0
  let stopped = true
  const progress = rows.map(({ row }) => progressOf(report.rows[row]))
  const slowest = Math.max(...progress.map(({ ns }) => ns), 1)
  const stop = () => {
    cancelAnimationFrame(frame)
    stopped = true
    say(replay, 'Replay the race')
    draw()
  }
  const at = (/** @type {number} */ ns) =>
    lines.forEach(({ bar, value }, index) => {
      const share = progress[index].share(ns)
      bar.style.width = `${share * 100}%`
      say(value, share >= 1 ? `done, ${duration(progress[index].ns)}` : count(share * progress[index].messages))
    })
  const play = () => {
    stopped = false
    say(replay, 'Stop')
    const factor = (REPLAY_MS * 1e6) / slowest
    say(caption, `One launch of each, all at once, though they went one after the other; the slowest took ${duration(slowest)}, ${factor >= 1 ? `slowed ${times(factor)}` : `${times(1 / factor)} faster`}.${
      progress.every(({ recorded }) => recorded) ? '' : ' Where no progress was recorded, the bar goes at its mean rate.'}`)
    if (still()) return at(slowest)
    const begin = performance.now()
    const tick = () => {
      if (stopped || !element.isConnected) return
      const passed = performance.now() - begin
      at((passed / REPLAY_MS) * slowest)
      if (passed < REPLAY_MS + 1200) frame = requestAnimationFrame(tick)
      else stop()
    }
    frame = requestAnimationFrame(tick)
  }
  const replay = button('Replay the race', () => (stopped ? play() : stop()))
  const element = h('div', { class: 'bars-frame' },
    h('div', { class: 'row' },
      replay,
      segments('Figure', figures.filter(({ by_row }) => by_row).map(({ by, label }) => [by, label]), chosen.by, (by) => { chosen.by = by; stop() }),
      segments('Scale', [['log', 'log'], ['linear', 'linear']], chosen.scale, (scale) => { chosen.scale = scale; stop() })),
    h('ul', { class: 'bars' }, lines.map(({ element }) => element)),
    caption)
  draw()
  if (!rows.length) show(element, h('p', {}, 'No entrant finished.'))
  return { element, play, stop }
}

// What the scenes foretell of the gauges, held against what the lab reads of real processes: every mechanism, way of
// waiting, mode, direction and size. A wrong effect must be noticed.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'

import { Cutter, during } from '../../web/js/stage/recording.js'
import { event as readEvent, header as readHeader } from '../../web/js/trace.js'
import { closeAll, startLab, until } from './harness.mjs'
import { playerOf } from './unseen.mjs'

/** @import { Event, Header } from '../../web/types' */
/** @import { Player } from '../../web/js/stage/player.js' */

const KINDS = ['shm', 'pipe', 'unix', 'tcp']
const send = (mode, more = {}) => ({ do: 'send', count: 10, mode, ...more })
const COMMANDS = [
  send('paced'), send('paced', { direction: 'back' }), send('step'), send('step', { direction: 'back' }),
  send('step', { receiver_first: true }), send('step', { receiver_first: true, direction: 'back' }),
  send('burst'), send('burst', { direction: 'back', count: 200 }), send('paced', { text: 'its own words' }),
]

/** @type {import('./harness.mjs').Lab} */
let lab
let token = ''
before(async () => {
  lab = await startLab()
  token = /<meta name="token" content="(\w+)"/.exec(await (await fetch(lab.url)).text())?.[1] ?? ''
})
after(closeAll)

/**
 * The lines of a stage that was asked for each command in turn.
 * @param {Record<string, string>} setup @param {object[]} commands
 */
async function told(setup, commands) {
  const socket = new WebSocket(`${lab.url.replace('http', 'ws')}api/stage?${new URLSearchParams({ placement: 'cross-core', size: '64', ...setup, token })}`, { origin: new URL(lab.url).origin })
  /** @type {string[]} */
  const lines = []
  let ended = ''
  socket.on('message', (data) => lines.push(String(data)))
  socket.on('close', (code, reason) => (ended ||= `closed with ${code}: ${reason}`))
  socket.on('error', (error) => (ended ||= String(error)))
  const told = (what) => lines.filter((line) => line.includes(`"what":"${what}"`)).length
  const wait = (holds) => until(() => {
    if (ended) throw new Error(`${ended}\n${lines.at(-1)}`)
    return holds()
  }, 'the stage', 60_000)
  await wait(() => lines.length > 0)
  socket.send(JSON.stringify({ do: 'look' }))
  await wait(() => told('gauges') > 0)
  for (const [index, command] of commands.entries()) {
    socket.send(JSON.stringify(command))
    await wait(() => told('batch-end') + told('experiment-end') > index)
  }
  socket.removeAllListeners('close')
  socket.close()
  return lines
}

/**
 * What was foretold in these lines and then read: how many figures held, and which did not.
 * @param {string[]} lines @param {(header: Header) => void} [change] of the header, before anything is foretold
 */
function foretold([first, ...rest], change = () => {}) {
  const header = readHeader(first, 1)
  change(header)
  const cutter = new Cutter(header)
  const recordings = rest.flatMap((line, index) => cutter.take(readEvent(line, index + 2)) ?? [])
  return {
    header, recordings,
    held: recordings.reduce((sum, { held }) => sum + held, 0),
    differences: recordings.flatMap(({ mode, differences }) => differences.map((one) => ({ mode, ...one }))),
  }
}

const SETUPS = [
  { wait: 'block' }, { wait: 'spin' }, { wait: 'hybrid' },
  { wait: 'block', placement: 'same-core' }, { wait: 'block', size: '1024' }, { wait: 'block', size: '65536' },
]

for (const kind of KINDS) {
  test(`${kind}: what its steps foretell is what the lab reads`, async () => {
    const slept = new Set()
    for (const setup of SETUPS) {
      const { header, recordings, held, differences } = foretold(await told({ kind, ...setup }, COMMANDS))
      const where = JSON.stringify(setup)
      assert.deepEqual(differences, [], where)
      assert.equal(recordings.length, COMMANDS.length, where)
      assert.ok(held >= COMMANDS.length, `${where}: only ${held} figures were foretold`)
      const named = new Set(header.scene.steps.flatMap((step) => (step.effects ?? []).flatMap((effect) => ('gauge' in effect ? [effect.gauge] : []))))
      const gauges = header.scene.stage.flatMap((part) => part.gauges.map(({ field }) => field))
      for (const field of named) assert.ok(gauges.includes(field), `no gauge ${field}`)
      for (const { messages, rests } of recordings) for (const { back, stuck, stuckIn, dozes, dozesIn } of messages) {
        for (const [side, at, call] of /** @type {[string, number, string][]} */ ([[back ? 'receiver' : 'sender', stuck, stuckIn], [back ? 'sender' : 'receiver', dozes, dozesIn]])) {
          if (call) assert.equal(during(rests.get(side), at)?.call, call, `${where}: it sleeps in the call that the kernel says`)
          slept.add(call)
        }
      }
    }
    assert.ok(slept.size > 1, 'some slept')
    // A message that is longer than a pipe leaves by a call that takes two pieces of memory.
    if (kind === 'pipe') assert.ok(slept.has('writev') && !slept.has('write'), [...slept].join())
  })

  test(`${kind}: a wrong effect is noticed`, async () => {
    // Of 64 KiB some find no room.
    const all = [await told({ kind, wait: 'block' }, COMMANDS), await told({ kind, wait: 'block', size: '65536' }, COMMANDS)]
    const filling = await filled(kind)
    const { scene } = readHeader(filling[0], 1)
    const wrongs = scene.steps.flatMap((step, at) => (step.effects ?? []).flatMap((effect, which) => ('gauge' in effect ? [[at, which]] : [])))
    assert.ok(wrongs.length > 0)
    for (const [at, which] of wrongs) {
      const change = (/** @type {Header} */ header) => {
        const effects = /** @type {any[]} */ (header.scene.steps[at].effects)
        const effect = effects[which]
        // What is added is taken, a yes is a no, and a text is no text.
        effects[which] = effect.is === 'set' ? { ...effect, to: !effect.to } : effect.is === 'show' ? { is: 'set', gauge: effect.gauge, to: false } : { ...effect, is: effect.is === 'add' ? 'take' : 'add' }
      }
      const differences = [...all.flatMap((lines) => foretold(lines, change).differences), ...flagsOfFull(filling, change).filter(({ foretold, read }) => foretold !== read)]
      assert.ok(differences.length > 0, `${scene.steps[at].id} could do the opposite of ${JSON.stringify(scene.steps[at].effects?.[which])}`)
    }
  })
}

for (const kind of KINDS) {
  test(`${kind}: while its medium is filled, a sender is seen that sleeps for want of room, and its message arrives`, async () => {
    const told = await filled(kind)
    const { header, recordings: [recording] } = foretold(told)
    const lines = told.slice(1).map((line) => readEvent(line, 1))
    for (const { field, foretold, read } of flagsOfFull(told)) assert.equal(foretold, read, field)
    assert.deepEqual(lines.map(({ t_ns }) => t_ns), lines.map(({ t_ns }) => t_ns).sort((a, b) => a - b), 'its events are in order of time')
    assert.equal(recording.messages.length, 1)
    const [message] = recording.messages
    assert.ok(message.stuck > message.sendBegin && message.stuck < message.recvEnd, 'it was seen asleep in its call')
    assert.equal(recording.arrivals.length, 1)
    const player = playerOf(header, recording)
    for (const { from, at, values } of recording.readings.filter(({ from }) => from > message.sendBegin)) {
      for (const [field, value] of Object.entries(values)) assert.deepEqual(during(recording.gauges.get(field), at), { value, read: true }, `${field}, read from ${from} to ${at}: only one of many messages is followed`)
    }
    // It sleeps before anything of its message is copied.
    const effects = player.way(message).moments.flatMap(({ at, step }) => (step.effects ?? []).map((effect) => ({ at, effect, full: step.when === 'full' })))
    const slept = effects.find(({ effect }) => effect.is === 'sleeps')
    const grows = effects.filter(({ effect, full }) => effect.is === 'add' && !full)
    assert.ok(slept && slept.at < message.stuck && grows.length > 0 && grows.every(({ at }) => at >= message.stuck), JSON.stringify(effects))
    const { level } = header.scene.stage.find(({ level }) => level) ?? {}
    if (level) {
      const part = (/** @type {number} */ t) => Number(during(recording.gauges.get(level.held), t)?.value) / Number(during(recording.gauges.get(level.size), t)?.value)
      assert.ok(part(message.stuck) > 0.9 && part(message.stuck) <= 1, `its track is full: ${part(message.stuck)}`)
    }
    // When its message has arrived, what was read before is not what is there now, and the stage says so.
    player.seek(message.recvEnd)
    if (level) assert.equal(player.age(level.held)[0], 'older')
    for (const field of Object.keys(recording.readings[1].values)) assert.equal(player.age(field)[0], during(recording.gauges.get(field), player.now)?.read ? 'older' : 'derived', field)
    const states = recording.states.get('sender')
    // It slept long before it was seen, and in the call that the kernel names.
    for (const at of [(message.sendBegin + message.stuck) / 2, message.stuck + 1]) {
      player.seek(at)
      const [says, where] = player.says('sender', states?.is[states.at.findLastIndex((at) => at <= player.now)])
      assert.deepEqual([says, where], ['sleeping', `in ${message.stuckIn}()`])
      assert.ok(player.current().some(({ moment }) => moment.step.when === 'full'), 'and its step is lit')
    }
  })
}

/** The lines of an experiment that fills a medium until its sender sleeps. @param {string} kind */
const filled = (kind) => told({ kind, wait: 'block' }, [{ do: 'experiment', id: 'fill' }])

/**
 * The yes and no that the steps of a sender without room set, and what was read next: while it sleeps, and after it.
 * @param {string[]} lines of such an experiment @param {(header: Header) => void} [change]
 */
function flagsOfFull(lines, change) {
  const { header, recordings: [recording] } = foretold(lines, change)
  const fields = new Set(header.scene.steps.filter(({ when }) => when === 'full').flatMap(({ effects = [] }) => effects.flatMap((effect) => (effect.is === 'set' ? [effect.gauge] : []))))
  const [{ sendBegin, sendEnd }] = recording.messages
  const looked = [recording.readings.find(({ from }) => from > sendBegin), recording.readings.find(({ from }) => from > sendEnd)]
  return [...fields].flatMap((field) => looked.flatMap((reading) => (reading ? [{ field, foretold: during(recording.gauges.get(field), reading.from)?.value, read: reading.values[field] }] : assert.fail('nothing was read'))))
}

/** Moments of a replay, evenly over its playing time. @param {Player} player @param {number} n */
const moments = (player, n) => Array.from({ length: n }, (_, index) => player.warp.real(((index + 0.5) / n) * player.warp.length))

for (const kind of KINDS) {
  test(`${kind}: a step is lit for its share of the time, and while its process sleeps`, async () => {
    const lines = await told({ kind, wait: 'block' }, Array.from({ length: 6 }, (_, index) => send('paced', { direction: index % 2 ? 'back' : 'forward' })))
    const { header, recordings } = foretold(lines)
    assert.ok(header.calls, 'the calls were timed')
    let [flown, slept, ran] = [0, 0, 0]
    for (const recording of recordings) {
      const player = playerOf(header, recording)
      const { send_ns, recv_ns } = header.calls
      const alone = recording.messages.filter((message) => recording.messages.every((other) => other === message || other.recvEnd <= message.sendBegin || other.sendBegin >= message.recvEnd))
      flown += alone.length
      for (const message of alone) {
        const flight = message.recvEnd - message.sendBegin
        const [from, to] = [player.warp.shown(message.sendBegin), player.warp.shown(message.recvEnd)]
        const lit = { sends: 0, wakes: 0, takes: 0, lies: 0 }
        const N = 1000
        for (let index = 0; index < N; index++) {
          player.now = player.warp.real(from + ((index + 0.5) / N) * (to - from))
          const step = player.current().find((one) => one.message === message)?.moment.step
          if (!step) lit.lies++
          else if (step.act.is === 'wake' || step.effects?.some(({ is }) => is === 'wakes') && step.actor === 'sender') lit.wakes++
          else if (header.scene.steps.indexOf(step) < header.scene.steps.findIndex((other) => other.effects?.some(({ is }) => is === 'wakes'))) lit.sends++
          else lit.takes++
        }
        // A flight shorter than what both calls take alone has no waking to speak of, and is shared in proportion.
        const scale = Math.min(1, flight / (send_ns + recv_ns))
        // The call may have been shorter than usual.
        const measured = { sends: Math.min(send_ns * scale, message.sendEnd - message.sendBegin) / flight, takes: (recv_ns * scale) / flight }
        // One whose receiver came late has lain there, and woke nobody.
        const late = message.recvBegin > message.sendBegin
        const rest = 1 - measured.sends - measured.takes
        const shares = late ? { ...measured, lies: rest, wakes: 0 } : { ...measured, wakes: rest, lies: 0 }
        for (const [name, share] of Object.entries(shares)) assert.ok(Math.abs(lit[name] / N - share) <= 0.05, `${name}: lit for ${lit[name] / N}, measured ${share} of ${flight} ns`)
      }
      const played = alone.map((message) => player.warp.shown(message.recvEnd) - player.warp.shown(message.sendBegin))
      for (const length of played) assert.ok(Math.abs(length - 1) < 1e-6, 'each message is played equally long')
      // What a receiver does once it runs may be shorter than the way from one of these moments to the next.
      const woken = recording.messages.flatMap(({ way, recvEnd }) => (way?.wakes ? [(way.wakes.to + recvEnd) / 2] : []))
      for (player.now of [...moments(player, 500), ...woken]) {
        for (const { message, moment } of player.current()) {
          const wakes = message.way?.wakes
          if (!wakes || moment.at < wakes.to) continue
          const actor = message.back ? 'sender' : 'receiver'
          const [says, , look] = player.says(actor, during(recording.states.get(actor), player.now))
          assert.ok(!['sleeping', 'waking'].includes(look), `it was woken, does the step ${moment.step.id}, and is said to be ${says}`)
          ran++
        }
        for (const [side, track] of recording.rests) {
          const index = track.at.findLastIndex((at) => at <= player.now)
          const part = track.is[index]?.part
          if (!part) continue
          slept++
          assert.ok(header.scene.stage.some(({ id }) => id === part), `${side} sleeps in ${part}`)
          const now = player.current().map(({ moment }) => moment.step)
          assert.ok(now.some((step) => step.effects?.some(({ is }) => is === 'sleeps') || step.actor !== 'receiver'), `${side} sleeps, and ${now.map(({ id }) => id)} is lit`)
        }
      }
    }
    assert.ok(flown > 0 && slept > 0 && ran > 0, `${flown} messages flew alone, a sleeper was shown ${slept} times, one that was woken ${ran} times`)
  })
}

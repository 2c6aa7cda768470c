// The parts of the page that need no browser.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import * as format from '../../web/js/format.js'
import { href, parse } from '../../web/js/router.js'
import * as scale from '../../web/js/scale.js'
import { along, layout, route, wrap } from '../../web/js/stage/layout.js'
import { Cutter, during, flights, onTheWay } from '../../web/js/stage/recording.js'
import { warp } from '../../web/js/stage/warp.js'
import { asleep, mirrored, wayOf } from '../../web/js/stage/way.js'
import { descent, journey } from '../../web/js/stage/journey.js'
import { callsOf, copiesOf } from '../../web/js/stage/seen.js'
import { read } from '../../web/js/trace.js'
import { lamp, pigeon, post, scenes } from './fixtures/scenes.mjs'
import { header, Teller, traceText } from './fixtures/trace.mjs'
import { ROOT } from './harness.mjs'
import { playerOf } from './unseen.mjs'

const plain = (text) => text.replaceAll('\u00a0', ' ').replaceAll('\u2060', '')

// The same file holds crates/lab/src/units.rs to the same texts.
test('numbers carry three digits and a unit that fits', () => {
  const written = JSON.parse(readFileSync(join(ROOT, 'tests/page/fixtures/units.json'), 'utf8'))
  const launches = (n) => format.plural(n, 'launch')
  for (const [of, figures] of Object.entries(written)) for (const [n, text] of figures) assert.equal(plain(({ ...format, launches })[of](n)), text, of)
  assert.equal(format.list(['a', 'b', 'c']), 'a, b and c')
  assert.equal(plain(format.value(true, '')), 'yes')
  assert.equal(plain(format.value(12.5, 'us')), '12.5 µs')
  assert.equal(plain(format.value(4096, 'B')), '4 096 B')
})

test('times below each other have one unit, and the digits that tell them apart', () => {
  const told = (times) => {
    const gap = Math.min(...times.slice(1).map((t, index) => t - times[index]).filter((d) => d > 0))
    return times.map(format.clock(times.at(-1), gap)).map(plain)
  }
  assert.deepEqual(told([0, 353_902_417, 353_902_917, 571_000_000]), ['0.0000 ms', '353.9024 ms', '353.9029 ms', '571.0000 ms'])
  assert.deepEqual(told([0, 5_000_000]), ['0.00 ms', '5.00 ms'])
  assert.deepEqual(told([0, 999_999_999, 1_670_000_000]), ['0.00 s', '1.00 s', '1.67 s'])
  assert.deepEqual(told([0, 40]), ['0 ns', '40 ns'])
  assert.deepEqual(told([0]), ['0 ns'], 'one alone')
  const close = Array.from({ length: 50 }, (_, index) => 7_000_000_000 + index)
  assert.equal(new Set(told(close)).size, 50, 'to the nanosecond')
  assert.equal(new Set(told(Array.from({ length: 50 }, (_, index) => index * 999))).size, 50)
})

test('a count differs from what is quoted by more than half a one, or is less than “or more”', () => {
  for (const [found, quoted, expected] of [[2, '2', false], [2.4, '2', false], [3, '2', true], [1, '2', true], [2, '3+', true], [900, '3+', false], [undefined, '2', false], [2, null, false]]) {
    assert.equal(format.differs(found, quoted), expected, `${found} ${quoted}`)
  }
})

test('words from elsewhere become sentences with numbers as they are written here', () => {
  const told = [
    ['3576 messages fitted (257472 B)', '3576 messages fitted (257 472 B).'],
    ['the kernel touched it after 9244 ns', 'The kernel touched it after 9.24 µs.'],
    ['write() was told; pid 15531 at 127.0.0.1:45678 maps 0x7f93259a9000 (RFC 8985)', 'write() was told; pid 15531 at 127.0.0.1:45678 maps 0x7f93259a9000 (RFC 8985).'],
    ['sched_yield was called 12345 times.', 'sched_yield was called 12 345 times.'],
    ['', ''],
  ]
  for (const [text, sentence] of told) assert.equal(plain(format.asSentence(text)), sentence)
  assert.equal(plain(format.asSentence('continue it with `kill -CONT 12345`: 12345 of them')), 'Continue it with `kill -CONT 12345`: 12 345 of them.')
})

test('a unit never leaves its number', () => {
  for (const text of [format.duration(5), format.bytes(5), format.rate(5e6), format.count(1e6), format.value(3, 'B')]) assert.doesNotMatch(text, / /)
})

test('what people type is read, or refused', () => {
  assert.deepEqual(format.parseSizes('64'), [64])
  assert.deepEqual(format.parseSizes('8, 1k 64 KiB;1M'), [8, 1024, 65_536, 1 << 20])
  for (const bad of ['', 'x', '64, x', '-1', '0', '1.5k', '1e3']) assert.equal(format.parseSizes(bad), null, bad)
  assert.equal(format.cutUtf8('äöü', 4), 'äö')
  assert.equal(format.cutUtf8('🕊🕊', 7), '🕊')
})

test('scales and ticks', () => {
  assert.equal(scale.linear([0, 10], [0, 100])(5), 50)
  assert.equal(Math.round(scale.log([1, 1000], [0, 300])(10)), 100)
  assert.equal(Math.round(scale.tail(0.999, [0, 300])(0.99)), 200)
  assert.deepEqual(scale.ticks(0, 61.5, 5), [0, 20, 40, 60])
  assert.deepEqual(scale.ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1])
  assert.deepEqual(scale.ticks(3, 3), [3])
  assert.deepEqual(scale.decades([90, 20_500]).domain, [10, 100_000])
  assert.deepEqual(scale.decades([100, 1000]).domain, [100, 1000])
  assert.deepEqual(scale.decades([]).domain, [1, 10])
  assert.deepEqual(scale.quantileTicks(0.9995), [0, 0.5, 0.9, 0.99, 0.999])
  assert.equal(scale.percent(0.999), '99.9%')
  assert.equal(scale.median([4, 1, 9, 6]), 5)
  assert.equal(scale.atMost([1, 2, 2, 5], 2), 3)
  assert.deepEqual(scale.spread([10, 11, 100], 16, 0, 100), [10, 26, 100])
  assert.deepEqual(scale.spread([98, 99, 100], 16, 0, 100), [68, 84, 100])
  assert.deepEqual(scale.spread([10, 11, 60], [30, 10, 10], 0, 100), [10, 40, 60])
  assert.deepEqual(scale.spread([98, 99], [30, 10], 0, 100), [70, 100])
})

test('odd values have a scale, and a wide one has few marks', () => {
  for (const odd of [[0, -1, NaN], [], [Infinity, 0]]) assert.deepEqual(scale.decades(odd), { domain: [1, 10], ticks: [1, 10] })
  for (const [values, low, high] of [[[7], 1, 10], [[1, 1.8e19], 1, 1e20], [[5e-324, Number.MAX_VALUE], 1e-307, 1e308]]) {
    const { domain, ticks } = scale.decades(values)
    assert.deepEqual(domain, [low, high])
    assert.ok(ticks.length >= 2 && ticks.every((tick, index) => tick >= low && tick <= high && !(tick <= ticks[index - 1])), `${ticks}`)
    if (values.length > 1) assert.ok(ticks.length >= 3 && ticks.length <= 12, `${ticks}`)
    const at = scale.log(domain, [0, 100])
    for (const value of [0, ...values]) assert.ok(at(value) >= 0 && at(value) <= 101, `${value}: ${at(value)}`)
  }
  assert.deepEqual(scale.decades([1, 1e9]).ticks.length, 10, 'nothing is thinned before that')
})

test('a percentile curve ends where fewer than ten samples lie beyond', () => {
  const histogram = Array.from({ length: 100 }, (_, index) => [index + 1, 10])
  const points = scale.curve(histogram, 0.99)
  assert.equal(points[points.length - 1][0], 0.99)
  assert.equal(scale.at(points, 0.5), 50)
  assert.equal(scale.at(points, 0.995), null)
  assert.deepEqual(scale.curve([[5, 3]], 0).map(([quantile]) => quantile), [0, 0])
})

test('addresses', () => {
  const place = parse('#/m/some%20kind?wait=block&size=64')
  assert.deepEqual([place.page, place.rest, place.query.get('wait'), place.query.get('size')], ['m', 'some kind', 'block', '64'])
  assert.equal(parse('').page, '')
  assert.equal(parse('#/m/%E0%A4%A').rest, '%E0%A4%A')
  assert.equal(href('race', { size: '64,1024', wait: undefined }), '#/race?size=64,1024')
})

test('a trace is read, or refused with its line and its field', async () => {
  const whole = traceText(pigeon, 3)
  const [{ events }] = await read(whole)
  assert.equal(events.filter((event) => event.what === 'recv-end').length, 3)
  const [first, ...rest] = whole.trimEnd().split('\n')
  const changed = (change) => JSON.stringify(Object.assign(JSON.parse(first), change))
  const faults = [
    ['', 'line 1: the file is empty'],
    ['hello', 'line 1: this is not a whole JSON object'],
    ['[1]', 'line 1: this is not a JSON object'],
    [changed({ format: 'other' }), 'line 1: field `format`'],
    [changed({ schema: 3 }), 'line 1: field `schema` is 3'],
    [changed({ schema: 1 }), 'line 1: field `schema` is 1, and this page reads 2: record the trace anew'],
    [changed({ scene: { ...pigeon, title: undefined } }), 'line 1: field `scene.title` is missing'],
    [changed({ scene: { ...pigeon, steps: [{ id: 'x', act: { is: 'store' } }] } }), 'line 1: field `scene.steps[0].actor` is missing'],
    [changed({ processes: [] }), 'line 1: field `processes`'],
    [[first, rest[0], rest[1].slice(0, 20)].join('\n'), 'line 3: this is not a whole JSON object'],
    [[first, '{"what":"note"}'].join('\n'), 'line 2: field `t_ns` is missing'],
    [[first, '{"t_ns":"soon","what":"note"}'].join('\n'), 'line 2: field `t_ns` has the wrong type'],
    [[first, '{"t_ns":1,"what":"table","title":"t","columns":["a"],"rows":[[1]],"basis":"quoted","instrument":""}'].join('\n'), 'line 2: field `rows[0][0]` has the wrong type'],
    [[first, '{"t_ns":1,"what":"gauges"}'].join('\n'), 'line 2: field `values` is missing'],
  ]
  for (const [text, fault] of faults) await assert.rejects(read(text), (error) => error.message.startsWith(fault) || assert.fail(`${error.message}, not ${fault}`))
  const unknown = await read([first, '{"t_ns":1,"what":"something new","more":1}'].join('\n'))
  assert.equal(unknown[0].events.length, 1)
  const both = await read(`${whole}${whole}`)
  assert.deepEqual(both.map(({ events }) => events.length), [events.length, events.length], 'several traces may stand in one file')
  await assert.rejects(read(`${whole}${first.replace('"schema":2', '"schema":7')}`), /^Error: line \d{2,}: field `schema` is 7/)
  const [odd] = await read(`${first}\n{"t_ns":1,"what":"batch-end","format":"x"}`)
  assert.equal(odd.events.length, 1, 'a field that is not known may have any name')
})

// The lab reads the same file (crates/lab/src/trace.rs): what one refuses the other refuses, at the same field.
test('traces are refused as the lab refuses them', async () => {
  const given = JSON.parse(readFileSync(join(ROOT, 'tests/page/fixtures/bad-traces.json'), 'utf8'))
  const first = JSON.stringify(given.header)
  const cases = [
    ...given.headers.map(([from, to, field]) => [first.replace(from, to), 'line 1: ', field]),
    ...given.events.map(([event, field]) => [`${first}\n\n${JSON.stringify(event)}\n`, 'line 3: ', field]),
  ]
  for (const [text, line, field] of cases) {
    const told = await read(text).then(() => null, (error) => error.message)
    assert.ok(field === null ? told === null : told?.startsWith(line) && told.includes(`field \`${field}`), `${field}: ${told}, ${text}`)
  }
  // What has no value is what the types say, however it was written.
  const [{ header, events }] = await read(`${first}\n${JSON.stringify(given.events[1][0])}\n${JSON.stringify(given.events[4][0])}`)
  assert.deepEqual(header.processes.map(({ core }) => core), [null, null])
  assert.deepEqual([Object.keys(events[0]), events[1].held], [['t_ns', 'what'], null])
})

/** @param {any} scene */
function recorded(scene, mode = 'burst', count = 10, wait = 'block', more = {}) {
  const cutter = new Cutter(header(scene, { wait }))
  let found = null
  for (const event of new Teller(scene, wait).batch(mode, count, more)) found = cutter.take(event) ?? found
  return found
}

test('a batch becomes a recording that knows each moment', () => {
  const recording = recorded(pigeon)
  assert.equal(recording.messages.length, 10)
  assert.equal(flights(recording).length, 10)
  for (const message of recording.messages) {
    const { found } = onTheWay(recording, (message.sendBegin + message.recvEnd) / 2, 24)
    assert.deepEqual(found, [message])
    assert.equal(onTheWay(recording, message.recvEnd, 24).found.length, 0)
  }
})

test('an experiment is one recording, with its own processes', () => {
  const cutter = new Cutter(header(pigeon))
  const made = new Teller(pigeon, 'block').experiment('hawk').map((event) => cutter.take(event)).filter(Boolean)
  assert.equal(made.length, 1)
  assert.equal(made[0].experiment, 'hawk')
  assert.equal(made[0].messages.length, 4)
  assert.deepEqual(made[0].processes.is.map((both) => both[0].pid), [4211, 5001])
  assert.equal(made[0].states.get('receiver').is.at(-1).state, 'dead')
  assert.deepEqual(cutter.states, {}, 'what befell them says nothing of those that stay')
})

test('what was known of former processes is not shown of new ones', () => {
  const cutter = new Cutter(header(pigeon))
  const teller = new Teller(pigeon, 'block')
  for (const event of [teller.state('sender', 'idle'), teller.gauges(40, false)]) cutter.take(event)
  const events = teller.experiment('storm')
  const [made] = events.map((event) => cutter.take(event)).filter(Boolean)
  const begin = made.from
  const gauges = events.findIndex((event) => event.what === 'gauges')
  assert.ok(gauges > 2)
  for (const [field, track] of made.gauges) {
    assert.notEqual(track.is[0], undefined, `${field} was known before`)
    assert.equal(during(track, begin + 1), undefined, `${field} is not known of the new ones`)
    assert.notEqual(during(track, made.times[gauges]), undefined, `${field} is read of them`)
  }
  assert.equal(during(made.states.get('sender'), begin + 1), undefined)
})

/** What a stage is told at a moment of one message to a sleeper, in the middle of which it is looked at. @param {string} wait @param {any[]} events */
function toldStage(wait, events) {
  const cutter = new Cutter(header(pigeon, { wait }))
  cutter.take({ t_ns: 0, what: 'gauges', values: { loft_bytes: 0, loft_size_bytes: 4096 } })
  const [made] = events.map((event) => cutter.take(event)).filter(Boolean)
  const told = { boxes: /** @type {Record<string, string[]>} */ ({}), ages: /** @type {Record<string, [string, string]>} */ ({}), read: '', more: '' }
  const stage = {
    process: (id, [, , , doing, where]) => { told.boxes[id] = [doing, where] },
    gauge: (field, _, age, words) => { told.ages[field] = [age, words] },
    readAt: (text, more) => Object.assign(told, { read: text, more }),
  }
  const player = playerOf(header(pigeon, { wait }), made, stage, cutter)
  const at = (t) => {
    player.seek(t)
    return told
  }
  return { made, at }
}
const begin = { t_ns: 10, what: 'batch-begin', mode: 'paced', count: 1 }
const stamp = (t_ns, what, side, more = {}) => ({ t_ns, what, side, message: 0, ...more })

test('a process that is woken and has no core yet does not run, though the kernel calls it so', () => {
  const { at } = toldStage('block', [
    begin, stamp(20, 'recv-begin', 'receiver'), stamp(50_000, 'send-begin', 'sender'), stamp(51_000, 'send-end', 'sender'),
    { t_ns: 60_000, what: 'state', side: 'receiver', state: 'running' }, stamp(90_000, 'recv-end', 'receiver'), { t_ns: 99_000, what: 'batch-end' },
  ])
  assert.deepEqual(at(40_000).boxes.receiver, ['sleeping', ''])
  assert.deepEqual(at(70_000).boxes.receiver, ['woken', 'not yet running'])
  assert.deepEqual(at(89_900).boxes.receiver, ['running', ''])
})

test('a figure that was read as it was foretold is one that was read, also while a receiver looks again and again', () => {
  const events = (loft_bytes) => [
    begin, stamp(20, 'recv-begin', 'receiver'), stamp(50_000, 'send-begin', 'sender'), stamp(51_000, 'send-end', 'sender'),
    { t_ns: 60_000, what: 'gauges', values: { loft_bytes, loft_size_bytes: 4096 } }, stamp(90_000, 'recv-end', 'receiver'), { t_ns: 99_000, what: 'batch-end' },
  ]
  const { at } = toldStage('spin', events(64))
  assert.deepEqual([at(55_000).ages.loft_bytes[0], at(55_000).read], ['derived', 'read before the replay; slanted: derived since'])
  assert.deepEqual([at(61_000).ages.loft_bytes[0], at(61_000).read.split(';')[0]], ['read', 'read at 60.0\u00a0µs'])
  assert.equal(toldStage('spin', events(128)).at(61_000).ages.loft_bytes[0], 'derived', 'another figure may be that of before or after the step')
})

test('a figure that no step changes is older from the first step after it was read', () => {
  const { at } = toldStage('block', [
    begin, stamp(20, 'recv-begin', 'receiver'), { t_ns: 40_000, what: 'gauges', values: { loft_bytes: 0, loft_size_bytes: 4096 } },
    stamp(50_000, 'send-begin', 'sender'), stamp(51_000, 'send-end', 'sender'), stamp(90_000, 'recv-end', 'receiver'),
    { t_ns: 95_000, what: 'gauges', values: { loft_bytes: 0, loft_size_bytes: 4096 } }, { t_ns: 99_000, what: 'batch-end' },
  ])
  const size = (t) => [...at(t).ages.loft_size_bytes, at(t).more]
  assert.deepEqual(size(45_000), ['read', '', ''], 'nothing happened since')
  assert.deepEqual(size(52_000), ['older', 'read at 40.0\u00a0µs, before this step', 'faint: before this step'])
  assert.deepEqual(size(96_000), ['read', '', ''])
  assert.equal(at(30_000).ages.loft_size_bytes[1], 'read before the replay, before this step', 'its receiver has come to wait')
  assert.deepEqual([30_000, 45_000, 96_000].map((t) => at(t).ages.loft_bytes[0]), ['read', 'read', 'read'], 'one that the steps change is that of the moment')
})

test('a message that its receiver was refused is lost from then on', () => {
  const { made } = toldStage('spin', [begin, stamp(50, 'send-begin', 'sender'), stamp(60, 'send-end', 'sender'), stamp(70, 'recv-begin', 'receiver'), stamp(80, 'failed', 'receiver', { call: 'recv', error: 'damaged' }), { t_ns: 900, what: 'batch-end' }])
  assert.equal(made.messages[0].lost, 80)
  const later = toldStage('spin', [begin, stamp(20, 'recv-begin', 'receiver'), stamp(30, 'failed', 'receiver', { call: 'recv', error: 'timeout' }), stamp(50, 'send-begin', 'sender'), stamp(70, 'recv-begin', 'receiver'), stamp(80, 'recv-end', 'receiver'), { t_ns: 900, what: 'batch-end' }])
  assert.equal(later.made.messages[0].lost, Infinity, 'one that came after all is not')
})

test('nothing was read of processes that have just come on', () => {
  const processes = header(pigeon, { pids: [7, 8] }).processes
  const { at } = toldStage('block', [
    { t_ns: 10, what: 'experiment-begin', id: 'hawk' }, { t_ns: 500, what: 'processes', processes },
    { t_ns: 900, what: 'gauges', values: { loft_bytes: 0 } }, { t_ns: 990, what: 'experiment-end', id: 'hawk', held: true, verdict: 'so it is' },
  ])
  assert.equal(at(400).read, 'read before the replay')
  assert.equal(at(600).read, '')
  assert.equal(at(950).read, 'read at 890\u00a0ns')
})

test('a step goes to the next thing that happens, never twice to one, and leaves none out', () => {
  let between = false
  for (const scene of scenes) {
    for (const [mode, wait] of [['burst', 'spin'], ['step', 'block'], ['xray', 'block']]) {
      const recording = recorded(scene, mode, 7, wait)
      const player = playerOf(header(scene, { wait }), recording)
      player.seek(recording.from)
      const walk = (direction) => {
        const seen = [player.now]
        for (;;) {
          player.step(direction)
          if (player.now === seen[seen.length - 1]) return seen
          seen.push(player.now)
        }
      }
      const forth = walk(1)
      const steps = recording.messages.flatMap((message) => player.way(message).moments.map(({ at }) => at))
      const expected = [...new Set([...recording.times, ...steps])].filter((at) => at >= recording.from && at <= recording.to).sort((a, b) => a - b)
      between ||= steps.some((at) => !Number.isInteger(at))
      assert.deepEqual(forth, expected, `${scene.kind}, ${mode}`)
      assert.ok(player.atEnd && !player.atStart)
      assert.deepEqual(walk(-1), expected.reverse(), `${scene.kind}, ${mode}, back`)
      assert.ok(player.atStart && !player.atEnd)
    }
  }
  assert.ok(between, 'some moments are between two nanoseconds')
})

test('the way of a message is within its stamps, in the order of the scene, and ends at the receiver', () => {
  for (const scene of scenes) {
    for (const wait of ['spin', 'block']) {
      for (const message of recorded(scene, 'burst', 10, wait).messages) {
        const { stops, moments } = wayOf({ scene, wait }, message)
        assert.deepEqual([stops[0].part, stops.at(-1).part], ['sender', 'receiver'])
        for (let index = 1; index < stops.length; index++) assert.ok(stops[index].at >= stops[index - 1].at, `${scene.kind} ${JSON.stringify(stops)}`)
        assert.ok(stops.at(-1).at <= message.recvEnd)
        const order = moments.map(({ step }) => scene.steps.indexOf(step))
        assert.deepEqual(order, [...order].sort((a, b) => a - b))
        assert.equal(moments.some(({ step }) => step.when === 'receiver-asleep'), wait === 'block' && scene.steps.some((step) => step.when === 'receiver-asleep'))
        assert.ok(!moments.some(({ step }) => step.when === 'full'))
      }
    }
  }
})

test('a message that an earlier call has read is at no step while its own call returns', () => {
  for (const earlier of [false, true]) {
    const recording = recorded(post, 'burst', 2)
    const [first, second] = recording.messages
    Object.assign(second, { recvBegin: Math.max(first.recvEnd, second.sendEnd) + 10, within: earlier ? first : null, way: undefined })
    second.recvEnd = second.recvBegin + 20
    const player = playerOf(header(post), recording)
    player.seek(second.recvBegin + 10)
    assert.equal(player.current().some(({ message }) => message === second), !earlier, earlier ? 'read before' : 'the control: read now')
  }
})

test('the deeper the scene, the deeper the way', () => {
  const deepest = (scene) => {
    const at = layout(scene, 800)
    const { stops } = wayOf({ scene, wait: 'block' }, recorded(scene, 'burst', 1).messages[0])
    return Math.max(...stops.map(({ part }) => at.boxes.get(part).y - at.line))
  }
  assert.ok(deepest(lamp) < 0, 'never below the line')
  assert.ok(deepest(post) > deepest(pigeon) && deepest(pigeon) > 0)
})

test('a message that travels back meets the mirrored parts', () => {
  const { messages } = recorded(lamp, 'burst', 1, 'block', { direction: 'back' })
  const { stops } = wayOf({ scene: lamp, wait: 'block' }, messages[0])
  assert.deepEqual([stops[0].part, stops.at(-1).part], ['receiver', 'sender'])
  assert.ok(stops.some(({ part }) => part === 'theirs'))
  assert.equal(mirrored(pigeon, 'sky'), 'sky')
})

test('a step seen by a probe stands where the probe saw it', () => {
  const { messages } = recorded(pigeon, 'xray', 1)
  const { moments } = wayOf({ scene: pigeon, wait: 'block' }, messages[0])
  const land = moments.find(({ step }) => step.id === 'land')
  assert.equal(land.at, messages[0].stamped.get('land'))
})

test('under probes each step stands in its order: a sleep where it began, a call where it was entered, a waking until the core is there', () => {
  const cutter = new Cutter(header(pigeon))
  const at = (t_ns, what, side, more = {}) => ({ t_ns, what, side, message: 0, ...more })
  const [made] = [
    { t_ns: 0, what: 'batch-begin', mode: 'xray', count: 1 },
    at(10, 'recv-begin', 'receiver'), at(20, 'syscall', 'receiver', { name: 'take', step: 'look' }), at(30, 'switch-out', 'receiver', { step: 'doze' }),
    at(100_000, 'send-begin', 'sender'), at(147_000, 'syscall', 'sender', { name: 'launch', duration_ns: 30_000, step: 'launch' }), at(164_000, 'wake', 'sender', { step: 'coo' }),
    at(180_000, 'send-end', 'sender'), at(186_000, 'switch-in', 'receiver', { step: 'doze' }),
    at(219_000, 'syscall', 'receiver', { name: 'take', duration_ns: 218_980, step: 'take' }), at(243_000, 'recv-end', 'receiver'), { t_ns: 250_000, what: 'batch-end' },
  ].map((event) => cutter.take(event)).filter(Boolean)
  const { moments, wakes } = wayOf(header(pigeon), made.messages[0])
  const times = Object.fromEntries(moments.map((moment) => [moment.step.id, moment.at]))
  assert.deepEqual([times.doze, times.launch, times.land, times.coo, times.take], [30, 147_000, 147_000, 164_000, 186_000])
  assert.deepEqual(wakes, { from: 164_000, to: 186_000 })
  assert.deepEqual(moments.map((moment) => moment.at), moments.map((moment) => moment.at).sort((a, b) => a - b))
})

test('who waits by spinning never sleeps, and a hybrid only after its budget', () => {
  const message = (waited) => ({ sendBegin: 100_000, recvBegin: 100_000 - waited })
  assert.equal(asleep(message(90_000), 'spin'), false)
  assert.equal(asleep(message(10), 'block'), true)
  assert.equal(asleep(message(-10), 'block'), false)
  assert.equal(asleep(message(10_000), 'hybrid:20us'), false)
  assert.equal(asleep(message(30_000), 'hybrid:20us'), true)
})

/** One message under probes: a receiver that sleeps, three copies, and a call that was entered and returned. */
function probed() {
  const at = (t_ns, what, side, more = {}) => ({ t_ns, what, side, message: 0, ...more })
  const touch = (t_ns, side, space, place, copy, access) => at(t_ns, 'copy', side, { function: space === 'user' ? 'itself' : 'coo', space, place, ...(copy ? { copy, access } : {}), ...(space === 'kernel' ? { detail: 'coo < fly < enter', step: 'take' } : {}) })
  return [
    { t_ns: 0, what: 'batch-begin', mode: 'xray', count: 1 },
    at(1000, 'recv-begin', 'receiver'),
    at(1010, 'syscall', 'receiver', { name: 'peer', text: 'peer() …' }),
    at(1020, 'switch-out', 'receiver', { detail: 'schedule < wait < enter', function: 'wait', step: 'land' }),
    at(9000, 'send-begin', 'sender'),
    touch(9010, 'sender', 'user', 'the letter'),
    touch(9020, 'sender', 'user', 'the letter'),
    touch(9030, 'sender', 'user', 'the letter', 1, 'read'),
    touch(9040, 'sender', 'user', 'the bag', 1, 'write'),
    at(9050, 'syscall', 'sender', { name: 'throw', duration_ns: 60, result: 1 }),
    touch(9060, 'sender', 'kernel', 'the air', 2, 'write'),
    touch(9062, 'sender', 'kernel', 'the bag', 2, 'read'),
    at(9070, 'wake', 'sender', { function: 'shout', detail: 'shout < enter' }),
    at(9120, 'send-end', 'sender'),
    at(9150, 'switch-in', 'receiver'),
    touch(9160, 'receiver', 'kernel', 'the air', 3, 'read'),
    touch(9163, 'receiver', 'kernel', 'the roof', 3, 'write'),
    at(9170, 'syscall', 'receiver', { name: 'peer', duration_ns: 8160, result: 1 }),
    at(9200, 'recv-end', 'receiver'),
    { t_ns: 9200, what: 'table', title: 't', columns: [], rows: [], basis: 'measured', instrument: '' },
  ]
}

test('a call in which a process slept is one call, and a copy is its two touches', () => {
  const calls = callsOf(probed())
  assert.deepEqual(calls.map(({ side, name, from, to }) => [side, name, from, to]), [['receiver', 'peer', 1010, 9170], ['sender', 'throw', 9050, 9110]])
  // One that never returned is one call too, and so are two of one name.
  const open = { t_ns: 1, what: 'syscall', side: 'sender', name: 'throw' }
  assert.equal(callsOf([open]).length, 1)
  assert.equal(callsOf([{ ...open, duration_ns: 5 }, { ...open, t_ns: 9, duration_ns: 5 }]).length, 2)
  const copies = copiesOf(probed())
  assert.deepEqual(copies.map(({ number, space, reads, writes }) => [number, space, reads.place, writes.place]), [[1, 'user', 'the letter', 'the bag'], [2, 'kernel', 'the bag', 'the air'], [3, 'kernel', 'the air', 'the roof']])
})

test('the journey joins each copy to the next, a wake-up to its process, and keeps one scale', () => {
  const of = journey(probed())
  const labels = of.blocks.map(({ lane, label }) => `${lane} ${label}`)
  assert.deepEqual(labels, ['3 recv()', '2 peer()', '2 sleeps', '0 send()', '0 touches · the program ×2', '0 copy 1 · the program', '1 throw()', '1 copy 2 · coo', '1 wakes · shout', '2 copy 3 · coo'])
  const joined = of.joins.map(({ from, at, to, until, form }) => [from.label.split(' · ')[0], at, to.label.split(' · ')[0], until, form])
  assert.deepEqual(joined, [['wakes', 9070, 'sleeps', 9150, 'wake'], ['copy 1', 9040, 'copy 2', 9062, 'byte'], ['copy 2', 9060, 'copy 3', 9160, 'byte']])
  assert.deepEqual(of.bands, [{ from: 1020, to: 9000 }], 'the wait for the message is one band')
  const y = descent(of, 700)
  const px = (a, b) => y(b) - y(a)
  assert.ok(Math.abs(px(9000, 9100) - px(9100, 9200)) < 1e-6 && Math.abs(px(1000, 1020) * 5 - px(9000, 9100)) < 1e-6, 'equal times are equal lengths')
  assert.ok(px(1020, 9000) < px(9000, 9200), 'but for the band')
  assert.ok(y(of.to) < 700 && y(of.from) > 0)
  assert.deepEqual(journey([]).blocks, [], 'nothing is no journey')
  const lost = probed().filter(({ what }) => what !== 'switch-in')
  const asleep = journey(lost).blocks.find(({ label }) => label === 'sleeps')
  assert.equal(asleep.to, 9160, 'a process that does something sleeps no longer')
})

test('each message is played equally long and to scale inside, a pause shorter, and an outlier is marked', () => {
  const flights = [{ from: 100, to: 140 }, { from: 1_000_140, to: 1_000_180 }, { from: 2_000_000, to: 2_004_000 }]
  const paced = warp(0, 2_005_000, flights)
  const playing = (from, to) => Math.round((paced.shown(to) - paced.shown(from)) * 1e6) / 1e6
  for (const { from, to } of flights) assert.equal(playing(from, to), 1)
  assert.equal(playing(100, 110), 0.25, 'to scale')
  assert.ok(playing(140, 1_000_140) < 1)
  assert.deepEqual(paced.cuts, [{ from: 0, to: 100 }, { from: 140, to: 1_000_140 }, { from: 1_000_180, to: 2_000_000 }, { from: 2_004_000, to: 2_005_000 }])
  assert.deepEqual(paced.long, [{ from: 2_000_000, to: 2_004_000, times: 100 }])
  for (const t of [0, 100, 120, 999_999, 2_003_000, 2_005_000]) assert.ok(Math.abs(paced.real(paced.shown(t)) - t) < 1)
  const together = warp(0, 100, [{ from: 0, to: 90 }, { from: 1, to: 95 }, { from: 2, to: 100 }])
  assert.deepEqual([90, 95, 100].map(together.shown), [1, 2, 3], 'of messages in flight together each arrival is a piece')
  assert.deepEqual(together.cuts, [])
  assert.ok(warp(0, 100, [{ from: 90, to: 100 }], [10, 20, 30, 40]).length > warp(0, 100, [{ from: 90, to: 100 }], [10]).length, 'a pause in which figures were read takes its time')
  assert.deepEqual([warp(0, 0).length, warp(5, 5).length, warp(0, 10).length], [0, 0, 1])
})

test('what a probe saw of a wake-up stands where it was seen, and what was not told stays open no longer than it was', () => {
  const told = (/** @type {any[]} */ ...events) => {
    const all = events.map(([t_ns, what, side, more]) => ({ t_ns, what, side, message: 0, ...more }))
    return [{ t_ns: 0, what: 'batch-begin', count: 1, mode: 'xray' }, ...all, { t_ns: 9_000, what: 'batch-end' }]
  }
  const cut = (/** @type {any[]} */ events) => {
    const cutter = new Cutter(header(pigeon, { wait: 'block' }))
    return events.map((event) => cutter.take(event)).find(Boolean)
  }
  const asleep = ['switch-out', 'receiver', { step: 'doze' }]
  const seen = cut(told([100, 'recv-begin', 'receiver'], [200, ...asleep], [1_000, 'send-begin', 'sender'], [1_500, 'wake', 'sender', { step: 'coo' }], [1_600, 'send-end', 'sender'], [4_000, 'switch-in', 'receiver', { step: 'doze' }], [5_000, 'recv-end', 'receiver']))
  const [message] = seen.messages
  assert.equal(message.stamped.get('doze'), 200, 'it fell asleep when it was seen to, not when it ran again')
  assert.deepEqual(wayOf(header(pigeon), message).wakes, { from: 1_500, to: 4_000 })
  assert.equal(during(seen.rests.get('receiver'), 4_500).part, null, 'and it sleeps no more')

  const open = cut(told([1_000, 'send-begin', 'sender'], [5_000, 'recv-end', 'receiver']))
  assert.deepEqual([during(open.calls.get('sender'), 4_000), during(open.calls.get('sender'), 5_000)], ['send', ''], 'a call whose end was not told is over when its message has arrived')

  const alone = cut(told([1_000, 'send-begin', 'sender'], [1_200, 'send-end', 'sender']))
  assert.equal(wayOf(header(pigeon), alone.messages[0]).lies?.to, Infinity, 'a message that nobody comes for lies there')

  const noted = cut(told([3_000, 'note', undefined, { text: 'at once' }], [1_000, 'send-begin', 'sender'], [1_200, 'send-end', 'sender']))
  assert.deepEqual(noted.messages.map(({ sendBegin, sendEnd }) => [sendBegin, sendEnd]), [[1_000, 1_200]], 'a note that was told at once moves nothing')

  const together = new Cutter(header(post, { wait: 'block' }))
  const [both] = [
    [0, 'batch-begin', undefined, { count: 2, mode: 'burst' }], [100, 'recv-begin', 'receiver', { message: 0 }],
    [1_000, 'send-begin', 'sender', { message: 0 }], [2_000, 'send-end', 'sender', { message: 0 }],
    [3_000, 'send-begin', 'sender', { message: 1 }], [4_000, 'send-end', 'sender', { message: 1 }],
    [9_000, 'recv-end', 'receiver', { message: 0, ahead_bytes: 64 }], [9_100, 'recv-begin', 'receiver', { message: 1 }],
    [9_200, 'recv-end', 'receiver', { message: 1 }], [9_300, 'batch-end'],
  ].map(([t_ns, what, side, more]) => together.take({ t_ns, what, side, ...more })).filter(Boolean)
  const { stops } = wayOf(header(post), both.messages[1])
  const where = (t) => stops.findLast(({ at }) => at <= t)?.part
  assert.deepEqual([4_000, 8_000, 9_050].map(where), ['box', 'box', 'receiver'], 'one that is read with the one before lies in the box until then')

  const some = cut([
    { t_ns: 0, what: 'experiment-begin', id: 'storm' }, { t_ns: 100, what: 'gauges', values: { loft_bytes: 0 } },
    { t_ns: 1_000, what: 'send-begin', side: 'sender', message: 99 }, { t_ns: 2_000, what: 'gauges', values: { loft_bytes: 6_336 } },
    { t_ns: 5_000, what: 'send-end', side: 'sender', message: 99 }, { t_ns: 6_000, what: 'recv-end', side: 'receiver', message: 99 },
    { t_ns: 9_000, what: 'experiment-end', id: 'storm', held: true, verdict: 'all arrived', messages: 100 },
  ])
  assert.deepEqual(during(some.gauges.get('loft_bytes'), 7_000), { value: 6_336, read: true }, 'where others went unseen, bytes are only what was read')
})

test('what is between two stamps is shared out by what the calls cost when they need not wait', () => {
  const calls = { send_ns: 1_000, recv_ns: 500 }
  const times = { sendBegin: 100_000, sendEnd: 104_000, recvBegin: 0, recvEnd: 140_000 }
  const way = (scene, wait, change = {}) => wayOf({ scene, wait, calls }, { ...recorded(scene, 'burst', 1, wait).messages[0], ...times, way: undefined, ...change })
  const at = ({ moments }, id) => moments.find(({ step }) => step.id === id)?.at
  const asleep = way(pigeon, 'block')
  const waking = pigeon.steps.find((step) => step.act.is === 'wake').id
  assert.equal(at(asleep, waking), 101_000, 'the sender is done with its own part')
  assert.deepEqual(asleep.wakes, { from: 101_000, to: 139_500 }, 'and what is left is the waking')
  const polled = way(pigeon, 'spin')
  assert.equal(polled.wakes, null)
  const short = way(pigeon, 'block', { sendEnd: 100_600, recvEnd: 100_750 })
  assert.deepEqual(short.wakes, { from: 100_500, to: 100_500 }, 'a flight shorter than both is shared in proportion')
  const late = way(pigeon, 'block', { recvBegin: 130_000 })
  assert.ok(late.moments.filter(({ step }) => step.actor === 'receiver').every(({ at }) => at >= 130_000), 'nothing is received before')
})

test('a stage fits its width, and no two parts cover each other', () => {
  for (const scene of scenes) {
    for (const width of [264, 300, 500, 640, 820, 1200]) {
      const { boxes, width: whole, height } = layout(scene, width)
      const all = [...boxes.values()]
      for (const box of all) {
        assert.ok(box.x >= 0 && box.x + box.w <= whole + 0.01 && box.y + box.h <= height, `${scene.kind} ${width} ${box.part.id}`)
        for (const line of box.label) assert.ok(line.text.length * 7.25 <= box.w, `${width}: ${line.text}`)
        for (const other of all) {
          const apart = other === box || other.x + other.w <= box.x || box.x + box.w <= other.x || other.y + other.h <= box.y || box.y + box.h <= other.y
          assert.ok(apart, `${scene.kind} at ${width}: ${box.part.id} covers ${other.part.id}`)
        }
      }
    }
  }
  assert.deepEqual(wrap('one two three', 7), ['one two', 'three'])
})

test('ways lead from part to part', () => {
  const at = layout(pigeon, 800)
  const points = route(at, 'sender', 'loft')
  assert.deepEqual(points.at(-1), route(at, 'loft', 'receiver')[0])
  assert.deepEqual(along(points, 0), points[0])
  assert.deepEqual(along(points, 1), points.at(-1))
  assert.deepEqual(route(at, 'sender', 'nowhere'), [])
})

test('numbers of the lab are tied to their units, and words are not', () => {
  const tied = (text) => format.tied(text).replaceAll('\u00a0', '_')
  for (const [text, expected] of [['2.10 µs', '2.10_µs'], ['4.90 M/s', '4.90_M/s'], ['100 000', '100_000'], ['1.02× ≈', '1.02×_≈'], ['3.20× (2.9–3.4)', '3.20×_(2.9–3.4)'], ['64 B of 3 messages on 2 cores', '64_B of 3 messages on 2 cores']]) assert.equal(tied(text), expected)
})

const files = readdirSync(join(ROOT, 'web'), { recursive: true, withFileTypes: true })
  .filter((file) => file.isFile())
  .map((file) => join(file.parentPath, file.name))

/** Lines of a text that name a mechanism. @param {string} text */
const naming = (text) => text.split('\n').filter((line) => /\b(shm|shared[ _-]memory|pipes?|unix|uds|tcp|futex|memfd)\b/i.test(line.replaceAll('started_unix_ms', '')))

test('what the start needs is asked for at once, and nothing else', () => {
  const js = join(ROOT, 'web/js')
  const needed = new Set()
  const need = (file) => {
    if (needed.has(file)) return
    needed.add(file)
    const imports = readFileSync(file, 'utf8').matchAll(/^import .* from '([^']+)'$/gm)
    for (const [, from] of imports) need(join(file, '..', from))
  }
  need(join(js, 'main.js'))
  need(join(js, 'page/start.js'))
  const asked = [...readFileSync(join(ROOT, 'web/index.html'), 'utf8').matchAll(/rel="modulepreload" href="\/web\/js\/([^"]+)"/g)].map(([, name]) => join(js, name))
  assert.deepEqual(asked.sort(), [...needed].sort())
})

test('the page names no mechanism', () => {
  assert.ok(files.length > 20)
  for (const file of files) assert.deepEqual(naming(readFileSync(file, 'utf8')), [], file)
  assert.equal(naming("if (scene.kind === 'pipe') draw()\nconst a = 'TCP'").length, 2, 'the test finds what it looks for')
})

test('the page has no inline script or style, and takes nothing from elsewhere', () => {
  for (const file of files.filter((file) => /\.(html|js|css)$/.test(file))) {
    const text = readFileSync(file, 'utf8').replace('http://www.w3.org/2000/svg', '')
    assert.doesNotMatch(text, /https?:\/\/|@import url|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'/, file)
  }
  const html = readFileSync(join(ROOT, 'web/index.html'), 'utf8')
  assert.doesNotMatch(html, / style=| on\w+=|<style|<script>/)
  assert.match(html, /<meta name="token" content="\{\{token\}\}">/)
})

// The same file is what `ipcscope watch --trace` writes (tests/cli/replay.rs).
test('of two programs that were only watched the calls that were seen are told, and nothing else', async () => {
  const [trace] = await read(readFileSync(join(ROOT, 'tests/cli/watched.ndjson'), 'utf8'))
  const cutter = new Cutter(trace.header)
  const [recording] = trace.events.map((event) => cutter.take(event)).filter(Boolean)
  assert.equal(recording.mode, 'watched')
  assert.equal(recording.messages.length, 4)
  assert.deepEqual(flights(recording), [800, 1033, 1200, 1000])
  // A read that took a part of a message is a call, too; and between two calls it is in none.
  const doing = [100, 1300, 1800, 2100, 2300, 3500, 4100].map((t) => during(recording.calls.get('receiver'), t))
  assert.deepEqual(doing, ['read', '', 'read', '', 'read', '', 'read'])
  assert.deepEqual(recording.messages.map(({ payload }) => payload), ['', '', '', ''])
  assert.equal(recording.gauges.size, 0)
  let told = ''
  const player = playerOf(trace.header, recording, { process: (actor, facts) => { if (actor === 'receiver') told = facts.join(' ') } })
  player.seek(1800)
  assert.match(told, /gzip, pid 4212.*in read\(\)/)
  assert.doesNotMatch(told, /core/)
})

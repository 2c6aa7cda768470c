// The page in a browser, against a lab of mechanisms that do not exist: what it shows of them, it has from their scenes.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { report } from './fixtures/report.mjs'
import { lamp, pigeon, post, scenes } from './fixtures/scenes.mjs'
import { traceText } from './fixtures/trace.mjs'
import { axe, begin, boxes, closeAll, drawn, keep, launch, looks, open, pids, ready, scratch, shifts, tooWide, unfold, until, visit } from './harness.mjs'
import { mock } from './mock.mjs'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof mock>>} */
let lab
const folder = scratch('page')

before(async () => {
  browser = await launch()
  lab = keep(await mock({ roundMs: 40 }))
})
after(closeAll)

const PAGES = ['', ...scenes.map(({ kind }) => `m/${kind}`), 'race', 'choose', 'map', 'runs', 'method', 'replay', 'nowhere', 'm/none']
const at = (hash) => `${lab.url}#/${hash}`
const send = async (page, name = 'Send 10') => {
  await ready(page)
  await page.getByRole('button', { name }).click()
}
const counter = (page) => page.locator('.counter')

test('the start has a card for each mechanism, with its tags, and one for the race', async () => {
  const { page, close } = await open(browser, lab.url)
  const cards = page.locator('.cards > li')
  assert.equal(await cards.count(), scenes.length + 1)
  for (const scene of scenes) {
    const card = cards.filter({ hasText: scene.summary })
    for (const tag of scene.tags) await card.getByText(tag, { exact: true }).waitFor()
    assert.equal(await card.locator('svg').count(), 1)
  }
  assert.equal(await page.locator('.podium').count(), 4)
  assert.deepEqual(await page.locator('.podium').first().locator('.nums.faint').allTextContents(), ['', '1\u00a0200×', '1\u00a0200×'])
  assert.equal(await cards.last().locator('svg, i, canvas, img').count(), 0, 'nothing drawn there looks like a figure')
  await cards.last().getByRole('link').click()
  await page.getByRole('heading', { name: 'Race', level: 1 }).waitFor()
  await close()
})

test('a mechanism that the page has never heard of is drawn and replayed', async () => {
  const { page, complaints, foreign, close } = await open(browser, at('m/pigeon'))
  await ready(page)
  for (const part of pigeon.stage) assert.equal(await page.locator(`[data-part="${part.id}"]`).count(), 1, part.id)
  assert.equal(await page.locator('.slot').count(), 8)
  const [sender, receiver] = await pids(page)
  assert.equal(receiver, sender + 1)
  await unfold(page)
  await page.getByLabel('Text').fill('coo')
  await send(page)
  await until(async () => (await page.locator('.token:not([display])').count()) === 1, 'a message on its way')
  await page.getByText(/^replayed [\d.\u00a0]+× slower$/).first().waitFor()
  await until(async () => Number((await counter(page).textContent())?.split('/')[0]) >= 2, 'two have arrived')
  await page.getByRole('button', { name: 'Pause' }).click()
  const shown = await counter(page).textContent()
  await page.waitForTimeout(300)
  assert.equal(await counter(page).textContent(), shown, 'paused')
  await page.getByRole('slider', { name: 'Moment of the replay' }).fill('1000')
  assert.equal(await counter(page).textContent(), '10 / 10')
  assert.match(await page.locator('[data-gauge=birds_out] .value').textContent(), /1/)
  await page.getByRole('slider', { name: 'Moment of the replay' }).fill('0')
  assert.equal(await counter(page).textContent(), '0 / 10')
  for (let steps = 0; steps < 12; steps++) await page.getByRole('button', { name: 'Step' }).click()
  assert.match(await counter(page).textContent(), /[1-9]\d* \/ 10/)
  await page.locator('.log').getByText('“coo”').first().waitFor()
  await page.getByText('Just now 10 of 10 messages arrived.', { exact: false }).waitFor()
  assert.deepEqual([complaints, foreign], [[], []])
  await close()
})

test('the message dives as deep as the scene says', async () => {
  const deepest = {}
  for (const { kind } of [lamp, post]) {
    const { page, close } = await open(browser, at(`m/${kind}`))
    await send(page)
    const line = Number(await page.locator('.stage .border').getAttribute('y1'))
    let depth = -Infinity
    await until(async () => {
      const place = await page.locator('.token:not([display])').first().getAttribute('transform', { timeout: 1000 }).catch(() => null)
      depth = Math.max(depth, Number(place?.match(/ ([\d.]+)\)/)?.[1] ?? -Infinity) - line)
      return (await counter(page).textContent()) === '3 / 10'
    }, 'three have arrived')
    deepest[kind] = depth
    await close()
  }
  assert.ok(deepest.lamp < 0, 'the lamp stays above the line')
  assert.ok(deepest.post > 0, 'the coach goes below it')
})

test('messages go back where the scene is duplex, and nowhere else', async () => {
  const { page, close } = await open(browser, at('m/lamp'))
  await ready(page)
  await unfold(page)
  await page.getByRole('radio', { name: 'receiver to sender' }).check()
  const step = page.locator('.steps li', { hasText: 'uncovers its lamp' })
  assert.equal(await step.textContent(), 'storesender The sender uncovers its lamp.')
  await send(page)
  await page.locator('.token.back:not([display])').first().waitFor()
  await until(async () => (await step.textContent()) === 'storereceiver The receiver uncovers its lamp.', 'the words are those of the way back')
  await page.goto(at('m/post'))
  await page.getByRole('heading', { name: 'Post coach' }).waitFor()
  await unfold(page)
  assert.equal(await page.getByText('receiver to sender').count(), 0)
  await close()
})

test('waiting, placement and size start a new stage, and stand in the address', async () => {
  const { page, close } = await open(browser, at('m/post'))
  await ready(page)
  const [first] = await pids(page)
  await unfold(page, 'settings')
  await page.getByRole('radio', { name: 'spin' }).check()
  await until(async () => (await pids(page))[0] > first, 'new processes')
  assert.match(page.url(), /wait=spin/)
  await page.getByRole('radio', { name: 'one core' }).check()
  await until(async () => /placement=same-core/.test(page.url()) && (await boxes(page))[1][0].includes('core 0'), 'the same core')
  await page.getByLabel('Size').selectOption('1024')
  await until(() => /size=1024/.test(page.url()), 'the size')
  await close()
})

test('a new setting drops the recording from the stage, and the list of recordings names the settings of each', async () => {
  const { page, close } = await open(browser, `${at('m/post')}?speed=max`)
  await send(page)
  await until(async () => (await counter(page).textContent()) === '10 / 10', 'it is shown')
  await ready(page)
  await unfold(page, 'settings')
  await page.getByRole('radio', { name: 'spin' }).check()
  await ready(page)
  const shown = async () => [await counter(page).textContent(), await page.locator('.token:not([display])').count(), await page.locator('.log .row').count(), await page.locator('.strip rect').count(), await page.locator('.steps .now').count()]
  assert.deepEqual(await shown(), ['0 / 10', 0, 0, 0, 0])
  const [sender] = await pids(page)
  await send(page)
  await until(async () => (await counter(page).textContent()) === '10 / 10', 'another')
  const list = page.getByLabel('Which recording')
  const named = (await list.locator('option').allTextContents()).map((text) => text.replaceAll('\u00a0', ' '))
  assert.deepEqual(named, ['none', '1: one by one, 10; both sleep while they wait · two cores · 64 B', '2: one by one, 10; both spin while they wait · two cores · 64 B'])
  await unfold(page)
  await list.selectOption('1')
  await until(async () => (await pids(page))[0] < sender, 'its own processes')
  await close()
})

test('the first press shows what the card says: a mechanism waits as costs it the fewest calls', async () => {
  for (const [hash, words] of [['m/lamp', 'both spin while they wait'], ['m/pigeon', 'both sleep while they wait'], ['m/lamp?wait=block', 'both sleep while they wait'], ['m/lamp?placement=same-core', 'both sleep while they wait']]) {
    const { page, close } = await open(browser, at(hash))
    assert.ok((await page.locator('.settings > summary').textContent())?.startsWith(`${words} · `), hash)
    await close()
  }
  const { page, close } = await open(browser, at('m/lamp'))
  await ready(page)
  const calls = page.locator('.facts > div', { hasText: 'System calls' }).locator('dd')
  assert.deepEqual(await calls.allTextContents(), ['0', '0'])
  await close()
})

test('a stage is played by keys, but not while something is typed', async () => {
  const { page, close } = await open(browser, at('m/pigeon'))
  await send(page)
  await until(async () => (await counter(page).textContent()) === '1 / 10', 'it is played')
  const [back, step] = ['Back', 'Step'].map((name) => page.getByRole('button', { name }))
  const ends = async () => [await back.getAttribute('aria-disabled'), await step.getAttribute('aria-disabled')]
  const told = () => page.locator('.scrub').getAttribute('aria-valuetext')
  // The button that was pressed has the focus still: the space bar is the stage's all the same.
  await page.keyboard.press('Space')
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  assert.equal(await page.locator('.said').textContent(), 'Recorded: 10 of 10 arrived.', 'and nothing was sent')
  for (const [key, arrived] of [['4', '3 / 10'], ['1', '0 / 10'], ['9', '8 / 10'], ['End', '10 / 10'], ['Home', '0 / 10'], ['End', '10 / 10'], ['0', '0 / 10']]) {
    await page.keyboard.press(key)
    assert.equal(await counter(page).textContent(), arrived, key)
  }
  assert.deepEqual(await ends(), ['true', 'false'])
  await page.keyboard.press('ArrowLeft')
  const start = await told()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowRight')
  assert.notEqual(await told(), start)
  assert.deepEqual(await ends(), ['false', 'false'])
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowLeft')
  assert.equal(await told(), start)
  // On the slider, too, an arrow is a step, as its tooltip says; and the slider goes with it.
  const slider = page.getByRole('slider', { name: 'Moment of the replay' })
  assert.match((await slider.getAttribute('title')) ?? '', /← and → step/)
  const steps = async (keys) => {
    await page.keyboard.press('Home')
    const seen = []
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press(keys[presses % keys.length])
      seen.push(await told())
    }
    return seen
  }
  const elsewhere = await steps(['ArrowRight'])
  await slider.focus()
  assert.deepEqual(await steps(['ArrowRight', 'ArrowUp']), elsewhere)
  assert.ok(Number(await slider.inputValue()) > 0, 'and it stands where the replay is')
  for (let presses = 0; presses < 12; presses++) await page.keyboard.press(presses % 2 ? 'ArrowLeft' : 'ArrowDown')
  assert.equal(await slider.inputValue(), '0')
  await page.getByRole('button', { name: 'Step' }).focus()
  await page.keyboard.press('End')
  assert.deepEqual(await ends(), ['false', 'true'])
  await unfold(page)
  await page.getByLabel('Text').click()
  await page.keyboard.type('0 3')
  await page.keyboard.press('Home')
  assert.equal(await page.getByLabel('Text').inputValue(), '0 3')
  assert.equal(await counter(page).textContent(), '10 / 10', 'what is typed is typed')
  await page.keyboard.press('Escape')
  assert.equal(await page.locator('.more[open]').count(), 0)
  await page.keyboard.press('Control+0')
  assert.equal(await counter(page).textContent(), '10 / 10', 'a key with another is the browser’s')
  // By keyboard a button is pressed by the space bar, as everywhere.
  await page.keyboard.press('Tab')
  await page.getByRole('button', { name: 'Send 10' }).focus()
  await page.keyboard.press('Space')
  await until(async () => (await page.getByLabel('Which recording').locator('option').count()) === 3, 'ten more')
  await close()
})

test('a link that is followed while the first page loads is not lost', async () => {
  const { page, close } = await open(browser, lab.url)
  for (const held of ['**/api/lab', '**/js/page/mechanism.js']) {
    /** @type {() => void} */
    let release = () => {}
    const asked = new Promise((resolve) => {
      void page.route(held, async (route) => {
        resolve(undefined)
        await new Promise((go) => { release = () => go(undefined) })
        await route.continue()
      })
    })
    await page.goto('about:blank')
    await page.goto(at('m/lamp'), { waitUntil: 'commit' })
    await asked
    await page.evaluate(() => { location.hash = '#/race' })
    release()
    await page.getByRole('heading', { name: 'Race', level: 1 }).waitFor()
    await page.unroute(held)
  }
  await close()
})

test('a line of the log says one thing once, in words, and can be opened to read it whole', async () => {
  const { page, close } = await open(browser, `${at('m/pigeon')}?speed=max`)
  await ready(page)
  await unfold(page)
  await page.getByRole('radio', { name: 'pause and inspect' }).check()
  await page.getByRole('button', { name: 'Send 1', exact: true }).click()
  await page.getByText('1 of 1 arrived').first().waitFor()
  const lines = (await page.locator('.log .text').allTextContents()).map((text) => text.replaceAll('\u00a0', ' '))
  const fields = pigeon.stage.flatMap((part) => part.gauges.map(({ field }) => field))
  assert.ok(fields.length > 5 && lines.length > 8)
  for (const line of lines) for (const raw of [...fields, 'take_wait', 'send-begin', 'wchan', '[object']) assert.ok(!line.includes(raw), `${raw} in ${line}`)
  for (const line of lines) {
    const words = line.split(/[,.:]? /).filter((word) => word.length > 4)
    assert.ok(new Set(words).size >= words.length - 1 || line.includes('reads'), `twice: ${line}`)
  }
  assert.ok(lines.includes('receiver is sleeping, in take()'), lines.join('\n'))
  assert.ok(lines.some((line) => /^lab reads: .*in the loft 64 B/.test(line)), lines.join('\n'))
  const row = page.locator('.log .row', { hasText: 'is sleeping, in take()' }).first()
  await row.click()
  const opened = page.getByRole('group', { name: 'The opened event' })
  await opened.getByText('take_wait', { exact: true }).waitFor()
  await opened.getByRole('button', { name: 'Close' }).click()
  assert.ok(await opened.isHidden())
  await page.getByRole('region', { name: 'Event log' }).focus()
  await page.keyboard.press('Enter')
  await opened.locator('dt', { hasText: /^what$/ }).waitFor()
  await close()
})

test('a report is asked about a stage once, however often the stage is opened', async () => {
  const { page, close } = await open(browser, at('m/post'))
  /** @type {string[]} */
  const asked = []
  page.on('request', (request) => { if (request.url().includes('/beside?')) asked.push(request.url()) })
  for (const place of ['m/lamp', '', 'm/pigeon', '', 'm/lamp']) {
    await visit(page, at(place))
    if (place) await ready(page)
    if (place) await page.getByText('In your last race').waitFor()
  }
  assert.deepEqual(asked.map((url) => new URL(url).searchParams.get('kind')), ['lamp', 'pigeon'])
  await close()
})

test('experiments and probes are shown by what their events say', async () => {
  const { page, close } = await open(browser, `${at('m/pigeon')}?speed=max`)
  await ready(page)
  await page.getByRole('button', { name: 'Let the hawk take the receiver' }).click()
  const card = page.locator('.findings article').first()
  await card.locator('.verdict.good').waitFor()
  await card.getByText('The receiver died of SIGKILL.').waitFor()
  await card.getByRole('cell', { name: '3' }).waitFor()
  await card.getByText('a spyglass', { exact: false }).waitFor()
  assert.equal(await page.locator('[data-part=receiver][data-state=dead]').count(), 1)
  assert.deepEqual(await pids(page), [5001, 5002], 'its own processes')
  await page.getByRole('button', { name: 'Wait for an eclipse' }).click()
  await page.getByText('What would help: a machine with a window', { exact: false }).waitFor()
  await page.getByText('Not tried:', { exact: true }).waitFor()
  await ready(page)
  await unfold(page)
  await page.getByRole('button', { name: 'X-ray 1' }).click()
  await page.getByText('Not in the scene: finish_nap', { exact: false }).waitFor()
  await page.getByText('System calls seen, sender').waitFor()
  await page.getByLabel('Filter the events').fill('finish_nap')
  await page.locator('.row.unforetold').first().waitFor()
  await page.getByText('What happens, and why').waitFor()
  await close()
})

test('the log is filtered and copied', async () => {
  const { page, context, close } = await open(browser, `${at('m/post')}?speed=max`)
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await send(page)
  await page.getByText('10 of 10 arrived').first().waitFor()
  await page.getByLabel('Filter the events').fill('receiver has #')
  await page.getByText('10 of 45').waitFor()
  await page.locator('.log + *, section', { hasText: 'Events' }).getByRole('button', { name: 'Copy' }).first().click()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  assert.equal(copied.split('\n').length, 10)
  assert.match(copied, /µs {2}receiver has #0 “message 1”/)
  await close()
})

test('the times of the log tell its lines apart, however late they are', async () => {
  const [first, ...events] = traceText(pigeon, 5).trimEnd().split('\n').map((line) => JSON.parse(line))
  // After the first they come 40 ns after each other, after more than a second.
  events.forEach((event, index) => { event.t_ns = index === 0 ? 0 : 1_670_000_000 + 40 * Math.floor(index / 2) })
  const other = keep(await mock({ replay: [first, ...events].map((line) => JSON.stringify(line)).join('\n') }))
  const { page, context, close } = await open(browser, `${other.url}#/replay?speed=max`)
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy' }).click()
  const lines = (await page.evaluate(() => navigator.clipboard.readText())).split('\n').map((line) => line.split('  ')[0])
  assert.equal(lines.length, events.length)
  assert.equal(new Set(lines).size, new Set(events.map(({ t_ns }) => t_ns)).size, lines.join())
  assert.equal(lines[2], '1.67000004\u00a0s')
  const cut = await page.locator('.log .time').evaluateAll((all) => all.filter((one) => one.scrollWidth > one.clientWidth).length)
  assert.equal(cut, 0, 'and they have room')
  await close()
  await other.close()
})

test('a race: silent while it runs, replayed afterwards, exported, compared', async () => {
  const { page, complaints, close } = await open(browser, at('race'))
  await page.getByRole('button', { name: 'Start the race' }).click()
  await page.getByText('of 20 rounds', { exact: false }).waitFor()
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0)
  const frames = await page.evaluate(() => {
    let asked = 0
    const own = globalThis.requestAnimationFrame
    globalThis.requestAnimationFrame = (call) => { asked++; return own(call) }
    return new Promise((done) => setTimeout(() => { globalThis.requestAnimationFrame = own; done(asked) }, 300))
  })
  assert.equal(frames, 0, 'nothing moves while it is timed')
  assert.ok(page.url().includes('size=64'))
  await page.getByText('The race is over.').first().waitFor()
  await page.getByText('all at once', { exact: false }).waitFor()
  await until(async () => (await page.locator('.bars .value').first().textContent())?.includes('done'), 'the fastest is done')
  await page.getByRole('button', { name: 'Stop' }).click()
  assert.match(page.url(), /run=20260922-1/)
  await page.getByText('The lowest median latency: Signal lamp', { exact: false }).waitFor()
  for (const form of ['JSON', 'CSV', 'Markdown', 'HTML']) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: form, exact: true }).click()])
    assert.match(download.suggestedFilename(), new RegExp(form.toLowerCase()))
  }
  await page.getByText('ipcscope race lamp,pigeon,post', { exact: false }).waitFor()
  await page.getByRole('radio', { name: /^stream, 64.B, spin$/ }).check()
  await page.getByText('The most messages a second: Signal lamp', { exact: false }).waitFor()
  await page.getByText('What textbooks say, and what was measured').waitFor()

  const older = join(folder, 'older.json')
  writeFileSync(older, JSON.stringify(report({ seed: 3 })))
  const chooser = page.getByLabel('Drop a report here (JSON), or choose one')
  await chooser.setInputFiles(older)
  await page.getByText('no different').first().waitFor()
  const lines = page.locator('.compared tbody tr')
  for (const [line, by] of [[0, 'p50'], [1, 'msg/s']]) assert.equal(await lines.nth(line).locator('td').first().textContent(), by)
  assert.deepEqual(await lines.locator('td:last-child span').evaluateAll((all) => all.slice(0, 6).map((cell) => cell.className)), ['bad', 'bad', 'good', 'good', '', ''])
  await page.locator('.compared').getByText('≈ no difference').waitFor()
  const broken = join(folder, 'broken.json')
  writeFileSync(broken, '{"rows":')
  await chooser.setInputFiles(broken)
  await page.getByText('broken.json is not JSON.', { exact: false }).waitFor()
  writeFileSync(broken, '{"a":1}')
  await chooser.setInputFiles(broken)
  await page.getByText('field `rows` is missing', { exact: false }).waitFor()
  assert.deepEqual(complaints.filter((text) => !text.includes('422')), [])
  await close()
})

test('a race can be stopped, and what was measured is kept', async () => {
  const { page, close } = await open(browser, at('race?launches=40&wait=spin&capacity=64k'))
  assert.equal(await page.getByLabel('Launches').inputValue(), '40')
  await page.getByRole('button', { name: 'Start the race' }).click()
  await page.getByText('of 160 rounds', { exact: false }).waitFor()
  assert.match(page.url(), /capacity=65536/)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('The race was stopped', { exact: false }).first().waitFor()
  await page.getByText('interrupted: the race was cut short', { exact: false }).waitFor()
  await page.getByText(/channels asked to hold 64.KiB in each direction/).waitFor()
  await page.getByText(/Channels had: .*64.KiB to 128.KiB/).waitFor()
  await close()
})

test('a sweep has lines by size', async () => {
  const { page, close } = await open(browser, at('race'))
  await page.getByRole('button', { name: 'Sweep the sizes' }).click()
  await page.getByText('By the size of the message').waitFor()
  const figure = page.getByRole('group', { name: 'Figure by size' })
  assert.ok(await figure.getByRole('radio', { name: 'median' }).isChecked(), 'ping-pong is judged by its median')
  await page.getByRole('radio', { name: 'stream, spin' }).check()
  assert.ok(await figure.getByRole('radio', { name: 'rate' }).isChecked(), 'a stream by its rate')
  await page.getByRole('radio', { name: 'bytes a second' }).check()
  const cursor = page.getByRole('slider', { name: 'By size', exact: false })
  await cursor.focus()
  await page.keyboard.press('End')
  assert.match(await cursor.getAttribute('aria-valuetext'), /^1.MiB: Signal lamp [\d.]+.[MG]B\/s/)
  await close()
})

test('the first race: every page says that it runs, and then shows it', async () => {
  const fresh = keep(await mock({ roundMs: 40, history: [] }))
  const pages = await Promise.all(['race', '', 'runs'].map((hash) => open(browser, `${fresh.url}#/${hash}`)))
  const said = (text) => Promise.all(pages.map(({ page }) => page.locator('main').getByText(text, { exact: false }).first().waitFor()))
  await said('No race was run on this machine yet.')
  await pages[0].page.getByRole('button', { name: 'Start the race' }).click()
  await said('The first race is running.')
  for (const { page } of pages) assert.equal(await page.getByText('No race was run').count(), 0)
  for (const [index, found] of ['The lowest median latency', 'The whole race', 'took'].entries()) await pages[index].page.getByText(found, { exact: false }).first().waitFor()
  for (const { page, close } of pages) {
    assert.equal(await page.getByText('The first race is running.').count(), 0)
    await close()
  }
  await fresh.close()
})

test('a quick race shows its own numbers, and its figures are marked wherever they stand', async () => {
  const fresh = keep(await mock({ roundMs: 40, history: [] }))
  const { page, close } = await open(browser, `${fresh.url}#/race?launches=7`)
  const [messages, launches, quick] = ['Messages', 'Launches', 'Quick'].map((name) => page.getByLabel(name, { exact: false }).first())
  const numbers = async () => [await messages.inputValue(), await launches.inputValue(), await messages.isDisabled(), await launches.isDisabled()]
  assert.deepEqual(await numbers(), ['100000', '7', false, false])
  await quick.check()
  assert.deepEqual(await numbers(), ['10000', '2', true, true])
  await quick.uncheck()
  assert.deepEqual(await numbers(), ['100000', '7', false, false])
  await quick.check()
  await page.getByRole('button', { name: 'Start the race' }).click()
  await page.getByText('of 8 rounds', { exact: false }).waitFor()
  await page.getByText('The race is over.').first().waitFor()
  const mark = page.locator('.mark', { hasText: 'quick race' })
  await mark.waitFor()
  for (const hash of ['', 'm/lamp', 'choose']) {
    await visit(page, `${fresh.url}#/${hash}`)
    await mark.first().waitFor()
  }
  await close()
  await fresh.close()
})

test('an old run fills the form, and runs again', async () => {
  const asked = { kinds: ['pigeon', 'post'], sizes: [64, 4096], waits: ['block', 'hybrid:20us'], workloads: ['paced'], placement: '0,1', count: 12_345, launches: 3, capacity_bytes: 65_536, rate_per_s: 777, seed: 41 }
  const other = keep(await mock({ roundMs: 40, history: [report(asked), report()] }))
  const { page, close } = await open(browser, `${other.url}#/race?run=20260921-1`)
  const values = () => page.locator('.plan').evaluate((form) => [...new FormData(/** @type {HTMLFormElement} */ (form))].map(([name, value]) => `${name} ${value}`).sort())
  const expected = ['capacity 65536', 'count 12345', 'kinds pigeon', 'kinds post', 'launches 3', 'placement 0,1', 'size 64, 4096', 'wait block', 'wait hybrid:20us', 'workload paced']
  assert.deepEqual(await values(), expected)
  assert.match(page.url(), /run=20260921-1/, 'it is still the address of the run')
  const [sent] = await Promise.all([page.waitForRequest((request) => request.url().endsWith('/api/race') && request.method() === 'POST'), page.getByRole('button', { name: 'Run again' }).click()])
  const plan = sent.postDataJSON()
  for (const [name, value] of Object.entries(asked)) assert.deepEqual(plan[name], value, name)
  await page.getByText('rounds', { exact: false }).first().waitFor()
  assert.equal(await page.getByRole('button', { name: 'Run again' }).getAttribute('aria-disabled'), 'true')
  assert.deepEqual(await values(), expected)
  await page.getByText('The race is over.').first().waitFor()
  await close()
  await other.close()
})

test('a mechanism has one colour and one kind of line, in every chart and on paper', async () => {
  const { page, close } = await open(browser, at('race'))
  await page.getByRole('button', { name: 'Sweep the sizes' }).click()
  await page.getByText('By the size of the message').waitFor()
  for (const group of ['0', '1']) {
    await page.emulateMedia({ media: 'screen' })
    await page.locator('label', { hasText: 'Show' }).locator('select').selectOption(group)
    for (const media of /** @type {const} */ (['screen', 'print'])) {
      await page.emulateMedia({ media })
      await until(async () => (await page.locator('svg.chart path.line').count()) === 2 * scenes.length, 'both charts')
      const found = await looks(page)
      for (const { title } of scenes) assert.deepEqual([found[title].colours.length, found[title].dashes.length], [1, 1], `${media} ${group} ${title}: ${JSON.stringify(found[title])}`)
      for (const what of ['colours', 'dashes']) assert.equal(new Set(scenes.map(({ title }) => found[title][what][0])).size, scenes.length, `${what} differ`)
    }
  }
  await close()
})

test('what cannot be raced is said at the field', async () => {
  const { page, close } = await open(browser, at('race'))
  await page.getByLabel('Sizes', { exact: true }).fill('64, soon')
  await page.getByText('Sizes are bytes', { exact: false }).waitFor()
  const races = lab.started.races
  await page.getByRole('button', { name: 'Start the race' }).click()
  await page.getByLabel('Sizes', { exact: true }).fill('64')
  for (const nonsense of ['much', '64k, 2M', '0']) {
    await page.getByLabel('Capacity').fill(nonsense)
    await page.getByText('A capacity is a number of bytes', { exact: false }).waitFor()
    await page.getByLabel('Capacity').fill('')
  }
  await page.getByRole('checkbox', { name: 'spin' }).uncheck()
  await page.getByRole('checkbox', { name: 'block' }).uncheck()
  await page.getByRole('button', { name: 'Start the race' }).click()
  await page.getByText('Choose at least one way of waiting.').waitFor()
  assert.equal(lab.started.races, races)
  await close()
})

test('the chooser answers, says what it rests on, and measures what is missing', async () => {
  const { page, close } = await open(browser, at('choose?size_bytes=256'))
  await page.getByText('fits best').waitFor()
  await page.getByLabel('The peer is').selectOption('false')
  await page.getByText('it cannot be seen from another machine', { exact: false }).waitFor()
  assert.equal(await page.locator('.answers > li').count(), 2)
  assert.match(page.url(), /same_host=false/)
  await page.getByRole('link', { name: 'measured here' }).first().waitFor()
  const late = []
  await page.route('**/api/choose', (route) => void (late.length ? route.continue() : late.push(route)))
  await page.getByLabel('The peer is').selectOption('')
  await until(() => late.length === 1, 'the first question')
  await page.getByLabel('The peer is').selectOption('false')
  await page.getByText('it cannot be seen from another machine', { exact: false }).waitFor()
  await Promise.all([page.waitForResponse('**/api/choose'), late[0].continue()])
  await page.evaluate(() => new Promise((done) => setTimeout(done)))
  assert.equal(await page.locator('.answers > li').count(), 2, 'a late answer replaces none')
  await page.getByRole('button', { name: 'Measure what is missing' }).click()
  await page.waitForURL(/#\/race\?/)
  // It may be over before the page of races stands.
  await page.locator('.report .mark', { hasText: 'quick race' }).waitFor()
  await page.getByRole('heading', { name: '256', exact: false }).first().waitFor()
  await close()
})

test('what is quoted stands beside what was counted, with the machine it was counted on; and can be counted anew', async () => {
  const { page, complaints, close } = await open(browser, at('method'))
  await page.getByText('a record of another one: Abacus 3000, 2 cores', { exact: false }).waitFor()
  const rows = page.locator('.counted tbody tr')
  assert.equal(await rows.count(), 4 * scenes.length)
  await rows.filter({ hasText: '1 + 317' }).first().waitFor()
  const why = page.locator('.why li')
  await why.filter({ hasText: 'Each empty look is a call of its own.' }).first().waitFor()
  await why.filter({ hasText: 'Copies cannot be had here: no instrument sees them; ask the postman.' }).first().waitFor()
  await page.getByRole('button', { name: 'Count it here' }).click()
  await page.getByText('of 16', { exact: false }).waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('Stopped; its counts are not kept.').first().waitFor()
  await page.getByText('a record of another one', { exact: false }).waitFor()
  await page.getByRole('button', { name: 'Count it here' }).click()
  await page.getByText('of 16', { exact: false }).waitFor()
  const stage = await open(browser, at('m/lamp'))
  await begin(stage.page)
  await stage.page.getByText('The stage is closed while a probe runs', { exact: false }).first().waitFor()
  await page.getByText(/^Counted on this machine, /).waitFor()
  await stage.page.getByRole('button', { name: 'Try again' }).click()
  await ready(stage.page)
  const own = stage.page.locator('.quoted tbody tr')
  await until(async () => (await own.count()) === 5, 'textbooks, and four settings')
  await stage.page.locator('.quoted').getByText(/^Counted on this machine, /).waitFor()
  assert.deepEqual(complaints, [])
  for (const one of [page, stage.page]) assert.deepEqual(await shifts(one), [])
  await stage.close()
  await close()
})

test('runs are opened, compared, kept and deleted', async () => {
  const { page, close } = await open(browser, at('runs'))
  const items = page.locator('.runs > li')
  const before = await items.count()
  const ticks = page.getByRole('checkbox')
  await ticks.nth(0).check()
  await ticks.nth(1).check()
  await page.getByRole('button', { name: 'Compare the two' }).click()
  await page.getByText('measured on machines with different kernels', { exact: false }).waitFor()
  const hidden = await page.locator('.compared .wide').evaluate((box) => box.scrollWidth - box.clientWidth)
  assert.equal(hidden, 0, 'the whole table is seen at 1280 px')
  const kept = join(folder, 'kept.json')
  writeFileSync(kept, JSON.stringify(report({ seed: 11 })))
  await page.getByLabel('Drop a report here to keep it').setInputFiles(kept)
  await until(async () => (await items.count()) === before + 1, 'one more run')
  const remove = page.getByRole('button', { name: /^Delete/ }).first()
  await remove.click()
  assert.equal(await items.count(), before + 1, 'asked first')
  await remove.click()
  await until(async () => (await items.count()) === before, 'one run less')
  await items.first().getByRole('link').click()
  await page.getByText('Latency by percentile').waitFor()
  await close()
})

test('a trace from a file, the lab’s own trace, and files that are none', async () => {
  const other = keep(await mock({ replay: traceText(pigeon, 7) }))
  const { page, close } = await open(browser, `${other.url}#/replay`)
  await page.getByRole('heading', { name: 'Carrier pigeon' }).waitFor()
  await until(async () => (await counter(page).textContent())?.endsWith('/ 7'), 'seven messages')
  const file = join(folder, 'trace.ndjson')
  const put = async (text) => {
    writeFileSync(file, text)
    await page.getByLabel('Drop a trace here, or choose one').setInputFiles(file)
  }
  await put(traceText({ ...lamp, kind: 'mirror', title: 'Heliograph' }, 3))
  await page.getByRole('heading', { name: 'Heliograph' }).waitFor()
  const whole = traceText(post, 3)
  await put(whole.slice(0, whole.length - 40))
  await page.getByText(/trace\.ndjson: line \d+: this is not a whole JSON object/).waitFor()
  await put(whole.replace('"schema":2', '"schema":9'))
  await page.getByText('line 1: field `schema` is 9', { exact: false }).waitFor()
  await put('{"rows":[]}')
  await page.getByText('this is not one of our traces', { exact: false }).waitFor()
  await close()
  await other.close()
})

test('a file of several traces leaves its choice and its button on a telephone’s screen', async () => {
  const other = keep(await mock({ replay: scenes.map((scene) => traceText(scene, 3)).join('') }))
  const { page, close } = await open(browser, `${other.url}#/replay`, { viewport: { width: 375, height: 667 } })
  const which = page.getByLabel('Traces in this file')
  await which.waitFor()
  for (const part of [which, page.locator('.drop')]) {
    const box = await part.boundingBox()
    assert.ok(box && box.width > 60 && box.x >= 0 && box.x + box.width <= 375, JSON.stringify(box))
  }
  await which.selectOption('2')
  await until(async () => (await page.locator('svg.stage').getAttribute('aria-label'))?.includes(post.title), 'the third')
  await close()
  await other.close()
})

test('a file of another kind is named, with the page that opens it', async () => {
  const file = (name, text) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const files = {
    'a trace of messages': file('t.ndjson', traceText(post, 2)),
    'the report of a race': file('r.json', JSON.stringify(report(), null, 1)),
    'the record of a probe': file('p.json', JSON.stringify({ format: 'ipcscope-probe', schema: 1, rows: [] }, null, 2)),
    'the findings of the doctor': file('d.json', '{\n "findings": []\n}'),
    'a comparison of two races': file('c.json', JSON.stringify({ columns: [], rows: [], warnings: [] })),
    'a race as a page of its own': file('r.html', '<!doctype html>\n<title>ipcscope: a race</title>'),
    'the rows of a race as CSV': file('r.csv', 'kind,entrant,workload,size_bytes\n'),
    'a race as Markdown': file('r.md', '- a machine\n\n| entrant | p50 |\n'),
  }
  const { page, close } = await open(browser, at('replay'))
  const places = /** @type {const} */ ([
    ['replay', 'Drop a trace here, or choose one', 'a trace of messages'],
    ['runs', 'Drop a report here to keep it', 'the report of a race'],
    ['race', 'Drop a report here (JSON), or choose one', 'the report of a race'],
  ])
  for (const [hash, zone, own] of places) {
    await page.goto(at(hash))
    for (const [what, path] of Object.entries(files)) {
      if (what === own) continue
      await page.getByLabel(zone).setInputFiles(path)
      const said = page.locator('main p', { hasText: ` is ${what}, and not ${own}.` })
      await said.waitFor()
      assert.ok((await said.locator('a').count()) > 0, `${what} leads somewhere`)
    }
  }
  await page.goto(at('replay'))
  await page.getByLabel('Drop a trace here, or choose one').setInputFiles(files['the report of a race'])
  await page.locator('main').getByRole('link', { name: 'Runs' }).click()
  await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor()
  await close()
})

test('on paper there is no navigation and no button, nothing is cut off, and it is light', async () => {
  const { page, close } = await open(browser, lab.url, { colorScheme: 'dark', viewport: { width: 1366, height: 650 } })
  await page.getByRole('button', { name: 'Dark' }).click()
  await page.getByRole('button', { name: 'Dark' }).click()
  for (const hash of PAGES) {
    await page.emulateMedia({ media: 'screen' })
    await page.setViewportSize({ width: 1366, height: 650 })
    await visit(page, at(hash))
    if (hash === 'm/post') {
      await send(page)
      await page.getByText('10 of 10 arrived').first().waitFor()
      await page.getByRole('button', { name: 'Pause' }).click()
      await page.getByRole('slider', { name: 'Moment of the replay' }).fill('500')
    }
    assert.ok(await page.locator('nav').isVisible(), 'the control')
    await page.emulateMedia({ media: 'print' })
    // A4 without its margins, and no reaction to the change of width: what is on paper was drawn for the screen.
    await page.setViewportSize({ width: 703, height: 1000 })
    const found = await page.evaluate(() => {
      const seen = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 0
      const name = (element) => `${element.tagName} ${element.className?.baseVal ?? element.className} ${element.textContent.trim().slice(0, 30)}`
      const all = [...document.querySelectorAll('body *')].filter(seen)
      const box = (element) => element.getBoundingClientRect()
      return {
        pressed: all.filter((element) => element.matches('nav, header, footer, button, .button, input[type=file], input[type=checkbox], input[type=radio], input[type=range]')).map(name),
        wide: all.filter((element) => box(element).right > innerWidth + 1).map(name),
        cut: all.filter((element) => element.matches('.panel, .wide, .ground, .strip-box, .chart-box') && (element.scrollWidth > element.clientWidth + 1 || [...element.children].some((inner) => seen(inner) && box(inner).bottom > box(element).bottom + 1))).map(name),
        paper: getComputedStyle(document.documentElement).getPropertyValue('color-scheme'),
      }
    })
    assert.deepEqual(found, { pressed: [], wide: [], cut: [], paper: 'light' }, hash)
    if (hash === 'm/post') {
      assert.match(await page.locator('.moment').innerText(), /^Shown: [\d.]+.[µm]s of [\d.]+.[µm]s\. Arrived: [1-9] \/ 10\.$/, 'the moment, and how many have arrived')
      assert.equal(await page.locator('.lead').evaluate((lead) => lead.scrollWidth - lead.clientWidth), 0, 'the whole of its sentence')
    }
  }
  await close()
})

test('on paper a replay names its moment, and a journey its blocks, within the sheet', async () => {
  const other = keep(await mock({ replay: traceText(pigeon, 1, { mode: 'xray' }) }))
  const { page, close } = await open(browser, `${other.url}#/replay?speed=max`, { viewport: { width: 1920, height: 950 } })
  await page.locator('.journey .lanes button').first().waitFor()
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')))
  await page.emulateMedia({ media: 'print' })
  // A journey that followed its own box now would be as wide as the screen.
  await drawn(page)
  await page.setViewportSize({ width: 703, height: 1000 })
  const found = await page.evaluate(() => ({
    wide: [...document.querySelectorAll('main *')].filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.textContent),
    labels: [...document.querySelectorAll('.journey .lanes button')].filter((one) => one.checkVisibility()).length,
    cut: [...document.querySelectorAll('.lead, .moment')].filter((one) => !one.checkVisibility() || one.scrollWidth > one.clientWidth).map((one) => one.textContent),
  }))
  assert.ok(found.labels > 4, `${found.labels} labels`)
  assert.deepEqual([found.wide, found.cut], [[], []])
  await close()
  await other.close()
})

test('in one column a journey comes before what each part holds, to the eye and to the keyboard', async () => {
  const other = keep(await mock({ replay: traceText(pigeon, 1, { mode: 'xray' }) }))
  const { page, close } = await open(browser, `${other.url}#/replay?speed=max`, { viewport: { width: 375, height: 667 } })
  await page.locator('.journey .lanes button').first().waitFor()
  const order = () => page.evaluate(() => {
    const parts = ['front', 'journey', 'foretold', 'holds'].map((name) => ({ name, element: document.querySelector(`.panel.${name}`) }))
    const seen = (by) => [...parts].sort(by).map(({ name }) => name).join(' ')
    return [seen((a, b) => a.element.getBoundingClientRect().top - b.element.getBoundingClientRect().top), seen((a, b) => (a.element.compareDocumentPosition(b.element) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1))]
  })
  assert.deepEqual(await order(), ['front journey foretold holds', 'front journey foretold holds'])
  await page.setViewportSize({ width: 1366, height: 650 })
  await until(async () => (await order())[1] === 'front holds journey foretold', 'below the stage, where there are two columns')
  await close()
  await other.close()
})

test('no line ends within a date', async () => {
  const { page, close } = await open(browser, lab.url)
  const lines = await page.evaluate(async () => {
    const { date } = await import('/web/js/format.js')
    const box = document.createElement('p')
    box.style.width = '1px'
    document.body.append(box)
    return ['2026-11-24', date(0)].map((text) => {
      box.textContent = text
      const range = document.createRange()
      range.selectNodeContents(box)
      return new Set([...range.getClientRects()].map(({ top }) => top)).size
    })
  })
  assert.ok(lines[0] > 1, 'the control: a plain one is broken')
  assert.equal(lines[1], 1)
  await close()
})

test('the terms of the trade are explained, to a pointer and to the keyboard', async () => {
  const { page, complaints, close } = await open(browser, at('race?run=20260921-1'))
  const sheet = page.getByRole('tooltip')
  const heads = page.locator('section[aria-labelledby=group-head]')
  for (const column of ['p50', 'p99', 'p99.9', 'msg/s', 'CPU/msg', 'switches', 'verified', 'vs best']) await heads.locator('th .term', { hasText: new RegExp(`^${column.replaceAll('.', '\\.')}$`) }).waitFor()
  for (const term of ['Placement', 'Launches', 'Capacity', 'Quick', 'Waiting', 'Workload']) await page.locator('.plan .term', { hasText: term }).waitFor()
  const p99 = heads.locator('th .term', { hasText: /^p99$/ })
  const told = await p99.getAttribute('aria-description')
  await p99.hover()
  assert.equal(await sheet.textContent(), told)
  await sheet.hover()
  assert.ok(await sheet.isVisible(), 'its words can be pointed at')
  await page.getByRole('heading', { level: 1 }).hover()
  await until(async () => !(await sheet.isVisible()), 'it goes with the pointer')
  await page.getByLabel('Messages').focus()
  for (let presses = 0; presses < 6 && !(await sheet.isVisible()); presses++) await page.keyboard.press('Tab')
  assert.equal(await sheet.textContent(), await page.evaluate(() => document.activeElement?.getAttribute('aria-description')))
  const box = await sheet.boundingBox()
  const { width, height } = page.viewportSize() ?? { width: 0, height: 0 }
  assert.ok(box && box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height, JSON.stringify(box))
  await page.keyboard.press('Escape')
  assert.ok(!(await sheet.isVisible()))
  for (const hash of ['', 'choose', 'method', 'm/lamp']) {
    await visit(page, at(hash))
    await page.locator('main .term').first().waitFor({ state: 'attached' })
    const twice = await page.locator('main :is(h2, table, .method) .term').evaluateAll((all) => all.filter((one) => !one.getAttribute('aria-description')).length)
    assert.equal(twice, 0)
  }
  assert.deepEqual(complaints, [])
  await close()
})

test('the terms on a stage’s own page are explained where they stand', async () => {
  const { page, complaints, close } = await open(browser, at('m/pigeon'))
  await ready(page)
  const sheet = page.getByRole('tooltip')
  const asked = async (place, name) => {
    const term = page.locator(`${place} .term`, { hasText: new RegExp(`^${name}$`) }).first()
    await page.getByRole('heading', { level: 1 }).hover()
    await until(() => sheet.isHidden(), 'no term is asked about')
    await term.hover()
    assert.equal(await sheet.textContent(), await term.getAttribute('aria-description'), name)
    assert.ok((await sheet.textContent())?.length, name)
    return term
  }
  for (const [place, name] of [['svg.stage', 'user space'], ['svg.stage', 'queued'], ['.steps code', 'store'], ['.steps code', 'launch\\(\\)'], ['.holds', 'queued'], ['.strip', 'on its way']]) await asked(place, name)
  // By keyboard, too: in the steps, and in what each part holds.
  for (const place of ['.steps', '.holds']) {
    const term = page.locator(`${place} .term`).first()
    await term.focus()
    assert.equal(await sheet.textContent(), await term.getAttribute('aria-description'))
  }
  for (const [menu, names] of [['more', ['one by one', 'burst', 'pause and inspect', 'inspect the receiver']], ['settings', ['spin', 'block', 'hybrid', 'two cores', 'one core']]]) {
    await unfold(page, menu)
    for (const name of names) {
      const radio = page.getByRole('radio', { name, exact: true })
      await radio.hover()
      assert.equal(await sheet.textContent(), await radio.getAttribute('aria-description'), name)
      assert.ok(await sheet.textContent(), name)
    }
    await page.keyboard.press('Escape')
  }
  // A message that goes back turns the words, and they stay terms.
  await unfold(page)
  await page.getByRole('radio', { name: 'receiver to sender' }).check()
  await send(page)
  await page.locator('.token.back:not([display])').first().waitFor()
  await asked('.steps', 'asleep')
  assert.deepEqual(complaints, [])
  await close()
})

test('the strip says what its shades mean, and than what a message took longer', async () => {
  const lines = traceText(pigeon, 9).trimEnd().split('\n').map((line) => JSON.parse(line))
  const late = lines.findIndex(({ what, message }) => what === 'recv-end' && message === 4)
  for (const event of lines.slice(late)) event.t_ns += 400_000_000
  // The last one is not followed to its end.
  const last = lines.findLastIndex(({ what }) => what === 'recv-end')
  const other = keep(await mock({ replay: lines.filter((_, index) => index !== last).map((line) => JSON.stringify(line)).join('\n') }))
  const { page, close } = await open(browser, `${other.url}#/replay?speed=max`)
  await page.locator('.strip .axis', { hasText: /^400.ms, [\d.\u00a0]+× the median$/ }).waitFor()
  const shades = () => page.evaluate(() => ({
    drawn: [...new Set([...document.querySelectorAll('.strip rect')].map((bar) => bar.getAttribute('class')))].filter((name) => !['call', 'flight'].includes(name ?? '')).sort(),
    told: [...document.querySelectorAll('.legend li')].filter((one) => one.checkVisibility()).map((one) => one.getAttribute('data-shade')),
  }))
  const { drawn, told } = await shades()
  assert.deepEqual(drawn, ['open', 'pause', 'waits', 'wakes'])
  assert.deepEqual(drawn.filter((shade) => !told.includes(shade)), [])
  assert.ok(!told.includes('lost'), 'what is not there is not explained')
  await close()
  await other.close()
})

test('a table that is wider than a telephone keeps the names of its rows, and says that there is more', async () => {
  const { page, close } = await open(browser, at('race?run=20260921-1'), { viewport: { width: 375, height: 667 } })
  const box = page.locator('section[aria-labelledby=group-head] .wide')
  await box.waitFor()
  const look = () => box.evaluate((box) => {
    const { left, right } = box.getBoundingClientRect()
    const cells = [...box.querySelectorAll('tbody tr:first-child > *')].map((cell) => cell.getBoundingClientRect())
    const middle = (cell) => document.elementFromPoint(cell.left + cell.width / 3, cell.top + cell.height / 2)
    return {
      name: cells[0].left >= left - 1 && cells[0].right < left + (right - left) / 2 && box.querySelector('tbody th')?.contains(middle(cells[0])),
      // The figures that are seen whole, beside the name.
      seen: cells.slice(1).filter((cell) => cell.left >= cells[0].right - 12 && cell.right <= right + 1).length,
      last: cells[cells.length - 1].right <= right + 1,
      over: box.scrollWidth - box.clientWidth,
    }
  })
  await box.scrollIntoViewIfNeeded()
  const first = await look()
  assert.ok(first.over > 100, 'it is wider')
  assert.deepEqual([first.name, first.last], [true, false])
  assert.ok(first.seen >= 1, JSON.stringify(first))
  await box.evaluate((box) => { box.scrollLeft = box.scrollWidth })
  const last = await look()
  assert.deepEqual([last.name, last.last], [true, true])
  assert.ok(last.seen >= 1, JSON.stringify(last))
  // The shadow stays with the box, and what covers it at the end goes with the table.
  assert.equal(await box.evaluate((box) => getComputedStyle(box).backgroundAttachment), 'local, scroll')
  // By keyboard.
  await box.focus()
  await page.keyboard.press('ArrowLeft')
  await until(async () => (await box.evaluate((box) => box.scrollWidth - box.clientWidth - box.scrollLeft)) > 0, 'an arrow scrolls it')
  await close()
})

test('what stands in one row stands on one line, and no room is kept for nothing', async () => {
  for (const width of [375, 1366, 1920]) {
    const { page, close } = await open(browser, at('race'), { viewport: { width, height: 650 } })
    for (const hash of ['race?run=20260921-1', 'm/lamp']) {
      await visit(page, at(hash))
      if (hash === 'm/lamp') await unfold(page, 'settings')
      await page.getByText('Placement', { exact: true }).waitFor()
      // Each labelled control: the top of its label, and its own top and bottom.
      const found = await page.locator(':is(.row, .choices) > :is(.field, fieldset)').evaluateAll((all) => all.filter((one) => one.checkVisibility()).map((one) => {
        const [label, control] = [one.querySelector('legend, span'), one.querySelector('select, input[type=text], input[type=number], .tick, legend + span')].map((part) => part.getBoundingClientRect())
        return { name: one.textContent.trim().slice(0, 12), label: Math.round(label.top), top: Math.round(control.top), bottom: Math.round(control.bottom) }
      }))
      assert.ok(found.length > 2, `${hash}: ${found.length} controls`)
      // Each name has its control: one is seen below it.
      assert.deepEqual(found.filter(({ top, bottom }) => bottom - top < 12).map(({ name }) => name), [], `${hash} at ${width}: a control that cannot be seen`)
      // Two that share a line of text share all of its lines.
      for (const a of found) for (const b of found) if (Math.abs(a.bottom - b.bottom) < 12) assert.deepEqual([a.label, a.top, a.bottom], [b.label, b.top, b.bottom], `${hash}: ${a.name} and ${b.name}`)
    }
    for (const hash of ['race', 'runs', 'choose', 'method', '']) {
      await page.goto(at(hash))
      await page.reload()
      await page.waitForSelector('.panel')
      const spare = await page.locator('.panel').evaluateAll((panels) => panels.map((panel) => {
        const inside = [...panel.querySelectorAll('*')].filter((one) => one.checkVisibility({ visibilityProperty: true }) && (one.children.length === 0 || one.matches('p, li, dd, button, label'))).map((one) => one.getBoundingClientRect().bottom)
        return [Math.round(panel.getBoundingClientRect().bottom - Math.max(...inside)), panel.textContent?.trim().slice(0, 40)]
      }).filter(([room]) => Number(room) > 24))
      assert.deepEqual(spare, [], `${hash} at ${width}`)
    }
    await close()
  }
})

test('everything can be reached and done by keyboard', async () => {
  const { page, close } = await open(browser, lab.url)
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'skip')
  await page.keyboard.press('Enter')
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'main')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Signal lamp', level: 1 }).waitFor()
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'H1', 'the head of the new page has the focus')
  await ready(page)
  const focus = async (name) => {
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press('Tab')
      const here = await page.evaluate(() => (document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '').trim())
      if (here === name) return
    }
    assert.fail(`no way to ${name} by Tab`)
  }
  await focus('Send 10')
  await page.keyboard.press('Enter')
  await page.getByText('10 of 10 arrived').first().waitFor()
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Send 10', 'the place is kept')
  await focus('Moment of the replay')
  await page.keyboard.press('End')
  assert.equal(await counter(page).textContent(), '10 / 10')
  await page.keyboard.press('Home')
  assert.equal(await counter(page).textContent(), '0 / 10')
  await focus('Event log')
  await close()
})

test('with reduced motion nothing moves: states jump, step by step', async () => {
  const { page, close } = await open(browser, at('m/pigeon'), { reducedMotion: 'reduce' })
  await send(page)
  await page.getByText('10 of 10 arrived').first().waitFor()
  assert.equal(await counter(page).textContent(), '10 / 10', 'it shows how it ended')
  const [back, step] = ['Back', 'Step'].map((name) => page.getByRole('button', { name }))
  assert.deepEqual([await back.getAttribute('aria-disabled'), await step.getAttribute('aria-disabled')], ['false', 'true'])
  await page.getByRole('slider', { name: 'Moment of the replay' }).fill('0')
  assert.deepEqual([await back.getAttribute('aria-disabled'), await step.getAttribute('aria-disabled')], ['true', 'false'])
  const place = () => page.locator('.token').first().getAttribute('transform')
  for (let steps = 0; steps < 4; steps++) await step.click()
  const here = await place()
  await page.waitForTimeout(400)
  assert.equal(await place(), here)
  await step.click()
  await step.click()
  assert.notEqual(await place(), here)
  await page.getByRole('button', { name: 'Resume' }).click()
  await until(async () => Number((await counter(page).textContent())?.split('/')[0]) >= 1, 'it goes on in jumps, when it is asked to')
  await page.getByRole('button', { name: 'Pause' }).click()
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0)
  await close()
})

test('axe finds nothing on any page', async () => {
  const { page, close } = await open(browser, lab.url, { bypassCSP: true })
  for (const hash of PAGES) {
    await page.goto(at(hash))
    await page.reload()
    await page.waitForSelector('h1')
    if (hash === 'm/pigeon') {
      await send(page)
      await page.getByText('10 of 10 arrived').first().waitFor()
      await page.getByRole('button', { name: 'Send it through a storm' }).click()
      await page.locator('.verdict.good').first().waitFor()
    }
    assert.deepEqual(await axe(page), [], hash)
  }
  await close()
})

test('the theme is the system’s, until the reader chooses; then it stays', async () => {
  const { page, close } = await open(browser, lab.url, { colorScheme: 'light' })
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await paper()
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await paper()
  assert.notEqual(dark, light)
  await page.getByRole('button', { name: 'Dark' }).click()
  assert.equal(await paper(), light)
  await page.reload()
  assert.equal(await paper(), light)
  await close()
})

test('nothing shifts, nothing scrolls sideways at 320 px, nothing comes from elsewhere', async () => {
  for (const viewport of [{ width: 1280, height: 900 }, { width: 320, height: 700 }]) {
    for (const hash of PAGES) {
      const { page, complaints, foreign, close } = await open(browser, at(hash), { viewport })
      await page.waitForTimeout(250)
      assert.deepEqual(await shifts(page), [], `${hash} at ${viewport.width}`)
      const over = await tooWide(page)
      assert.ok(over <= 0, `${hash} at ${viewport.width} is ${over} px too wide`)
      if (hash === 'm/post') {
        await send(page)
        await until(async () => (await counter(page).textContent()) === '2 / 10', 'two have arrived')
        assert.deepEqual(await shifts(page), [], 'while it replays')
      }
      assert.deepEqual([complaints, foreign], [[], []], hash)
      await close()
    }
  }
})

test('a race in two tabs: nothing shifts, and both see it', async () => {
  const one = await open(browser, at('race?launches=40'))
  const two = await open(browser, at('race'))
  await one.page.getByRole('button', { name: 'Start the race' }).click()
  await two.page.getByText('of 160 rounds', { exact: false }).waitFor()
  assert.equal(await two.page.getByRole('button', { name: 'Start the race' }).getAttribute('aria-disabled'), 'true')
  await two.page.reload()
  await two.page.getByText('of 160 rounds', { exact: false }).waitFor()
  const stage = await open(browser, at('m/lamp'))
  await begin(stage.page)
  await stage.page.getByText('The stage is closed while a race runs: a race is running.').first().waitFor()
  for (const { page } of [one, two]) await page.getByText('The race is over.').first().waitFor()
  await stage.page.getByRole('button', { name: 'Try again' }).click()
  await ready(stage.page)
  for (const { page, close } of [one, two, stage]) {
    assert.deepEqual(await shifts(page), [])
    await close()
  }
})

test('when the lab goes away the page says so, and finds it again', async () => {
  let other = keep(await mock())
  const port = Number(new URL(other.url).port)
  const { page, close } = await open(browser, `${other.url}#/m/lamp`)
  await ready(page)
  await other.close()
  await page.getByText('The lab does not answer', { exact: false }).first().waitFor()
  await page.getByText('The stage is closed', { exact: false }).first().waitFor()
  other = keep(await mock({ port }))
  await page.getByRole('button', { name: 'Try now' }).click()
  await page.getByText('The lab answers again.').waitFor()
  await page.getByRole('button', { name: 'Try again' }).click()
  await ready(page)
  await close()
  await other.close()
})

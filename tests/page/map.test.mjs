// The map page: against programs that do not exist, of which all is known, and against the real lab.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'

import { bothWays, change, end, KINDS, oneWay, program, snapshot } from './fixtures/map.mjs'
import { axe, closeAll, drawn, keep, launch, open, startLab, tooWide, until } from './harness.mjs'
import { mock } from './mock.mjs'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {Awaited<ReturnType<typeof mock>>} */
let lab
/** @type {import('./harness.mjs').Lab} */
let real

before(async () => {
  browser = await launch()
  lab = keep(await mock())
  real = await startLab()
})
after(closeAll)

const plain = (text) => (text ?? '').replaceAll('\u00a0', ' ')
const box = (page, name) => page.locator('.board .box', { hasText: name })
const look = async (viewport = { width: 1366, height: 900 }, more = {}) => {
  const opened = await open(browser, `${lab.url}#/map`, { viewport, ...more })
  await opened.page.locator('.board .box, .roll .program').first().waitFor()
  return opened
}
/** Tells the page of a change, and waits until it is drawn. */
const tell = async (page, more) => {
  lab.tellMap(change(more))
  await page.waitForTimeout(100)
  await drawn(page)
}
const rects = (page) => page.locator('.board .box').evaluateAll((all) => Object.fromEntries(all.map((one) => [one.dataset.box, ['left', 'top', 'width', 'height'].map((side) => one.style[side]).join(' ')])))
/** Everything on the drawing that is touched from now on. */
const watchTouched = (page) => page.evaluate(() => {
  globalThis.touched = []
  new MutationObserver((all) => globalThis.touched.push(...all.map(({ target }) => target.closest?.('[data-box], [data-link]')?.getAttribute('data-link') ?? target.closest?.('[data-box]')?.getAttribute('data-box') ?? target.nodeName)))
    .observe(document.querySelector('.board'), { subtree: true, childList: true, attributes: true, characterData: true })
})
const touched = (page) => page.evaluate(() => globalThis.touched.splice(0))

test('programs are boxes, what joins them are lines in the colour that the map says, and what is hidden is counted', async () => {
  const { page, complaints, foreign, close } = await look()
  for (const name of ['miller', 'baker', 'grocer', 'lighthouse', 'ship', 'ferry', 'tree', 'crow ×40']) assert.equal(await box(page, name).count(), 1, name)
  for (const name of ['hermit', 'traveller']) assert.equal(await box(page, name).count(), 0, name)
  assert.match(plain(await page.locator('.told').textContent()), /47 programs and 46 edges\. Not shown: 2 edges with one end, or of one program with itself and 2 programs joined with nothing shown/)
  const lines = await page.locator('.link').evaluateAll((all) => all.map((one) => ({ id: one.dataset.link, accent: one.dataset.accent, quiet: one.dataset.quiet, stroke: getComputedStyle(one.querySelector('.line')).stroke, dash: one.querySelector('.line').getAttribute('stroke-dasharray') })))
  const of = (kind) => lines.filter(({ id }) => id.endsWith(` ${kind}`))
  assert.deepEqual(KINDS.map(({ kind }) => of(kind).length), [2, 1, 2, 1])
  assert.deepEqual([of('pigeon-post')[0].accent, of('pigeon-flock')[0].accent, of('lamp-signal')[0].accent, of('gossip')[0].quiet], ['0', '0', '1', '0'])
  assert.equal(of('pigeon-post')[0].stroke, of('pigeon-flock')[0].stroke)
  assert.notEqual(of('pigeon-post')[0].dash, of('pigeon-flock')[0].dash, 'kinds of one colour have other dashes')
  assert.notEqual(of('pigeon-post')[0].stroke, of('lamp-signal')[0].stroke)
  const numbers = (await page.locator('.numbers text').allTextContents()).map(plain)
  assert.deepEqual(numbers.sort(), ['32 KiB', '×2', '×40'])
  assert.equal(await page.locator('.numbers .filled').count(), 1, 'half of the room of the one that is known')
  await page.getByText('descriptors of user 0, 12 processes: Permission denied. To see it: run as root.').waitFor()
  assert.deepEqual([complaints, foreign], [[], []])
  await close()
})

test('a change touches only what differs, and boxes that stay are not moved', async () => {
  const { page, close } = await look()
  await watchTouched(page)
  await tell(page, { seq: 2 })
  assert.deepEqual(await touched(page), [], 'nothing has changed')
  await tell(page, { seq: 3, edges: [oneWay('pigeon:1', 'pigeon-post', 100, 101, 65_536)] })
  assert.deepEqual([...new Set(await touched(page))], ['p:100-7 p:101-7 pigeon-post'])
  assert.ok((await page.locator('.numbers text').allTextContents()).map(plain).includes('64 KiB'))

  const before = await rects(page)
  await tell(page, { seq: 4, processes: [program(103, 'carter', { session: 100 }), program(600, 'newcomer')], edges: [oneWay('pigeon:3', 'pigeon-post', 102, 103), bothWays('lamp:4', 'lamp-signal', 200, 600)], gone_processes: ['210-7'], gone_edges: ['lamp:1', 'gossip:2'] })
  const now = await rects(page)
  assert.deepEqual(await Promise.all(['carter', 'newcomer', 'ship'].map((name) => box(page, name).count())), [1, 1, 0])
  for (const [id, rect] of Object.entries(before)) if (id !== 'p:210-7') assert.equal(now[id], rect, `${id} has kept its place`)
  assert.equal(new Set(Object.values(now)).size, Object.keys(now).length, 'no two stand at one place')

  // The control: boxes that are arranged anew do move.
  await tell(page, { seq: 5, gone_processes: ['100-7', '101-7', '102-7', '103-7'], gone_edges: ['pigeon:1', 'pigeon:2', 'pigeon:3'] })
  const kept = await rects(page)
  await page.getByRole('button', { name: 'Tidy up' }).click()
  assert.notDeepEqual(await rects(page), kept)
  await close()
})

test('a program that is chosen dims the others, and the sheet tells of it and of its edges', async () => {
  const { page, close } = await look()
  await box(page, 'lighthouse').click()
  const sheet = page.getByRole('complementary', { name: 'What was chosen' })
  await sheet.getByRole('heading', { name: 'lighthouse 200' }).waitFor()
  await sheet.getByText('Lamp: shore:7').waitFor()
  assert.equal(await box(page, 'lighthouse').getAttribute('aria-pressed'), 'true')
  const near = await page.locator('.board.chosen .box.near .name').allTextContents()
  assert.deepEqual(near.sort(), ['ferry', 'lighthouse', 'ship'])
  assert.equal(await page.locator('.link.near').count(), 2)
  await sheet.getByRole('button', { name: '⇄ ship 210' }).click()
  await sheet.getByRole('heading', { name: 'Lamp' }).waitFor()
  for (const text of ['shore:7', 'Flashes, smoothed', '41 µs', 'lamp:1', 'both ways', 'What a lamp-signal is, in a sentence.']) await sheet.getByText(text).first().waitFor()
  assert.deepEqual((await page.locator('.box.near .name').allTextContents()).sort(), ['lighthouse', 'ship'])
  // It follows what is told, and says when it is gone.
  await tell(page, { seq: 2, edges: [bothWays('lamp:1', 'lamp-signal', 200, 210, { ends: [end(200, { reads: true, writes: true, queued_bytes: 777 }), end(210, { side: 1, reads: true, writes: true, queued_bytes: 0 })] })] })
  assert.match(plain(await sheet.textContent()), /777 B wait to be read/)
  await tell(page, { seq: 3, gone_edges: ['lamp:1'] })
  await sheet.getByRole('heading', { name: 'It is gone' }).waitFor()
  await page.keyboard.press('Escape')
  await sheet.getByRole('heading', { name: 'Nothing is chosen' }).waitFor()
  assert.equal(await page.locator('.board.chosen').count(), 0)
  // A line that stands for several lists them.
  await page.locator('.link[data-link$="lamp-signal"]').last().dispatchEvent('click')
  await sheet.getByRole('heading', { name: '2 × Lamp' }).waitFor()
  assert.equal(await sheet.locator('.join').count(), 2)
  await close()
})

test('it is searched, filtered by kind, grouped, and shows on request what joins nothing', async () => {
  const { page, close } = await look()
  const names = async () => (await page.locator('.board .name').allTextContents()).sort()
  const search = page.getByLabel('Search the map')
  await search.fill('baker')
  assert.deepEqual(await names(), ['baker', 'grocer', 'miller'], 'with what it is joined with')
  for (const [words, found] of [['SHORE:7', ['ferry', 'lighthouse', 'ship']], ['harbour', ['ferry', 'ship']], ['101', ['baker', 'grocer', 'miller']], ['no such thing', []]]) {
    await search.fill(words)
    assert.deepEqual(await names(), found, words)
  }
  await search.fill('')
  await page.getByRole('checkbox', { name: 'Lamp' }).uncheck()
  assert.ok(!(await names()).includes('lighthouse'))
  assert.match(plain(await page.locator('.told').textContent()), /3 edges of kinds that are not ticked/)
  await page.getByRole('checkbox', { name: 'Lamp' }).check()
  await page.getByLabel('only what joins two programs').uncheck()
  for (const name of ['hermit', 'traveller']) assert.ok((await names()).includes(name), name)
  await page.getByLabel('Group by').selectOption('name')
  assert.equal(await box(page, 'crow ×40').count(), 1)
  await close()
})

test('many of one name are one box, which gives a few at a time; a group closes to one box', async () => {
  const { page, close } = await look()
  const crows = () => page.locator('.box.of-process', { hasText: 'crow' }).count()
  assert.equal(await crows(), 0)
  await box(page, 'crow ×40').click()
  assert.equal(await crows(), 16)
  await box(page, 'crow ×24').click()
  assert.equal(await crows(), 32)
  await page.getByRole('button', { name: 'Close tree, session 400' }).click()
  assert.deepEqual([await crows(), await page.locator('.box.of-group').count()], [0, 1])
  await page.locator('.box.of-group').click()
  assert.equal(await box(page, 'crow ×40').count(), 1)
  // A crowd that comes later stands together, too.
  await tell(page, { seq: 2, processes: Array.from({ length: 30 }, (_, index) => program(700 + index, 'gull', { session: 700 })), edges: Array.from({ length: 30 }, (_, index) => oneWay(`flock:${700 + index}`, 'pigeon-flock', 700, 700 + ((index + 1) % 30))) })
  assert.ok((await page.locator('.board .box', { hasText: 'gull' }).count()) <= 4)
  await close()
})

test('five hundred programs are few boxes, and a map that is the same touches none', async () => {
  const herd = Array.from({ length: 500 }, (_, index) => program(2000 + index, ['wren', 'robin', 'finch', 'lark'][index % 4], { session: 2000 + Math.floor(index / 125), service: null }))
  const { page, close } = await look()
  await tell(page, { seq: 2, processes: herd, edges: herd.map(({ pid }, index) => oneWay(`flock:${pid}`, 'pigeon-flock', pid, 2000 + ((index + 1) % 500))) })
  await page.getByRole('button', { name: 'Tidy up' }).click()
  const boxes = await page.locator('.board .box').count()
  assert.ok(boxes >= 8 && boxes <= 60, `${boxes} boxes`)
  assert.match(plain(await page.locator('.told').textContent()), /547 programs/)
  await watchTouched(page)
  await tell(page, { seq: 3, processes: herd.slice(0, 100), edges: [] })
  assert.deepEqual(await touched(page), [])
  await close()
})

test('by keyboard alone: from box to box, into the sheet and back', async () => {
  const { page, close } = await look()
  await page.getByRole('button', { name: 'Tidy up' }).focus()
  for (let presses = 0; presses < 20 && !(await page.evaluate(() => document.activeElement?.matches('.board .box'))); presses++) await page.keyboard.press('Tab')
  const focused = () => page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.dataset.box)
  const seen = new Set([await focused()])
  for (const key of ['ArrowDown', 'ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp']) {
    await page.keyboard.press(key)
    seen.add(await focused())
  }
  assert.ok(seen.size >= 3 && !seen.has(undefined), [...seen].join(', '))
  assert.equal(await page.locator('.board .box[tabindex="0"]').count(), 1, 'one stop for Tab')
  await page.locator('.box', { hasText: 'baker' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'baker 101' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('heading', { name: 'Nothing is chosen' }).waitFor()
  await page.getByRole('radio', { name: 'list' }).focus()
  await page.keyboard.press('Space')
  await page.locator('.roll .program', { hasText: 'baker 101' }).focus()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Pigeon', exact: true }).waitFor()
  await page.keyboard.press('Escape')
  assert.ok(await page.evaluate(() => document.activeElement?.matches('.join')), 'the focus is where it came from')
  await close()
})

test('on a telephone it is a list, and nothing is too wide', async () => {
  const { page, close } = await look({ width: 375, height: 760 }, { hasTouch: true })
  assert.ok(await page.locator('.board').isHidden())
  assert.ok((await tooWide(page)) <= 0)
  const entry = page.locator('[data-process="101-7"]')
  assert.deepEqual((await entry.locator('.join').allTextContents()).map((text) => plain(text).trim()), ['← miller 100 Pigeon 32 KiB waiting', '→ grocer 102 Pigeon'])
  await entry.locator('.join').first().click()
  const sheet = page.getByRole('complementary', { name: 'What was chosen' })
  await sheet.getByRole('heading', { name: 'Pigeon' }).waitFor()
  const { top, bottom } = await sheet.evaluate((one) => one.getBoundingClientRect())
  assert.ok(top < 760 && bottom > 0, 'the sheet is seen')
  assert.ok((await tooWide(page)) <= 0)
  await watchTouched(page)
  await tell(page, { seq: 2, edges: [oneWay('pigeon:1', 'pigeon-post', 100, 101, 65_536)] })
  assert.match(plain(await entry.textContent()), /64 KiB waiting/)
  await close()
})

test('with reduced motion nothing moves', async () => {
  const { page, close } = await look(undefined, { reducedMotion: 'reduce' })
  await box(page, 'baker').click()
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0)
  assert.equal(await page.locator('.link').first().evaluate((one) => getComputedStyle(one).transitionDuration), '0s')
  await close()
})

test('names of strangers stay text', async () => {
  const { page, complaints, close } = await look()
  const evil = '<img src=x onerror=alert(1)>'
  await tell(page, { seq: 2, processes: [program(900, evil, { command: `sh -c '${evil}'`, service: evil })], edges: [oneWay(`pigeon:"'] ${evil}`, 'pigeon-post', 900, 100, 5, { name: evil })] })
  await box(page, '<img').click()
  await page.getByRole('button', { name: 'miller 100' }).first().click()
  assert.equal(await page.locator('main img').count(), 0)
  assert.deepEqual(complaints, [])
  await close()
})

test('a map that stands still, comes rarely, lacks some or is lost says so', async () => {
  const { page, close } = await look()
  await tell(page, { is: 'paused', seq: 2, why: 'a race runs, and has the machine to itself' })
  await page.getByText('The map stands still: a race runs, and has the machine to itself.').waitFor()
  await tell(page, { is: 'paused', seq: 3, why: null })
  assert.equal(await page.locator('.fault').textContent(), '')
  await tell(page, { seq: 4, took_ns: 900_000_000, every_ms: 3_600, left_out: 12 })
  assert.match(plain(await page.locator('.told').textContent()), /A map takes 900 ms here, so that one is taken every 3\.60 s.* 12 programs and edges have no room/)
  for (const socket of lab.onlookers) socket.close(1013, 'too many pages look at the map: close one')
  await page.getByText('too many pages look at the map: close one').waitFor()
  await until(() => lab.onlookers.size > 0, 'the page asks again')
  await until(async () => (await page.locator('.fault').textContent()) === '', 'and finds it')
  assert.ok(snapshot().processes.length > 0 && (await box(page, 'baker').count()) === 1)
  await close()
  await until(() => lab.onlookers.size === 0, 'a page that is left follows no more')
})

test('an edge is watched from its sheet: how far it is, a stop, and what was seen in both its figures and its drawings', async () => {
  const { page, complaints, close } = await look(undefined, { bypassCSP: true })
  await page.locator('.link[data-link$="pigeon-post"]').first().dispatchEvent('click')
  const watching = page.getByRole('region', { name: 'Watch this edge' })
  await watching.getByRole('button', { name: 'Watch', exact: true }).click()
  await watching.getByText(/Watching: 0.ns of 5\.00.s\./).waitFor()
  assert.ok(await watching.getByRole('button', { name: 'Watch', exact: true }).isDisabled())
  // Another edge's sheet says that this one is watched.
  await page.locator('.link[data-link$="gossip"]').first().dispatchEvent('click')
  await watching.getByText('Another edge is watched now', { exact: false }).waitFor()
  await page.locator('.link[data-link$="pigeon-post"]').first().dispatchEvent('click')
  await watching.getByRole('button', { name: 'Stop' }).click()
  for (const text of ['The birds are small.', 'miller[100] → baker[101]', 'from 32 µs', 'Time from write to read', '1.2 s on a core', 'Not to be had: the weight of a bird: no scales; buy some.']) await watching.getByText(text).first().waitFor()
  const widths = await watching.locator('.track i').evaluateAll((all) => all.map((one) => parseFloat(one.style.width)))
  assert.deepEqual(widths.map(Math.round), [100, 33])
  assert.equal(await watching.getByRole('img', { name: 'Bytes that wait' }).count(), 1)
  assert.equal(await watching.getByRole('link', { name: 'Save as JSON' }).getAttribute('href'), '/api/watch/report')
  assert.deepEqual(await axe(page), [])
  assert.deepEqual(complaints, [])
  await close()
})

test('axe finds nothing on a map, in its sheet and in its list', async () => {
  const { page, close } = await look(undefined, { bypassCSP: true })
  assert.deepEqual(await axe(page), [], 'the drawing')
  await box(page, 'lighthouse').click()
  assert.deepEqual(await axe(page), [], 'a program')
  await page.locator('.sheet .join').first().click()
  assert.deepEqual(await axe(page), [], 'an edge')
  await page.locator('.views, .segments').getByText('list').click({ force: true })
  assert.deepEqual(await axe(page), [], 'the list')
  await close()
})

test('real: a program of ours is there, what is written to it is seen to wait, and its end is seen', async () => {
  const { page, complaints, foreign, close } = await open(browser, `${real.url}#/map`, { viewport: { width: 1366, height: 900 } })
  const child = spawn('sleep', ['1000'], { stdio: ['pipe', 'ignore', 'ignore'] })
  keep({ close: async () => child.kill('SIGKILL') })
  await page.getByLabel('Search the map').fill(String(child.pid))
  const sleeper = page.locator('.box', { hasText: `pid ${child.pid}` })
  await sleeper.waitFor()
  assert.ok((await page.locator('.link').count()) >= 1, 'it is joined with this test')
  await sleeper.click()
  await page.getByRole('heading', { name: `sleep ${child.pid}` }).waitFor()
  child.stdin.write(Buffer.alloc(4_000))
  const sheet = page.getByRole('complementary', { name: 'What was chosen' })
  await sheet.locator('.join', { hasText: 'waiting' }).first().click()
  await sheet.getByText(/3.91.KiB wait to be read/).first().waitFor()
  await sheet.getByRole('button', { name: `sleep ${child.pid}` }).first().click()
  child.kill('SIGKILL')
  await sheet.getByRole('heading', { name: 'It is gone' }).waitFor()
  assert.deepEqual([complaints, foreign], [[], []])
  await close()
})

test('real: a pipe between two programs is watched, and what was seen is saved', async () => {
  const child = spawn('sh', ['-c', '(while echo 0123456789; do sleep 0.05; done) | (while read line; do :; done)'], { stdio: 'ignore', detached: true })
  keep({ close: async () => process.kill(-(/** @type {number} */ (child.pid)), 'SIGKILL') })
  const { page, complaints, foreign, close } = await open(browser, `${real.url}#/map`, { viewport: { width: 1366, height: 900 } })
  // The two are sh's children: of its session.
  await page.getByLabel('Group by').selectOption('session')
  const pipe = await until(async () => {
    const map = await (await fetch(`${real.url}api/map`)).json()
    const own = (end) => map.processes.some(({ id, parent }) => id.pid === end.process.pid && parent === child.pid)
    return map.edges?.find(({ ends }) => ends.some((end) => own(end) && end.writes && end.descriptors[0] === 1) && ends.some((end) => own(end) && end.reads && end.descriptors[0] === 0))
  }, 'the pipe of the two')
  await page.getByLabel('Search the map').fill(pipe.id)
  await page.locator('.link').first().dispatchEvent('click')
  await page.getByText(pipe.id).first().waitFor()
  const watching = page.getByRole('region', { name: 'Watch this edge' })
  await watching.getByLabel('For how long').selectOption('2')
  await watching.getByRole('button', { name: 'Watch', exact: true }).click()
  await watching.getByRole('heading', { name: 'What was seen' }).waitFor({ timeout: 30_000 })
  await watching.getByText(/Watched for/).waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), watching.getByRole('link', { name: 'Save as JSON' }).click()])
  const saved = JSON.parse(readFileSync(await download.path(), 'utf8'))
  assert.deepEqual([saved.format, saved.edge.id], ['ipcscope-watch', pipe.id])
  assert.deepEqual([complaints, foreign], [[], []])
  await close()
})

test('real: axe finds nothing on the map of this machine', async () => {
  const { page, complaints, close } = await open(browser, `${real.url}#/map`, { bypassCSP: true, viewport: { width: 1366, height: 900 } })
  await page.locator('.board .box').first().waitFor()
  assert.deepEqual(await axe(page), [])
  assert.deepEqual(complaints, [])
  await close()
})

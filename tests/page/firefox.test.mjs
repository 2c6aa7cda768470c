// The page in Firefox, against the real lab: every page says what it should, fits, and complains of nothing.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { BINARY, closeAll, descendants, launchFirefox, open, opening, pids, ready, scratch, startLab, tooWide, until } from './harness.mjs'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {import('./harness.mjs').Lab} */
let lab
/** @type {any[]} */
let scenes
const folder = scratch('firefox')

before(async () => {
  ({ browser, lab, scenes } = await opening(launchFirefox))
})
after(closeAll)

const WIDTHS = [1366, 375]
const counter = (page) => page.getByLabel('Messages that have arrived')

/**
 * Opens an address at each width; holds that it fits, asks nobody else and complains of nothing, before and after `use`.
 * @param {string | ((width: number) => string)} address @param {(page: import('playwright-core').Page, width: number) => Promise<unknown>} use
 */
async function atEachWidth(address, use) {
  for (const width of WIDTHS) {
    const url = typeof address === 'string' ? address : address(width)
    const { page, complaints, foreign, close } = await open(browser, url, { viewport: { width, height: 768 } })
    const fits = async () => assert.ok((await tooWide(page)) <= 0, `${page.url()} at ${width} is ${await tooWide(page)} px too wide`)
    await fits()
    await use(page, width)
    await fits()
    assert.deepEqual([complaints, foreign], [[], []], `${url} at ${width}`)
    await close()
  }
}
/** @param {Parameters<typeof atEachWidth>[0]} hash @param {Parameters<typeof atEachWidth>[1]} use */
const eachWidth = (hash, use) => atEachWidth((width) => `${lab.url}#/${typeof hash === 'string' ? hash : hash(width)}`, use)

/** A figure as it is written, in nanoseconds. @param {string} text */
function nanoseconds(text) {
  const [, figure, unit] = /^([\d.\u00a0]+)\u00a0?(ns|µs|ms|s)$/.exec(text) ?? assert.fail(`no time: ${text}`)
  return Number(figure.replaceAll('\u00a0', '')) * { ns: 1, µs: 1e3, ms: 1e6, s: 1e9 }[unit]
}

test('an error, a refusal and a page too wide are noticed', async () => {
  const { page, complaints, close } = await open(browser, lab.url, { viewport: { width: 375, height: 768 } })
  assert.deepEqual([complaints, await tooWide(page)], [[], 0])
  await page.evaluate(() => {
    document.body.append(Object.assign(document.createElement('script'), { textContent: 'refused' }))
    setTimeout(() => { throw new Error('thrown') })
    document.body.style.width = '400px'
  })
  await until(() => ['refused by script-src', 'thrown'].every((text) => complaints.some((one) => one.includes(text))), 'both are told of')
  assert.ok((await tooWide(page)) > 0)
  await close()
})

test('the start has every mechanism', async () => {
  await eachWidth('', async (page) => {
    await page.getByRole('heading', { name: 'Two processes, one message' }).waitFor()
    assert.ok(scenes.length >= 4)
    for (const { title, summary } of scenes) {
      await page.getByRole('heading', { name: title }).getByRole('link').waitFor()
      await page.getByText(summary).waitFor()
    }
  })
})

for (const kind of ['shm', 'pipe', 'unix', 'tcp']) {
  test(`${kind}: ten messages are played to their end, and told of in figures`, async () => {
    // Once at the usual speed.
    await eachWidth((width) => `m/${kind}${width === WIDTHS[0] ? '' : '?speed=max'}`, async (page) => {
      const scene = scenes.find((scene) => scene.kind === kind)
      await ready(page)
      const two = await pids(page)
      assert.ok(two.every((pid) => descendants(lab.child.pid).includes(pid)), `${two}`)
      for (const part of scene.stage) assert.equal(await page.locator(`[data-part="${part.id}"]`).count(), 1, part.id)
      await page.getByRole('button', { name: 'Send 10' }).click()
      await page.getByText('Just now 10 of 10 messages arrived.', { exact: false }).waitFor()
      await page.getByRole('button', { name: 'Replay', exact: true }).waitFor({ timeout: 60_000 })
      assert.equal(await counter(page).textContent(), '10 / 10')
      const values = await page.locator('.gauge .value').allTextContents()
      assert.ok(values.length > 0 && values.every((value) => value && value !== '–'), `${values}`)
      const figure = async (name) => nanoseconds((await page.locator('.measured dl > div', { hasText: name }).locator('dd').textContent())?.split(', ').at(-1) ?? '')
      const [half, slowest] = [await figure('Flight, one by one: median of 10'), await figure('fastest, slowest')]
      assert.ok(half > 0 && half <= slowest, `${half} of at most ${slowest}`)
      const slider = page.getByRole('slider', { name: 'Moment of the replay' })
      await slider.fill('0')
      assert.equal(await counter(page).textContent(), '0 / 10')
      await page.getByRole('button', { name: /^Step/ }).click()
      await slider.fill('1000')
      assert.equal(await counter(page).textContent(), '10 / 10')
      await page.getByLabel('Filter the events').fill('message 1')
      await page.getByLabel('Event log').getByText('message 1').first().waitFor()
    })
  })
}

test('a race is run, shown, and exported to a file that opens by itself', async () => {
  await eachWidth('race?wait=block&workload=ping-pong&quick=1', async (page) => {
    await page.getByRole('button', { name: 'Start the race' }).click()
    await page.getByText('The race is over.').first().waitFor({ timeout: 60_000 })
    await page.getByText('The lowest median latency', { exact: false }).waitFor()
    await page.getByRole('heading', { name: 'Latency by percentile' }).waitFor()
    await until(async () => (await page.locator('svg.chart path.line').count()) >= scenes.length, 'a line for each mechanism')
  })
  const [run] = await (await fetch(`${lab.url}api/runs`)).json()
  const file = join(folder, 'exported.html')
  writeFileSync(file, await (await fetch(`${lab.url}api/runs/${run.id}/export/html`)).text())
  await atEachWidth(`file://${file}`, async (page) => {
    await page.getByText('The lowest median latency', { exact: false }).waitFor()
    await until(async () => (await page.locator('svg.chart path.line').count()) >= scenes.length, 'a line for each mechanism')
    for (const { title } of scenes) await page.getByRole('rowheader', { name: title }).or(page.getByRole('cell', { name: title })).first().waitFor()
  })
})

test('the chooser answers, and says why', async () => {
  await eachWidth('choose', async (page) => {
    await page.getByText('fits best').waitFor()
    await page.getByLabel('The peer is').selectOption('false')
    await page.getByText('Ruled out').waitFor()
  })
})

test('runs are listed, and two are compared', async () => {
  execFileSync(BINARY, ['race', '--quick', '--wait', 'block', '--workload', 'ping-pong'], { env: { ...process.env, XDG_STATE_HOME: lab.state }, stdio: 'ignore' })
  await eachWidth('runs', async (page) => {
    const ticks = page.getByRole('checkbox')
    for (const index of [0, 1]) await ticks.nth(index).check()
    await page.getByRole('button', { name: 'Compare the two' }).click()
    await page.getByText('no different').first().waitFor()
  })
})

test('the method has what was counted of every mechanism', async () => {
  await eachWidth('method', async (page) => {
    for (const { title } of scenes) await page.locator('.counted').getByText(title).first().waitFor()
  })
})

test('a trace is replayed to its end', async () => {
  const file = join(folder, 'trace.ndjson')
  writeFileSync(file, execFileSync(BINARY, ['show', 'unix', '--json'], { maxBuffer: 1 << 26 }))
  const other = await startLab('replay', file)
  await atEachWidth(`${other.url}#/replay?speed=max`, async (page) => {
    await page.getByRole('heading', { name: 'Unix socket' }).waitFor()
    await until(async () => (await counter(page).textContent()) === '10 / 10', 'all ten')
    await page.getByText('Just now 10 of 10 messages arrived.', { exact: false }).waitFor()
  })
  await other.close()
})

// Every figure on the stage at forty moments of a replay: the page in a browser, real processes, and the same lines of the
// stage followed beside it. That what follows is true is held by effects.test.mjs.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { value } from '../../web/js/format.js'
import { Cutter, during } from '../../web/js/stage/recording.js'
import { event as readEvent, header as readHeader } from '../../web/js/trace.js'
import { closeAll, launch, open, ready, startLab, until } from './harness.mjs'
import { playerOf } from './unseen.mjs'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {import('./harness.mjs').Lab} */
let lab
before(async () => {
  browser = await launch()
  lab = await startLab()
})
after(closeAll)

const FRAMES = 40

/** A player of the last recording in these lines, at no speed. @param {string[]} lines */
function followed([first, ...rest]) {
  const header = readHeader(first, 1)
  const cutter = new Cutter(header)
  const recordings = rest.flatMap((line, index) => cutter.take(readEvent(line, index + 2)) ?? [])
  return playerOf(header, /** @type {any} */ (recordings.at(-1)))
}

for (const kind of ['shm', 'pipe', 'unix', 'tcp']) {
  test(`${kind}: every figure on the stage is that of its moment`, async () => {
    for (const query of ['wait=block', 'wait=spin', 'wait=block&mode=burst', 'wait=block&mode=step', 'wait=block&placement=same-core', 'back']) {
      const { page, complaints, close } = await open(browser, lab.url)
      /** @type {string[]} */
      let lines = []
      page.on('websocket', (socket) => {
        if (!socket.url().includes('/api/stage')) return
        lines = []
        socket.on('framereceived', ({ payload }) => void lines.push(String(payload)))
      })
      await page.goto(`${lab.url}#/m/${kind}?speed=max&placement=cross-core&${query === 'back' ? 'wait=block' : query}`)
      await ready(page)
      if (query === 'back') await page.locator('input[type=radio][value=back]').evaluate((radio) => /** @type {HTMLElement} */ (radio).click())
      await page.getByRole('button', { name: 'Send 10' }).click()
      await until(() => lines.some((line) => line.includes('"batch-end"')), 'the batch', 30_000)
      await until(async () => (await page.locator('.counter').textContent())?.startsWith('10'), 'it is shown')
      const player = followed(lines)
      const recording = /** @type {import('../../web/js/stage/recording.js').Recording} */ (player.recording)
      const units = new Map(player.header.scene.stage.flatMap((part) => part.gauges.map(({ field, unit }) => [field, unit])))
      const slider = page.locator('.scrub')
      const fine = Number(await slider.getAttribute('max'))
      const seen = new Set()
      const ages = new Set()
      const named = recording.followed
      const took = page.locator('.steps .took:not(:empty)')
      /** @type {Set<number>} the steps beside which the time of a waking stood */
      const woke = new Set()
      for (let frame = 0; frame < FRAMES; frame++) {
        const place = Math.round(((frame + 0.5) / FRAMES) * fine)
        await slider.fill(String(place))
        player.seek(player.warp.real((place / fine) * player.warp.length))
        const shown = await page.locator('svg.stage .gauge').evaluateAll((all) => all.map((one) => [/** @type {any} */ (one).dataset.gauge, one.querySelector('.value')?.textContent, [...(one.querySelector('.value')?.classList ?? [])].join(' '), one.querySelector(':scope > title')?.textContent ?? '']))
        assert.ok(shown.length > 0)
        for (const [field, text, looks, words] of shown) {
          const figure = during(recording.gauges.get(field), player.now)
          assert.equal(text, figure ? value(figure.value, units.get(field) ?? '') : '–', `${query}, frame ${frame}: ${field}`)
          const [age, told] = player.age(field)
          assert.deepEqual([looks, words], [age === 'read' ? 'value' : `value ${age}`, told], `${query}, frame ${frame}: ${field} is marked as what it is`)
          if (age === 'older') assert.ok(figure?.read && !named.has(field), `${field} is not followed`)
          ages.add(age)
        }
        seen.add(JSON.stringify(shown))
        const hidden = await page.evaluate(() => {
          const list = /** @type {any} */ (document.querySelector('.steps')).getBoundingClientRect()
          const steps = [...document.querySelectorAll('.steps .now')].map((step) => step.getBoundingClientRect())
          return steps.length > 0 && steps.every(({ top, bottom }) => top < list.top - 3 || bottom > list.bottom + 3)
        })
        assert.ok(!hidden, `${query}, frame ${frame}: the step that happens is in sight`)
        for (const step of await took.evaluateAll((all) => all.map((one) => [...document.querySelectorAll('.steps li')].indexOf(/** @type {any} */ (one.parentElement))))) woke.add(step)
      }
      // What was last woken is that of this moment, however it was come to.
      const beside = async (place) => {
        await slider.fill(String(place))
        return (await took.allTextContents()).join()
      }
      const end = await beside(fine)
      assert.equal(await beside(0), '', `${query}: nothing was woken at the start`)
      assert.equal(await beside(fine), end, `${query}: what was woken last`)
      assert.ok(seen.size > 1, `${query}: the figures move`)
      for (const age of ['read', 'derived', 'older']) assert.ok(ages.has(age), `${query}: no figure was ${age}`)
      if (query === 'wait=block') {
        assert.deepEqual([...woke], [player.header.scene.steps.findIndex((step) => step.act.is === 'wake' || step.effects?.some((effect) => effect.is === 'wakes' && effect.process === 'receiver'))], 'the time of the waking stands beside the step that wakes, and beside no other')
        await page.getByRole('button', { name: 'Send 10' }).click()
        await until(() => lines.filter((line) => line.includes('"batch-end"')).length === 2, 'another batch', 30_000)
        await until(async () => (await page.locator('select[aria-label="Which recording"]').inputValue()) === '2', 'it is shown')
        for (const text of await took.allTextContents()) assert.ok(Number(/#(\d+)/.exec(text)?.[1]) >= 10, `${text}: and is not that of the recording before`)
      }
      assert.deepEqual(complaints, [])
      await close()
    }
  })
}

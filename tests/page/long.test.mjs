// A long trace: what is on the page, and what a moment of its replay changes, does not grow with it. How long that takes
// is told by frames.mjs.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { pigeon } from './fixtures/scenes.mjs'
import { traceText } from './fixtures/trace.mjs'
import { closeAll, keep, launch, open, until } from './harness.mjs'
import { mock } from './mock.mjs'

/** @type {import('playwright-core').Browser} */
let browser

before(async () => {
  browser = await launch()
})
after(closeAll)

const plain = (text) => (text ?? '').replaceAll('\u00a0', ' ')

test('fifty thousand events are replayed with as little on the page as fifty', async () => {
  /** How much is on the page, and how much a moment of the replay changes at most, after a jump to each of some moments. */
  const weigh = async (count) => {
    const other = keep(await mock({ replay: traceText(pigeon, count) }))
    const { page, close } = await open(browser, `${other.url}#/replay`)
    await until(async () => plain(await page.locator('.counter').textContent()).endsWith(`/ ${plain(count.toLocaleString('en').replace(',', ' '))}`), 'all of them are loaded', 60_000)
    await page.getByRole('button', { name: 'Pause' }).click({ timeout: 1_000 }).catch(() => {})
    const weighed = () => page.evaluate(async () => {
      const slider = document.querySelector('.scrub')
      let most = 0
      const watching = new MutationObserver((records) => { most = Math.max(most, records.reduce((sum, { addedNodes, removedNodes }) => sum + addedNodes.length + removedNodes.length, 0)) })
      watching.observe(document.body, { childList: true, subtree: true, characterData: true })
      for (let moment = 0; moment <= 1_000; moment += 50) {
        slider.value = String(moment)
        slider.dispatchEvent(new Event('input', { bubbles: true }))
        await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))
      }
      watching.disconnect()
      return { elements: document.querySelectorAll('*').length, most, rows: document.querySelectorAll('.log .row').length }
    })
    const told = await weighed()
    // The control: a log as tall as a house draws as many rows as fit, and is noticed.
    await page.evaluate(() => {
      document.querySelector('.log').style.height = '20000px'
      document.querySelector('.log').dispatchEvent(new Event('scroll'))
    })
    const tall = await weighed()
    await close()
    await other.close()
    return { ...told, tall }
  }
  const [few, many] = [await weigh(100), await weigh(12_500)]
  assert.ok(many.rows > 10 && many.rows <= 40, `${many.rows} rows of the log are drawn`)
  assert.ok(many.elements <= few.elements * 1.2, `${many.elements} elements, and ${few.elements} for a hundred messages`)
  assert.ok(many.most > 0 && many.most <= Math.max(few.most, 1) * 2, `a moment changes ${many.most} of them, and ${few.most} for a hundred messages`)
  assert.ok(many.tall.rows > 400 && many.tall.elements > few.elements * 1.2 && many.tall.most > few.most * 2, JSON.stringify(many.tall))
})

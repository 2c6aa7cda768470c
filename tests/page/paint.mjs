// How long it takes until real data is on the screen, after a lab that has just been started said its address:
//
//   node tests/page/paint.mjs [TIMES]
//
// The browser runs already; each time another lab, with a race in its history, and a browser without anything kept. The end is
// the second frame after the rows of that race were put on the page.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BINARY, launch } from './harness.mjs'

const times = Number(process.argv[2] ?? 5)
const state = mkdtempSync(join(tmpdir(), 'ipcscope-paint-'))
const env = { ...process.env, XDG_STATE_HOME: state }
execFileSync(BINARY, ['race', '--quick'], { env, stdio: 'ignore' })
const browser = await launch()
// The first page of a browser also starts its processes.
await (await browser.newPage()).goto('about:blank')

/** Starts a lab, and says when its address was there. */
const start = () => new Promise((found, failed) => {
  const began = performance.now()
  const child = spawn(BINARY, ['serve', '--listen', '127.0.0.1:0'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  child.on('error', failed)
  child.stdout.once('data', (text) => found({ child, url: /http:\S+/.exec(String(text))?.[0], up: performance.timeOrigin + performance.now(), started: performance.now() - began }))
})

for (let time = 0; time < times; time++) {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.addInitScript(() => {
    globalThis.shown = new Promise((done) => {
      const look = () => {
        if (!document.querySelector('.podium li')) return
        watching.disconnect()
        requestAnimationFrame(() => requestAnimationFrame(() => done(performance.timeOrigin + performance.now())))
      }
      const watching = new MutationObserver(look)
      watching.observe(document, { childList: true, subtree: true })
    })
  })
  const { child, url, up, started } = await start()
  await page.goto(url)
  const { shown, first, asked } = await page.evaluate(async () => ({
    shown: await globalThis.shown,
    first: performance.timeOrigin + (performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN),
    asked: performance.timeOrigin,
  }))
  console.log(`real data ${(shown - up).toFixed(0)} ms after the server is up (first paint ${(first - up).toFixed(0)} ms, asked ${(asked - up).toFixed(0)} ms; the server took ${started.toFixed(0)} ms to come up)`)
  await context.close()
  child.kill('SIGTERM')
  await new Promise((ended) => child.on('exit', ended))
}
await browser.close()
rmSync(state, { recursive: true, force: true })

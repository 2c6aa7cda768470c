// How smoothly a long trace is replayed: fifty thousand events, the time between frames, and the longest task of the page.
//
//   node tests/page/frames.mjs [TIMES]
//
// What a moment changes on the page is counted by a test; how long that takes is told here, on a quiet machine.
import { traceText } from './fixtures/trace.mjs'
import { pigeon } from './fixtures/scenes.mjs'
import { closeAll, keep, launch, open, until } from './harness.mjs'
import { mock } from './mock.mjs'

const times = Number(process.argv[2] ?? 5)
const browser = await launch()
const lab = keep(await mock({ replay: traceText(pigeon, 12_500) }))
const { page } = await open(browser, `${lab.url}#/replay`)
await page.evaluate(() => {
  globalThis.longest = 0
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, entry.duration)
  }).observe({ type: 'longtask' })
})
await until(async () => (await page.locator('.counter').textContent())?.includes('12\u00a0500'), 'all of them are loaded', 60_000)
for (let time = 0; time < times; time++) {
  const { longest, gap, median } = await page.evaluate(() => new Promise((done) => {
    globalThis.longest = 0
    const frames = []
    const tick = (time) => {
      if (frames.push(time) < 120) return requestAnimationFrame(tick)
      const gaps = frames.slice(1).map((time, index) => time - frames[index]).sort((a, b) => a - b)
      setTimeout(() => done({ longest: globalThis.longest, gap: gaps[gaps.length - 1], median: gaps[gaps.length >> 1] }), 100)
    }
    requestAnimationFrame(tick)
  }))
  console.log(`between frames: median ${median.toFixed(1)} ms, longest ${gap.toFixed(1)} ms; longest task ${longest > 0 ? `${longest} ms` : 'below 50 ms'}`)
}
await closeAll()

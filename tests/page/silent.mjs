// Whether a page that is open and silent changes what is measured: the same race from the terminal, with and without pages open in
// a browser that runs either way, in turns; the order of each round is drawn. A third time the page moves with every frame: the
// control, which shows that it would be noticed.
//
//   node tests/page/silent.mjs [ROUNDS] [PLACEMENT] [SECONDS] [FILE for every median]
//
// The browser is started before and shows an empty page where none of ours is open, so that what is told apart is the page and
// the lab's server, not the browser. Prints a line for each row: the medians of both, and by how much they differ.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BINARY, closeAll, launch, startLab } from './harness.mjs'

const [rounds, placement, seconds, keep] = [Number(process.argv[2] ?? 6), process.argv[3] ?? 'cross-core', Number(process.argv[4] ?? 150), process.argv[5]]
const PLAN = ['--workload', 'ping-pong', '--wait', 'spin,block', '--count', '20000', '--launches', '2', '--placement', placement]
const PAGES = ['', 'race']

const state = mkdtempSync(join(tmpdir(), 'ipcscope-silent-'))
const race = () => JSON.parse(execFileSync(BINARY, ['race', ...PLAN, '--json'], { env: { ...process.env, XDG_STATE_HOME: state }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 }))
const lab = await startLab()
execFileSync(BINARY, ['race', '--quick', '--wait', 'block', '--workload', 'ping-pong'], { env: { ...process.env, XDG_STATE_HOME: lab.state }, stdio: 'ignore' })
const browser = await launch()
const context = await browser.newContext()
const tabs = []
for (const _ of PAGES) tabs.push(await context.newPage())

/** Shows our pages, or nothing, and lets everything come to rest. @param {'none' | 'silent' | 'loud'} how */
async function show(how) {
  for (const [index, hash] of PAGES.entries()) {
    await tabs[index].goto('about:blank')
    if (how === 'none') continue
    await tabs[index].goto(`${lab.url}#/${hash}`)
    await tabs[index].getByText(hash ? 'Latency by percentile' : 'The whole race').first().waitFor()
    if (how === 'loud') await tabs[index].evaluate(() => {
      const move = (time) => {
        document.querySelector('main').style.opacity = String(0.9 + Math.sin(time / 300) / 10)
        requestAnimationFrame(move)
      }
      requestAnimationFrame(move)
    })
  }
  await new Promise((rested) => setTimeout(rested, 1_500))
}

/** @type {Map<string, Record<'none' | 'silent' | 'loud', number[]>>} */
const found = new Map()
const began = Date.now()
let done = 0
for (; done < rounds && Date.now() - began < seconds * 1000; done++) {
  const order = /** @type {const} */ (['none', 'silent', 'loud']).map((how) => ({ how, at: Math.random() })).sort((a, b) => a.at - b.at)
  for (const { how } of order) {
    await show(how)
    for (const row of race().rows) {
      if (row.entrant !== 'mechanism' || row.failed) continue
      const name = `${row.kind}, ${row.wait}, ${row.placement}`
      if (!found.has(name)) found.set(name, { none: [], silent: [], loud: [] })
      found.get(name)?.[how].push(row.latency_ns.p50)
    }
  }
}
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const spread = (values) => `${median(values)} (${Math.min(...values)}–${Math.max(...values)})`
console.log(`${done} rounds; p50 in ns, least and most; ${PLAN.join(' ')}`)
for (const [name, { none, silent, loud }] of found) {
  const change = (values) => `${((median(values) / median(none) - 1) * 100).toFixed(1)} %`
  console.log(`${name}: none open ${spread(none)}; silent ${spread(silent)}, ${change(silent)}; moving ${spread(loud)}, ${change(loud)}`)
}
if (keep) writeFileSync(keep, JSON.stringify(Object.fromEntries(found)))
await closeAll()
rmSync(state, { recursive: true, force: true })

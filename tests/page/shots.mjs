// Pictures of every page, and of what every experiment found, to be looked at:
//
//   node tests/page/shots.mjs FOLDER [URL|mock] [light,dark,320,still] [start,m/pipe,race…]
import { mkdirSync } from 'node:fs'
import { pigeon } from './fixtures/scenes.mjs'
import { traceText } from './fixtures/trace.mjs'
import { launch, ready, tooWide, unfold } from './harness.mjs'
import { mock } from './mock.mjs'

const [folder, url, looks, places] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
const lab = url && url !== 'mock' ? { url, close() {} } : await mock({ replay: traceText(pigeon, 10) })
const browser = await launch()
const scenes = (await (await fetch(`${lab.url}api/lab`)).json()).scenes
const PAGES = ['', ...scenes.map(({ kind }) => `m/${kind}`), 'race', 'choose', 'map', 'runs', 'method', 'replay', 'nowhere']
const LOOKS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  { name: '320', colorScheme: 'light', viewport: { width: 320, height: 800 } },
  { name: 'still', colorScheme: 'light', reducedMotion: 'reduce', viewport: { width: 1000, height: 800 } },
]

/** Everything that a stage's page can show, one after the other. */
async function experiments(page, scene, shoot) {
  for (const id of [...scene.experiments.map(({ id }) => id), 'xray']) {
    await ready(page)
    if (id === 'xray') await unfold(page)
    await page.locator(id === 'xray' ? 'button:has-text("X-ray")' : `button[data-experiment="${id}"]`).click()
    await page.locator('.findings article').first().waitFor({ timeout: 60_000 })
    await ready(page)
    await page.getByRole('button', { name: 'Pause' }).click({ timeout: 100 }).catch(() => {})
    await page.locator('.scrub').fill('700')
    await shoot(`-${id}`, page.locator('.left > section').first())
  }
  await shoot('-findings', page.locator('.findings'))
}

for (const { name, ...look } of LOOKS) {
  if (looks && !looks.split(',').includes(name)) continue
  const context = await browser.newContext(look)
  for (const hash of PAGES) {
    const label = hash.replace('/', '-') || 'start'
    if (places && !places.split(',').includes(hash || 'start')) continue
    const page = await context.newPage()
    const shoot = (more, what = page) => what.screenshot({ path: `${folder}/${name}-${label}${more}.png`, fullPage: true })
    page.on('console', (message) => message.type() === 'error' && console.log(hash, message.text()))
    page.on('pageerror', (error) => console.log(hash, error.stack))
    await page.goto(`${lab.url}#/${hash}`)
    await page.waitForSelector('h1')
    const wide = await tooWide(page)
    if (wide > 0) console.log(`${name} ${label}: ${wide} px too wide`)
    const scene = scenes.find(({ kind }) => hash === `m/${kind}`)
    if (scene) {
      await ready(page)
      await page.getByRole('button', { name: 'Send 10' }).click()
      await page.waitForTimeout(2600)
      await shoot('')
      await experiments(page, scene, shoot)
    } else {
      await page.waitForTimeout(400)
      await shoot('')
    }
    if (hash === 'race') {
      const play = page.getByRole('button', { name: 'Replay the race' })
      if (await play.count()) {
        await play.click()
        await page.waitForTimeout(1200)
        await shoot('-replay', page.locator('section:has(.bars)').first())
      }
    }
    await page.close()
  }
  await context.close()
}
await browser.close()
await lab.close()

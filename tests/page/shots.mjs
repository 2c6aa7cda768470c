// Pictures of every page, to be looked at: node tests/page/shots.mjs FOLDER [URL]
import { mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { pigeon } from './fixtures/scenes.mjs'
import { traceText } from './fixtures/trace.mjs'
import { mock } from './mock.mjs'

const [folder, url, only] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
const lab = url && url !== 'mock' ? { url, close() {} } : await mock({ replay: traceText(pigeon, 10) })
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const scenes = (await (await fetch(`${lab.url}api/lab`)).json()).scenes
const pages = ['', ...scenes.map(({ kind }) => `m/${kind}`), 'race', 'choose', 'runs', 'method', 'replay']
const looks = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  { name: '320', colorScheme: 'light', viewport: { width: 320, height: 800 } },
  { name: 'still', colorScheme: 'light', reducedMotion: 'reduce', viewport: { width: 1000, height: 800 } },
]
for (const { name, ...look } of looks) {
  if (only && !only.split(',').includes(name)) continue
  const context = await browser.newContext(look)
  for (const hash of pages) {
    const page = await context.newPage()
    page.on('console', (message) => message.type() === 'error' && console.log(hash, message.text()))
    page.on('pageerror', (error) => console.log(hash, error.stack))
    await page.goto(`${lab.url}#/${hash}`)
    await page.waitForSelector('h1')
    if (hash.startsWith('m/')) {
      await page.getByRole('button', { name: 'Send 10' }).and(page.locator('[aria-disabled=false]')).click()
      await page.waitForTimeout(2600)
    } else await page.waitForTimeout(400)
    await page.screenshot({ path: `${folder}/${name}-${hash.replace('/', '-') || 'start'}.png`, fullPage: true })
    await page.close()
  }
  await context.close()
}
await browser.close()
await lab.close()

// What the browser tests share: a browser, a lab of our own, and ways to look at a page.

import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, firefox } from 'playwright-core'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const BINARY = process.env.IPCSCOPE ?? join(ROOT, 'target/release/ipcscope')
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr'

export const launch = async () => keep(await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
}))

/** Debian's Firefox, unlike Playwright's own, is driven by its WebDriver BiDi. @returns {Promise<import('playwright-core').Browser>} */
export async function launchFirefox() {
  const browser = keep(await firefox.launch({ executablePath: FIREFOX, channel: 'moz-firefox' }))
  // Playwright asks for a colour scheme in every context, by a command that this Firefox does not know: its own scheme stays.
  const session = /** @type {any} */ (browser)._connection.toImpl(browser)._browserSession
  const send = session.send.bind(session)
  session.send = async (method, params) => {
    if (method === 'emulation.setMediaFeaturesOverride') return send(method, params).catch(() => ({}))
    return send(method, params)
  }
  return browser
}

/** Everything that must not outlive the tests, also when one fails. @type {{ close(): Promise<unknown> }[]} */
const opened = []

/** @template {{ close(): Promise<unknown> }} T @param {T} it */
export function keep(it) {
  opened.push(it)
  return it
}

/** A folder that goes with the tests. @param {string} name */
export function scratch(name) {
  const folder = mkdtempSync(join(tmpdir(), `ipcscope-${name}-`))
  keep({ close: async () => rmSync(folder, { recursive: true, force: true }) })
  return folder
}

/**
 * A browser, a lab, and the scenes that the lab has.
 * @param {() => Promise<import('playwright-core').Browser>} launch
 */
export async function opening(launch) {
  const browser = await launch()
  const lab = await startLab()
  return { browser, lab, scenes: /** @type {any[]} */ ((await (await fetch(`${lab.url}api/lab`)).json()).scenes) }
}

/** Closes what is still open. */
export async function closeAll() {
  for (const it of opened.splice(0).reverse()) await it.close()
}

/** Starts the real lab, with a history of its own. @param {string[]} args */
export function startLab(...args) {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: cargo build --release`)
  return startLabBy([BINARY], scratch('page'), ...args)
}

/**
 * The same by another command.
 * @param {string[]} command @param {string} state the folder that its history is in @param {string[]} args @returns {Promise<Lab>}
 */
export async function startLabBy([program, ...before], state, ...args) {
  const child = spawn(program, [...before, ...(args.length ? args : ['serve']), '--listen', '127.0.0.1:0'], { cwd: state, env: { ...process.env, XDG_STATE_HOME: state }, stdio: ['ignore', 'pipe', 'pipe'] })
  let told = ''
  const url = await new Promise((found, failed) => {
    const look = (data) => {
      told += data
      const address = /http:\/\/127\.0\.0\.1:\d+\/?/.exec(told)
      if (address) found(address[0].replace(/\/?$/, '/'))
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    child.on('exit', (code) => failed(new Error(`the lab ended with ${code}: ${told}`)))
    child.on('error', failed)
  })
  const exited = new Promise((done) => child.on('exit', done))
  return keep({
    url, child, state,
    async close() {
      child.kill('SIGTERM')
      await exited
    },
  })
}
/** @typedef {{ url: string, child: import('node:child_process').ChildProcess, state: string, close(): Promise<void> }} Lab */

/** The processes that have `pid` as parent, and theirs. @param {number} pid @returns {number[]} */
export function descendants(pid) {
  const parents = new Map()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (state !== 'Z') parents.set(Number(name), Number(parent))
    } catch {
      // It ended while we looked.
    }
  }
  const found = [pid]
  for (const known of found) for (const [child, parent] of parents) if (parent === known && !found.includes(child)) found.push(child)
  return found.slice(1)
}

/** Waits until `holds` gives something true. @template T @param {() => T | Promise<T>} holds @param {string} what */
export async function until(holds, what, ms = 10_000) {
  const end = Date.now() + ms
  for (;;) {
    const found = await holds()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited ${ms} ms for: ${what}`)
    await new Promise((resume) => setTimeout(resume, 50))
  }
}

/**
 * A page, and everything that it complained about.
 * @param {import('playwright-core').Browser} browser @param {import('playwright-core').BrowserContextOptions} [look]
 */
export async function open(browser, url, look = {}) {
  const context = await browser.newContext(look)
  const page = await context.newPage()
  /** @type {string[]} */
  const complaints = []
  /** @type {string[]} */
  const foreign = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error.stack)))
  const origin = new URL(url).host
  page.on('request', (request) => {
    const asked = new URL(request.url())
    const own = asked.protocol === 'file:' ? request.url() === url : asked.host === origin
    if (asked.protocol !== 'data:' && asked.protocol !== 'blob:' && !own) foreign.push(request.url())
  })
  await page.addInitScript(() => {
    const name = ({ node }) => node?.id || node?.getAttribute?.('class') || node?.nodeName
    const rect = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(' ')
    // Firefox tells of it nowhere else.
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => console.error(`refused by ${violatedDirective}: ${blockedURI}`))
    globalThis.shifts = []
    if (PerformanceObserver.supportedEntryTypes.includes('layout-shift')) new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) globalThis.shifts.push(...entry.sources.map((source) => `${name(source)}: ${rect(source.previousRect)} to ${rect(source.currentRect)}`))
    }).observe({ type: 'layout-shift', buffered: true })
  })
  await page.goto(url)
  await page.waitForSelector('h1')
  return { page, context, complaints, foreign, close: () => context.close() }
}

/** Goes to another place of the page that is open. The one before stands until the other is made. @param {import('playwright-core').Page} page @param {string} url */
export async function visit(page, url) {
  await page.locator('h1').evaluate((head) => head.setAttribute('data-before', ''))
  await page.goto(url)
  await page.locator('h1:not([data-before])').waitFor()
}

/** Waits until the page was drawn, and what follows its size has followed. @param {import('playwright-core').Page} page */
export const drawn = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))

/** Every shift, also those that follow the reader's own acts: what moved from where to where. @param {import('playwright-core').Page} page */
export const shifts = (page) => page.evaluate(() => globalThis.shifts)

/**
 * The colours and the dashes of each name, wherever a race is drawn: beside the name, as a bar, as a line, as the line's name.
 * @param {import('playwright-core').Page} page @returns {Promise<Record<string, { colours: string[], dashes: string[] }>>}
 */
export const looks = (page) => page.evaluate(() => {
  const found = {}
  const see = (name, colour, dash) => {
    found[name] ??= { colours: new Set(), dashes: new Set() }
    found[name].colours.add(colour)
    if (dash !== undefined) found[name].dashes.add(dash)
  }
  for (const one of document.querySelectorAll('main .named')) see(one.textContent, getComputedStyle(one.querySelector('i')).backgroundColor)
  for (const one of document.querySelectorAll('.bars li')) see(one.querySelector('.named').textContent, getComputedStyle(one.querySelector('.track i')).backgroundColor)
  for (const one of document.querySelectorAll('svg.chart g:has(> .line)')) {
    const line = one.querySelector('.line')
    const text = one.querySelector('.name')
    see(text.textContent, getComputedStyle(line).stroke, line.getAttribute('stroke-dasharray'))
    see(text.textContent, getComputedStyle(text).fill)
  }
  return Object.fromEntries(Object.entries(found).map(([name, { colours, dashes }]) => [name, { colours: [...colours], dashes: [...dashes] }]))
})

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The windows in which a page is looked at: a desk's and a telephone's. */
const WINDOWS = [{ width: 1280, height: 800 }, { width: 375, height: 800 }]

/**
 * What axe finds wrong, in a line each: in both themes, at both widths. A page that is too wide is wrong, too.
 * @param {import('playwright-core').Page} page in a context that bypasses the policy
 */
export async function axe(page) {
  const window = page.viewportSize() ?? WINDOWS[0]
  const dark = await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)
  await page.evaluate(AXE)
  /** @type {string[]} */
  const wrong = []
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme })
    for (const size of WINDOWS) {
      await page.setViewportSize(size)
      const found = await page.evaluate(async () => {
        await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))
        const { violations } = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        return violations.flatMap((found) => found.nodes.map((node) => `${found.id}: ${node.target.join(' ')}: ${node.failureSummary?.split('\n')[1] ?? ''}`))
      })
      const over = await tooWide(page)
      if (over > 0) found.push(`${over} px too wide`)
      wrong.push(...found.map((one) => `${colorScheme}, ${size.width} px: ${one}`))
    }
  }
  await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' })
  await page.setViewportSize(window)
  return wrong
}

/** How far the page reaches beyond the window's right side, in pixels. @param {import('playwright-core').Page} page */
export const tooWide = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)

/** Starts a stage where the page was come to by its address, which starts nothing. @param {import('playwright-core').Page} page */
export async function begin(page) {
  const start = page.getByRole('button', { name: 'Start two processes' })
  if (await start.isVisible()) await start.click()
}

/** A stage's page, ready to send. @param {import('playwright-core').Page} page */
export async function ready(page) {
  const send = page.locator('button[aria-disabled=false]', { hasText: 'Send 10' })
  await until(async () => {
    await begin(page)
    return send.isVisible()
  }, 'a stage', 30_000)
}

/** Where the stage stands, the button that is pressed first, and what else belongs to the first screen. @param {import('playwright-core').Page} page @param {string} first */
export const places = (page, first) => page.evaluate((first) => {
  const rect = (query) => {
    const found = document.querySelector(query)
    if (!found) throw new Error(`nothing is ${query}`)
    const { top, bottom, left, right, height } = found.getBoundingClientRect()
    return { top, bottom, left, right, height, within: top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth }
  }
  return { first: rect(first), stage: rect('svg.stage'), bar: rect('.controls'), title: rect('.title.line'), steps: rect('.foretold') }
}, first)

/** Opens what stands behind a word: `more`, or the settings. @param {import('playwright-core').Page} page */
export async function unfold(page, menu = 'more') {
  const head = page.locator(`.menu.${menu} > summary`)
  if (!(await page.locator(`.menu.${menu}[open]`).count())) await head.click()
}

/** The facts in the two boxes of a stage. @param {import('playwright-core').Page} page @returns {Promise<string[][]>} */
export const boxes = (page) => page.locator('svg.stage .form-process').evaluateAll((all) => all.map((box) => [...box.querySelectorAll('.fact')].map((fact) => fact.textContent)))

/** The pids in the two boxes. @param {import('playwright-core').Page} page */
export const pids = async (page) => (await boxes(page)).map(([pid]) => Number(/\d+/.exec(pid)?.[0]))

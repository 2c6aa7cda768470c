// The page against the real lab: real processes, real messages, and what must not happen.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { axe, begin, BINARY, closeAll, descendants, keep, launch, looks, open, opening, pids, places, ready, ROOT, scratch, shifts, startLab, tooWide, unfold, until } from './harness.mjs'

/** @type {import('playwright-core').Browser} */
let browser
/** @type {import('./harness.mjs').Lab} */
let lab
/** @type {any[]} */
let scenes
const folder = scratch('page')

before(async () => {
  ({ browser, lab, scenes } = await opening(launch))
})
after(closeAll)

const at = (hash) => `${lab.url}#/${hash}`
const press = (page, name) => page.getByRole('button', { name, exact: true }).click()
const counter = (page) => page.locator('.counter')
const plain = (text) => (text ?? '').replaceAll('\u00a0', ' ').replace(/(\d) (?=\d)/g, '$1')
const parent = (pid) => Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
const noneLeft = () => until(() => descendants(lab.child.pid).length === 0, 'no process is left')
/** Starts a short race on a race page, and waits until it runs. */
const startRace = async (page) => {
  await press(page, 'Start the race')
  await page.getByText(/\d+ of \d+.rounds/).first().waitFor()
}
const QUICK = 'race?wait=block&workload=ping-pong&quick=1'

test('the start shows what the lab has', async () => {
  const { page, close } = await open(browser, lab.url)
  assert.deepEqual(scenes.map((scene) => scene.kind), KINDS)
  for (const scene of scenes) {
    const card = page.locator('.cards > li', { hasText: scene.summary })
    for (const tag of scene.tags) await card.getByText(tag, { exact: true }).waitFor()
  }
  await close()
})

// The tests below are listed before the lab can be asked; the first one holds this list against what it has.
const KINDS = ['shm', 'pipe', 'unix', 'tcp']

for (const kind of KINDS) {
  test(`${kind}: ten messages between two processes that exist`, async () => {
    const { page, complaints, foreign, close } = await open(browser, at(`m/${kind}?wait=block`))
    const scene = scenes.find((scene) => scene.kind === kind)
    await ready(page)
    const two = await pids(page)
    for (const pid of two) assert.ok(existsSync(`/proc/${pid}`) && descendants(lab.child.pid).includes(pid), `${pid} of ${two}`)
    for (const pid of two) await page.locator('.holds').getByText(`pid ${pid}, parent ${parent(pid)}, `, { exact: false }).waitFor()
    for (const part of scene.stage) assert.equal(await page.locator(`[data-part="${part.id}"]`).count(), 1)
    await until(async () => (await page.locator('.gauge .value').allTextContents()).every((value) => value !== '–'), 'every gauge has a value')

    await unfold(page)
    await page.getByLabel('Text').fill('hello')
    for (const how of ['one by one', 'burst', 'pause and inspect', 'inspect the receiver']) {
      await unfold(page)
      await page.getByRole('radio', { name: how, exact: true }).check()
      await press(page, 'Send 10')
      await until(async () => /\/ 10/.test((await counter(page).textContent()) ?? ''), how)
      await page.getByText('10 of 10 arrived.').first().waitFor()
      await ready(page)
    }
    await page.locator('.log').getByText('“hello”').first().waitFor()
    await page.getByLabel('Filter the events').fill('sleeping')
    await page.locator('.log .row').first().waitFor()
    await page.getByLabel('Filter the events').fill('')

    const slider = page.getByRole('slider', { name: 'Moment of the replay' })
    await slider.fill('0')
    assert.equal(await counter(page).textContent(), '0 / 10')
    for (let steps = 0; steps < 6; steps++) await press(page, 'Step ▸')
    await slider.fill('1000')
    assert.equal(await counter(page).textContent(), '10 / 10')

    await unfold(page)
    await page.getByRole('radio', { name: 'receiver to sender' }).check()
    await press(page, 'Send 1')
    await page.getByText('1 of 1 arrived.').first().waitFor()
    assert.deepEqual([complaints, foreign, await pids(page)], [[], [], two])
    await page.goto(at('method'))
    await until(() => two.every((pid) => !existsSync(`/proc/${pid}`)), 'the processes end with their page')
    await close()
  })
}

test('each term of a stage’s page stands on one, and is explained there', async () => {
  const seen = new Set()
  /** @type {string[]} */
  let all = []
  for (const kind of KINDS) {
    const { page, close } = await open(browser, at(`m/${kind}`))
    await ready(page)
    const found = await page.evaluate(async () => {
      const { TERMS, ACTS } = await import('/web/js/stage/terms.js')
      return {
        all: [...TERMS.map(([, text]) => text), ...Object.values(ACTS)],
        told: [...document.querySelectorAll('.bench .term, .settings .term')].map((term) => term.getAttribute('aria-description')),
        silent: [...document.querySelectorAll('.steps, .holds, .stage, .more, .settings')].filter((place) => !place.querySelector('.term')).map((place) => place.className),
      }
    })
    all = found.all
    assert.deepEqual(found.silent, [], kind)
    for (const text of found.told) seen.add(text)
    await close()
  }
  // One is said only of a figure that is not read.
  assert.deepEqual(all.filter((text) => !seen.has(text) && !text.startsWith('Slanted')), [])
})

for (const viewport of [{ width: 1366, height: 650 }, { width: 1280, height: 800 }, { width: 1920, height: 950 }, { width: 375, height: 667 }]) {
  test(`one screen: what is pressed and the whole stage are seen together, at ${viewport.width}×${viewport.height}`, async () => {
    const file = join(folder, 'screen.ndjson')
    writeFileSync(file, execFileSync(BINARY, ['show', 'tcp', '--json'], { maxBuffer: 1 << 26 }))
    const other = await startLab('replay', file)
    for (const hash of [...KINDS.map((kind) => `m/${kind}`), 'replay']) {
      const { page, close } = await open(browser, `${other.url}#/${hash}`, { viewport })
      const replays = hash === 'replay'
      if (!replays) {
        await ready(page)
        await press(page, 'Send 10')
      }
      await until(async () => /^[0-9]+ \/ 10$/.test((await counter(page).textContent()) ?? '') && (await page.locator('.scrub').isEnabled()), 'a replay')
      const look = () => places(page, replays ? '.toggle' : '.first .primary')
      const { first, stage, bar, title, steps } = await look()
      assert.equal(await page.evaluate(() => scrollY), 0)
      assert.ok(title.height <= 44, `${hash}: the title is ${title.height} px high`)
      assert.ok(first.within && stage.within, `${hash}: ${JSON.stringify({ first, stage })}`)
      const { cut, slider } = await page.evaluate(() => ({
        // Of the words that say how it is shown, of names, and of what can be pressed.
        cut: [...document.querySelectorAll('.caption, .title h1, .title h2, .drop, .controls > *')].filter((one) => {
          const [inner, outer] = [one, one.closest('.controls, .title.line') ?? one].map((element) => element.getBoundingClientRect())
          return one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline' || inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1
        }).map((one) => one.textContent),
        slider: document.querySelector('.scrub').getBoundingClientRect().width,
      }))
      assert.deepEqual(cut, [], hash)
      assert.ok(slider > (viewport.width > 1000 ? 120 : 60), `${hash}: a slider of ${slider} px`)
      if (viewport.width > 1000) {
        assert.ok(stage.height <= 400 && bar.top >= stage.bottom - 1 && bar.height <= 60 && bar.within, `${hash}: one bar under it: ${JSON.stringify({ stage, bar })}`)
        assert.ok(steps.within && steps.left >= stage.right, `${hash}: the steps at its right: ${JSON.stringify(steps)}`)
        await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight / 2))
        const later = await look()
        assert.ok(later.first.within && later.stage.within, `${hash}: they stay while you read: ${JSON.stringify(later)}`)
      } else assert.ok(first.bottom <= stage.top, `${hash}: the button comes first`)
      if (hash === 'm/pipe') {
        await ready(page)
        await press(page, 'Copied or shared?')
        await until(async () => (await look()).stage.within, 'the stage is seen when an experiment begins')
      }
      await close()
    }
    await other.close()
  })
}

for (const [kind, experiments] of Object.entries({
  shm: [['Let one process go wild', 'SIGSEGV'], ['The same with one region for both', '', 'bad'], ['Fill the ring', ''], ['Kill the receiver', 'SIGKILL'], ['Copied or shared?', '']],
  pipe: [['Fill the buffer', ''], ['Kill the receiver', 'SIGKILL'], ['Copied or shared?', '']],
  unix: [['Fill the buffer', ''], ['Kill the receiver', 'SIGKILL']],
  tcp: [['Fill the buffer', ''], ['Kill the receiver', 'SIGKILL'], ['Lose segments', '']],
})) {
  test(`${kind}: experiments`, async () => {
    const { page, close } = await open(browser, at(`m/${kind}?speed=max`))
    let counted = 0
    for (const [name, signal, verdict = 'good'] of experiments) {
      await ready(page)
      await press(page, name)
      const card = page.locator('.findings article', { hasText: name }).first()
      await card.locator('.verdict').waitFor({ timeout: 60_000 })
      assert.equal(await card.locator(`.verdict.${verdict}`).count(), 1, `${name}: ${await card.textContent()}`)
      const cut = await card.locator('.wide').evaluateAll((all) => all.flatMap((one) => (one.scrollWidth > one.clientWidth ? [one.getAttribute('aria-label')] : [])))
      assert.deepEqual(cut, [], 'no column of its tables is cut')
      // What the bar counts is what the experiment says, which is called by its title.
      const says = plain(await card.locator('.verdict').textContent())
      const told = /(\d+) of (\d+) messages arrived/.exec(says)
      if (told) assert.equal(plain(await counter(page).textContent()), `${told[1]} / ${told[2]}`, says)
      counted += told ? 1 : 0
      assert.doesNotMatch(says, /\(\w+\)(?!\()/, 'it names no function of the kernel')
      assert.match((await page.getByLabel('Which recording').locator('option').last().textContent()) ?? '', new RegExp(`^\\d+: ${name.replace('?', '\\?')};`))
      await page.getByLabel('Filter the events').fill('begins the experiment')
      await page.locator('.log .row', { hasText: `begins the experiment “${name}”` }).waitFor()
      await page.getByLabel('Filter the events').fill('')
      if (signal) await card.getByText(`died of ${signal}`, { exact: false }).first().waitFor()
    }
    assert.ok(counted > 0, 'some verdicts count messages')
    await close()
    await noneLeft()
  })
}

test('another setting keeps what else the address asks for, and what was chosen on the page', async () => {
  const { page, complaints, close } = await open(browser, at('m/unix?mode=burst&speed=max&wait=block'))
  const asked = () => Object.fromEntries(new URLSearchParams(new URL(page.url()).hash.split('?')[1]))
  await ready(page)
  await unfold(page, 'settings')
  await page.getByRole('radio', { name: 'spin', exact: true }).check()
  const { placement, ...rest } = asked()
  assert.deepEqual([rest, placement !== undefined], [{ mode: 'burst', speed: 'max', wait: 'spin', size: '64' }, true])
  await ready(page)
  await unfold(page)
  await page.getByRole('radio', { name: 'pause and inspect', exact: true }).check()
  assert.equal(asked().mode, 'step')
  await page.getByRole('radio', { name: 'one by one', exact: true }).check()
  await page.getByLabel('Speed of the replay').selectOption('2')
  assert.deepEqual([asked().mode, asked().speed], [undefined, undefined], 'what is usual is not said')
  assert.deepEqual(complaints, [])
  await close()
})

test('a medium fills where it is drawn, its sleeper is named beside it, and what a message takes is said', async () => {
  for (const [kind, name, part, sleeps] of [['shm', 'Fill the ring', 'own', 'futex'], ['pipe', 'Fill the buffer', 'buffer', 'buffer'], ['unix', 'Fill the buffer', '', 'queue'], ['tcp', 'Fill the buffer', '', 'socket']]) {
    const { page, close } = await open(browser, at(`m/${kind}?speed=max&wait=block`), { viewport: { width: 1366, height: 768 } })
    await ready(page)
    const says = plain(await page.locator('.holds').textContent())
    const [, takes, own, around] = (/Each message takes (\d+) B: its own (\d+) B, and (\d+) B of header and padding\./.exec(says) ?? assert.fail(says)).map(Number)
    assert.ok(own === 64 && around > 0 && takes === own + around, says)
    await press(page, name)
    await page.locator('.findings article', { hasText: name }).first().waitFor({ timeout: 60_000 })
    const slider = page.locator('.scrub')
    let [fullest, slept] = [0, 0]
    for (let place = 0; place <= 1000; place += 20) {
      await slider.fill(String(place))
      const seen = await page.evaluate(([part, sleeps]) => {
        const box = (id) => /** @type {Element} */ (document.querySelector(`svg.stage [data-part="${id}"]`))
        const wide = (all) => [...all].reduce((sum, one) => sum + Number(one.getAttribute('width')), 0)
        const words = /** @type {SVGTextElement} */ (box(sleeps).querySelector('.sleeper'))
        const over = [...box(sleeps).querySelectorAll('.filled')].filter((one) => Number(one.getAttribute('width')) > 0).some((one) => {
          const [a, b] = [one, words].map((it) => it.getBoundingClientRect())
          return b.width > 0 && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
        })
        const note = box(sleeps).querySelector('.note')
        return { full: part ? wide(box(part).querySelectorAll('.filled')) / wide(box(part).querySelectorAll('.slot, .track')) : 1, words: words.textContent ?? '', over, both: words.textContent !== '' && note !== null && note.getAttribute('display') !== 'none'}
      }, [part, sleeps])
      fullest = Math.max(fullest, seen.full)
      if (!seen.words.includes('sender')) continue
      slept++
      assert.deepEqual([seen.over, seen.both], [false, false], `${kind} at ${place}: ${seen.words}`)
    }
    assert.ok(fullest > 0.9 && fullest <= 1.001 && slept > 0, `${kind}: ${fullest} full at most, a sender slept at ${slept} moments`)
    await close()
  }
})

test('an experiment that plays on another stage is drawn on it, and the stage’s own stands again afterwards', async () => {
  const { page, complaints, close } = await open(browser, at('m/shm?speed=max'))
  const parts = () => page.locator('svg.stage [data-part]').evaluateAll((all) => all.map((part) => part.getAttribute('data-part')).sort())
  const steps = () => page.locator('.steps li').allTextContents()
  await ready(page)
  const own = [await parts(), await steps()]
  await press(page, 'The same with one region for both')
  await page.locator('.findings article').first().waitFor({ timeout: 60_000 })
  assert.deepEqual(await parts(), ['board', 'receiver', 'sender'], 'one region for both')
  assert.notDeepEqual(await steps(), own[1])
  assert.ok((await page.locator('.gauge .value').allTextContents()).every((value) => value !== '–'))
  await ready(page)
  await unfold(page)
  await press(page, 'Send 1')
  await page.getByText('1 of 1 arrived.').first().waitFor()
  assert.deepEqual([await parts(), await steps()], own)
  await unfold(page)
  await page.getByLabel('Which recording').selectOption('1')
  assert.deepEqual(await parts(), ['board', 'receiver', 'sender'], 'and again with its recording')
  assert.deepEqual(complaints, [])
  await close()
})

test('axe finds nothing in what experiments found', async () => {
  const { page, close } = await open(browser, lab.url, { bypassCSP: true })
  for (const scene of scenes) {
    await page.goto(at(`m/${scene.kind}?speed=max`))
    // The page before it stands until this one is made.
    await page.getByRole('heading', { name: scene.title, level: 1 }).waitFor()
    for (const { title } of scene.experiments) {
      await ready(page)
      await press(page, title)
      await page.locator('.findings article', { hasText: title }).first().waitFor({ timeout: 60_000 })
    }
    await ready(page)
    assert.deepEqual(await axe(page), [], scene.kind)
  }
  await close()
})

test('a process that is killed from outside is told of at once, and a new pair is one press away', async () => {
  const { page, complaints, close } = await open(browser, at('m/unix?speed=max'))
  const said = page.locator('.said')
  const log = page.locator('.log .row')
  for (const [victim, side] of ['sender', 'receiver'].entries()) {
    await ready(page)
    await press(page, 'Send 10')
    await page.getByText('10 of 10 arrived.').first().waitFor()
    await ready(page)
    const two = await pids(page)
    const rows = await log.count()
    process.kill(two[victim], 'SIGKILL')
    // Nothing is asked for: the page is told.
    await until(async () => (await said.textContent()) === `The ${side} (pid ${two[victim]}) was ended by SIGKILL from outside.`, 'the page says so')
    // The replay is still that of the old pair.
    assert.deepEqual([await pids(page), await log.count()], [two, rows])
    await page.getByRole('slider', { name: 'Moment of the replay' }).fill('0')
    assert.equal(await counter(page).textContent(), '0 / 10')
    const again = page.getByRole('button', { name: 'Start a new pair', exact: true })
    await again.focus()
    await page.keyboard.press('Enter')
    await ready(page)
    assert.ok(await again.isHidden())
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Send 10', 'the keyboard stays where it is needed')
    const anew = await pids(page)
    assert.ok(anew.every((pid) => !two.includes(pid) && existsSync(`/proc/${pid}`)), `${anew} after ${two}`)
    assert.deepEqual([await log.count(), await page.locator('.strip rect').count(), await counter(page).textContent()], [0, 0, '0 / 10'], 'nothing is left of the old pair')
  }
  assert.deepEqual(complaints, [])
  await close()
  await noneLeft()
})

test('a process that is stopped from outside is named, and goes on when it is let go', async () => {
  const { page, close } = await open(browser, at('m/pipe?speed=max'))
  await ready(page)
  const [, receiver] = await pids(page)
  process.kill(receiver, 'SIGSTOP')
  await until(() => /^State:\s+T/m.test(readFileSync(`/proc/${receiver}/status`, 'utf8')), 'it is stopped')
  await press(page, 'Send 10')
  await page.locator('.said', { hasText: `The receiver (pid ${receiver}) is stopped (SIGSTOP): continue it with kill -CONT ${receiver}.` }).waitFor()
  process.kill(receiver, 'SIGCONT')
  await ready(page)
  await press(page, 'Send 10')
  await page.getByText('10 of 10 arrived.').first().waitFor()
  await close()
})

for (const [colorScheme, width] of /** @type {const} */ ([['light', 1280], ['dark', 375]])) {
  test(`an X-ray shows the journey of a message, or says why there is none, ${colorScheme}, ${width} px`, async (t) => {
    const { page, complaints, close } = await open(browser, at('m/pipe?speed=max'), { colorScheme, bypassCSP: true, viewport: { width, height: 800 } })
    await ready(page)
    assert.ok(await page.locator('.journey').isHidden(), 'there is none yet')
    await unfold(page)
    await press(page, 'X-ray 1')
    await page.locator('.findings article').first().waitFor({ timeout: 60_000 })
    await ready(page)
    assert.match((await page.locator('.caption').getAttribute('title')) ?? '', /^[1-9][\d.]*.[nµm]s in all/, 'its events are in order of time')
    const blocks = page.locator('.journey .lanes button')
    const seen = await blocks.count()
    if (!seen) {
      await page.locator('.missing').first().waitFor()
      t.diagnostic('no probe could be had')
    } else {
      const names = await blocks.evaluateAll((all) => all.map((block) => block.getAttribute('aria-label')))
      for (const part of [/^send\(\).*: sender, user/, /^write\(\).*: sender, kernel/, /^read\(\).*: receiver, kernel/, /^recv\(\).*: receiver, user/]) assert.ok(names.some((name) => part.test(name)), `${part}: ${names}`)
      const copies = names.filter((name) => /^copy \d/.test(name)).length
      assert.equal(await page.locator('.journey .join.byte').count(), Math.max(0, copies - 1), 'each copy is joined to the next')
      assert.equal(await page.locator('.journey .lanes button[tabindex="0"]').count(), 1, 'one stop of the keyboard')
      await blocks.first().focus()
      for (let index = 1; index < seen; index++) {
        await page.keyboard.press('ArrowDown')
        assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), names[index])
      }
      await page.keyboard.press('Enter')
      const opened = page.locator('.journey .opened')
      await opened.getByRole('heading').waitFor()
      await page.keyboard.press('Escape')
      await opened.waitFor({ state: 'detached' })
      const woken = names.findIndex((name) => name.startsWith('wakes'))
      if (woken >= 0) {
        await blocks.nth(woken).click()
        assert.ok(await opened.locator('li').count() > 1, 'the stack is folded out')
      }
      const covered = await blocks.evaluateAll((all) => all.filter((one, index) => all.some((other, place) => {
        const [a, b] = [one, other].map((block) => block.getBoundingClientRect())
        return place > index && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1
      })).map((block) => block.textContent))
      assert.deepEqual(covered, [], 'no label covers another')
      const cut = await blocks.evaluateAll((all) => all.filter((one) => {
        const [label, box] = [one, one.closest('.lanes')].map((element) => element.getBoundingClientRect())
        const within = label.left >= box.left && label.right <= box.right + 1 && label.bottom <= box.bottom + 1
        return !within || [one, ...one.querySelectorAll('*')].some((part) => part.clientWidth && part.scrollWidth > part.clientWidth)
      }).map((block) => block.textContent))
      assert.deepEqual(cut, [], 'no label is cut')
      const told = await blocks.evaluateAll((all) => all.map((one) => one.textContent ?? ''))
      assert.deepEqual(told.filter((text, index) => !names[index].replaceAll(' ', '').startsWith(text.replaceAll(' ', ''))), [], 'each says all of itself')
      const axis = (await page.locator('.journey .axis').allTextContents()).filter((text) => /\d/.test(text))
      assert.equal(new Set(axis).size, axis.length, `no time stands twice: ${axis}`)
      const facts = await page.locator('.measured').textContent()
      assert.match(facts ?? '', /System calls seen, sender1System calls seen, receiver1/, 'a call in which the receiver slept is one')
      if (copies) assert.match(facts ?? '', /Copies by the kernel seen2/)
    }
    assert.deepEqual(await axe(page), [])
    await unfold(page)
    await press(page, 'Send 1')
    // It belongs to the X-ray.
    await page.locator('.journey').waitFor({ state: 'hidden' })
    assert.deepEqual(complaints, [])
    await close()
  })
}

test('the traces of a probe stand in one file, and Replay offers each', async () => {
  const file = join(folder, 'xrays.ndjson')
  writeFileSync(file, execFileSync(BINARY, ['probe', '--xray', '--json', 'unix', 'tcp', '--wait', 'block'], { maxBuffer: 1 << 26, env: { ...process.env, XDG_STATE_HOME: lab.state } }))
  const other = await startLab('replay', file)
  const { page, complaints, close } = await open(browser, `${other.url}#/replay?speed=max`)
  await page.getByRole('heading', { name: 'Unix socket', level: 2 }).waitFor()
  const which = page.getByLabel('Traces in this file')
  assert.equal(await which.locator('option').count(), 2)
  const names = async () => (await page.locator('.journey .lanes button').allTextContents()).join()
  const first = await names()
  await which.selectOption('1')
  await page.getByRole('heading', { name: 'TCP socket', level: 2 }).waitFor()
  assert.equal(await page.getByRole('heading', { level: 2, name: 'Unix socket' }).count(), 0)
  if (first) assert.notEqual(await names(), first, 'the journey is of the trace that is shown')
  assert.deepEqual(complaints, [])
  await close()
  await other.close()
})

test('a recording is saved as a trace, and replayed', async () => {
  const { page, close } = await open(browser, at('m/unix?speed=max'))
  await ready(page)
  await press(page, 'Send 10')
  await page.getByText('10 of 10 arrived.').first().waitFor()
  await ready(page)
  const two = await pids(page)
  const gauges = page.locator('.gauge .value')
  const last = await gauges.allTextContents()
  const [download] = await Promise.all([page.waitForEvent('download'), press(page, 'Save')])
  assert.equal(download.suggestedFilename(), 'ipcscope-unix-paced.ndjson')
  const file = join(folder, 'saved.ndjson')
  await download.saveAs(file)
  await page.goto(at('replay?speed=max'))
  await page.getByLabel('Drop a trace here, or choose one').setInputFiles(file)
  await page.getByRole('heading', { name: 'Unix socket', level: 2 }).waitFor()
  await until(async () => (await counter(page).textContent()) === '10 / 10', 'ten messages')
  assert.deepEqual([await pids(page), await gauges.allTextContents()], [two, last])
  // The command line reads it too.
  const other = await startLab('replay', file)
  await other.close()
  await close()
})

test('a race: still while it runs, exported, compared, kept', async () => {
  const { page, complaints, close } = await open(browser, at(QUICK))
  await startRace(page)
  const moved = await page.evaluate(async () => {
    let asked = 0
    const own = globalThis.requestAnimationFrame
    globalThis.requestAnimationFrame = (call) => { asked++; return own(call) }
    await new Promise((done) => setTimeout(done, 400))
    globalThis.requestAnimationFrame = own
    return [asked, document.getAnimations().length]
  })
  if (await page.locator('progress.running').count()) assert.deepEqual(moved, [0, 0])
  await page.getByText('The race is over.').first().waitFor({ timeout: 60_000 })
  await page.getByText('all at once', { exact: false }).waitFor()
  assert.equal(await page.getByText('Where no progress was recorded').count(), 0, 'every row has its own progress')
  await page.getByText('The lowest median latency', { exact: false }).waitFor()
  await page.locator('.command code', { hasText: 'ipcscope race' }).waitFor()
  const contents = {}
  for (const form of ['JSON', 'CSV', 'Markdown', 'HTML']) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: form, exact: true }).click()])
    contents[form] = readFileSync(await download.path(), 'utf8')
  }
  const report = JSON.parse(contents.JSON)
  assert.equal(report.page_open, true)
  assert.ok(report.rows.length >= 4 && report.rows.every((row) => row.verified === row.messages))
  assert.match(contents.CSV.split('\n')[0], /kind|entrant/)
  assert.match(contents.Markdown, /\|/)
  assert.match(contents.HTML, /<html/i)

  const older = join(folder, 'older.json')
  writeFileSync(older, contents.JSON)
  const chooser = page.getByLabel('Drop a report here (JSON), or choose one')
  await chooser.setInputFiles(older)
  await page.getByText('no different').first().waitFor()
  writeFileSync(older, contents.JSON.slice(0, 400))
  await chooser.setInputFiles(older)
  await page.getByText('older.json is not JSON.', { exact: false }).waitFor()
  writeFileSync(older, JSON.stringify({ ...report, rows: [{ kind: 7 }] }))
  await chooser.setInputFiles(older)
  await page.getByText(/field `.*rows\[0\]/).waitFor()
  assert.deepEqual(complaints.filter((text) => !text.includes('422')), [])

  await page.goto(at('m/pipe'))
  await page.getByText('In your last race').waitFor()
  await page.getByText('vs', { exact: false }).first().waitFor()
  await close()
  await noneLeft()
})

const sample = () => JSON.parse(readFileSync(join(ROOT, 'tests/cli/sample.json'), 'utf8'))

/** A report as an exported page on a disk. @param {any} report @param {string} name */
async function exported(report, name) {
  const { page, close } = await open(browser, lab.url)
  const text = await page.evaluate(async (report) => {
    const token = document.querySelector('meta[name=token]')?.getAttribute('content') ?? ''
    const kept = await (await fetch('/api/runs', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Ipcscope-Token': token }, body: JSON.stringify(report) })).json()
    if (!kept.id) throw new Error(JSON.stringify(kept))
    const text = await (await fetch(`/api/runs/${kept.id}/export/html`)).text()
    await fetch(`/api/runs/${kept.id}`, { method: 'DELETE', headers: { 'X-Ipcscope-Token': token } })
    return text
  }, report)
  await close()
  const file = join(folder, `${name}.html`)
  writeFileSync(file, text)
  return `file://${file}`
}

/** The sample with two rows that the two figures put in opposite orders. @param {string} workload */
function opposed(workload) {
  const report = sample()
  report.rows = report.rows.slice(0, 2).map((row, index) => {
    const [ns, rate] = [[100, 1e3], [900, 1e6]][index]
    return { ...row, workload, latency_ns: { ...row.latency_ns, p50: ns }, messages_per_s: rate, each_launch: row.each_launch.map(() => ({ latency_ns_p50: ns, messages_per_s: rate })) }
  })
  return report
}

test('an exported page opens from a disk, asks no server, and its chart shows the figure that judges', async () => {
  for (const workload of ['ping-pong', 'stream', 'corked', 'paced']) {
    const { page, complaints, foreign, close } = await open(browser, await exported(opposed(workload), workload))
    const byRate = workload === 'stream' || workload === 'corked'
    assert.match((await page.locator('.bars-frame > p').textContent()) ?? '', byRate ? /^Messages a second: longer/ : /^Median latency: shorter/, workload)
    const best = await page.locator('.report tbody tr').evaluateAll((rows) => rows.slice(0, 2).findIndex((row) => row.lastElementChild?.textContent === 'best'))
    assert.equal(best, byRate ? 1 : 0, workload)
    const [first, second] = await page.locator('.bars .track i').evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width))
    assert.ok(second > first, `${workload}: ${first} ${second}`)
    assert.equal(await page.locator('svg.chart').count(), 1)
    assert.ok(await page.locator('svg.chart path.line').count() === 2)
    const over = await tooWide(page)
    assert.ok(over <= 0, `${over} px too wide`)
    assert.deepEqual([complaints, foreign], [[], []])
    await close()
  }
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto(`file://${join(folder, 'paced.html')}`)
  assert.ok(await page.locator('pre').isVisible())
  assert.match((await page.locator('pre').textContent()) ?? '', /vs best/)
  await context.close()
})

test('an exported page has the colours and the lines of the lab\'s own page, in light, in dark and on paper', async () => {
  const url = await exported(sample(), 'looks')
  const report = JSON.stringify(sample())
  const { page: own, close } = await open(browser, at('runs'))
  const file = join(folder, 'looks.json')
  writeFileSync(file, report)
  await own.getByLabel('Drop a report here to keep it').setInputFiles(file)
  await own.getByText('looks.json is part of the history now.').first().waitFor()
  const link = own.locator('.runs > li', { hasText: `seed ${sample().plan.seed}` }).getByRole('link')
  await link.click()
  const { page: export_, close: closeExport } = await open(browser, url)
  for (const [colorScheme, media] of /** @type {const} */ ([['light', 'screen'], ['dark', 'screen'], ['dark', 'print']])) {
    const found = []
    for (const page of [own, export_]) {
      await page.emulateMedia({ colorScheme, media })
      await until(async () => (await page.locator('svg.chart path.line').count()) > 0, 'lines')
      found.push(await looks(page))
    }
    assert.ok(Object.values(found[0]).some(({ dashes }) => dashes.length))
    assert.deepEqual(found[1], found[0], `${colorScheme} ${media}`)
  }
  await close()
  await closeExport()
})

test('the files that the command line writes are told apart', async () => {
  // What it says counts here, not whether a budget held.
  const run = (...args) => spawnSync(BINARY, args, { env: { ...process.env, XDG_STATE_HOME: folder }, encoding: 'utf8', maxBuffer: 1 << 28 }).stdout
  const files = Object.fromEntries(['json', 'csv', 'markdown', 'html'].map((form) => [form, join(folder, `told.${form}`)]))
  run('race', 'pipe', '-n', '40', '-r', '1', '--wait', 'block', '--workload', 'ping-pong', ...Object.entries(files).flatMap(([form, file]) => [`--export-${form}`, file]))
  const written = { trace: run('show', 'pipe', '--json'), probe: run('probe', 'pipe', '--wait', 'block', '--messages', '100', '--json'), doctor: run('doctor', '--json'), comparison: run('compare', files.json, files.json, '--json') }
  for (const [name, text] of Object.entries(written)) {
    files[name] = join(folder, `told.${name}`)
    writeFileSync(files[name], text)
  }
  const { page, close } = await open(browser, at('replay'))
  const what = { json: 'the report of a race', csv: 'the rows of a race as CSV', markdown: 'a race as Markdown', html: 'a race as a page of its own', probe: 'the record of a probe', doctor: 'the findings of the doctor', comparison: 'a comparison of two races' }
  for (const [name, kind] of Object.entries(what)) {
    await page.getByLabel('Drop a trace here, or choose one').setInputFiles(files[name])
    await page.getByText(`told.${name} is ${kind}, and not a trace of messages.`, { exact: false }).waitFor()
  }
  await page.goto(at('runs'))
  await page.getByLabel('Drop a report here to keep it').setInputFiles(files.trace)
  await page.getByText('told.trace is a trace of messages, and not the report of a race.', { exact: false }).waitFor()
  await close()
})

test('an exported sweep draws each group and each size, and says where there is nothing to draw', async () => {
  const report = sample()
  report.plan.sizes = [64, 65_536]
  const dead = { failed: 'it died', verified: 0, latency_ns: null, messages_per_s: null, each_launch: [], progress: [] }
  // At the larger size one pipe fails, and every entrant of the stream. The null entrant is never drawn.
  report.rows.push(...report.rows.map((row, index) => ({ ...row, size_bytes: 65_536, ...(index === 1 || row.workload === 'stream' ? dead : {}) })))
  const { page, complaints, foreign, close } = await open(browser, await exported(report, 'swept'))
  const drawn = async () => {
    const paths = await page.locator('svg.chart path.line').evaluateAll((paths) => paths.map((path) => path.getAttribute('d') ?? ''))
    assert.doesNotMatch(await page.locator('main').innerHTML(), /NaN|Infinity|\binf\b|undefined/)
    for (const path of paths) assert.match(path, /^M/)
    return paths.length
  }
  const groups = page.getByRole('group', { name: 'Show', exact: true }).getByRole('radio')
  assert.equal(await groups.count(), 6)
  let charts = 0
  for (let index = 0; index < 6; index++) {
    await groups.nth(index).check()
    const panel = page.locator('section[aria-labelledby=group-head]')
    const none = await panel.getByText('No entrant finished.', { exact: true }).count()
    assert.ok(await panel.locator('tbody tr').count() > 0)
    const tail = await page.locator('section[aria-labelledby=tail-head] svg.chart').count()
    assert.equal(none + tail, 1, `group ${index}`)
    charts += tail
    await until(async () => await drawn() > 0, 'lines')
  }
  assert.equal(charts, 5, 'one group has no chart')
  const sweep = page.locator('section[aria-labelledby=sweep-head]')
  for (const [rows, lines] of [['ping-pong, spin', 4], ['stream, block', 0], ['paced, block', 2]]) {
    await sweep.getByRole('group', { name: 'Rows', exact: true }).getByRole('radio', { name: rows, exact: true }).check()
    assert.equal(await sweep.locator('svg.chart').count(), lines ? 1 : 0, rows)
    // A chart is drawn once its box has a width.
    await until(async () => await sweep.locator('path.line').count() === lines, `${lines} lines of ${rows}`)
    assert.equal(await sweep.getByText('Too few sizes have this figure.', { exact: true }).count(), lines ? 0 : 1, rows)
    if (lines) await sweep.locator('svg.chart').getByText(/^64.KiB$/).waitFor()
    await drawn()
  }
  assert.deepEqual([complaints, foreign], [[], []])
  await close()
})

test('a hostile report stays text in its exported page: nothing runs, nothing is asked for', async () => {
  const evil = '</script></pre></noscript><img src="http://192.0.2.1/x" onerror="globalThis.owned = 1"><script>globalThis.owned = 1</script>\u202e<!--'
  const report = sample()
  report.rows[0].kind = evil
  report.rows[0].notes = [evil]
  Object.assign(report.rows[1], { failed: evil, latency_ns: null, messages_per_s: null, each_launch: [] })
  report.plan.rivals = [`/tmp/${evil}`]
  for (const [name, fact] of Object.entries(report.machine)) if (typeof fact === 'string') report.machine[name] = evil
  const url = await exported(report, 'hostile')
  const { page, complaints, foreign, close } = await open(browser, url)
  await page.locator('table').first().getByText('<img src=', { exact: false }).first().waitFor()
  const found = () => page.evaluate(() => [globalThis.owned, ...['img', 'main script', 'script', 'a[href]', '[onerror]'].map((which) => document.querySelectorAll(which).length)])
  assert.deepEqual(await found(), [undefined, 0, 0, 3, 0, 0])
  assert.doesNotMatch(await page.locator('main').innerText(), /\u202e/)
  assert.deepEqual([complaints, foreign], [[], []])
  await close()
  const context = await browser.newContext({ javaScriptEnabled: false })
  const plain = await context.newPage()
  plain.on('request', (request) => request.url() !== url && foreign.push(request.url()))
  await plain.goto(url)
  assert.match(await plain.locator('pre').innerText(), /<img src=/)
  assert.deepEqual([await plain.locator('img').count(), foreign], [0, []])
  await context.close()
  // The control: the same page with the marks let through runs what the report says.
  const broken = join(folder, 'broken.html')
  writeFileSync(broken, readFileSync(join(folder, 'hostile.html'), 'utf8').replaceAll('\\u003c', '<'))
  const control = await (await browser.newContext()).newPage()
  await control.goto(`file://${broken}`)
  assert.equal(await control.evaluate(() => globalThis.owned), 1)
  await control.context().close()
})

test('what textbooks say stands beside a record that names its machine, until something was counted here', async () => {
  const { page, complaints, close } = await open(browser, at('method'))
  const { report, command } = await (await fetch(`${lab.url}api/probe`)).json()
  await page.getByText(`a record of another one: ${report.machine.cpu}`, { exact: false }).waitFor()
  assert.equal(await page.locator('.counted tbody tr').count(), report.rows.length)
  await page.locator('.command code', { hasText: command }).waitFor()
  await press(page, 'Count it here')
  await page.getByText(/\d+ of \d+.rows/).waitFor()
  await press(page, 'Cancel')
  await page.getByText('Stopped; its counts are not kept.').first().waitFor()
  await noneLeft()
  execFileSync(BINARY, ['probe', 'pipe', '--wait', 'block', '--messages', '100'], { env: { ...process.env, XDG_STATE_HOME: lab.state }, stdio: 'ignore' })
  await page.goto(at('m/pipe'))
  await page.locator('.quoted').getByText(/^Counted on this machine, /).waitFor()
  assert.equal(await page.locator('.quoted tbody tr').count(), 2, 'textbooks, and what was counted')
  assert.deepEqual([complaints, await shifts(page)], [[], []])
  await close()
  await noneLeft()
})

test('the chooser rests on the race just run', async () => {
  const { page, close } = await open(browser, at('choose'))
  await page.getByText('fits best').waitFor()
  await page.getByLabel('The peer is').selectOption('false')
  await until(async () => (await page.locator('.answers > li').count()) === 1, 'only one reaches other machines')
  await page.getByText('Ruled out').waitFor()
  await page.getByLabel('The peer is').selectOption('true')
  await page.getByRole('link', { name: 'measured here' }).first().waitFor()
  await page.getByLabel('Size of a message').fill('soon')
  await page.getByRole('button', { name: 'Answer' }).click()
  await page.getByRole('alert').filter({ hasText: 'size_bytes' }).waitFor()
  await close()
})

test('runs are kept, opened and deleted', async () => {
  const { page, close } = await open(browser, at('runs'))
  const items = page.locator('.runs > li')
  const kept = join(folder, 'kept.json')
  const [first] = await (await fetch(`${lab.url}api/runs`)).json()
  const report = await (await fetch(`${lab.url}api/runs/${first.id}`)).json()
  // Another race than the one that is kept already: the same would keep its place.
  writeFileSync(kept, JSON.stringify({ ...report, started_unix_ms: report.started_unix_ms - 60_000 }))
  await items.first().waitFor()
  const before = await items.count()
  await page.getByLabel('Drop a report here to keep it').setInputFiles(kept)
  await until(async () => (await items.count()) === before + 1, 'one more')
  await page.getByRole('checkbox').nth(0).check()
  await page.getByRole('checkbox').nth(1).check()
  await press(page, 'Compare the two')
  await page.getByText('no different').first().waitFor()
  const remove = page.getByRole('button', { name: /^Delete/ }).first()
  await remove.click()
  await remove.click()
  await until(async () => (await items.count()) === before, 'one less')
  await items.first().getByRole('link').click()
  await page.getByText('Latency by percentile').waitFor()
  await close()
})

test('a reload and a second tab in mid-race; a tab closed in mid-race', async () => {
  const one = await open(browser, at('race?wait=block,spin&workload=ping-pong&launches=20&count=1000000'))
  await startRace(one.page)
  const two = await open(browser, at('race'))
  await two.page.getByText(/\d+ of \d+.rounds/).first().waitFor()
  assert.equal(await two.page.getByRole('button', { name: 'Start the race' }).getAttribute('aria-disabled'), 'true')
  const stage = await open(browser, at('m/shm'))
  await begin(stage.page)
  await stage.page.getByText('The stage is closed while a race runs', { exact: false }).first().waitFor()
  await one.page.reload()
  await one.page.getByText(/\d+ of \d+.rounds/).first().waitFor()
  await one.close()
  await press(two.page, 'Cancel')
  await two.page.getByText('The race was stopped', { exact: false }).first().waitFor()
  await noneLeft()
  await press(stage.page, 'Try again')
  await ready(stage.page)
  for (const { page } of [two, stage]) assert.deepEqual(await shifts(page), [])
  await two.close()
  await stage.close()
  await noneLeft()
})

test('eight tabs at once are all live, and the lab stays small', async () => {
  const tabs = await Promise.all(['race', 'runs', '', 'race', 'method', 'runs', 'choose', 'race'].map((hash) => open(browser, at(hash))))
  const watching = tabs[0].page
  await startRace(await watching.goto(at(QUICK)).then(async () => { await watching.reload(); return watching }))
  for (const index of [3, 7]) await tabs[index].page.getByText(/\d+ of \d+.rounds/).first().waitFor()
  for (const index of [0, 3, 7]) await tabs[index].page.getByText('The race is over.').first().waitFor({ timeout: 60_000 })
  const rss = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${lab.child.pid}/status`, 'utf8'))?.[1])
  assert.ok(rss <= 20 * 1024, `${rss} kB resident`)
  for (const { close } of tabs) await close()
})

test('a hostile page starts nothing', async () => {
  const runs = async () => (await (await fetch(`${lab.url}api/runs`)).json()).length
  const before = await runs()
  const { port } = new URL(lab.url)
  const foreign = createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end(`<h1>foreign</h1>
    <iframe name="sink"></iframe>
    <form id="form" method="post" enctype="text/plain" target="sink" action="${lab.url}api/race"><input name='{"quick":true,"x":"' value='"}'></form>`))
  keep({ close: async () => foreign.closeAllConnections() || foreign.close() })
  await new Promise((listening) => foreign.listen(0, '127.0.0.1', () => listening(undefined)))
  const { page, close } = await open(browser, `http://127.0.0.1:${foreign.address().port}/`)
  const seen = await page.evaluate(async (base) => {
    const tried = {}
    const post = (headers, mode) => fetch(`${base}api/race`, { method: 'POST', mode, headers, body: '{"quick":true}' }).then((answer) => answer.type, () => 'refused')
    tried.json = await post({ 'Content-Type': 'application/json' }, 'cors')
    await post({}, 'no-cors')
    tried.token = await post({ 'Content-Type': 'application/json', 'X-Ipcscope-Token': 'guess' }, 'cors')
    tried.read = await fetch(base).then((answer) => answer.text(), () => 'refused')
    const socket = (path) => new Promise((done) => {
      const opened = new WebSocket(`${base.replace('http', 'ws')}${path}`)
      opened.onopen = () => done('open')
      opened.onerror = () => done('refused')
    })
    tried.stage = await socket('api/stage?kind=pipe&wait=block&placement=cross-core&size=64')
    tried.live = await socket('api/live')
    document.querySelector('form').submit()
    await new Promise((done) => setTimeout(done, 300))
    return tried
  }, lab.url)
  assert.deepEqual(seen, { json: 'refused', token: 'refused', read: 'refused', stage: 'refused', live: 'refused' })
  const statusOf = (headers, method = 'GET', body = '') => new Promise((done, failed) => {
    const asked = request({ host: '127.0.0.1', port, path: '/api/race', method, headers }, (answer) => { answer.resume(); done(answer.statusCode) })
    asked.on('error', failed)
    asked.end(body)
  })
  const json = { 'Content-Type': 'application/json' }
  for (const [headers, body] of [[{ ...json, Host: 'evil.example' }, '{}'], [{ ...json, Origin: 'http://evil.example' }, '{}'], [json, '{"quick":true}'], [{ ...json, 'X-Ipcscope-Token': 'x' }, '{}']]) {
    assert.equal(await statusOf(headers, 'POST', body), 403, JSON.stringify(headers))
  }
  const token = /name="token" content="([^"]+)"/.exec(await (await fetch(lab.url)).text())?.[1] ?? ''
  assert.ok(token.length >= 16)
  const own = { ...json, 'X-Ipcscope-Token': token }
  for (const body of ['{', '[]', '{"count":-1}', '{"kinds":["telepathy"]}', '{"launches":1e99}']) {
    const status = await statusOf(own, 'POST', body)
    assert.ok(status === 400 || status === 422, `${body}: ${status}`)
  }
  assert.equal(await statusOf(own, 'POST', `{"x":"${'x'.repeat(70_000)}"}`), 413)
  const answers = await Promise.all(Array.from({ length: 200 }, () => statusOf(own, 'POST', JSON.stringify({ count: 1_000_000, waits: ['block'], workloads: ['ping-pong'] })).catch(() => 0)))
  assert.equal(answers.filter((status) => status === 202).length, 1, 'of many starts at once one is taken')
  await statusOf(own, 'DELETE')
  await noneLeft()
  assert.ok((await runs()) <= before + 1)
  await close()
})

test('a link to a stage starts nothing; a press does, and so does a link of the page’s own', async () => {
  // What an address could ask for, on every page that starts something.
  const places = ['m/shm?wait=spin&placement=same-core&size=64', 'm/pipe', `${QUICK}&start=1`, 'method?count=1']
  const foreign = createServer((asked, answer) => {
    const to = at(places[Number(new URL(asked.url ?? '/', lab.url).searchParams.get('to'))])
    answer.setHeader('Content-Type', 'text/html').end(`<h1>foreign</h1><a href="${to}">a link</a><button onclick="window.open('${to}')">opens</button><script>if (location.search.includes('go')) location.href = '${to}'</script>`)
  })
  keep({ close: async () => foreign.closeAllConnections() || foreign.close() })
  await new Promise((listening) => foreign.listen(0, '127.0.0.1', () => listening(undefined)))
  const { port } = foreign.address()
  const { page, context, close } = await open(browser, `http://127.0.0.1:${port}/?to=0`)
  /** @type {string[]} */
  const started = []
  const watch = (page) => {
    page.on('websocket', (socket) => socket.url().includes('/api/stage') && started.push(socket.url()))
    page.on('request', (request) => request.method() !== 'GET' && started.push(request.url()))
  }
  context.on('page', watch)
  watch(page)
  const shown = async (page) => {
    await page.getByRole('button', { name: /^(Start two processes|Start the race|Count it here)$/ }).waitFor()
    assert.deepEqual([started, descendants(lab.child.pid)], [[], []], page.url())
  }
  for (const host of ['127.0.0.1', 'localhost']) {
    for (const to of places.keys()) {
      const from = `http://${host}:${port}/?to=${to}`
      await page.goto(from)
      await page.getByRole('link', { name: 'a link' }).click()
      await shown(page)
      await page.goto(from)
      const [other] = await Promise.all([context.waitForEvent('page'), page.getByRole('button', { name: 'opens' }).click()])
      await shown(other)
      await other.close()
      await page.goto(`${from}&go`)
      await shown(page)
      await page.reload()
      await shown(page)
    }
  }
  // An address that is changed under the page was pressed nowhere, and a press counts once, for its own link.
  await page.goto(lab.url)
  await page.evaluate(() => { location.hash = '#/m/pipe' })
  await shown(page)
  await page.getByRole('navigation').getByRole('link', { name: 'Runs' }).click()
  await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor()
  await page.goBack()
  await shown(page)
  // The control: both ways to start one.
  await page.getByRole('button', { name: 'Start two processes' }).click()
  await ready(page)
  assert.equal(started.length, 1)
  assert.equal((await pids(page)).every((pid) => descendants(lab.child.pid).includes(pid)), true)
  await page.getByRole('navigation').getByRole('link', { name: 'TCP' }).click()
  await page.getByRole('heading', { name: 'TCP', level: 1 }).waitFor()
  await page.locator('button[aria-disabled=false]', { hasText: 'Send 10' }).waitFor()
  assert.equal(started.length, 2)
  await close()
  await noneLeft()
})

test('a recorded trace gives the same page as the live one', async () => {
  const file = join(folder, 'trace.ndjson')
  writeFileSync(file, execFileSync(BINARY, ['show', 'unix', '--json'], { maxBuffer: 1 << 26 }))
  const other = await startLab('replay', file)
  const { page, close } = await open(browser, `${other.url}#/replay`)
  await page.getByRole('heading', { name: 'Unix socket' }).waitFor()
  await until(async () => (await counter(page).textContent())?.endsWith('/ 10'), 'ten messages')
  const live = await open(browser, at('m/unix'))
  const drawn = (page) => page.locator('svg.stage [data-part]').evaluateAll((all) => all.map((part) => [part.getAttribute('data-part'), part.getAttribute('class'), part.querySelectorAll('.gauge').length]))
  assert.deepEqual(await drawn(page), await drawn(live.page))
  const told = readFileSync(file, 'utf8').trimEnd().split('\n').slice(1).map((line) => JSON.parse(line))
  await page.getByText(String(told.length), { exact: true }).first().waitFor()
  const [sender] = JSON.parse(readFileSync(file, 'utf8').split('\n')[0]).processes
  assert.equal((await pids(page))[0], sender.pid)
  await live.close()
  await close()
  await other.close()
})

test('the lab is killed: the page says so, and no process is left', async () => {
  const other = await startLab()
  const { page, close } = await open(browser, `${other.url}#/m/tcp`)
  await ready(page)
  const two = await pids(page)
  other.child.kill('SIGKILL')
  await page.getByText('The lab does not answer', { exact: false }).first().waitFor()
  await page.getByRole('button', { name: 'Try now' }).waitFor()
  await page.getByText('The stage is closed', { exact: false }).first().waitFor()
  await until(() => two.every((pid) => !existsSync(`/proc/${pid}`)), 'its processes are gone')
  await close()
  await other.close()
})

test('axe finds nothing, nothing shifts, nothing comes from elsewhere', async () => {
  for (const hash of ['', ...scenes.map(({ kind }) => `m/${kind}`), 'race', 'choose', 'runs', 'method', 'replay']) {
    for (const width of [1280, 320]) {
      const { page, complaints, foreign, close } = await open(browser, at(hash), { bypassCSP: true, viewport: { width, height: 800 } })
      if (hash.startsWith('m/')) await ready(page)
      await page.waitForTimeout(200)
      assert.deepEqual(await shifts(page), [], `${hash} at ${width}`)
      const over = await tooWide(page)
      assert.ok(over <= 0, `${hash} at ${width} is ${over} px too wide`)
      if (width === 1280) assert.deepEqual(await axe(page), [], hash)
      assert.deepEqual([complaints, foreign], [[], []], hash)
      await close()
    }
  }
})

test('axe finds nothing in a race just run, its report, two compared, their exports, a choice and a replay', async () => {
  const { page, close } = await open(browser, at(QUICK), { bypassCSP: true })
  const clean = async (what) => assert.deepEqual(await axe(page), [], what)
  await startRace(page)
  await page.getByText('The race is over.').first().waitFor({ timeout: 60_000 })
  await clean('a race just run')
  const [{ id }] = await (await fetch(`${lab.url}api/runs`)).json()
  const swept = sample()
  swept.plan.sizes = [64, 65_536]
  swept.rows.push(...swept.rows.map((row) => ({ ...row, size_bytes: 65_536 })))
  for (const [report, name] of [[sample(), 'plain'], [swept, 'sweep']]) {
    await page.goto(await exported(report, `axe-${name}`))
    await page.getByRole('heading', { name: 'Latency by percentile' }).waitFor()
    await clean(`an exported ${name}`)
  }
  await page.goto(at(`race?run=${id}`))
  await page.getByText('Latency by percentile').waitFor()
  await page.getByLabel('Drop a report here (JSON), or choose one').setInputFiles({ name: 'sweep.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(swept)) })
  await page.locator('.compared').waitFor()
  await clean('a report beside another')
  await page.goto(at('choose?same_host=false'))
  await page.getByText('Ruled out').waitFor()
  await clean('a choice')
  await page.goto(at('replay?speed=max'))
  await page.getByLabel('Drop a trace here, or choose one').setInputFiles({ name: 'trace.ndjson', mimeType: 'application/x-ndjson', buffer: execFileSync(BINARY, ['show', 'tcp', '--json'], { maxBuffer: 1 << 26 }) })
  await until(async () => (await counter(page).textContent()) === '10 / 10', 'it is played')
  await clean('a replay')
  await close()
})

/** All that a page comes with, and all that it asks for: how much the server sends for it, compressed as it is. */
const SERVED_AT_MOST = 130 * 1024

/** The answers' bodies as they came, of a page and of all that it loaded. @param {import('playwright-core').Page} page */
const served = (page) => page.evaluate(() => performance.getEntries()
  .flatMap((entry) => (entry instanceof PerformanceResourceTiming ? [{ name: entry.name, bytes: entry.encodedBodySize, plain: entry.decodedBodySize }] : [])))

/** @param {{ name: string, bytes: number, plain: number }[]} answers @param {string} what */
function small(answers, what) {
  const sum = (of) => answers.reduce((sum, answer) => sum + answer[of], 0)
  assert.ok(answers.length > 20 && sum('bytes') > 20_000, `${what}: ${JSON.stringify(answers)}`)
  assert.ok(sum('plain') > 2 * sum('bytes'), `${what} is compressed: ${sum('bytes')} of ${sum('plain')}`)
  assert.ok(sum('bytes') <= SERVED_AT_MOST, `${what}: ${sum('bytes')} bytes in ${answers.length} answers: ${answers.map(({ name, bytes }) => `${name} ${bytes}`).join(', ')}`)
  return sum('bytes')
}

test('what a mechanism’s page loads is small', async (t) => {
  for (const { kind } of scenes) {
    const { page, close } = await open(browser, at(`m/${kind}`))
    await ready(page)
    await press(page, 'Send 10')
    await page.getByText('10 of 10 arrived.').first().waitFor()
    const answers = await served(page)
    const names = answers.map(({ name }) => name)
    assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), [], 'nothing is asked for twice')
    for (const part of ['/', '/web/style.css', '/web/stage.css', '/web/js/page/mechanism.js', '/api/lab']) assert.ok(answers.some(({ name }) => new URL(name).pathname === part), `${part} is counted: ${names}`)
    t.diagnostic(`${kind}: ${small(answers, kind)} bytes in ${answers.length} answers`)
    await close()
  }
})

test('all pages together are small', async (t) => {
  const { page, close } = await open(browser, lab.url)
  // All of it, page by page: each brings what it needs.
  for (const [hash, head] of [['m/pipe', 'Pipe'], ['race', 'Race'], ['choose', 'Choose'], ['map', 'Map'], ['runs', 'Runs'], ['method', 'Method'], ['replay', 'Replay']]) {
    await page.goto(at(hash))
    await page.getByRole('heading', { name: head, level: 1 }).waitFor()
  }
  const assets = (await served(page)).filter(({ name }) => !name.includes('/api/'))
  t.diagnostic(`${small(assets, 'all pages')} bytes in ${assets.length} files`)
  await close()
})

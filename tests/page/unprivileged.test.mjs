// The page of a lab that has no rights beyond those of any user: the stage works as it does with all of them, what cannot be
// seen is said with its reason and its remedy, and nothing is left over.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { BINARY, closeAll, descendants, launch, open, pids, ready, scratch, startLabBy, unfold, until } from './harness.mjs'

/** A user that nothing belongs to. */
const NOBODY = '65534'

/** Why this cannot be tried here; empty when it can. A tool that `./check` installs is never excused. */
const lacks = process.getuid?.() !== 0 ? 'only root can give its rights up'
  : spawnSync('setpriv', ['--version']).status !== 0 ? 'setpriv is missing: install util-linux' : ''
if (lacks) {
  console.error(`not tried: ${lacks}`)
  if (process.env.IPCSCOPE_MUST_RUN && process.getuid?.() === 0) throw new Error(`this must run here, and could not: ${lacks}`)
}

/** @type {import('playwright-core').Browser} */
let browser
/** @type {import('./harness.mjs').Lab} */
let lab
/** @type {any[]} */
let scenes
before(async () => {
  if (lacks) return
  // Where the program was built may be closed to others.
  const folder = scratch('nobody')
  const program = join(folder, 'ipcscope')
  copyFileSync(BINARY, program)
  chmodSync(program, 0o755)
  chownSync(folder, Number(NOBODY), Number(NOBODY))
  browser = await launch()
  lab = await startLabBy(['setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', '--no-new-privs', program], folder)
  scenes = (await (await fetch(`${lab.url}api/lab`)).json()).scenes
})
after(closeAll)

const press = (page, name) => page.getByRole('button', { name, exact: true }).click()
const rights = (pid) => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return { user: /^Uid:\s+(\d+)\s+(\d+)/m.exec(status)?.slice(1), may: /^CapEff:\s+(\w+)/m.exec(status)?.[1] }
}
const NONE = { user: [NOBODY, NOBODY], may: '0'.repeat(16) }

for (const kind of ['shm', 'pipe', 'unix', 'tcp']) {
  test(`${kind}: the stage works without privileges, and X-ray says what it cannot show`, { skip: lacks || false }, async () => {
    const { page, complaints, foreign, close } = await open(browser, `${lab.url}#/m/${kind}?speed=max&wait=block`)
    await ready(page)
    const two = await pids(page)
    // The test has its own rights: those of the lab and of both processes are what counts.
    assert.deepEqual([lab.child.pid, ...two].map(rights), [NONE, NONE, NONE])
    const sent = async (name, count) => {
      await unfold(page)
      await press(page, name)
      await page.getByText(`${count} of ${count} arrived.`).first().waitFor()
      await ready(page)
      assert.equal(await page.locator('.counter').textContent(), `${count} / ${count}`)
    }
    for (const how of ['one by one', 'burst', 'pause and inspect', 'inspect the receiver']) {
      await unfold(page)
      await page.getByRole('radio', { name: how, exact: true }).check()
      await sent('Send 10', 10)
    }
    assert.ok((await page.locator('.gauge .value').allTextContents()).some((value) => value !== '–'), 'the gauges are read')

    await unfold(page)
    await press(page, 'X-ray 1')
    const card = page.locator('.findings article', { hasText: 'X-ray' }).first()
    await card.waitFor({ timeout: 60_000 })
    const missing = await card.locator('.missing').allTextContents()
    assert.ok(missing.length > 0, `it says what it cannot show: ${await card.textContent()}`)
    for (const one of missing) assert.match(one, /cannot be had here\. \S.*What would help: \S/, 'with its reason and its remedy')
    const saw = missing.join('\n')
    for (const figure of await page.locator('.log .row.kernel').allTextContents()) assert.fail(`the kernel was seen: ${figure}\n${saw}`)
    await ready(page)

    // The stage goes on, and nothing of the X-ray stands on it.
    await unfold(page)
    await page.getByRole('radio', { name: 'one by one', exact: true }).check()
    await sent('Send 1', 1)
    assert.equal(await page.locator('.token:not([display])').count(), 0, 'no message is left on the stage')
    assert.deepEqual([complaints, foreign], [[], []])
    await page.goto(`${lab.url}#/method`)
    await until(() => descendants(lab.child.pid).length === 0, 'no process is left')
    await close()
  })
}

test('an experiment that needs a right says so, and the others are done', { skip: lacks || false }, async () => {
  const { page, complaints, close } = await open(browser, lab.url)
  let [tried, untried] = [0, 0]
  for (const { kind, title, experiments } of scenes) {
    await page.goto(`${lab.url}#/m/${kind}?speed=max`)
    await page.getByRole('heading', { name: title, level: 1 }).waitFor()
    for (const { title: name } of experiments) {
      await ready(page)
      await press(page, name)
      const card = page.locator('.findings article', { has: page.getByRole('heading', { name }) }).first()
      await card.locator('.verdict').waitFor({ timeout: 60_000 })
      if (await card.getByText('Not tried:').count()) {
        assert.ok(await card.locator('.missing').count(), `${name}: ${await card.textContent()}`)
        untried++
      } else tried++
    }
    await ready(page)
  }
  assert.ok(tried > untried && untried > 0, `${tried} were tried, ${untried} were not`)
  assert.deepEqual(complaints, [])
  await page.goto(`${lab.url}#/method`)
  await until(() => descendants(lab.child.pid).length === 0, 'no process is left')
  await close()
})

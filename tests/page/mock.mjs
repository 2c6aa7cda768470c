// A lab that speaks the contract of docs/api.md about mechanisms that do not exist. For working on the page without building
// anything, and for the tests that show that the page knows no mechanism:
//
//   node tests/page/mock.mjs [port]

import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { WebSocketServer } from 'ws'

import { beside, judged } from './fixtures/judged.mjs'
import { seen, snapshot } from './fixtures/map.mjs'
import { probe } from './fixtures/probe.mjs'
import { machine, report } from './fixtures/report.mjs'
import { pigeon, scenes } from './fixtures/scenes.mjs'
import { header, Teller, traceText } from './fixtures/trace.mjs'

const WEB = fileURLToPath(new URL('../../web/', import.meta.url))
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' }
const TOKEN = 'token-of-the-mock'
const USUAL = { count: 100_000, launches: 5 }
const QUICK = { count: 10_000, launches: 2 }
const POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** @param {{ port?: number, replay?: string | null, roundMs?: number, history?: any[] }} [options] `history`: the reports that it begins with */
export async function mock({ port = 0, replay = null, roundMs = 120, history = [report(), report({ seed: 9 })] } = {}) {
  const started = { races: 0, stages: 0 }
  const reports = new Map(history.map((found, index) => [`202609${21 - index}-1`, found]))
  /** @type {Set<import('ws').WebSocket>} */
  const live = new Set()
  /** @type {Set<import('ws').WebSocket>} */
  const onlookers = new Set()
  let race = null
  let counting = null
  const watched = { running: null, last: null, failed: null }
  const counted = { id: null, report: probe(1_790_000_000_000), command: 'ipcscope probe all --placement same-core --placement cross-core', unreadable: [] }
  let pid = 4300

  const command = (plan) => `ipcscope race ${plan.kinds.join(',')} -n ${plan.count} -s ${plan.sizes.join(',')} --placement ${plan.placement} --wait ${plan.waits.join(',')} -r ${plan.launches}`
  const runs = () => [...reports].map(([id, found]) => ({
    id, started_unix_ms: found.started_unix_ms, elapsed_ms: found.elapsed_ms, title: `${found.plan.kinds.length} mechanisms, ${found.plan.sizes.join(', ')} B, ${found.plan.placement}`, command: command(found.plan),
    rows: found.rows.length, interrupted: found.interrupted, failed_rows: 0, bytes: 40_960,
  })).reverse()
  let seq = 0
  const tell = (frame) => live.forEach((socket) => socket.send(JSON.stringify({ seq: ++seq, ...frame })))
  const lab = () => ({
    version: '0.0.0-mock', machine, scenes,
    limits: { size_bytes: 1 << 24, count: 100_000_000, launches: 100 }, usual: USUAL, quick: QUICK, cores: [0, 1], last_run: runs()[0]?.id ?? null, replay: replay !== null,
  })

  const doctor = { findings: [
      { what: 'two cores', verdict: 'yes', text: 'Two processes can be placed on two cores.', remedy: null },
      { what: 'system calls', verdict: 'partly', text: 'They can be counted by stopping at each, which slows the process down.', remedy: 'allow perf_event_open: sysctl kernel.perf_event_paranoid=1' },
      { what: 'the moon', verdict: 'no', text: 'This machine has no window.', remedy: null },
    ] }

  function startRace(asked) {
    const made = report({ ...(asked.quick ? QUICK : USUAL), ...asked })
    const { plan } = made
    const total = plan.launches * 4
    race = { done: 0, total, label: 'warming up', elapsed_ms: 0, plan }
    started.races++
    const finish = (interrupted) => {
      clearInterval(timer)
      const id = `20260922-${started.races}`
      reports.set(id, { ...made, interrupted })
      race = null
      tell({ is: 'race-ended', run: id, interrupted, error: null })
      tell({ is: 'runs', runs: runs() })
    }
    const timer = setInterval(() => {
      race.done++
      race.elapsed_ms += roundMs
      race.label = `${plan.kinds[race.done % plan.kinds.length]}, ${plan.workloads[0]}`
      if (race.done >= total) finish(false)
      else tell({ is: 'race', ...race })
    }, roundMs)
    race.stop = () => finish(true)
    tell({ is: 'race', ...race })
    return { plan, command: command(plan) }
  }

  function startProbe() {
    counting = { done: 0, total: 16, label: 'lamp spin same-core', elapsed_ms: 0 }
    const finish = (interrupted) => {
      clearInterval(timer)
      counting = null
      if (!interrupted) Object.assign(counted, { id: '20260924-1', report: probe(1_790_100_000_000) })
      tell({ is: 'probe-ended', run: interrupted ? null : counted.id, interrupted, error: null })
    }
    const timer = setInterval(() => {
      counting.elapsed_ms += 4 * roundMs
      if (++counting.done >= counting.total) finish(false)
      else tell({ is: 'probe', ...counting })
    }, 4 * roundMs)
    counting.stop = () => finish(true)
    tell({ is: 'probe', ...counting })
  }

  const compared = (a, b) => ({
    columns: ['row', 'by', 'a', 'b', 'b / a', 'b is'],
    rows: b.rows.map((row, index) => {
      const label = `${row.kind}, ${row.workload}, ${row.size_bytes} B, ${row.wait}`
      const verdict = ['worse', 'better', 'no-difference'][index % 3]
      const line = (...cells) => ({ cells: [label, ...cells, verdict.replace('no-difference', 'no different')], verdict })
      return { label, judged_by: 'p50', lines: [line('p50', '21 ns', '25 ns', '1.21× (1.10–1.30)'), line('msg/s', '47.6 M', '40.0 M', '0.84× (0.76–0.91)')], latency_ratio: { ratio: 1.21, low: 1.1, high: 1.3, verdict }, throughput_ratio: null, failed: a.rows[index] ? null : 'failed in a: it fell' }
    }),
    below: ['b / a: divided', '≈ no difference'],
    warnings: ['The two were measured on machines with different kernels.'],
  })

  const answer = {
    choose: (asked) => ({
      answers: scenes.map((scene, index) => ({
        kind: scene.kind, title: scene.title, wait: asked.cpu === 'spare' ? 'spin' : 'block',
        reasons: [{ text: `The median is ${index + 1}0 µs at 64 B.`, basis: 'measured', run: runs().at(-1)?.id ?? null, row: index, marks: judged([...reports.values()][0] ?? report()).marks }, { text: scene.cross_host ? 'It reaches other machines.' : 'It stays on this machine.', basis: 'design', run: null, row: null, marks: [] }],
      })).filter((one) => asked.same_host !== false || scenes.find((scene) => scene.kind === one.kind).cross_host),
      excluded: asked.same_host === false ? [{ kind: 'lamp', title: 'Signal lamp', why: 'it cannot be seen from another machine' }] : [],
      missing: asked.size_bytes ? { sizes: [asked.size_bytes], waits: ['block'], quick: true } : null,
    }),
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://mock')
    const path = decodeURIComponent(url.pathname)
    const send = (status, body, type = 'application/json', more = {}) => {
      const bytes = gzipSync(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body))
      response.writeHead(status, { 'Content-Type': type, 'Content-Encoding': 'gzip', 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff', ...more })
      response.end(status === 204 ? undefined : bytes)
    }
    const refuse = (status, error) => send(status, { error })
    try {
      if (request.method !== 'GET' && request.headers['x-ipcscope-token'] !== TOKEN) return refuse(403, 'the token of the page is missing')
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const text = Buffer.concat(chunks).toString()
      const body = text ? JSON.parse(text) : null
      const report = (it) => (typeof it === 'string' ? reports.get(it) : it)
      const run = /^\/api\/runs\/([^/]+)(?:\/(?:export\/(\w+)|(brief|judged|beside)))?$/.exec(path)

      if (path === '/') return send(200, (await readFile(join(WEB, 'index.html'), 'utf8')).replace('{{token}}', TOKEN), TYPES['.html'])
      if (path.startsWith('/web/')) return send(200, await readFile(join(WEB, normalize(path.slice(5)))), TYPES[extname(path)])
      if (path === '/api/lab') return send(200, lab())
      if (path === '/api/doctor') return send(200, doctor)
      if (path === '/api/runs' && request.method === 'GET') return send(200, runs())
      if (path === '/api/runs' && request.method === 'POST') {
        if (!Array.isArray(body?.rows)) return refuse(422, 'line 1: field `rows` is missing: this is no report of a race')
        reports.set(`20260923-${reports.size}`, body)
        tell({ is: 'runs', runs: runs() })
        return send(201, { id: `20260923-${reports.size - 1}` })
      }
      if (run && request.method === 'DELETE') {
        reports.delete(run[1])
        send(204, '')
        return tell({ is: 'runs', runs: runs() })
      }
      if (run && !reports.has(run[1])) return refuse(404, `there is no run ${run[1]}`)
      if (run?.[2]) return send(200, reports.get(run[1]), 'application/json', { 'Content-Disposition': `attachment; filename="${run[1]}.${run[2]}"` })
      if (run?.[3] === 'beside') return send(200, beside(reports.get(run[1]), url.searchParams.get('kind'), url.searchParams.get('wait')))
      if (run?.[3]) return send(200, { report: reports.get(run[1]), judged: judged(reports.get(run[1])) })
      if (run) return send(200, reports.get(run[1]))
      if (path === '/api/race' && request.method === 'POST') {
        if (race) return refuse(409, 'a race is running already')
        if (body.launches > 100) return refuse(422, 'field `launches`: at most 100')
        return send(202, startRace(body))
      }
      if (path === '/api/race' && request.method === 'DELETE') {
        race?.stop()
        return send(200, {})
      }
      if (path === '/api/probe' && request.method === 'GET') return send(200, counted)
      if (path === '/api/probe' && request.method === 'POST') {
        if (race || counting) return refuse(409, 'something is running already')
        startProbe()
        return send(202, { command: counted.command })
      }
      if (path === '/api/probe' && request.method === 'DELETE') {
        counting?.stop()
        return send(204, '')
      }
      if (path === '/api/watch' && request.method === 'GET') return send(200, watched)
      if (path === '/api/watch' && request.method === 'POST') {
        Object.assign(watched, { running: { edge: body.edge, elapsed_ms: 0, lasts_ms: body.seconds * 1000 }, last: null, failed: null })
        return send(202, '')
      }
      if (path === '/api/watch' && request.method === 'DELETE') {
        Object.assign(watched, { running: null, last: seen(watched.running?.edge ?? '') })
        return send(204, '')
      }
      if (path === '/api/compare') {
        if (!Array.isArray(report(body.a)?.rows)) return refuse(422, 'a: line 1: field `rows` is missing: this is no report of a race')
        return send(200, compared(report(body.a), report(body.b)))
      }
      if (path === '/api/choose') return send(200, answer.choose(body))
      if (path === '/api/replay') return replay === null ? refuse(404, 'the lab was started without a trace') : send(200, replay, 'application/x-ndjson')
      refuse(404, `there is nothing at ${path}`)
    } catch (error) {
      refuse(error.code === 'ENOENT' ? 404 : 400, String(error.message))
    }
  })

  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => {
    const url = new URL(request.url ?? '/', 'http://mock')
    if (url.searchParams.get('token') !== TOKEN) return socket.close(1008, 'the token of the page is missing')
    if (url.pathname === '/api/live') {
      live.add(socket)
      socket.on('close', () => live.delete(socket))
      return socket.send(JSON.stringify({ is: 'snapshot', seq: ++seq, race, probe: counting, runs: runs(), pages: live.size, stages: started.stages }))
    }
    if (url.pathname === '/api/map/live') {
      onlookers.add(socket)
      socket.on('close', () => onlookers.delete(socket))
      return socket.send(JSON.stringify(snapshot()))
    }
    const scene = scenes.find((scene) => scene.kind === url.searchParams.get('kind'))
    if (race || counting || !scene) return socket.close(1013, race ? 'a race is running' : counting ? 'a probe is running' : 'there is no such mechanism')
    started.stages++
    const [wait, placement, size] = ['wait', 'placement', 'size'].map((name) => url.searchParams.get(name))
    const lines = (events) => events.forEach((event) => socket.send(JSON.stringify(event)))
    const teller = new Teller(scene, wait, started.stages)
    lines([header(scene, { wait, placement, size: Number(size), pids: [pid++, pid++] })])
    socket.on('message', (data) => {
      const asked = JSON.parse(String(data))
      if (asked.do === 'send') lines(teller.batch(asked.mode, asked.count, asked))
      else if (asked.do === 'xray') lines([...teller.batch('xray', 1), { t_ns: teller.now, what: 'unavailable', figure: 'the copies in the kernel', why: 'this machine has no PMU', remedy: null }])
      else if (asked.do === 'experiment') lines(teller.experiment(asked.id))
      else if (asked.do === 'look') lines([teller.state('sender', 'idle'), teller.state('receiver', 'idle'), teller.gauges(0, false)])
      else lines([{ t_ns: teller.now, what: 'note', tone: 'bad', text: `The stage does not know ${asked.do}.` }])
    })
  })
  await new Promise((ready) => server.listen(port, '127.0.0.1', () => ready(undefined)))
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    started,
    tell,
    onlookers,
    /** Tells every page that looks at the map. @param {object} frame */
    tellMap: (frame) => onlookers.forEach((socket) => socket.send(JSON.stringify(frame))),
    close() {
      sockets.clients.forEach((client) => client.terminate())
      server.closeAllConnections()
      return new Promise((done) => server.close(done))
    },
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await mock({ port: Number(process.argv[2] ?? 7879), replay: traceText(pigeon, 10) })
  console.log(url)
}

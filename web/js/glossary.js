// The terms of the trade, each explained once; and the small sheet that shows it: to a pointer, to the keyboard's focus, and to
// screen readers, which are told it with the term.

import { h, say } from './dom.js'
import { vocabulary } from './vocabulary.js'

/** As they stand in the lab's words and in ours. The same explanation may have several names. @type {[string[], string][]} */
const TERMS = [
  [['p50', 'median'], 'Half of the messages took at most this long.'],
  [['p90', 'p99', 'p99.9'], 'A percentile: of a hundred messages, 90, 99 or 99.9 took at most this long. The rest is the tail.'],
  [['percentile'], 'The time within which that share of all messages arrived.'],
  [['max'], 'The slowest message of all: a single sample.'],
  [['tail'], 'The few messages that took much longer than the others.'],
  [['latency'], 'The time from before a message is sent until after it is received.'],
  [['msg/s', 'messages a second', 'rate'], 'How many verified messages went through in a second.'],
  [['CPU/msg', 'CPU time a message'], 'Time on a core for each message: the sender’s + the receiver’s, in user code and in the kernel.'],
  [['switches'], 'Context switches for each message, sender + receiver: how often a process gave its core up or lost it.'],
  [['verified'], 'Messages whose number and payload the receiver compared. One that is wrong fails the row.'],
  [['vs best'], 'How many times slower than the best row here, with the spread between launches. ≈: the launches overlap.'],
  [['entrant'], 'Something that runs in the race: a mechanism, no channel at all, or a program from elsewhere.'],
  [['no channel'], 'Nothing is sent: what making and checking a message costs by itself.'],
  [['RTT', 'round trip'], 'Round-trip time: from a message to the answer to it.'],
  [['ping-pong'], 'One message at a time: the next one goes when the last one was answered. Latency is half a round trip.'],
  [['stream'], 'Messages one way, one right after the other: how much goes through.'],
  [['corked'], 'A stream whose sender gathers many messages, and hands them over together.'],
  [['paced'], 'Messages at fixed moments; each counts from when it was due, so that a stall is not hidden.'],
  [['rehearsed'], 'What two other programs sent, as they sent it: sizes, order and thinking.'],
  [['rehearsed-corked'], 'The same, with messages gathered that follow each other without a wait.'],
  [['rehearsed-roomy'], 'The same through a channel that was asked to hold more.'],
  [['workload', 'Workload'], 'What the messages do. ping-pong: one at a time, answered. stream: one after the other. corked: gathered, then handed over together. paced: at fixed moments.'],
  [['spin', 'Spinning', 'no spinning'], 'Waiting by looking again and again: the fastest, and it keeps a core busy.'],
  [['block', 'Blocking'], 'Waiting asleep in the kernel until woken: it costs a wake-up, and leaves the core to others.'],
  [['hybrid', 'Spinning, then blocking'], 'Spins for a moment first; sleeps if nothing has come by then.'],
  [['waiting', 'Waiting'], 'How a process waits. spin: looks again and again. block: sleeps until woken. hybrid: spins for a moment, then sleeps.'],
  [['placement', 'Placement'], 'Which cores the two processes run on.'],
  [['cross-core', 'two cores'], 'Each process on a core of its own.'],
  [['same-core', 'one core'], 'Both processes share one core, and take turns.'],
  [['unpinned'], 'The kernel chooses the cores, and may move a process at any time.'],
  [['launches', 'Launches'], 'How often each row starts anew with two fresh processes. The spread between launches tells what is chance.'],
  [['Capacity', 'capacity'], 'How many bytes may be on their way in each direction. Each mechanism has its own usual one.'],
  [['Quick', 'quick race'], 'Fewer messages and launches: a first look, no figure to quote.'],
  [['stopped early'], 'The race was cut short: rows hold what was measured until then.'],
  [['floor'], 'What the hardware itself needs to pass a cache line from one core to the other and back.'],
  [['seed'], 'The number that the order of the rounds was drawn from. The same seed gives the same order.'],
  [['steal'], 'Time that the hypervisor gave to other machines.'],
  [['syscalls', 'system call', 'system calls', 'System calls', 'calls'], 'A system call: the process asks the kernel to do something for it.'],
  [['kernel copies', 'Copies by the kernel', 'copies'], 'How often the kernel copies the bytes of a message.'],
  [['wakes', 'Wake-ups', 'wake-up', 'wake-ups'], 'How often a sleeping process must be woken for a message.'],
  [['watchpoints'], 'The processor reports each touch of one chosen address.'],
  [['tracepoints'], 'Places in the kernel that report when they are passed.'],
  [['same host'], 'Only between processes of one machine.'],
  [['cross-host'], 'Also between machines.'],
  [['ACKs'], 'Acknowledgements: the receiver says what has arrived.'],
  [['Flight'], 'From before a message is sent until after it is received.'],
  [['CPU'], 'Whether a process may keep a core busy while it waits.'],
  [['Traffic'], 'Mostly idle: each message finds a sleeping receiver and cold caches.'],
  [['Isolation'], 'What a peer must not be able to do to you: crash you, or read and change what is not meant for it.'],
]

/** A text beside figures, with its terms. */
export const explained = vocabulary(TERMS)

const sheet = h('div', { id: 'term', role: 'tooltip', hidden: true })

/** @type {Element | null} */
let asked = null

/** @param {EventTarget | null} target */
function tell(target) {
  const term = target instanceof Element ? target.closest('.term') : null
  asked = term
  const text = term?.getAttribute('aria-description') ?? ''
  sheet.hidden = !text
  if (!term || !text) return
  // Within the page's own part, as all that is read.
  if (!sheet.isConnected) (document.querySelector('main') ?? document.body).append(sheet)
  say(sheet, text)
  const { left, top, bottom } = term.getBoundingClientRect()
  const room = document.documentElement.clientWidth - sheet.offsetWidth - 8
  const below = bottom + sheet.offsetHeight + 8 < innerHeight
  sheet.style.left = `${Math.max(8, Math.min(left, room))}px`
  sheet.style.top = `${below ? bottom : top - sheet.offsetHeight}px`
}

document.addEventListener('pointerover', ({ target }) => {
  // The sheet itself can be pointed at, so that its words can be read in peace.
  if (!(target instanceof Element && target.closest('#term'))) tell(target instanceof Element && target.closest('.term') ? target : document.activeElement)
})
document.addEventListener('focusin', ({ target }) => tell(target))
document.addEventListener('focusout', () => tell(null))
document.addEventListener('keydown', ({ key }) => { if (key === 'Escape') tell(null) })
document.addEventListener('scroll', () => asked && tell(asked), { capture: true, passive: true })

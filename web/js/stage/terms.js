// The terms on a stage's page. A word may mean another thing here than beside a race: there the tail is the few slow messages,
// here it is where the writing has come to.

import { s } from '../dom.js'
import { vocabulary } from '../vocabulary.js'

/** @import { Child } from '../dom.js' */

/** @type {[string[], string][]} */
export const TERMS = [
  [['user space'], 'Where programs run. Each touches its own memory only; for anything else it calls the kernel.'],
  [['kernel'], 'The part of the system that all processes share, and that reaches the memory of each.'],
  [['slanted: derived'], 'Slanted figures were not read at this moment. They follow from the steps that were done since the last reading.'],
  [['in send'], 'The sender is within its call of send. A call may be several system calls, or none.'],
  [['on its way'], 'From before the message is sent until after it is received.'],
  [['in recv'], 'The receiver is within its call of recv, which may have begun long before the message was sent.'],
  [['region'], 'Memory that both processes have mapped. One of them writes to it, the other one only reads.'],
  [['mapped'], 'Put among a process’s own addresses, so that it is read or written like any other memory.'],
  [['tail'], 'How many bytes were written so far. A receiver sees that it has grown, and so that a message is there.'],
  [['head'], 'How many bytes were taken so far. The sender may write over those.'],
  [['sleeping flag', 'asleep'], 'A flag in memory that both processes see. A process raises it before it sleeps, so that the other one knows to wake it.'],
  [['page'], 'The piece in which the kernel hands out memory, mostly 4 KiB.'],
  [['barrier'], 'What the core wrote before it can be seen before anything that it reads or writes after it.'],
  [['cache line'], 'The piece of memory that passes from core to core, mostly 64 bytes.'],
  [['framed', 'frame'], 'With its length before it: a stream of bytes does not say where a message ends.'],
  [['slot', 'slots'], 'A place in the buffer for one page. Small messages share one.'],
  [['socket buffer'], 'The kernel’s own copy of what was sent, with notes on where it belongs.'],
  [['socket'], 'An end of a connection, as the kernel keeps it for a process.'],
  [['queued'], 'Arrived, and not yet read by the process.'],
  [['charged'], 'What is queued counts against the sender’s limit, with what the kernel keeps beside the bytes.'],
  [['segment', 'segments'], 'A piece of the stream of bytes, with the numbers that order and acknowledge it.'],
  [['sequence number', 'sequence numbers'], 'Which byte of the stream comes next: each segment carries the number of its first byte.'],
  [['acknowledged', 'acknowledgement', 'acknowledgements'], 'The receiver’s kernel has said that it has everything up to this byte.'],
  [['kept'], 'Sent, and kept by the sender’s kernel, which would have to send it again after a loss.'],
  [['retransmits'], 'Segments that were sent again, because no acknowledgement came in time.'],
  [['retransmission timer'], 'How long the kernel waits for an acknowledgement before it sends again.'],
  [['round trip'], 'From a segment until it is acknowledged, as the kernel estimates it.'],
  [['window'], 'How many more bytes the receiver has room for. Each acknowledgement says so.'],
  [['loopback device'], 'The network device that hands all that it gets back to the same machine.'],
  [['runnable'], 'It may run, and waits for a core.'],
  [['one by one'], 'With a pause before each message, so that it finds its receiver waiting.'],
  [['burst'], 'One message right after the other, as fast as the sender can.'],
  [['pause and inspect'], 'Each message is stopped on its way, and everything on the stage is read there.'],
  [['inspect the receiver'], 'The receiver is looked at while it waits, and then the message is sent.'],
  [['spin'], 'It waits by looking again and again: the fastest, and it keeps a core busy.'],
  [['block'], 'It waits asleep in the kernel until it is woken, and leaves the core to others.'],
  [['hybrid'], 'It spins for a moment, and sleeps if nothing has come by then.'],
  [['two cores'], 'Each process on a core of its own.'],
  [['one core'], 'Both processes share one core, and take turns.'],
]

/** What a step is, by its act. @type {Record<string, string>} */
export const ACTS = {
  syscall: 'A system call: the process asks the kernel to do something for it.',
  poll: 'The process looks again and again, without the kernel.',
  store: 'A write to memory.',
  load: 'A read from memory.',
  copy: 'The kernel copies bytes from one place in memory to another.',
  sleep: 'The process gives up its core until it is woken.',
  wake: 'The kernel lets a sleeping process run again. It runs once it has a core.',
}

/** A text of a stage's page, with its terms. */
export const onStage = vocabulary(TERMS)

/** A term in a drawing, for a pointer only: the same words stand beside the drawing, for the keyboard. @param {string} name @param {string} text */
const drawn = (name, text) => s('tspan', { class: 'term', 'aria-description': text }, name)

/** A text of the drawing. @param {string} text @returns {Child[]} */
export const onDrawing = (text) => onStage(text, new Set(), drawn)

/** What each of these terms means. @type {Map<string, string>} */
export const meaning = new Map(TERMS.flatMap(([names, text]) => names.map((name) => /** @type {[string, string]} */ ([name, text]))))

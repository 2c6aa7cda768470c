// A report that left the lab as one file: the page's own drawing of it, which asks nothing of the network.

import { h, show } from './dom.js'
import { ReportView } from './page/report-view.js'

const main = /** @type {HTMLElement} */ (document.querySelector('main'))
const { notices, command, ...run } = JSON.parse(document.querySelector('#report')?.textContent ?? '')

show(main,
  h('div', { class: 'title' }, h('h1', {}, 'A race between ways to talk to another process')),
  notices.length ? h('ul', { class: 'doubts' }, notices.map((/** @type {string} */ notice) => h('li', {}, notice))) : null,
  new ReportView(run, { command: h('p', { class: 'command' }, h('code', {}, command)) }).element)

// Follows the map while its page is open: one socket, opened anew when it closes.

import { socket } from '../api.js'

/** @param {(frame: any) => void} take @param {(why: string) => void} lost @param {AbortSignal} signal */
export function follow(take, lost, signal) {
  let attempts = 0
  let timer = 0
  /** @type {WebSocket | null} */
  let current = null
  const connect = () => {
    const opened = socket('/api/map/live')
    current = opened
    opened.onmessage = ({ data }) => {
      attempts = 0
      take(JSON.parse(data))
    }
    opened.onclose = ({ reason }) => {
      if (signal.aborted) return
      lost(reason || 'The lab does not tell the map any more. This page asks again.')
      timer = window.setTimeout(connect, Math.min(1000 * 2 ** attempts++, 15_000))
    }
  }
  connect()
  signal.addEventListener('abort', () => {
    clearTimeout(timer)
    current?.close()
  })
}

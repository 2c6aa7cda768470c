// Numbers for people: three significant digits, a unit that fits, a space that never breaks between the two. What the lab says comes
// with its units; these are for what is drawn here: axes, cursors, gauges. The same rules, held to the same figures.

/** Never breaks a line: stands between a number and its unit. */
const NBSP = '\u00a0'
/** No line ends here. */
const JOINED = '\u2060'

/**
 * Three significant digits in the first unit that holds them; a whole number of the first unit stays whole.
 * @param {number} value
 * @param {string[]} units each a thousand times the one before
 */
function significant(value, units) {
  let scaled = value
  for (let index = 0; ; index++) {
    const size = Math.abs(scaled)
    if (size < 999.5 || index + 1 === units.length) {
      const whole = index === 0 && Number.isInteger(scaled)
      const decimals = whole ? 0 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0
      return `${scaled.toFixed(decimals)}${NBSP}${units[index]}`.trimEnd()
    }
    scaled /= 1000
  }
}

/** `51 ns`, `4.21 µs`, `1.30 ms`. @param {number} ns */
export const duration = (ns) => significant(ns, ['ns', 'µs', 'ms', 's'])

/**
 * Times that stand below each other, in one unit and with as many digits as tell them apart: `353.9024 ms`, `353.9031 ms`.
 * @param {number} longest of them, in nanoseconds @param {number} gap the shortest between two that differ
 * @returns {(ns: number) => string}
 */
export function clock(longest, gap) {
  const units = ['ns', 'µs', 'ms', 's']
  const power = (/** @type {number} */ ns) => (Number.isFinite(ns) && ns >= 1 ? String(Math.floor(ns)).length - 1 : 0)
  const unit = Math.min(units.length - 1, Math.floor(power(longest) / 3))
  // As many as the gap needs, and three digits of the longest.
  const decimals = Math.max(0, 3 * unit - power(Math.min(gap, longest / 100)))
  return (ns) => `${(ns / 1000 ** unit).toFixed(decimals)}${NBSP}${units[unit]}`
}

/** `950`, `12.3 k`, `1.23 M`. @param {number} perSecond */
export const rate = (perSecond) => significant(perSecond, ['', 'k', 'M', 'G'])

/** A figure of a race: `51 ns`, `4.90 M/s`, `1.20 GB/s`. @param {number} value @param {string} unit */
export const figure = (value, unit) => (unit === 'ns' ? duration(value) : `${rate(value)}${unit}`)

/** The lab's words, their numbers tied to their units. @param {string} text */
export const tied = (text) => text.replace(/(\d) (?=(?:[nµm]?s|[kMG]|[kMG]?B|[KMG]iB)(?:\b|\/)|\d{3}\b|[≈?])/g, `$1${NBSP}`).replace(/× (?=[≈?(])/g, `×${NBSP}`)

/** `1.05×`, `150×`, `120 000×`. @param {number} factor */
export const times = (factor) =>
  factor >= 999.5 ? `${count(Number(factor.toPrecision(3)))}×` : `${significant(factor, [''])}×`

/** Digits in groups of three: `100 000`. @param {number} value */
export const count = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, NBSP)

/** `64 B`, `1 KiB`, `1.5 MiB`, `23.5 GiB`. @param {number} size */
export function bytes(size) {
  const [value, unit] =
    size >= 2 ** 30 ? [size / 2 ** 30, 'GiB'] : size >= 2 ** 20 ? [size / 2 ** 20, 'MiB'] : size >= 1024 ? [size / 1024, 'KiB'] : [size, 'B']
  return `${Number(value.toFixed(2))}${NBSP}${unit}`
}

/** A count for each message: `1`, `0.05`; `~0` is a little more than none. @param {number} value */
export function each(value) {
  if (value < 0.005) return value > 0 ? '~0' : '0'
  return String(Number(value.toFixed(value < 10 ? 2 : 1)))
}

/** `1 round`, `2 rounds`, `3 launches`. @param {number} n @param {string} thing */
export function plural(n, thing) {
  const ending = n === 1 ? '' : /(ch|sh|s|x)$/.test(thing) ? 'es' : 's'
  return `${count(n)}${NBSP}${thing}${ending}`
}

/** `a`, `a and b`, `a, b and c`. @param {string[]} words */
export const list = (words) =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`

/** In UTC, as everywhere: a report says the same wherever it is read. @param {number} unixMs */
export function date(unixMs) {
  const [day, time] = new Date(unixMs).toISOString().split('T')
  return `${day.replaceAll('-', `-${JOINED}`)}${NBSP}${time.slice(0, 8)}${NBSP}UTC`
}

/** A gauge's value with its unit. @param {import('../types').Value} value @param {string} unit */
export function value(value, unit) {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string') return value
  if (unit === 'B') return `${count(value)}${NBSP}B`
  if (unit === 'ns') return duration(value)
  if (unit === 'us' || unit === 'µs') return duration(value * 1000)
  const text = Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(4)))
  return unit ? `${text}${NBSP}${unit}` : text
}

/**
 * Words from elsewhere, with their numbers as they are written here: `257472` and `9244 ns` become `257 472` and `9.24 µs`.
 * Addresses, ports and pids stay as they are, and what is code between backticks.
 * @param {string} text
 */
export const readable = (text) => text.split('`').map((part, index) => (index % 2 ? part : plain(part))).join('`')

/** @param {string} text */
const plain = (text) => text
  .replace(/(?<![\w.])(\d+) ns\b/g, (_, ns) => duration(Number(ns)))
  .replace(/(?<!pid |[\w.:/#-])\d{5,}(?![\w.:/-])/g, (digits) => count(Number(digits)))

/** Words from elsewhere as a sentence: a capital, unless it begins with a name from code, and a full stop. @param {string} text */
export function asSentence(text) {
  const begun = readable(text).replace(/^[a-z][a-z'’-]*(?=[\s,;:.]|$)/, (word) => word[0].toUpperCase() + word.slice(1))
  return /[.?!]$/.test(begun) || begun === '' ? begun : `${begun}.`
}

/** Whether a count is not what is quoted: `2` is two, `3+` is three or more. @param {number | undefined} found @param {string | null | undefined} quoted */
export function differs(found, quoted) {
  const said = /^(\d+)(\+?)$/.exec(quoted ?? '')
  if (found === undefined || !said) return false
  const than = Number(said[1])
  return found < than - 0.5 || (!said[2] && found > than + 0.5)
}

/**
 * Sizes as people type them: `64`, `1k`, `64 KiB`, `1M`, in a list with commas or spaces between.
 * @param {string} text
 * @returns {number[] | null} `null` when a word is not a size
 */
export function parseSizes(text) {
  const words = text.trim().replace(/(\d)\s+(?=[kKmM])/g, '$1').split(/[\s,;]+/).filter(Boolean)
  const sizes = words.map((word) => {
    const found = /^(\d+)(?:([kKmM])(?:i?[bB])?|[bB])?$/.exec(word)
    return found ? Number(found[1]) * (found[2] ? (/k/i.test(found[2]) ? 1024 : 1 << 20) : 1) : NaN
  })
  return sizes.length && sizes.every((size) => size >= 1) ? sizes : null
}

/** At most `limit` bytes of UTF-8, cut between characters. @param {string} text @param {number} limit */
export function cutUtf8(text, limit) {
  const encoder = new TextEncoder()
  let used = 0
  let kept = ''
  for (const letter of text) {
    used += encoder.encode(letter).length
    if (used > limit) break
    kept += letter
  }
  return kept
}

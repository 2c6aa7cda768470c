// The ways of links from box to box. Pure: rectangles in, curves out.

/** @typedef {{ x: number, y: number, w: number, h: number }} Rect in px */
/** @typedef {{ d: string, middle: [number, number], heads: string[] }} Route `heads` are the outlines of its arrows */
/** @typedef {{ id: string, a: string, b: string, there: boolean, back: boolean }} Way */

/** From the side of a box to where a link may end on it. */
const CORNER = 7
const HEAD = 7

/** @param {Way[]} links @param {Map<string, Rect>} rects @param {number} gap between two columns @returns {Map<string, Route>} */
export function routes(links, rects, gap) {
  const sided = links.flatMap((link) => {
    const [a, b] = [rects.get(link.a), rects.get(link.b)]
    return a && b ? [{ link, a, b, ...sides(a, b, gap) }] : []
  })
  /** @type {Map<string, { key: string, at: number }[]>} */
  const ports = new Map()
  const want = (/** @type {string} */ box, /** @type {string} */ side, /** @type {string} */ id, /** @type {number} */ at) => {
    const key = `${box} ${side}`
    const there = ports.get(key)
    if (there) there.push({ key: id, at })
    else ports.set(key, [{ key: id, at }])
  }
  for (const { link, a, b, from, to } of sided) {
    const across = from === 'top' || from === 'bottom'
    want(link.a, from, link.id, across ? b.x : b.y)
    want(link.b, to, link.id, across ? a.x : a.y)
  }
  /** @type {Map<string, number>} from 0 to 1 along the side */
  const shares = new Map()
  for (const [side, all] of ports) all.sort((one, other) => one.at - other.at || (one.key < other.key ? -1 : 1)).forEach(({ key }, index) => shares.set(`${side} ${key}`, (index + 1) / (all.length + 1)))
  return new Map(sided.map(({ link, a, b, from, to }) => {
    const start = port(a, from, shares.get(`${link.a} ${from} ${link.id}`) ?? 0.5)
    const end = port(b, to, shares.get(`${link.b} ${to} ${link.id}`) ?? 0.5)
    return [link.id, curve(start, from, end, to, link, gap)]
  }))
}

/** At which sides a link leaves and arrives. @param {Rect} a @param {Rect} b @param {number} gap @returns {{ from: string, to: string }} */
function sides(a, b, gap) {
  if (Math.abs(a.x - b.x) >= a.w / 2) return a.x < b.x ? { from: 'right', to: 'left' } : { from: 'left', to: 'right' }
  const [upper, lower] = a.y < b.y ? [a, b] : [b, a]
  if (lower.y - upper.y - upper.h <= gap) return a.y < b.y ? { from: 'bottom', to: 'top' } : { from: 'top', to: 'bottom' }
  return { from: 'right', to: 'right' }
}

/** @param {Rect} rect @param {string} side @param {number} share @returns {[number, number]} */
function port({ x, y, w, h }, side, share) {
  const along = (/** @type {number} */ from, /** @type {number} */ length) => from + CORNER + share * (length - 2 * CORNER)
  if (side === 'left' || side === 'right') return [side === 'left' ? x : x + w, along(y, h)]
  return [along(x, w), side === 'top' ? y : y + h]
}

/** @param {[number, number]} start @param {string} from @param {[number, number]} end @param {string} to @param {Way} way @param {number} gap @returns {Route} */
function curve(start, from, end, to, { there, back }, gap) {
  const far = Math.hypot(end[0] - start[0], end[1] - start[1])
  const reach = from === to ? Math.min(gap * 0.8, 16 + far / 12) : Math.max(gap * 0.45, Math.min(far * 0.4, 140))
  const out = (/** @type {[number, number]} */ [x, y], /** @type {string} */ side, /** @type {number} */ by) => /** @type {[number, number]} */ (
    side === 'left' ? [x - by, y] : side === 'right' ? [x + by, y] : side === 'top' ? [x, y - by] : [x, y + by])
  const straight = from === 'top' || from === 'bottom'
  const [c, d] = straight ? [start, end] : [out(start, from, reach), out(end, to, reach)]
  // The line ends at the foot of its arrow.
  const [s, e] = [back ? out(start, from, HEAD) : start, there ? out(end, to, HEAD) : end]
  const at = (/** @type {number} */ t) => /** @type {[number, number]} */ ([0, 1].map((axis) => (1 - t) ** 3 * s[axis] + 3 * (1 - t) ** 2 * t * c[axis] + 3 * (1 - t) * t ** 2 * d[axis] + t ** 3 * e[axis]))
  // In the middle, but no farther from its begin than between two columns, where no box lies over it.
  let t = 0.5
  while (t > 0.04 && from !== to && !straight && Math.abs(at(t)[0] - s[0]) > gap * 0.55) t -= 0.02
  const middle = at(t)
  const text = (/** @type {[number, number]} */ [x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`
  return {
    d: `M${text(s)}C${text(c)} ${text(d)} ${text(e)}`,
    middle,
    heads: [...(there ? [head(end, to)] : []), ...(back ? [head(start, from)] : [])],
  }
}

/** An arrow that points into a side. @param {[number, number]} tip @param {string} side */
function head([x, y], side) {
  const [dx, dy] = { left: [-1, 0], right: [1, 0], top: [0, -1], bottom: [0, 1] }[side] ?? [0, 0]
  const [fx, fy] = [x + dx * HEAD, y + dy * HEAD]
  const half = HEAD * 0.55
  const point = (/** @type {number} */ x, /** @type {number} */ y) => `${x.toFixed(1)} ${y.toFixed(1)}`
  return `M${point(x, y)}L${point(fx + dy * half, fy + dx * half)}L${point(fx - dy * half, fy - dx * half)}Z`
}

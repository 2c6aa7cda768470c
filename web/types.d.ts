// The shapes that travel between the lab and the page: docs/trace.md, docs/api.md, docs/report.schema.json.

export type Actor = 'sender' | 'receiver' | 'kernel'
export type When = 'always' | 'receiver-first' | 'receiver-asleep' | 'full'
export type Form =
  | { is: 'process'; actor: Actor }
  | { is: 'region'; writer: Actor }
  | { is: 'buffer'; slots: number }
  | { is: 'queue' | 'layer' | 'name' }

export interface Gauge { field: string; label: string; unit: string }
export interface Part { id: string; form: Form; label: string; space: 'user' | 'kernel'; gauges: Gauge[] }
export interface Act { is: 'syscall' | 'store' | 'load' | 'copy' | 'wake' | 'sleep' | 'poll'; name?: string }
export interface Step { id: string; actor: Actor; act: Act; at: string; to: string | null; when: When; text: string }
export interface Range { least: number; most: number | null }
export interface Budget {
  wait: string
  sender_syscalls: Range
  receiver_syscalls: Range
  kernel_copies: Range
  wakes: Range
}
export interface Scene {
  kind: string
  title: string
  summary: string
  explanation: string
  tags: string[]
  duplex: boolean
  cross_host: boolean
  quoted: { copies: string; syscalls: string; latency: string; use_when: string }
  stage: Part[]
  steps: Step[]
  budgets: Budget[]
  experiments: { id: string; title: string; text: string }[]
}

export interface Process { actor: Actor; pid: number; parent: number | null; core: number | null }
export interface Header {
  format: string
  schema: number
  scene: Scene
  wait: string
  placement: string
  processes: [Process, Process]
  size_bytes: number
  clock: string
  started_unix_ms: number
  machine: string
}

export type Value = number | string | boolean
/** One line of a trace. Which fields there are follows from `what`; unknown ones are ignored. */
export interface Event {
  t_ns: number
  what: string
  side?: Actor
  message?: number
  direction?: string
  cpu?: number
  step?: string
  text?: string
  mode?: string
  count?: number
  payload?: string
  call?: string
  error?: string
  state?: string
  wchan?: string
  core?: number
  values?: Record<string, Value>
  signal?: string
  exit_code?: number
  id?: string
  verdict?: string
  held?: boolean | null
  processes?: [Process, Process]
  name?: string
  args?: string
  result?: number
  duration_ns?: number
  function?: string
  bytes?: number
  detail?: string
  title?: string
  columns?: string[]
  rows?: string[][]
  basis?: string
  instrument?: string
  figure?: string
  why?: string
  remedy?: string | null
  tone?: string
}

export interface Latency {
  basis: string
  samples: number
  p50: number | null
  p90: number | null
  p99: number | null
  p999: number | null
  max: number
  histogram: [number, number][]
}
export interface Side {
  user_ns: number
  system_ns: number
  voluntary_switches: number
  involuntary_switches: number
  minor_faults: number
  peak_rss_kib: number
}
export interface Row {
  kind: string
  entrant: 'mechanism' | 'null' | 'rival' | 'bound'
  workload: string
  size_bytes: number
  placement: string
  cores: [number, number] | null
  wait: string
  messages: number
  verified: number
  latency_ns: Latency | null
  messages_per_s: number | null
  floor_ns: number | null
  launches: number
  each_launch: { latency_ns_p50: number | null; messages_per_s: number | null }[]
  sides: [Side, Side] | null
  missed: number | null
  failed: string | null
  notes: string[]
  /** What the channel had room for: the least and the most of the launches. */
  channel_bytes?: [number, number]
  /** One launch: nanoseconds since its clock started, and messages verified until then. */
  progress?: [number, number][] | null
}
export interface Plan {
  kinds: string[]
  workloads: string[]
  sizes: number[]
  placement: string
  waits: string[]
  count: number
  launches: number
  rate_per_s: number
  /** What a channel was asked to hold. Absent: each mechanism's own. */
  capacity_bytes?: number
  seed: number
  quick: boolean
}
export interface Machine {
  cpu: string | null
  kernel: string | null
  cores_online: number | null
  virtualised: string | null
  container: string | null
  [fact: string]: unknown
}
export interface Report {
  schema: number
  version: string
  started_unix_ms: number
  elapsed_ms: number
  page_open: boolean
  plan: Plan
  machine: Machine
  clock_cost_ns: number
  clock_step_ns: number
  rows: Row[]
  rounds_dropped: number
  steal_percent: number | null
  interrupted: boolean
}

export interface Finding { what: string; verdict: 'yes' | 'no' | 'partly'; text: string; remedy: string | null }
export interface Lab {
  version: string
  machine: Machine
  scenes: Scene[]
  limits: { size_bytes: number; count: number; launches: number }
  cores: number[]
  last_run: string | null
  replay: boolean
  /** Where the history is kept; `null` where there is no place for it. */
  folder?: string | null
}
export interface Run {
  id: string
  started_unix_ms: number
  elapsed_ms: number
  title: string
  command: string
  rows: number
  interrupted: boolean
  failed_rows: number
  bytes: number
  /** Why it is in the lab's memory only. */
  unkept?: string
}
export interface RaceState { done: number; total: number; label: string; elapsed_ms: number; plan: Plan }

export interface ProbeState { done: number; total: number; label: string; elapsed_ms: number }
export interface Probed {
  kind: string
  wait: string
  placement: string
  cores: [number, number] | null
  size_bytes: number
  figures: {
    question: string
    readings: { instrument: string; certainty: string; per_message: number; messages: number }[]
    unavailable: { what: string; why: string; remedy: string } | null
    quoted: string | null
    remark: string | null
  }[]
  failed: string | null
}
export interface Counted {
  /** `null`: a record that came with the lab, of the machine that it names. */
  id: string | null
  report: { started_unix_ms: number; version: string; machine: Machine; rows: Probed[] }
  command: string
  unreadable: { file: string; why: string }[]
}

export interface Figure { by: string; label: string; name: string; unit: string; less: boolean }
export interface JudgedRow {
  row: number
  title: string
  scene: number | null
  best: boolean
  cells: string[]
  figures: ({ value: number; text: string } | null)[]
  failed: string | null
}
export interface JudgedGroup {
  title: string
  workload: string
  size_bytes: number
  wait: string
  placement: string
  measure: string
  rows: JudgedRow[]
  ranked: number[]
  verdicts: string[]
  doubts: string[]
}
export interface Judged {
  columns: string[]
  figures: Figure[]
  above: string[]
  groups: JudgedGroup[]
  below: string[]
  doubts: string[]
  advice: { text: string; rows: number[] }[]
  claims: { workload: string; columns: string[]; rows: { scene: number; cells: string[] }[]; why: string[] } | null
}
export interface JudgedRun { report: Report; judged: Judged }
export interface Beside {
  workload: string
  size: string
  p50: string
  samples: number
  launches: number
  versus: { title: string; scene: number | null; ratio: string }[]
}

export interface Change { ratio: number; low: number; high: number; verdict: 'better' | 'worse' | 'no-difference' | 'unknown' }
export interface Compared {
  label: string
  judged_by: string
  cells: string[]
  latency_ratio: Change | null
  throughput_ratio: Change | null
  failed: string | null
}
export interface Comparison { columns: string[]; rows: Compared[]; warnings: string[] }
export interface Choice {
  answers: {
    kind: string
    title: string
    wait: string
    reasons: { text: string; basis: 'measured' | 'design'; run: string | null; row: number | null }[]
  }[]
  excluded: { kind: string; title: string; why: string }[]
  missing: Partial<Plan> | null
}

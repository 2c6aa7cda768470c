// Made from the Rust types; not to be edited. To renew it: RENEW=1 cargo test -p ipcscope published

export type Access = "read" | "write"

export type Act = { is: "syscall"; name: string } | { is: "store" } | { is: "load" } | { is: "copy" } | { is: "wake" } | { is: "sleep" } | { is: "poll" }

export type Actor = "sender" | "receiver" | "kernel"

export interface Advice {
  rows: Array<number>
  text: string
}

export interface AgreedFigure {
  rehearsed_ns: number
  watched_ns: number
  what: string
}

export interface Agreement {
  agrees: boolean
  figures: Array<AgreedFigure>
  open: string | null
  row: number | null
  unlike: Array<string>
}

export type Amount = "frame" | "read" | "fitting"

export type Basis = "measured" | "quoted" | "modelled"

export interface Beside {
  launches: number
  marks: Array<string>
  p50: string
  samples: number
  size: string
  versus: Array<Versus>
  workload: Workload
}

export interface Budget {
  kernel_copies: Range
  receiver_syscalls: Range
  sender_syscalls: Range
  wait: string
  wakes: Range
}

export type Call = "send" | "recv"

export interface CallCosts {
  recv_ns: number
  send_ns: number
}

export interface Calls {
  alike: number
  lines: Array<string>
  messages: number
}

export type Certainty = "exact" | "at-least" | "derived"

export interface Change {
  high: number
  low: number
  ratio: number
  verdict: Judgement
}

export interface ChoiceAnswer {
  answers: Array<ChosenAnswer>
  excluded: Array<ExcludedAnswer>
  missing: MissingRace | null
}

export interface ChosenAnswer {
  kind: string
  reasons: Array<ReasonAnswer>
  title: string
  wait: string
}

export interface ClaimRow {
  cells: Array<string>
  scene: number
}

export interface Claims {
  columns: Array<string>
  rows: Array<ClaimRow>
  setting: string
  why: Array<string>
  workload: Workload
}

export interface Compared {
  a: Figures | null
  b: Figures | null
  failed: string | null
  judged_by: Measure
  label: string
  latency_ratio: Change | null
  lines: Array<ComparedLine>
  only_in: ComparedSide | null
  throughput_ratio: Change | null
}

export interface ComparedLine {
  cells: Array<string>
  verdict: Judgement | null
}

export type ComparedSide = "a" | "b"

export interface Comparison {
  below: [string, string]
  columns: [string, string, string, string, string, string]
  rows: Array<Compared>
  warnings: Array<string>
}

export interface CountedAnswer {
  command: string
  id: string | null
  report: ProbeReport
  unreadable: Array<Unreadable>
}

export type Direction = "back"

export interface DoctorAnswer {
  findings: Array<FindingAnswer>
}

export interface DrawnBar {
  count: number
  label: string
}

export interface DrawnBars {
  bars: Array<DrawnBar>
  title: string
}

export interface DrawnBeyond {
  address: string | null
  words: string
}

export interface DrawnDirection {
  bars: Array<DrawnBars>
  figures: Array<DrawnFigure>
  from: string
  queued: Array<[number, number]>
  to: string
}

export interface DrawnEdge {
  beyond: DrawnBeyond | null
  capacity_bytes: number | null
  ends: Array<DrawnEnd>
  facts: Array<DrawnFact>
  id: string
  kind: string
  more_ends: number
  name: string | null
  unread: Array<string>
}

export interface DrawnEnd {
  address: string | null
  by_last_call: boolean
  descriptors: Array<number>
  process: string
  queued_bytes: number | null
  queued_messages: number | null
  reads: boolean
  side: number
  unacknowledged_bytes: number | null
  writes: boolean
}

export interface DrawnFact {
  label: string
  text: string
}

export interface DrawnFigure {
  label: string
  text: string
}

export interface DrawnFinding {
  evidence: Array<string>
  remedy: string
  sentence: string
}

export interface DrawnKind {
  kind: string
  means: string
  scene: number | null
  title: string
}

export interface DrawnProcess {
  command: string
  id: string
  listens: Array<string>
  name: string
  network: number | null
  parent: number
  pid: number
  service: string | null
  session: number
  state: TaskState
  threads: number
  uid: number
}

export interface DrawnUnread {
  processes: number
  remedy: string
  what: string
  whose: string
  why: string
}

export interface DrawnWatch {
  directions: Array<DrawnDirection>
  edge: string
  ends: Array<DrawnFigure>
  findings: Array<DrawnFinding>
  repeats: boolean
  told: Array<string>
  unavailable: Array<string>
}

export type Effect = { by: Amount; gauge: string; is: "add" } | { by: Amount; gauge: string; is: "take" } | { gauge: string; is: "set"; to: boolean } | { gauge: string; is: "show" } | { at: string; is: "sleeps" } | { is: "wakes"; process: Actor }

export type Entrant = "mechanism" | "null" | "rival" | "bound"

export interface Event {
  access?: Access
  ahead_bytes?: number
  args?: string
  arrived?: number
  basis?: Basis
  bytes?: number
  call?: Call | string
  columns?: Array<string>
  copy?: number
  core?: number
  count?: number
  cpu?: number
  detail?: string
  direction?: Direction
  duration_ns?: number
  error?: string
  exit_code?: number
  figure?: string
  function?: string
  held?: boolean | null
  id?: string
  instrument?: string
  message?: number
  messages?: number
  mode?: Mode
  name?: string
  parts?: Array<Part>
  payload?: string
  pid?: number
  place?: string
  processes?: [Process, Process]
  remedy?: string
  result?: number
  rows?: Array<Array<string>>
  side?: Actor
  signal?: string
  space?: Space
  state?: ProcessState
  step?: string
  steps?: Array<Step>
  t_ns: number
  text?: string
  thread?: number
  title?: string
  tone?: Tone
  took_ns?: number
  values?: Record<string, unknown>
  verdict?: string
  wchan?: string
  what: string
  why?: string
}

export interface ExcludedAnswer {
  basis: ReasonBasis
  kind: string
  marks: Array<string>
  row: number | null
  run: string | null
  title: string
  why: string
}

export interface Experiment {
  id: string
  text: string
  title: string
}

export interface Figures {
  latency_ns_p50: number | null
  messages_per_s: number | null
}

export interface FindingAnswer {
  remedy: string | null
  text: string
  verdict: FindingVerdict
  what: string
}

export type FindingVerdict = "yes" | "partly" | "no"

export interface Floor {
  each_round_ns: Array<[number, number]>
  lines: number
  polls: string
}

export type Form = { actor: Actor; is: "process" } | { is: "region"; writer: Actor | null } | { is: "buffer"; slots: number } | { is: "queue" } | { is: "layer" } | { is: "name" }

export interface Gauge {
  field: string
  label: string
  unit: string
}

export interface Header {
  calls?: CallCosts
  channel?: string
  clock: string
  format: string
  frame_bytes?: number
  machine: string
  placement: string
  processes: [Process, Process]
  scene: Scene
  schema: number
  size_bytes: number
  started_unix_ms: number
  wait: string
}

export interface Instrument {
  certainty: Certainty
  name: string
  shows: string
  tier: Tier
  tool: Tool
  tried_ns?: number
  unavailable: Unavailable | null
}

export interface Judged {
  above: Array<string>
  advice: Array<Advice>
  befell: Array<string>
  below: Array<string>
  claims: Claims | null
  columns: [string, string, string, string, string, string, string, string, string, string, string]
  doubts: Array<string>
  figures: [JudgedFigure, JudgedFigure, JudgedFigure, JudgedFigure, JudgedFigure]
  groups: Array<JudgedGroup>
  marks: Array<string>
}

export interface JudgedFigure {
  by: string
  by_row: boolean
  by_size: boolean
  label: string
  less: boolean
  name: string
  unit: string
}

export interface JudgedGroup {
  doubts: Array<string>
  measure: Measure
  placement: Placement
  ranked: Array<number>
  rows: Array<JudgedRow>
  size_bytes: number
  title: string
  verdicts: Array<string>
  wait: Wait
  workload: Workload
}

export interface JudgedRow {
  behind: string | null
  best: boolean
  cells: Array<string>
  failed: string | null
  figures: [Shown | null, Shown | null, Shown | null, Shown | null, Shown | null]
  last_quantile: number | null
  row: number
  scene: number | null
  title: string
}

export interface JudgedRun {
  judged: Judged
  report: Report
}

export type Judgement = "better" | "worse" | "no-difference" | "unknown"

export type Kind = string

export interface LabAnswer {
  cores: Array<number>
  folder: string | null
  last_run: string | null
  limits: PlanLimits
  machine: Machine
  quick: RowSize
  replay: boolean
  scenes: Array<Scene>
  unreadable: Array<Unreadable>
  usual: RowSize
  version: string
}

export interface Latency {
  basis: LatencyBasis
  histogram: Array<[number, number]>
  max: number
  p50: number | null
  p90: number | null
  p99: number | null
  p999: number | null
  samples: number
}

export type LatencyBasis = "half-round-trip" | "one-way-stamped" | "from-due-time"

export interface Launch {
  latency_ns_p50: number | null
  messages_per_s: number | null
}

export interface Level {
  held: string
  size: string
}

export interface Machine {
  architecture: string
  cache_l1d: string | null
  cache_l2: string | null
  cache_l3: string | null
  clock_source: string | null
  container: string | null
  cores_allowed: Array<number>
  cores_online: number | null
  cpu: string | null
  governor: string | null
  kernel: string | null
  memory_bytes: number | null
  mitigations: Array<string> | null
  os: string | null
  smt_active: boolean | null
  thp_shmem: string | null
  virtualised: string | null
}

export interface MapChange {
  edges: Array<DrawnEdge>
  every_ms: number
  gone_edges: Array<string>
  gone_processes: Array<string>
  is: string
  left_out: number
  processes: Array<DrawnProcess>
  seq: number
  taken_unix_ms: number
  took_ns: number
  unread: Array<DrawnUnread> | null
}

export interface MapSnapshot {
  edges: Array<DrawnEdge>
  every_ms: number
  is: string
  kinds: Array<DrawnKind>
  left_out: number
  processes: Array<DrawnProcess>
  seq: number
  taken_unix_ms: number
  took_ns: number
  unread: Array<DrawnUnread>
}

export type Measure = "p50" | "rate"

export interface MissingRace {
  count?: number
  kinds: Array<string>
  rate_per_s?: number
  sizes: Array<number>
  waits: Array<string>
  workloads: Array<Workload>
}

export type Mode = "step" | "burst" | "paced" | "xray"

export interface Overhead {
  alone_ns_p50: number
  flight_ns_p50: number
  instrument: string
}

export interface Part {
  form: Form
  gauges: Array<Gauge>
  id: string
  label: string
  level?: Level
  space: Space
}

export type Placement = string

export interface Plan {
  capacity_bytes?: number
  count: number
  kinds: Array<Kind>
  launches: number
  placement: Placement
  quick: boolean
  rate_per_s: number
  rivals?: Array<string>
  seed: number
  sizes: Array<number>
  waits: Array<Wait>
  workloads: Array<Workload>
}

export interface PlanLimits {
  count: number
  launches: number
  size_bytes: number
}

export interface ProbeFigure {
  budget: Range | null
  held: boolean | null
  question: Question
  quoted: string | null
  readings: Array<Reading>
  remark: string | null
  unavailable: Unavailable | null
}

export interface ProbeReport {
  elapsed_ms: number
  format: string
  instruments: Array<Instrument>
  machine: Machine
  rows: Array<Probed>
  schema: number
  started_unix_ms: number
  version: string
}

export interface ProbeState {
  done: number
  elapsed_ms: number
  label: string
  total: number
}

export interface Probed {
  calls: [Calls, Calls] | null
  cores: [number, number] | null
  failed: string | null
  figures: Array<ProbeFigure>
  kind: Kind
  overheads: Array<Overhead>
  placement: Placement
  size_bytes: number
  touches: Array<TouchedBy>
  wait: Wait
}

export interface Process {
  actor: Actor
  core: number | null
  name?: string
  parent: number
  pid: number
}

export type ProcessState = "idle" | "running" | "sleeping" | "stopped" | "dead"

export type Question = "calls" | "sender-calls" | "receiver-calls" | "kernel-copies" | "wakes" | "receiver-sleeps" | "sender-sleeps" | "sender-faults" | "receiver-faults" | "segments" | "acknowledgements"

export interface Quoted {
  copies: string
  latency: string
  syscalls: string
  use_when: string
}

export interface RaceStarted {
  command: string
  notices: Array<string>
  plan: Plan
}

export interface RaceState {
  done: number
  elapsed_ms: number
  label: string
  plan: Plan
  total: number
}

export interface Range {
  least: number
  most: number | null
}

export interface Reading {
  certainty: Certainty
  instrument: string
  messages: number
  parts: Array<[string, number]>
  per_message: number
}

export interface ReasonAnswer {
  basis: ReasonBasis
  marks: Array<string>
  row: number | null
  run: string | null
  text: string
}

export type ReasonBasis = "measured" | "design"

export interface Rehearsal {
  agreement: Agreement
  watched: WatchedTraffic
}

export interface Report {
  clock_cost_ns: number
  clock_step_ns: number
  elapsed_ms: number
  interrupted: boolean
  machine: Machine
  page_open: boolean
  plan: Plan
  rehearsal?: Rehearsal
  rounds_dropped: number
  rows: Array<ReportRow>
  schema: number
  started_unix_ms: number
  steal_percent: number | null
  version: string
}

export interface ReportRow {
  channel_bytes?: [number, number]
  cores: [number, number] | null
  directions_ns_p50?: [number | null, number | null]
  each_launch: Array<Launch>
  entrant: Entrant
  failed: string | null
  floor: Floor | null
  floor_ns: number | null
  kind: string
  latency_ns: Latency | null
  launches: number
  messages: number
  messages_per_s: number | null
  missed: number | null
  notes: Array<string>
  placement: Placement
  progress?: Array<[number, number]> | null
  sides: [Side, Side] | null
  size_bytes: number
  state?: State
  verified: number
  wait: Wait
  workload: Workload
}

export interface RowSize {
  count: number
  launches: number
}

export interface Run {
  bytes: number
  command: string
  elapsed_ms: number
  failed_rows: number
  id: string
  interrupted: boolean
  rows: number
  started_unix_ms: number
  title: string
  unkept?: string
}

export interface Scene {
  budgets: Array<Budget>
  cross_host: boolean
  duplex: boolean
  experiments: Array<Experiment>
  explanation: string
  kind: string
  quoted: Quoted
  stage: Array<Part>
  steps: Array<Step>
  summary: string
  tags: Array<string>
  title: string
}

export type SeenWait = "not-seen" | "in-the-call" | "by-descriptor" | "spinning"

export interface Shown {
  text: string
  value: number
}

export interface Side {
  involuntary_switches: number
  minor_faults: number
  peak_rss_kib: number
  system_ns: number
  user_ns: number
  voluntary_switches: number
}

export type Space = "user" | "kernel"

export type State = "near" | "far" | "mixed"

export interface Step {
  act: Act
  actor: Actor
  at: string
  effects?: Array<Effect>
  id: string
  text: string
  to: string | null
  when: When
}

export type TaskState = "running" | "sleeping" | "uninterruptible" | "stopped" | "traced" | "zombie" | "idle" | "other"

export type Tier = "anyone" | "perf" | "tracepoints" | "kernel-memory"

export type Tone = "plain" | "good" | "bad"

export type Tool = "accounts" | "ptrace" | "switches" | "user-watchpoints" | "tracepoints" | "kernel-watchpoints" | "symbols" | "page-frames"

export interface TouchedBy {
  function: string
  place: string
  stack: Array<string>
  who: string
}

export interface Unavailable {
  remedy: string
  what: string
  why: string
}

export interface Unreadable {
  file: string
  why: string
}

export interface Versus {
  ratio: string
  scene: number | null
  title: string
}

export type Wait = string

export interface WatchAnswer {
  failed: WatchFailed | null
  last: DrawnWatch | null
  running: WatchState | null
}

export interface WatchFailed {
  edge: string
  why: string
}

export interface WatchState {
  edge: string
  elapsed_ms: number
  lasts_ms: number
}

export interface WatchedTraffic {
  bytes: number
  edge: string | null
  elapsed_ns: number
  empty: number
  median_ns: [number | null, number | null]
  messages: [number, number]
  not_kept: number
  thought_ns: number
  waits: [SeenWait, SeenWait]
}

export type When = "always" | "receiver-first" | "receiver-asleep" | "full"

export type Workload = "ping-pong" | "stream" | "corked" | "paced" | "rehearsed" | "rehearsed-corked" | "rehearsed-roomy"

// Made from the Rust types; not to be edited. To renew it: RENEW=1 cargo test -p ipcscope-lab published

/** What a step is made of. */
export type Act = { is: "syscall"; name: string } | { is: "store" } | { is: "load" } | { is: "copy" } | { is: "wake" } | { is: "sleep" } | { is: "poll" }

/** The actor of a step. */
export type Actor = "sender" | "receiver" | "kernel"

/** A sentence that follows from rows. */
export interface Advice {
  /** The indices of the rows that it rests on. */
  rows: Array<number>
  /** The sentence. */
  text: string
}

/** Where a figure comes from. */
export type Basis = "measured" | "quoted" | "modelled"

/** What a race found of one mechanism. */
export interface Beside {
  /** How many launches. */
  launches: number
  /** Its median. */
  p50: string
  /** How many samples that rests on. */
  samples: number
  /** `64 B`: of the sizes that were measured, the nearest. */
  size: string
  /** It against each of the others. */
  versus: Array<Versus>
  /** The workload. */
  workload: Workload
}

/** The cost of one message whose receiver waits for it, under one way of waiting: bounds for measured counts. A message that arrives before its receiver waits needs no wake-up, and one call may take many of those. */
export interface Budget {
  /** Copies made by the kernel. */
  kernel_copies: Range
  /** System calls of the receiver. */
  receiver_syscalls: Range
  /** System calls of the sender. */
  sender_syscalls: Range
  /** The way of waiting, by name: `spin`, `hybrid` or `block`. */
  wait: string
  /** Times the kernel makes a sleeping receiver runnable. */
  wakes: Range
}

/** A call of the channel. */
export type Call = "send" | "recv"

/** The calls of one side for one message, and how usual they are. */
export interface Calls {
  /** Messages that took the same calls with the same outcome. */
  alike: number
  /** Each as one reads it: `write(5, 0x7f…, 68) = 68`. Repeated ones are counted: `recvfrom(…) = EAGAIN, 3 times`. */
  lines: Array<string>
  /** Messages in all. */
  messages: number
}

/** What a count can prove. */
export type Certainty = "exact" | "at-least" | "derived"

/** One figure of `b` divided by that of `a`. */
export interface Change {
  /** The greatest. */
  high: number
  /** The least quotient of any two launches. */
  low: number
  /** The quotient of the rows' figures. */
  ratio: number
  /** What that means for `b`. */
  verdict: Judgement
}

/** What is said of one mechanism. */
export interface Claim {
  /** One cell for each of the columns. */
  cells: Array<string>
  /** Its place among the scenes. */
  scene: number
}

/** The claims, and what was measured. */
export interface Claims {
  /** What the cells of a claim say. */
  columns: Array<string>
  /** One for each mechanism of which something was measured. */
  rows: Array<Claim>
  /** Why the two differ. */
  why: Array<string>
  /** The workload that was measured. */
  workload: Workload
}

/** One row of both. */
export interface Compared {
  /** What `a` found; `null` when it has no such row, or it failed. */
  a: Figures | null
  /** What `b` found. */
  b: Figures | null
  /** One cell for each of `COLUMNS`, by that figure. */
  cells: Array<string>
  /** Why one of them, or both, have no figures. */
  failed: string | null
  /** Which of the two this workload is judged by. */
  judged_by: Measure
  /** `pipe ping-pong 64 B spin cross-core`. */
  label: string
  /** The medians: `b` divided by `a`. */
  latency_ratio: Change | null
  /** The report that alone has this row. */
  only_in: ComparedSide | null
  /** The rates: `b` divided by `a`. */
  throughput_ratio: Change | null
}

/** One of the two reports. */
export type ComparedSide = "a" | "b"

/** What two reports say together; `a` is the one to compare with, `b` is judged. */
export interface Comparison {
  /** `COLUMNS`. */
  columns: [string, string, string, string, string, string]
  /** Every row of `a` in its order, then those that only `b` has. */
  rows: Array<Compared>
  /** Sentences that a reader must know. */
  warnings: Array<string>
}

/** The one direction that is said. */
export type Direction = "back"

/** Who ran a row. */
export type Entrant = "mechanism" | "null" | "rival" | "bound"

/** Every line but the first. */
export interface Event {
  /** Its arguments. */
  args?: string
  /** Where the figures come from. */
  basis?: Basis
  /** How many bytes. */
  bytes?: number
  /** The system call it sleeps in. */
  call?: Call | string
  /** The heads of the columns. */
  columns?: Array<string>
  /** The core it runs on, or ran on last. */
  core?: number
  /** How many. */
  count?: number
  /** The core the event was seen on. */
  cpu?: number
  /** More about it. */
  detail?: string
  /** `back` for a message that travels from the receiver to the sender. */
  direction?: Direction
  /** How long it took, in nanoseconds. */
  duration_ns?: number
  /** How, in a word: `disconnected`, `timeout`, `full`, … */
  error?: string
  /** What it exited with. */
  exit_code?: number
  /** What was wanted. */
  figure?: string
  /** Through this function. */
  function?: string
  /** Whether what is promised was seen; `null` when it could not be tried. */
  held?: boolean | null
  /** Which. */
  id?: string
  /** What measured them. */
  instrument?: string
  /** Which message, counted from 0 over the whole trace. */
  message?: number
  /** How the messages are sent. */
  mode?: Mode
  /** Its name. */
  name?: string
  /** The text of the message that came. */
  payload?: string
  /** First the one that sends forward. */
  processes?: [Process, Process]
  /** What to do about it. */
  remedy?: string
  /** What it returned. */
  result?: number
  /** The rows. */
  rows?: Array<Array<string>>
  /** Who; absent for what the lab itself did. */
  side?: Actor
  /** The signal that ended it, such as `SIGKILL`. */
  signal?: string
  /** In a word. */
  state?: ProcessState
  /** The step of the scene that the event is an instance of. */
  step?: string
  /** When, in nanoseconds from the first event of the trace. */
  t_ns: number
  /** A sentence for the log. */
  text?: string
  /** What they are. */
  title?: string
  /** How it is meant. */
  tone?: Tone
  /** From a gauge's field to what it says. */
  values?: Record<string, unknown>
  /** One sentence: what was seen. */
  verdict?: string
  /** Where in the kernel. */
  wchan?: string
  /** What. */
  what: string
  /** Why it cannot be had. */
  why?: string
}

/** Something that can be tried on a mechanism, with real processes. */
export interface Experiment {
  /** The name by which it is asked for, unique in its scene. */
  id: string
  /** What will be done, and what to look at. */
  text: string
  /** The words on the button. */
  title: string
}

/** What rows can be drawn by. */
export interface Figure {
  /** Its short name. */
  by: string
  /** The same in a word. */
  label: string
  /** Whether less is better. */
  less: boolean
  /** In words. */
  name: string
  /** `ns`, `/s` or `B/s`. */
  unit: string
}

/** What is compared. */
export interface Figures {
  /** The median latency. */
  latency_ns_p50: number | null
  /** Messages a second. */
  messages_per_s: number | null
}

/** Cache lines bounced between the two placed processes: what the hardware itself takes. */
export interface Floor {
  /** Medians before and after each counted round, in nanoseconds (half a round trip), in the order they ran. */
  each_round_ns: Array<[number, number]>
  /** How many lines: two, one each way. */
  lines: number
  /** How the polls were spaced; the best of the tried ones: `tight`, `pause` or `tsc`. */
  polls: string
}

/** The vocabulary of a stage. A display that draws these forms can draw any mechanism. */
export type Form = { actor: Actor; is: "process" } | { is: "region"; writer: Actor } | { is: "buffer"; slots: number } | { is: "queue" } | { is: "layer" } | { is: "name" }

/** A figure that can be read of a part. */
export interface Gauge {
  /** The key in the `values` of a `gauges` event. */
  field: string
  /** The words beside it. */
  label: string
  /** Its unit; empty for a plain number or a yes or no, `text` for words. */
  unit: string
}

/** The first line of a trace. */
export interface Header {
  /** The clock that stamped the events: `tsc` or `monotonic`. */
  clock: string
  /** Always `ipcscope-trace`. */
  format: string
  /** One line about the machine. */
  machine: string
  /** Where they were put. */
  placement: string
  /** The process that sends forward, and the one that receives. */
  processes: [Process, Process]
  /** The mechanism's scene: whoever has the trace can draw it. */
  scene: Scene
  /** The version of this structure. It changes when a field changes its meaning or goes away. */
  schema: number
  /** Bytes in each message. */
  size_bytes: number
  /** When it was recorded, in milliseconds since 1970-01-01 UTC. */
  started_unix_ms: number
  /** How both sides waited. */
  wait: string
}

/** One instrument, and whether it can be had. */
export interface Instrument {
  /** What its counts can prove. */
  certainty: Certainty
  /** What people call it. */
  name: string
  /** What it shows. */
  shows: string
  /** What it takes. */
  tier: Tier
  /** Which. */
  tool: Tool
  /** How long the trial took: to be attached, or to be asked once, in nanoseconds. */
  tried_ns?: number
  /** Why it cannot be had here, if so. */
  unavailable: Unavailable | null
}

/** A report, judged. */
export interface Judged {
  /** Where and how it ran. */
  above: Array<string>
  /** What follows. */
  advice: Array<Advice>
  /** What you must know to read the figures. */
  below: Array<string>
  /** What textbooks say beside what was measured; `null` where nothing of it was measured. */
  claims: Claims | null
  /** `COLUMNS`. */
  columns: [string, string, string, string, string, string, string, string, string, string, string]
  /** What makes rows doubtful: each note once, with the rows that it is about. */
  doubts: Array<string>
  /** `FIGURES`. */
  figures: [Figure, Figure, Figure, Figure, Figure]
  /** Rows that may be compared, in the order of the report. */
  groups: Array<JudgedGroup>
}

/** Rows that share workload, size, placement and way of waiting. */
export interface JudgedGroup {
  /** What makes its rows doubtful. */
  doubts: Array<string>
  /** What they are judged by. */
  measure: Measure
  /** Their placement. */
  placement: Placement
  /** Places in `rows` of those that are judged, the best first. */
  ranked: Array<number>
  /** Every row, in the order of the report, unless sorted. */
  rows: Array<JudgedRow>
  /** Their size. */
  size_bytes: number
  /** `ping-pong, 64 B, spin`. */
  title: string
  /** The best by each figure that matters, a sentence each. */
  verdicts: Array<string>
  /** Their way of waiting. */
  wait: Wait
  /** The rows' workload. */
  workload: Workload
}

/** One row, as it is shown. */
export interface JudgedRow {
  /** Whether no other entrant of the group was better. */
  best: boolean
  /** One cell for each of `COLUMNS`; the first alone when the row failed. */
  cells: Array<string>
  /** Why there are no numbers. */
  failed: string | null
  /** One for each of `FIGURES`. */
  figures: [Shown | null, Shown | null, Shown | null, Shown | null, Shown | null]
  /** Its index in the report. */
  row: number
  /** The mechanism's place among the scenes; `null` for what is none of them. */
  scene: number | null
  /** What people call it. */
  title: string
}

/** How `b` stands to `a`. */
export type Judgement = "better" | "worse" | "no-difference" | "unknown"

/** A mechanism. */
export type Kind = string

/** Percentiles of one row. A percentile beyond what the samples support (1 − 10/n) is `null`. */
export interface Latency {
  /** How the samples were taken. */
  basis: LatencyBasis
  /** The histogram, as pairs of a value in nanoseconds and how many samples had it; values carry 3 significant digits. */
  histogram: Array<[number, number]>
  /** The slowest sample of all. */
  max: number
  /** The median. */
  p50: number | null
  /** 90 % were at most this. */
  p90: number | null
  /** 99 % were at most this. */
  p99: number | null
  /** 99.9 % were at most this. */
  p999: number | null
  /** How many samples. */
  samples: number
}

/** How the latency of a row came to be. */
export type LatencyBasis = "half-round-trip" | "one-way-stamped" | "from-due-time"

/** What one launch found by itself. */
export interface Launch {
  /** The median of this launch alone. */
  latency_ns_p50: number | null
  /** Messages a second of this launch alone. */
  messages_per_s: number | null
}

/** What a reader must know about the machine before believing a number from it. */
export interface Machine {
  /** `x86_64`, `aarch64`, …: what this program was built for. */
  architecture: string
  /** Level 1 data cache of the first core, such as `48K`. */
  cache_l1d: string | null
  /** Level 2 cache of the first core. */
  cache_l2: string | null
  /** Level 3 cache of the first core. */
  cache_l3: string | null
  /** The kernel's clock source. */
  clock_source: string | null
  /** The container the process runs in, as far as it can be told. */
  container: string | null
  /** The cores that this process may use; empty where the kernel does not tell. */
  cores_allowed: Array<number>
  /** Cores that are running. */
  cores_online: number | null
  /** The processor, in its maker's words. */
  cpu: string | null
  /** The frequency governor of the first core; virtual machines mostly have none. */
  governor: string | null
  /** The kernel's release, such as `6.18.44`. */
  kernel: string | null
  /** Memory in all, in bytes. */
  memory_bytes: number | null
  /** The processor's weaknesses that the kernel works around, each of which may cost time in system calls, as `spectre_v2: Retpolines; …`. */
  mitigations: Array<string> | null
  /** The distribution. */
  os: string | null
  /** Whether cores share hardware by simultaneous multithreading. */
  smt_active: boolean | null
  /** Whether shared memory may use huge pages: the chosen word of `shmem_enabled`. */
  thp_shmem: string | null
  /** The hypervisor by the name it gives itself, `unknown hypervisor` when it gives none, `null` when none is seen. */
  virtualised: string | null
}

/** What two rows are compared by; their workload decides. */
export type Measure = "p50" | "rate"

/** How the messages of a batch are sent. */
export type Mode = "step" | "burst" | "paced" | "xray"

/** What an instrument adds to the flight of a message. */
export interface Overhead {
  /** Median flight without any instrument, in nanoseconds. */
  alone_ns_p50: number
  /** … with this one. */
  flight_ns_p50: number
  /** The instrument. */
  instrument: string
}

/** One thing on the stage, with what can be read of it. */
export interface Part {
  /** What it is. */
  form: Form
  /** What can be read of it while it is shown. */
  gauges: Array<Gauge>
  /** The name by which steps refer to it. */
  id: string
  /** The words beside it. */
  label: string
  /** On which side of the line it stands. */
  space: Space
}

/** Where the two processes run; two numbers are the sender's core and the receiver's. */
export type Placement = string

/** A complete race. */
export interface Plan {
  /** How much may be on its way in each direction, in bytes, as it is asked for: of shared memory's ring (`crossing::Config::capacity_bytes`) and of the kernel (`crossing::Config::kernel_buffer_bytes`). `null`: the mechanism's own. What each has got is in `Row::channel_bytes`. Rivals are not told of it. */
  capacity_bytes?: number
  /** Verified messages in each row, over all its launches. */
  count: number
  /** The mechanisms that run. */
  kinds: Array<Kind>
  /** Fresh pairs of processes each row is spread over. */
  launches: number
  /** Where the two processes sit. */
  placement: Placement
  /** Whether `--quick` cut the count; tables say so. */
  quick: boolean
  /** Messages a second, for `Workload::Paced`. */
  rate_per_s: number
  /** Programs outside the project that run the same rounds (see `rivals/README.md`). */
  rivals?: Array<string>
  /** Shuffles the order of the rounds. */
  seed: number
  /** Message sizes in bytes, each at least 1 and at most `SIZE_LIMIT`. */
  sizes: Array<number>
  /** The ways of waiting; both sides of a row wait alike. */
  waits: Array<Wait>
  /** The workloads each of them runs. */
  workloads: Array<Workload>
}

/** One question, and what became of it. */
export interface ProbeFigure {
  /** What the scene foretells, where it does. */
  budget: Range | null
  /** Whether the best reading keeps within it. */
  held: boolean | null
  /** What was asked. */
  question: Question
  /** What textbooks say; never measured. */
  quoted: string | null
  /** What the instruments read, the best first. Empty where none could. */
  readings: Array<Reading>
  /** One sentence: why the reading is not what is quoted, or what is not counted in it. */
  remark: string | null
  /** Why there is no reading, or none that is exact. */
  unavailable: Unavailable | null
}

/** The result of one probe. */
export interface ProbeReport {
  /** How long it took, in milliseconds. */
  elapsed_ms: number
  /** Always `ipcscope-probe`. */
  format: string
  /** What there was to look with. */
  instruments: Array<Instrument>
  /** Where it ran. */
  machine: Machine
  /** One for each mechanism, way of waiting and placement. */
  rows: Array<Probed>
  /** The version of this structure. It changes when a field changes its meaning or goes away. */
  schema: number
  /** When it began, in milliseconds since 1970-01-01 UTC. */
  started_unix_ms: number
  /** The version of ipcscope that measured. */
  version: string
}

/** What one message costs over one mechanism, under one way of waiting and placement. */
export interface Probed {
  /** The calls of one message, as they were made: of the sender, and of the receiver. */
  calls: [Calls, Calls] | null
  /** The cores they were read back on. */
  cores: [number, number] | null
  /** Why there are no figures, if so. */
  failed: string | null
  /** Every question. */
  figures: Array<ProbeFigure>
  /** The mechanism. */
  kind: Kind
  /** What each instrument adds to a message. */
  overheads: Array<Overhead>
  /** Where the two ran. */
  placement: Placement
  /** Bytes in each message. */
  size_bytes: number
  /** Who touched one byte of the message. */
  touches: Array<TouchedBy>
  /** How both sides waited. */
  wait: Wait
}

/** One of the two processes. */
export interface Process {
  /** Which of the two. */
  actor: Actor
  /** The core it was read back on; `null` when unpinned. */
  core: number | null
  /** The process id of its parent. */
  parent: number
  /** Its process id. */
  pid: number
}

/** What the kernel says of a process. */
export type ProcessState = "idle" | "running" | "sleeping" | "stopped" | "dead"

/** What is asked of one message. */
export type Question = "calls" | "sender-calls" | "receiver-calls" | "kernel-copies" | "wakes" | "receiver-sleeps" | "sender-sleeps" | "sender-faults" | "receiver-faults" | "segments" | "acknowledgements"

/** What textbooks say, word for word short; never measured. */
export interface Quoted {
  /** Copies per message. */
  copies: string
  /** Latency of one message. */
  latency: string
  /** System calls per message. */
  syscalls: string
  /** When to use it. */
  use_when: string
}

/** From least to most, per message, on average over many; `most` is `null` where polling sets no bound. */
export interface Range {
  /** At least this many. */
  least: number
  /** At most this many; `null` where polling sets no bound. */
  most: number | null
}

/** What one instrument read. */
export interface Reading {
  /** What its count can prove. */
  certainty: Certainty
  /** Which. */
  instrument: string
  /** Messages it was counted over. */
  messages: number
  /** What it is made of, by name, each for one message. */
  parts: Array<[string, number]>
  /** How many for each message. */
  per_message: number
}

/** The result of one race. */
export interface Report {
  /** Reading the clock once, median, in nanoseconds: part of every sample, never subtracted. */
  clock_cost_ns: number
  /** The smallest step the clock was seen to make, in nanoseconds. */
  clock_step_ns: number
  /** How long the whole race took, in milliseconds. */
  elapsed_ms: number
  /** True when the race was cut short (Ctrl-C): rows hold what was measured until then. */
  interrupted: boolean
  /** Where it ran. */
  machine: Machine
  /** Whether a lab page was open while it ran (an open page changes unpinned results). */
  page_open: boolean
  /** What was asked for. */
  plan: Plan
  /** Rounds that were thrown away because the floor changed while they ran, or because they were disturbed: by a quota of processor time, by a stop of the lab, by a sleep of the machine. */
  rounds_dropped: number
  /** One row for each entrant. */
  rows: Array<Row>
  /** The version of this structure. It changes when a field changes its meaning or goes away. */
  schema: number
  /** When the race began, in milliseconds since 1970-01-01 UTC. */
  started_unix_ms: number
  /** Share of time the hypervisor took from this machine during the race, in percent; `null` where it is not told. */
  steal_percent: number | null
  /** The version of ipcscope that measured. */
  version: string
}

/** What one entrant did under one workload, size, placement and way of waiting. */
export interface Row {
  /** What the channel had room for in the direction that the first process sends, in bytes, when its launches had ended: the least and the most of them (`crossing::Sender::capacity_bytes`). Of shared memory the ring, which holds two of the longest messages whatever was asked for; else the kernel's buffer, in which sockets count the kernel's own overhead, so twice what was asked for. `null` for the null entrant and rivals, and where it was not told. */
  channel_bytes?: [number, number]
  /** The cores the sender and the receiver were read back on; `null` when unpinned. */
  cores: [number, number] | null
  /** What each launch alone found. */
  each_launch: Array<Launch>
  /** Who that is. */
  entrant: Entrant
  /** Why there are no numbers, if so. */
  failed: string | null
  /** What the floor is made of. */
  floor: Floor | null
  /** The floor of the same rounds (median of before and after), or `null` where there is none (one core, unpinned). */
  floor_ns: number | null
  /** `shm`, `pipe`, `unix`, `tcp`, `null`, or a rival's name. */
  kind: string
  /** Latency of one message, one way; `null` when the row failed or took no samples. */
  latency_ns: Latency | null
  /** Fresh pairs of processes that gave these numbers. */
  launches: number
  /** Messages sent in the rounds that count. */
  messages: number
  /** Messages a second until the receiver had verified the last one, over all launches. */
  messages_per_s: number | null
  /** `Workload::Paced` only: messages that could not be sent when they were due (more than one interval late). */
  missed: number | null
  /** Sentences a reader must know: two modes, few samples, a floor that moved. */
  notes: Array<string>
  /** The placement asked for. */
  placement: Placement
  /** How one launch went on, the one in the middle by its rate: pairs of nanoseconds since its clock started and messages verified until then. `null` for the null entrant and rivals. */
  progress?: Array<[number, number]> | null
  /** What the sender and the receiver cost, summed over all launches, in the timed window only. */
  sides: [Side, Side] | null
  /** Bytes in each message. */
  size_bytes: number
  /** How far apart the cores were meanwhile, by that floor. */
  state?: State
  /** Messages whose sequence number and payload the receiver found right. Equal to `messages` in any row with numbers. */
  verified: number
  /** How both sides waited. */
  wait: Wait
  /** The workload. */
  workload: Workload
}

/** The story of one mechanism. */
export interface Scene {
  /** What one message may cost, for each way of waiting. */
  budgets: Array<Budget>
  /** Whether the peer may be on another machine. */
  cross_host: boolean
  /** Whether one connection carries messages both ways. */
  duplex: boolean
  /** What can be tried on it. */
  experiments: Array<Experiment>
  /** The paragraph that explains: what the kernel does, what it costs, and where that can be seen. */
  explanation: string
  /** Its short name, such as `pipe`. */
  kind: string
  /** What textbooks say; never measured. */
  quoted: Quoted
  /** What there is to see, from top to bottom. */
  stage: Array<Part>
  /** What happens to one message, in order. */
  steps: Array<Step>
  /** One or two sentences: what happens to a message. */
  summary: string
  /** A few words each, for a card. */
  tags: Array<string>
  /** What people call it. */
  title: string
}

/** A figure of a row, and its text. */
export interface Shown {
  /** `4.21 µs`. */
  text: string
  /** In the figure's unit. */
  value: number
}

/** What a side cost while the clock ran (getrusage(2), this process only). */
export interface Side {
  /** Times it was put aside. */
  involuntary_switches: number
  /** Page faults that needed no disk. */
  minor_faults: number
  /** The most memory it ever held, in KiB (the largest of all launches). */
  peak_rss_kib: number
  /** Time in the kernel, in nanoseconds. */
  system_ns: number
  /** Time in user mode, in nanoseconds. */
  user_ns: number
  /** Times it went to sleep by itself. */
  voluntary_switches: number
}

/** The two sides of the line that depth is measured from. */
export type Space = "user" | "kernel"

/** How far apart the two cores were, by the floor. A virtual machine's host moves them, and what is fast in one state is slow in another: only rows of the same state may be compared. */
export type State = "near" | "far" | "mixed"

/** One step of a message. */
export interface Step {
  /** What is done. */
  act: Act
  /** Its actor. */
  actor: Actor
  /** The part it is done at. */
  at: string
  /** A short name, unique in its scene. */
  id: string
  /** One sentence. */
  text: string
  /** The part that bytes go to, if they move. */
  to: string | null
  /** When it happens at all. */
  when: When
}

/** What it takes to be allowed to use an instrument. */
export type Tier = "anyone" | "perf" | "tracepoints" | "kernel-memory"

/** How a note is meant. */
export type Tone = "plain" | "good" | "bad"

/** Which instrument. */
export type Tool = "accounts" | "ptrace" | "switches" | "user-watchpoints" | "tracepoints" | "kernel-watchpoints" | "symbols" | "page-frames"

/** Touches of the byte at one place by one function. */
export interface TouchedBy {
  /** The kernel's function, or `the program itself`. */
  function: string
  /** Where the byte was. */
  place: string
  /** What led to it, the innermost first. */
  stack: Array<string>
  /** Who ran: `sender`, `receiver` or `someone else`. */
  who: string
}

/** Something this machine will not give. */
export interface Unavailable {
  /** What to do about it. */
  remedy: string
  /** What was wanted. */
  what: string
  /** Why it cannot be had. */
  why: string
}

/** One mechanism against another. */
export interface Versus {
  /** How many times the time of the other a message takes. */
  ratio: string
  /** The other's place among the scenes; `null` for what is none of them. */
  scene: number | null
  /** What people call the other. */
  title: string
}

/** How both ends wait; `hybrid:<N>us` spins N microseconds, then sleeps. */
export type Wait = string

/** Under which condition a step happens. */
export type When = "always" | "receiver-first" | "receiver-asleep" | "full"

/** How messages are offered to the channel. */
export type Workload = "ping-pong" | "stream" | "corked" | "paced"

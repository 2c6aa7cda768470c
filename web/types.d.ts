// What travels between the lab and the page: the data itself, made from the Rust types (model.d.ts), and what the lab answers
// beside it (docs/api.md).

import type { Judged, Machine, Plan, ProbeReport, Report, Scene } from './model'

export * from './model'

export type Value = number | string | boolean

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
export interface Counted {
  /** `null`: a record that came with the lab, of the machine that it names. */
  id: string | null
  report: ProbeReport
  command: string
  unreadable: { file: string; why: string }[]
}

export interface JudgedRun { report: Report; judged: Judged }

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

// What travels between the lab and the page, made from the Rust types: see model.d.ts.

export * from './model'

export type Value = number | string | boolean

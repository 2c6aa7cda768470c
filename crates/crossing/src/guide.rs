//! Chapters: what goes beyond one type.

#![allow(rustdoc::redundant_explicit_links)]

#[doc = include_str!("../docs/waiting.md")]
pub mod waiting {}

#[doc = include_str!("../docs/costs.md")]
pub mod costs {}

#[doc = include_str!("../docs/meeting.md")]
pub mod meeting {}

#[doc = include_str!("../docs/dying.md")]
pub mod dying {}

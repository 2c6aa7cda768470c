//! Starting and stopping a race from the page. It runs in this process, on a thread of its own that sleeps while a round runs,
//! and goes on when the last page has left.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use crossing::{Kind, WaitStrategy};
use lab::plan::{Placement, Plan, Workload};
use serde::{Deserialize, Deserializer, Serialize};

use super::Lab;
use super::body::Json;
use super::live::{Doing, RunEnded};
use super::refusal::{Refusal, json_of};
use super::turn::Slot;
use crate::outcome::Failure;
use crate::plan::{self, Decided, Wish};

/// The settings that a page may choose. No programs: a rival is started from a terminal only.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wished {
    kinds: Vec<ParsedWord<Kind>>,
    workloads: Vec<Workload>,
    sizes: Vec<u32>,
    placement: Option<ParsedWord<Placement>>,
    waits: Vec<ParsedWord<WaitStrategy>>,
    count: Option<u64>,
    launches: Option<u32>,
    rate_per_s: Option<u32>,
    capacity_bytes: Option<u32>,
    seed: Option<u64>,
    quick: bool,
}

/// A value in the words of the command line.
#[derive(Debug)]
pub(crate) struct ParsedWord<T>(pub(crate) T);

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for ParsedWord<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ParsedWord<T>, D::Error> {
        String::deserialize(from)?.parse().map(ParsedWord).map_err(serde::de::Error::custom)
    }
}

impl From<Wished> for Wish {
    fn from(wished: Wished) -> Wish {
        Wish {
            kinds: wished.kinds.into_iter().map(|ParsedWord(kind)| kind).collect(),
            workloads: wished.workloads,
            sizes: wished.sizes,
            placement: wished.placement.map(|ParsedWord(placement)| placement),
            waits: wished.waits.into_iter().map(|ParsedWord(wait)| wait).collect(),
            count: wished.count,
            launches: wished.launches,
            rate_per_s: wished.rate_per_s,
            capacity_bytes: wished.capacity_bytes,
            seed: wished.seed,
            quick: wished.quick,
            rivals: Vec::new(),
            rivals_below: None,
        }
    }
}

/// The race that was started.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RaceStarted {
    plan: Plan,
    command: String,
    notices: Vec<String>,
}

/// `POST /api/race`.
pub(crate) async fn start(
    State(lab): State<Arc<Lab>>,
    Json(wished): Json<Wished>,
) -> Result<Response, Refusal> {
    let Decided { plan, notices } =
        plan::decide(&wished.into()).map_err(|Failure(sentence)| Refusal::senseless(sentence))?;
    let slot = Slot::take(&lab, Doing::Race(plan.clone())).await?;
    let answer = RaceStarted { command: plan::command(&plan), plan: plan.clone(), notices };
    slot.run(move |lab, slot| run(lab, slot, &plan))?;
    Ok(json_of(StatusCode::ACCEPTED, &answer))
}

/// `DELETE /api/race`.
pub(crate) async fn stop(State(lab): State<Arc<Lab>>) -> Result<StatusCode, Refusal> {
    let stopped = lab.live.stop(|doing| matches!(doing, Doing::Race(_)));
    if stopped { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::not_found("no race runs")) }
}

fn run(lab: &Lab, slot: Slot, plan: &Plan) {
    let raced = lab::race::run(plan, &mut |progress| slot.moved(progress), &slot.stop);
    let mut ended = RunEnded { interrupted: slot.stop.load(Ordering::Relaxed), ..RunEnded::default() };
    match raced {
        Err(error) => ended.error = Some(error.to_string()),
        // A race that was cut short before its first round is no news.
        Ok(report) if report.rows.is_empty() => {}
        Ok(mut report) => {
            report.page_open = slot.page_open();
            match lab.history.keep(&report) {
                Ok((id, _)) => ended.run = Some(id),
                Err(why) => {
                    ended.run = Some(lab.history.hold(&report, &why));
                    ended.error = Some(format!(
                        "the report could not be kept ({why}); it is in memory until the lab ends, so export it"
                    ));
                }
            }
        }
    }
    slot.end(&ended);
}

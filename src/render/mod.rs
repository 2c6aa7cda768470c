//! How results look: one file for each form, and the words, units and columns that the forms share.

pub(crate) mod choice;
pub(crate) mod comparison;
pub(crate) mod csv;
pub(crate) mod doctor;
pub(crate) mod form;
mod frame;
mod grid;
pub(crate) mod html;
mod ink;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod probe;
pub(crate) mod progress;
mod results;
pub(crate) mod table;
pub(crate) mod timeline;
pub(crate) mod units;
mod words;

pub(crate) use ink::Ink;

/// A report of made-up figures, for the tests of the forms.
#[cfg(test)]
pub(crate) fn sample() -> lab::Report {
    serde_json::from_str(include_str!("../../tests/cli/sample.json")).expect("the sample is a report")
}

//! The export formats of a report: their names and writers.

use lab::Report;

use super::{csv, html, json, markdown};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    Json,
    Csv,
    Markdown,
    Html,
}

impl OutputFormat {
    pub(crate) const ALL: [OutputFormat; 4] =
        [OutputFormat::Json, OutputFormat::Csv, OutputFormat::Markdown, OutputFormat::Html];

    /// As it is asked for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            OutputFormat::Json => "json",
            OutputFormat::Csv => "csv",
            OutputFormat::Markdown => "markdown",
            OutputFormat::Html => "html",
        }
    }

    /// How the name of a file of this form ends.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            OutputFormat::Markdown => "md",
            other => other.name(),
        }
    }

    /// What a browser is told about it.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            OutputFormat::Json => "application/json",
            OutputFormat::Csv => "text/csv; charset=utf-8",
            OutputFormat::Markdown => "text/markdown; charset=utf-8",
            OutputFormat::Html => "text/html; charset=utf-8",
        }
    }

    /// The report in this form. What the person was told beside the race is part of the forms that are read by people.
    pub(crate) fn write(self, report: &Report, notices: &[String], sort: bool) -> String {
        match self {
            OutputFormat::Json => json::report(report),
            OutputFormat::Csv => csv::report(report),
            OutputFormat::Markdown => markdown::report(report, notices, sort),
            OutputFormat::Html => html::report(report, notices, sort),
        }
    }
}

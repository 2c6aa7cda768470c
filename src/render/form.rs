//! The export formats of a report: their names and writers.

use lab::Report;

use super::{csv, html, json, markdown};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Csv,
    Markdown,
    Html,
}

impl Form {
    pub(crate) const ALL: [Form; 4] = [Form::Json, Form::Csv, Form::Markdown, Form::Html];

    /// As it is asked for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Csv => "csv",
            Form::Markdown => "markdown",
            Form::Html => "html",
        }
    }

    /// How the name of a file of this form ends.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Form::Markdown => "md",
            other => other.name(),
        }
    }

    /// What a browser is told about it.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Csv => "text/csv; charset=utf-8",
            Form::Markdown => "text/markdown; charset=utf-8",
            Form::Html => "text/html; charset=utf-8",
        }
    }

    /// The report in this form. What the person was told beside the race is part of the forms that are read by people.
    pub(crate) fn write(self, report: &Report, notices: &[String], sort: bool) -> String {
        match self {
            Form::Json => json::report(report),
            Form::Csv => csv::report(report),
            Form::Markdown => markdown::report(report, notices, sort),
            Form::Html => html::report(report, notices, sort),
        }
    }
}

//! Colour: a few of the 16 terminal colours, and never the only carrier of a meaning. Whatever is painted may be foreign text, in lines
//! of ours ([`foreign`]).

use std::io::{self, IsTerminal};

use super::foreign;
use crate::args::Color;

/// Whether to use colour, decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink {
    on: bool,
}

impl Ink {
    /// What was asked for; else colour on a terminal, unless `NO_COLOR` is set to anything or the terminal is `dumb`.
    pub(crate) fn choose(asked: Color) -> Ink {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = || std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Ink {
            on: match asked {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => io::stdout().is_terminal() && !set("NO_COLOR") && !dumb(),
            },
        }
    }

    /// For headings and the best of a group.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what frames the numbers.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// For what failed or is missing.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// For what is limited.
    pub(crate) fn fair(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// For what is as it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        let text = foreign::lines(text);
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into_owned() }
    }
}

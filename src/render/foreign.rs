//! Text that is not ours: from a report that was mailed, a guest, a file's name, the kernel. One filter, at the place where it is
//! printed.
//!
//! What a terminal obeys instead of showing (escape sequences, in both sets of control characters), what forges a line of ours (line
//! ends of any kind), what changes the order of what is read (Unicode TR 9), and what is there and cannot be seen (TR 36) is written
//! out, as Rust writes it: `\u{1b}`. Line ends and tabs become a space. [`grid`](super::grid), [`Ink`](super::Ink) and
//! [`outcome::note`](crate::outcome::note) do this to whatever they are given, so that no table and no sentence can forget it.

use std::borrow::Cow;

/// The longest text that is shown, in characters. A report may hold a name of 60 MB.
pub(super) const LONGEST: usize = 4_000;

/// The longest cell of a table.
const LONGEST_CELL: usize = 200;

/// Foreign text as one line that is safe to show.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    shortened(text, LONGEST)
}

/// The same for a cell, of which each makes its column wider.
pub(crate) fn cell(text: &str) -> Cow<'_, str> {
    shortened(text, LONGEST_CELL)
}

/// Several lines of ours, in which there may be foreign text: line ends are kept.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|letter| letter != '\n' && is_unsafe(letter)) {
        return text.into();
    }
    text.split('\n').map(|line| written(line.chars())).collect::<Vec<_>>().join("\n").into()
}

/// JSON that says the same, and can be shown: what is unsafe is written as `\uXXXX`. In JSON it stands within texts only.
pub(crate) fn json(text: String) -> String {
    let unsafe_here = |letter: char| !letter.is_ascii() && is_unsafe(letter) || letter == '\u{7f}';
    if !text.chars().any(unsafe_here) {
        return text;
    }
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if unsafe_here(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// The same for the lines of a trace.
pub(crate) fn lines_of_json(lines: Vec<u8>) -> Vec<u8> {
    // What is no text cannot have come from serde_json.
    String::from_utf8(lines)
        .map_or_else(std::string::FromUtf8Error::into_bytes, |text| json(text).into_bytes())
}

fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    let is_short = text.len() <= longest || text.chars().nth(longest).is_none();
    if !is_short {
        return format!("{}…", written(text.chars().take(longest - 1))).into();
    }
    if text.chars().any(is_unsafe) { written(text.chars()).into() } else { text.into() }
}

fn written(text: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    for letter in text {
        match letter {
            '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => shown.push(' '),
            letter if is_unsafe(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// Whether a character does something instead of being seen.
pub(crate) fn is_unsafe(letter: char) -> bool {
    // C0, DEL and C1 are `is_control`. The rest are the characters of Unicode's category Cf (format) and of its property
    // Default_Ignorable_Code_Point (DerivedCoreProperties.txt), in ranges that take in what is not yet assigned; and the separators.
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::args::Color;
    use crate::render::{self, Ink, comparison, hostile, sample};

    /// Everything at once: a formula, escape sequences of both sets, forged lines, turned and invisible text, markup.
    pub(crate) const HOSTILE: &str = "=1+1\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\nipcscope: all is well\r| x |\t\u{202e}\u{2066}\u{200b}\u{feff}\
         \u{2028}\u{e0041}\u{7f}<script>\"'`[a](http://x.y)";

    /// Where texts, lists of texts and what is absent stand in `value`, as JSON pointers.
    pub(crate) fn places(value: &serde_json::Value) -> Vec<String> {
        use serde_json::Value;
        let below = |(name, value): (String, &Value)| {
            places(value).into_iter().map(move |place| format!("/{name}{place}")).collect::<Vec<_>>()
        };
        match value {
            Value::String(_) | Value::Null => vec![String::new()],
            Value::Array(list) if list.is_empty() => vec![String::new()],
            Value::Array(list) => {
                list.iter().enumerate().flat_map(|(index, value)| below((index.to_string(), value))).collect()
            }
            Value::Object(object) => {
                object.iter().flat_map(|(name, value)| below((name.clone(), value))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What of `text` a terminal would obey, or a reader not see.
    fn offending(text: &str) -> Vec<char> {
        text.chars().filter(|&letter| letter != '\n' && is_unsafe(letter)).collect()
    }

    #[test]
    fn no_form_of_a_hostile_report_lets_anything_through() {
        let (hostile, notices) = (hostile(), [HOSTILE.to_owned()]);
        // The control: it is all there, and the check sees it.
        assert!(hostile.rows[0].kind == HOSTILE && hostile.machine.cpu.as_deref() == Some(HOSTILE));
        assert!(hostile.rows[1].failed.as_deref() == Some(HOSTILE) && hostile.rows[0].notes == [HOSTILE]);
        let seen = offending(&hostile.rows[0].kind);
        for letter in
            ['\u{1b}', '\u{9b}', '\r', '\t', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{e0041}']
        {
            assert!(seen.contains(&letter), "{letter:?}");
        }
        let plain = Ink::choose(Color::Never);
        let table = |report: &lab::Report| render::table::text(report, &notices, false, 100, plain);
        let compared = |a: &lab::Report, b: &lab::Report| {
            let comparison = lab::compare::Comparison::of(a, b);
            (comparison::text(&comparison, 100, plain), json(serde_json::json!(comparison).to_string()))
        };
        let mut forms = vec![("table", table(&hostile))];
        for (a, b) in [(&hostile, &hostile), (&hostile, &sample()), (&sample(), &hostile)] {
            let (text, json) = compared(a, b);
            forms.extend([("comparison", text), ("comparison as JSON", json)]);
        }
        for form in render::form::OutputFormat::ALL {
            // CSV ends its lines as RFC 4180 has it.
            forms.push((form.name(), form.write(&hostile, &notices, false).replace("\r\n", "\n")));
        }
        for (form, text) in &forms {
            assert_eq!(offending(text), Vec::<char>::new(), "{form}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("ipcscope: all is well")), "{form}: {text}");
        }
        let of = |name: &str| &forms.iter().find(|(form, _)| *form == name).expect("it is there").1;
        assert!(
            of("csv").lines().skip(1).all(|line| line.starts_with("'=") || line.starts_with("\"'=")),
            "{}",
            of("csv")
        );
        assert!(
            of("html").matches("<script").count() == 3 && !of("markdown").contains("[a](http://"),
            "{}",
            of("markdown")
        );
        assert_eq!(serde_json::from_str::<lab::Report>(of("json")).expect("JSON"), hostile, "JSON is exact");
    }

    #[test]
    fn colour_is_ours_and_nothing_else() {
        let painted = Ink::choose(Color::Always).bad(HOSTILE);
        let inside = painted.strip_prefix("\u{1b}[31m").and_then(|rest| rest.strip_suffix("\u{1b}[0m"));
        assert_eq!(offending(inside.expect("painted")), Vec::<char>::new());
    }

    #[test]
    fn ordinary_text_of_any_language_is_left_alone() {
        for text in
            ["", "pipe", "AMD EPYC™ 7R13 (µcode 1×)", "Процессор", "処理装置", "مُعالج", "a – b ≈ c … “d”"]
        {
            assert!(matches!(clean(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(clean("\u{1b}[2Jx\u{9b}31m\u{7f}"), "\\u{1b}[2Jx\\u{9b}31m\\u{7f}");
        assert_eq!(clean("a\nipcscope: all is well\r\tb\u{2028}c\u{85}d"), "a ipcscope: all is well  b c d");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{200b}d"), "a\\u{202e}b\\u{2066}c\\u{200b}d");
        assert_eq!(lines("a\nb\r\u{1b}c"), "a\nb \\u{1b}c");
    }

    #[test]
    fn no_name_is_long_enough_to_fill_the_screen() {
        let long = "x\u{1b}".repeat(1 << 20);
        assert!(clean(&long).chars().count() < 6 * LONGEST && clean(&long).ends_with('…'));
        assert!(cell(&long).chars().count() < 6 * LONGEST_CELL);
        assert_eq!(cell(&"é".repeat(LONGEST_CELL)), "é".repeat(LONGEST_CELL));
    }

    #[test]
    fn json_says_the_same() {
        let text = "\u{1b}\u{9b}\u{202e}\u{e0041}\u{7f}é".to_owned();
        let safe = json(serde_json::to_string(&text).unwrap());
        assert!(!safe.chars().any(is_unsafe), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }
}

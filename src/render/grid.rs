//! Columns of text that line up, and that give way when the terminal is narrow; and sentences that are broken into lines. Whatever
//! they are given is text that may be foreign ([`foreign`]).

use super::foreign;

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Columns with the lowest number give way first; 0 never does.
    pub(crate) gives_way: u8,
}

/// Widths of the columns that are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GridLayout {
    shown: Vec<(usize, usize)>,
    /// Headings of the columns that had to go.
    pub(crate) left_out: Vec<&'static str>,
}

const GAP: usize = 2;

impl GridLayout {
    /// Finds the columns that fit into `width` characters.
    pub(crate) fn fit<'a>(
        columns: &[Column],
        rows: impl Iterator<Item = &'a [String]>,
        width: usize,
    ) -> GridLayout {
        let mut widths: Vec<usize> = columns.iter().map(|column| length(column.title)).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(length(&foreign::cell(cell)));
            }
        }
        let mut shown: Vec<(usize, usize)> = widths.into_iter().enumerate().collect();
        let mut left_out = Vec::new();
        while shown.iter().map(|(_, width)| width + GAP).sum::<usize>() > width {
            let weakest = shown
                .iter()
                .enumerate()
                .filter(|(_, (column, _))| columns[*column].gives_way > 0)
                .min_by_key(|(_, (column, _))| columns[*column].gives_way);
            let Some((place, &(column, _))) = weakest else { break };
            shown.remove(place);
            left_out.push(columns[column].title);
        }
        GridLayout { shown, left_out }
    }

    /// One line: the first column to the left, the others to the right.
    pub(crate) fn line<'a>(&self, cell: impl Fn(usize) -> &'a str) -> String {
        let mut line = String::new();
        for (place, &(column, width)) in self.shown.iter().enumerate() {
            let text = foreign::cell(cell(column));
            let padding = " ".repeat(width.saturating_sub(length(&text)));
            line.push_str(&" ".repeat(GAP));
            if place == 0 {
                line.push_str(&text);
                line.push_str(&padding);
            } else {
                line.push_str(&padding);
                line.push_str(&text);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Characters; everything we print is one cell wide.
fn length(text: &str) -> usize {
    text.chars().count()
}

/// Breaks `text` at spaces so that no line is longer than `width`; later lines are set in by `indent`.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let text = foreign::clean(text);
    let mut lines = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = length(word);
        if used > 0 && used + 1 + length > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            used = indent;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "name", gives_way: 0 },
        Column { title: "one", gives_way: 2 },
        Column { title: "two", gives_way: 1 },
    ];

    #[test]
    fn the_weakest_column_gives_way_first() {
        let row = ["pipe".to_owned(), "1.00 µs".to_owned(), "2".to_owned()];
        let fit = |width| GridLayout::fit(&COLUMNS, std::iter::once(&row[..]), width);
        assert_eq!(fit(80).line(|column| &row[column]), "  pipe  1.00 µs    2");
        assert_eq!(fit(16).line(|column| &row[column]), "  pipe  1.00 µs");
        assert_eq!(fit(16).left_out, ["two"]);
        assert_eq!(fit(1).line(|column| &row[column]), "  pipe");
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrap("one two three", 7, 2), "one two\n  three");
        assert_eq!(wrap("unbreakable", 3, 0), "unbreakable");
    }
}

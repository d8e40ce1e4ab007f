//! Small parts that the sections share: escaped text, numbers, bars and tables.

use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, Write};

/// Text from outside, safe between tags and in quoted attributes.
pub(super) struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_special) {
            f.write_str(&rest[..at])?;
            let special = rest[at..].chars().next().unwrap_or_default();
            write_special(f, special)?;
            rest = &rest[at + special.len_utf8()..];
        }
        f.write_str(rest)
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '"' | '\'') || is_direction_mark(c) || is_reordering(c) || is_forbidden(c)
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

fn is_reordering(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Control characters that no HTML document may hold.
fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

fn write_special(f: &mut Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '&' => f.write_str("&amp;"),
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&#39;"),
        // These could show an id as another one ("Trojan Source"): the reader sees that they are there.
        _ if is_reordering(c) => write!(f, "[U+{:04X}]", u32::from(c)),
        _ if is_direction_mark(c) => write!(f, "&#x{:X};", u32::from(c)),
        _ => f.write_char('\u{fffd}'),
    }
}

/// Text from outside that keeps its direction to itself.
pub(super) struct Outside<'a>(pub &'a str);

impl Display for Outside<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "<bdi>{}</bdi>", Escaped(self.0))
    }
}

/// A whole number with thousands separated.
pub(super) struct Count(pub u64);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// Hundredths of a point, with the thousands of whole points separated.
pub(super) struct Points(pub u64);

impl Display for Points {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", Count(self.0 / 100), self.0 % 100)
    }
}

/// A share (0..1) in percent; the second part is what to say when there is none.
pub(super) struct Percent(pub Option<f64>, pub &'static str);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(share) => write!(f, "{:.2}%", share * 100.0),
            None => write!(f, "<span class=\"na\">{}</span>", self.1),
        }
    }
}

impl Percent {
    /// The same without markup.
    pub(super) fn plain(&self) -> String {
        self.0.map_or_else(|| self.1.to_owned(), |share| format!("{:.2}%", share * 100.0))
    }
}

/// The share of points reached, or none when none can be; rounding alone never makes it 0 or 1.
pub(super) fn points_share(current: u64, max: u64) -> Option<f64> {
    let whole = max * 100;
    if whole == 0 || current == 0 || current >= whole {
        return (whole > 0).then_some(if current == 0 { 0.0 } else { 1.0 });
    }
    Some(((current as f64 / whole as f64 * 10_000.0).round() / 10_000.0).clamp(0.0001, 0.9999))
}

/// A bar for a share that stands in words next to it.
pub(super) struct Bar(pub Option<f64>);

impl Display for Bar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(share) => {
                let width = share.clamp(0.0, 1.0) * 100.0;
                write!(f, "<span class=\"bar\" aria-hidden=\"true\"><span style=\"width:{width:.2}%\"></span></span>")
            }
            None => f.write_str("<span class=\"bar empty\" aria-hidden=\"true\"></span>"),
        }
    }
}

/// Counts as one bar with a legend; the legend carries the numbers for every reader.
pub(super) struct Stacked<'a>(pub &'a [Segment]);

/// One part of a stacked bar: its look, its name and how many.
pub(super) type Segment = (&'static str, &'static str, u64);

impl Display for Stacked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<div class=\"stack\" aria-hidden=\"true\">")?;
        for (look, _, count) in self.0.iter().filter(|(.., count)| *count > 0) {
            write!(f, "<span class=\"{look}\" style=\"flex-grow:{count}\"></span>")?;
        }
        f.write_str("</div><ul class=\"legend\">")?;
        for (look, name, count) in self.0 {
            write!(
                f,
                "<li><span class=\"key {look}\" aria-hidden=\"true\"></span>{name} <b>{}</b></li>",
                Count(*count)
            )?;
        }
        f.write_str("</ul>")
    }
}

/// Where a column's content stands.
#[derive(Clone, Copy)]
pub(super) enum Align {
    /// Words.
    Start,
    /// One short word, kept in one line.
    Short,
    /// Numbers.
    End,
}

/// A table's columns; the first one names the row.
///
/// On a narrow screen rows become cards, so that every cell carries the name of its column.
pub(super) struct Columns<'a>(pub &'a [(&'a str, Align)]);

impl Columns<'_> {
    /// Opens the table up to its first row.
    pub(super) fn open<W: Write>(&self, out: &mut W, caption: &str) -> io::Result<()> {
        write!(out, "<table>\n<caption>{caption}</caption>\n<thead><tr>")?;
        for (name, align) in self.0 {
            write!(out, "<th scope=\"col\"{}>{name}</th>", class(*align))?;
        }
        writeln!(out, "</tr></thead>\n<tbody>")
    }

    /// One row of cells.
    pub(super) fn row<W: Write>(&self, out: &mut W, cells: &[&dyn Display]) -> io::Result<()> {
        debug_assert_eq!(cells.len(), self.0.len());
        write!(out, "<tr>")?;
        for (place, ((name, align), cell)) in self.0.iter().zip(cells).enumerate() {
            let class = class(*align);
            if place == 0 {
                write!(out, "<th scope=\"row\"{class}>{cell}</th>")?;
            } else {
                write!(out, "\n<td{class} data-label=\"{name}\">{cell}</td>")?;
            }
        }
        writeln!(out, "</tr>")
    }

    /// Closes the table.
    pub(super) fn close<W: Write>(&self, out: &mut W) -> io::Result<()> {
        writeln!(out, "</tbody>\n</table>")
    }
}

fn class(align: Align) -> &'static str {
    match align {
        Align::Start => "",
        Align::Short => " class=\"s\"",
        Align::End => " class=\"n\"",
    }
}

//! How results are printed: data on standard output, everything else on standard error.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;

use crate::args::Format;

/// One rule below the header and nothing else, so that much fits on a screen.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Whether the reader of standard output went away.
static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Standard output that remembers when its reader went away: libraries wrap that error each in its own way.
pub struct Stdout(io::Stdout);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        remembered(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        remembered(self.0.flush())
    }
}

fn remembered<T>(outcome: io::Result<T>) -> io::Result<T> {
    if outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        READER_GONE.store(true, Ordering::Relaxed);
    }
    outcome
}

/// Whether the reader of standard output went away: `yagura ... | head` is that reader's wish, not a failure.
pub fn reader_is_gone() -> bool {
    READER_GONE.load(Ordering::Relaxed)
}

/// Buffered standard output.
pub fn stdout() -> BufWriter<Stdout> {
    BufWriter::with_capacity(64 * 1024, Stdout(io::stdout()))
}

/// One line on standard error. Nobody may be there to read it: then it is lost, and the work goes on.
pub fn note(text: impl std::fmt::Display) {
    let text = text.to_string();
    let _ = writeln!(io::stderr(), "{}", harmless(&text).replace('\n', "\\n"));
}

/// Text without control characters, which would steer the terminal: names and file contents are other people's.
fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    if !text.contains(steers) {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        if steers(letter) { clean.extend(letter.escape_default()) } else { clean.push(letter) }
    }
    clean.into()
}

/// One pretty JSON document.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// One JSON document a line.
pub fn json_lines<T: Serialize>(rows: impl IntoIterator<Item = T>) -> anyhow::Result<()> {
    let mut out = stdout();
    for row in rows {
        serde_json::to_writer(&mut out, &row)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// A table for people; columns whose header starts with `>` are set to the right.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(RULED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width());
    table.set_header(header.iter().map(|name| Cell::new(name.trim_start_matches('>'))));
    for row in rows {
        table.add_row(row.iter().map(|cell| harmless(cell)));
    }
    for (position, name) in header.iter().enumerate() {
        if let (true, Some(column)) = (name.starts_with('>'), table.column_mut(position)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = stdout();
    writeln!(out, "{table}")?;
    out.flush()?;
    Ok(())
}

/// Columns of the terminal: `COLUMNS`, else 120 (wide for a pipe, so that nothing is cut there).
fn width() -> u16 {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns.unwrap_or(if io::stdout().is_terminal() { 120 } else { 200 })
}

/// A line for people.
pub fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let text = text.to_string();
    writeln!(Stdout(io::stdout()), "{}", harmless(&text))?;
    Ok(())
}

/// A heading for people: bold on a terminal unless `NO_COLOR` is set.
pub fn heading(text: &str) -> anyhow::Result<()> {
    let (bold, plain) = if colored() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    writeln!(Stdout(io::stdout()), "\n{bold}{}{plain}", harmless(text))?;
    Ok(())
}

/// Whether standard output takes colours: a terminal, and `NO_COLOR` is not set to something.
fn colored() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A percentage for people.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "not available".to_owned(), |share| format!("{:.2} %", share * 100.0))
}

/// For commands that cannot give a format.
pub fn not_here(format: Format, command: &str, formats: &str) -> anyhow::Result<()> {
    bail!("`{command}` cannot give {format:?}; it gives {formats}")
}

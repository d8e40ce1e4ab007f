//! Comma-separated values (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::finding::Finding;

/// Writes rows under one header line.
pub struct CsvWriter<W: Write> {
    inner: ::csv::Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    /// A writer that has written its header.
    pub fn new(out: W, header: &[&str]) -> io::Result<Self> {
        let mut inner = ::csv::Writer::from_writer(out);
        inner.write_record(header).map_err(io::Error::from)?;
        Ok(Self { inner })
    }

    /// One row. A cell that a spreadsheet would take for a formula gets a leading apostrophe (OWASP, "CSV Injection").
    pub fn row(&mut self, cells: &[&str]) -> io::Result<()> {
        self.inner.write_record(cells.iter().map(|cell| harmless(cell).into_owned())).map_err(io::Error::from)
    }

    /// Writes what is buffered and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        self.inner.into_inner().map_err(|error| io::Error::new(error.error().kind(), error.error().to_string()))
    }
}

fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}").into() } else { cell.into() }
}

/// Findings with one line each; evidence as one JSON text.
pub fn findings_csv<'a, W: Write>(out: W, findings: impl Iterator<Item = Finding<'a>>) -> io::Result<()> {
    let header = [
        "key",
        "title",
        "resource",
        "name",
        "kind",
        "cloud",
        "scope",
        "severity",
        "plan",
        "planEnabled",
        "status",
        "cause",
        "exemption",
        "exemptionExpires",
        "evidence",
    ];
    let mut rows = CsvWriter::new(out, &header)?;
    for finding in findings {
        let evidence = finding.evidence.as_ref().map(serde_json::to_string).transpose()?.unwrap_or_default();
        let exemption = finding.exemption.as_ref().map(|own| own.category.as_str()).unwrap_or_default();
        let expires =
            finding.exemption.as_ref().and_then(|own| own.expires).map(|time| time.to_string()).unwrap_or_default();
        rows.row(&[
            finding.key,
            finding.title,
            finding.resource,
            finding.name,
            finding.kind,
            finding.cloud,
            finding.scope,
            finding.severity.as_str(),
            finding.plan,
            if finding.plan_enabled { "true" } else { "false" },
            finding.status.as_str(),
            finding.cause.as_deref().unwrap_or_default(),
            exemption,
            &expires,
            &evidence,
        ])?;
    }
    rows.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_made_harmless_and_quotes_are_doubled() {
        let mut rows = CsvWriter::new(Vec::new(), &["a", "b"]).unwrap();
        rows.row(&["=1+1", "say \"hi\", twice"]).unwrap();
        let text = String::from_utf8(rows.finish().unwrap()).unwrap();
        assert_eq!(text, "a,b\n'=1+1,\"say \"\"hi\"\", twice\"\n");
    }
}

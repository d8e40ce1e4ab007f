//! One self-contained page that an executive can read and print.

mod messages;
mod parts;
mod score;
mod sections;
mod style;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use yagura_content::Language;
use yagura_model::{Cloud, Severity, Timestamp};
use yagura_posture::StandardCompliance;

use self::messages::Messages;
use self::parts::Outside;
use crate::score_document::ScoreDocument;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Rows of a long table that are shown at once.
const SHOWN: usize = 25;

/// The watchtower that the product is named after.
const MARK: &str = concat!(
    r#"<svg aria-hidden="true" viewBox="0 0 24 24"><path d="M12 1 3 7h18zM6 8h12v5H6zM7 14h2.4l-1.2 9H5.6z"#,
    r#"M14.6 14H17l1.4 9h-2.6zM9 17h6v2H9z"/></svg>"#
);

/// Everything the page shows.
pub struct ReportData<'a> {
    /// The language of the page.
    pub language: Language,
    /// The moment of the evaluation.
    pub at: Timestamp,
    /// What was read, for people: file and folder names.
    pub sources: Vec<String>,
    /// SHA-256 of the content, hex.
    pub content_digest: &'a str,
    /// The score, raw and adjusted.
    pub score: &'a ScoreDocument,
    /// Resources by cloud.
    pub inventory: Vec<CloudInventory>,
    /// Assessments by status: healthy, unhealthy, unknown, notApplicable.
    pub statuses: [u64; 4],
    /// Recommendations with the largest effect on the score first.
    pub top: Vec<TopRecommendation<'a>>,
    /// How many more recommendations have something to fix.
    pub more_recommendations: usize,
    /// Compliance by standard.
    pub compliance: &'a [StandardCompliance],
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// Exemptions that hold now.
    pub exempted: u64,
}

/// One cloud's inventory.
pub struct CloudInventory {
    /// The cloud.
    pub cloud: Cloud,
    /// Subscriptions, accounts or projects.
    pub accounts: usize,
    /// Resources.
    pub resources: usize,
    /// Resources of kinds that no recommendation speaks of.
    pub without_rules: usize,
}

/// One recommendation with something to fix.
pub struct TopRecommendation<'a> {
    /// Its title in the page's language.
    pub title: &'a str,
    /// Why it matters, in the page's language.
    pub why: &'a str,
    /// Its key.
    pub key: &'a str,
    /// The cloud.
    pub cloud: Cloud,
    /// The severity.
    pub severity: Severity,
    /// Unhealthy resources.
    pub unhealthy: u64,
    /// All resources it applies to.
    pub applicable: u64,
    /// By how much the overall score rises when it is fixed everywhere (0..1); none when it is not scored.
    pub gain: Option<f64>,
}

/// Something that could not be seen or decided.
pub struct Gap {
    /// What: a kind, a file, a plan.
    pub what: String,
    /// Where: a scope.
    pub place: String,
    /// Why.
    pub cause: String,
    /// How many assessments are unknown for it.
    pub assessments: u64,
}

/// Writes the page: one HTML file that needs nothing else, loads nothing and runs nothing.
///
/// Written in many small pieces: give a buffered writer. Every text from `data` is escaped.
pub fn html<W: Write>(out: W, data: &ReportData<'_>) -> io::Result<()> {
    Page { out, data, text: Messages::of(data.language) }.write()
}

/// A page on its way out.
struct Page<'a, W> {
    out: W,
    data: &'a ReportData<'a>,
    text: &'static Messages,
}

impl<W: Write> Page<'_, W> {
    fn write(mut self) -> io::Result<()> {
        self.head()?;
        self.header()?;
        writeln!(self.out, "<main class=\"wrap\">")?;
        self.score()?;
        self.inventory()?;
        self.top()?;
        self.controls()?;
        self.compliance()?;
        self.gaps()?;
        self.method()?;
        writeln!(self.out, "</main>\n</body>\n</html>")?;
        self.out.flush()
    }

    fn head(&mut self) -> io::Result<()> {
        let Messages { lang, title, .. } = self.text;
        writeln!(self.out, "<!DOCTYPE html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">")?;
        writeln!(self.out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">")?;
        writeln!(self.out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        writeln!(self.out, "<meta name=\"color-scheme\" content=\"light dark\">")?;
        writeln!(self.out, "<meta name=\"referrer\" content=\"no-referrer\">")?;
        writeln!(self.out, "<title>{title} - Yagura</title>\n<style>\n{}</style>\n</head>\n<body>", style::STYLE)
    }

    fn header(&mut self) -> io::Result<()> {
        let (data, text) = (self.data, self.text);
        writeln!(
            self.out,
            "<header><div class=\"wrap\">\n<p class=\"brand\">{MARK}Yagura</p>\n<h1>{}</h1>",
            text.title
        )?;
        writeln!(self.out, "<dl class=\"facts\">\n<div><dt>{}</dt><dd>", text.evaluated)?;
        let machine = data.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        let people = data.at.strftime("%Y-%m-%d %H:%M:%S UTC");
        writeln!(self.out, "<time datetime=\"{machine}\">{people}</time></dd></div>\n<div><dt>{}</dt>", text.sources)?;
        for source in &data.sources {
            writeln!(self.out, "<dd>{}</dd>", Outside(source))?;
        }
        if data.sources.is_empty() {
            writeln!(self.out, "<dd>{}</dd>", text.none)?;
        }
        writeln!(self.out, "</div>\n</dl>\n</div></header>")
    }

    /// Opens a section with its heading and a line on what it shows.
    fn open(&mut self, id: &str, title: &str, lead: &str) -> io::Result<()> {
        writeln!(self.out, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>")?;
        if lead.is_empty() { Ok(()) } else { writeln!(self.out, "<p class=\"lead\">{lead}</p>") }
    }

    fn close(&mut self) -> io::Result<()> {
        writeln!(self.out, "</section>")
    }

    /// The first items in the open and the rest behind a line that says how many they are.
    fn folded<T>(&mut self, items: &[T], mut table: impl FnMut(&mut Self, &[T]) -> io::Result<()>) -> io::Result<()> {
        let (first, rest) = items.split_at(items.len().min(SHOWN));
        table(self, first)?;
        if rest.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "<details><summary>{}</summary>", (self.text.more)(rest.len() as u64))?;
        table(self, rest)?;
        writeln!(self.out, "</details>")
    }
}

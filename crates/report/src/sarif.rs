//! SARIF 2.1.0 (OASIS): one result for each finding that is unhealthy or unknown.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value as Json, json};
use yagura_content::{Catalogue, CompiledRecommendation, Language};
use yagura_model::{Severity, Status};

use crate::finding::Finding;

/// Writes findings as one SARIF log. Results are streamed; the rules follow them.
///
/// `kind` is `fail` for unhealthy and `open` for unknown (SARIF 3.27.9); an exempted result carries a suppression.
pub fn sarif<'a, W: Write>(
    mut out: W,
    catalogue: &Catalogue,
    language: Language,
    findings: impl Iterator<Item = Finding<'a>>,
) -> io::Result<()> {
    out.write_all(b"{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"results\":[")?;
    let mut keys = BTreeSet::new();
    for finding in findings {
        if !matches!(finding.status, Status::Unhealthy | Status::Unknown) {
            continue;
        }
        if !keys.is_empty() {
            out.write_all(b",")?;
        }
        keys.insert(finding.key.to_owned());
        serde_json::to_writer(&mut out, &result(&finding))?;
    }
    let used = catalogue.recommendations().iter().filter(|own| keys.contains(&own.key));
    let rules: Vec<Json> = used.map(|own| rule(own, language)).collect();
    let driver = json!({
        "name": "Yagura",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "properties": { "contentDigest": catalogue.digest() },
        "rules": rules,
    });
    write!(out, "],\"columnKind\":\"utf16CodeUnits\",\"tool\":{}}}]}}", json!({ "driver": driver }))?;
    out.write_all(b"\n")?;
    out.flush()
}

fn result(finding: &Finding<'_>) -> Json {
    let (kind, level) = match finding.status {
        Status::Unhealthy => ("fail", level(finding.severity)),
        _ => ("open", "none"),
    };
    let text = match &finding.cause {
        Some(cause) => format!("{}: {} ({cause})", finding.title, finding.name),
        None => format!("{}: {}", finding.title, finding.name),
    };
    let mut result = json!({
        "ruleId": finding.key,
        "kind": kind,
        "level": level,
        "message": { "text": text },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(finding.resource) } },
            "logicalLocations": [{ "fullyQualifiedName": finding.resource, "name": finding.name, "kind": "resource" }],
        }],
        "partialFingerprints": { "assessment/v1": format!("{}/{}", finding.key, finding.resource) },
        "properties": { "cloud": finding.cloud, "scope": finding.scope, "kind": finding.kind, "evidence": finding.evidence },
    });
    if let Some(exemption) = &finding.exemption {
        result["suppressions"] =
            json!([{ "kind": "external", "status": "accepted", "justification": exemption.reason }]);
    }
    result
}

fn rule(recommendation: &CompiledRecommendation, language: Language) -> Json {
    let source = &recommendation.source;
    let tags: Vec<String> =
        recommendation.standards().map(|(standard, control, _)| format!("{standard}/{control}")).collect();
    json!({
        "id": recommendation.key,
        "shortDescription": { "text": source.title.get(language) },
        "fullDescription": { "text": source.why.get(language) },
        "help": { "text": source.fix.steps.get(language).join("\n") },
        "defaultConfiguration": { "level": level(source.severity) },
        "properties": { "tags": tags, "security-severity": security_severity(source.severity) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// The number code-scanning viewers sort by (0.1 to 10, as CVSS).
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "8.0",
        Severity::Medium => "5.0",
        Severity::Low => "2.0",
    }
}

/// A resource id as a relative URI reference (RFC 3986).
fn uri(id: &str) -> String {
    let mut uri = String::with_capacity(id.len());
    for byte in id.trim_start_matches('/').bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte as char),
            // A colon in the first part would read as a scheme.
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

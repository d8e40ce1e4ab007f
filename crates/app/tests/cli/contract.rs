//! What scripts rely on: documents, filters, exit codes, streams.

use std::collections::BTreeSet;
use std::process::Stdio;

use super::*;

/// Members of a line of `recommendations --all -o jsonl` that are part of the contract.
const MEMBERS: [&str; 14] = [
    "key",
    "title",
    "resource",
    "subject",
    "kind",
    "cloud",
    "scope",
    "severity",
    "plan",
    "planEnabled",
    "status",
    "cause",
    "evidence",
    "exemption",
];

/// Holds every member of a finding against its documented type.
#[track_caller]
pub fn check_finding(row: &Json) {
    for member in MEMBERS {
        assert!(row.get(member).is_some(), "no `{member}` in {row}");
    }
    for member in ["key", "title", "resource", "kind", "scope", "plan"] {
        assert!(row[member].as_str().is_some_and(|text| !text.is_empty()), "`{member}` is no text in {row}");
    }
    assert!(row["subject"].is_null(), "{row}");
    assert!(["azure", "aws", "gcp"].contains(&row["cloud"].as_str().unwrap_or_default()), "{row}");
    assert!(["low", "medium", "high"].contains(&row["severity"].as_str().unwrap_or_default()), "{row}");
    assert!(row["planEnabled"].is_boolean(), "{row}");
    let status = row["status"].as_str().unwrap_or_default();
    assert!(["healthy", "unhealthy", "notApplicable", "unknown"].contains(&status), "{row}");
    match status {
        "unknown" => assert!(row["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{row}"),
        _ => assert!(row["cause"].is_null(), "{row}"),
    }
    match status {
        "unhealthy" | "unknown" => check_evidence(row),
        _ => assert!(row["evidence"].is_null(), "{row}"),
    }
    if !row["exemption"].is_null() {
        let own = &row["exemption"];
        assert!(["mitigated", "waiver"].contains(&own["category"].as_str().unwrap_or_default()), "{row}");
        assert!(own["expires"].is_null() || own["expires"].is_string(), "{row}");
        assert!(own["reason"].is_string(), "{row}");
    }
}

#[track_caller]
fn check_evidence(row: &Json) {
    let Some(evidence) = row["evidence"].as_array() else { panic!("no evidence in {row}") };
    for node in evidence {
        for member in ["rule", "path", "operator"] {
            assert!(node[member].is_string(), "`{member}` in {row}");
        }
        assert!(node.get("found").is_some() && node.get("wanted").is_some(), "{row}");
        assert!(node["held"].is_null() || node["held"].is_boolean(), "{row}");
    }
}

#[test]
fn every_line_of_the_recommendations_has_the_documented_types() {
    let rows = findings(SAMPLE, &[]);
    assert!(rows.len() > 1000, "{} lines", rows.len());
    rows.iter().for_each(check_finding);
    assert_eq!(texts(&rows, "cloud"), BTreeSet::from(["aws", "azure", "gcp"]));
    assert_eq!(texts(&rows, "status"), BTreeSet::from(["healthy", "unhealthy", "notApplicable", "unknown"]));
    let pairs: BTreeSet<_> = rows.iter().map(|row| (row["key"].as_str(), row["resource"].as_str())).collect();
    assert_eq!(pairs.len(), rows.len(), "a recommendation x resource stands once");
    let unhealthy = rows.iter().filter(|row| row["status"] == "unhealthy");
    assert!(unhealthy.clone().count() > 0);
    for row in unhealthy {
        assert!(row["evidence"].as_array().is_some_and(|evidence| !evidence.is_empty()), "nothing decided {row}");
    }
}

#[test]
fn one_line_of_each_cloud_stays_as_it_is() {
    let rows = findings(SAMPLE, &[]);
    insta::assert_json_snapshot!("azure_line", finding(&rows, SECURE_TRANSFER, "stcontosopublic"));
    insta::assert_json_snapshot!(
        "aws_line",
        finding(&rows, "390b74b6-9423-5117-ba06-1cc9c08b02d0", "contoso.example.")
    );
    let key = "00000000-0000-0000-0000-000000000001";
    insta::assert_json_snapshot!("gcp_line", finding(&rows, "54d3b0ae-67b3-4fee-9ac4-f6c784b9d16b", key));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for format in ["json", "jsonl", "sarif", "html"] {
        let once = || run(&["scan", SAMPLE, "--output", format, "--at", AT], b"").ended(4).out;
        assert_eq!(once(), once(), "{format}");
    }
}

/// A number as hundredths, exactly.
#[track_caller]
fn hundredths(value: &Json) -> i64 {
    let number = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let whole = (number * 100.0).round();
    assert!((number * 100.0 - whole).abs() < 1e-6, "{value} has more than two decimals");
    whole as i64
}

/// Null, or 0 to 1 with at most four decimals.
#[track_caller]
fn check_percentage(value: &Json) {
    if value.is_null() {
        return;
    }
    let share = value.as_f64().unwrap_or_else(|| panic!("{value} is no share"));
    assert!((0.0..=1.0).contains(&share), "{value}");
    assert!((share * 10_000.0 - (share * 10_000.0).round()).abs() < 1e-6, "{value} has more than four decimals");
}

#[track_caller]
fn check_side(side: &Json) {
    assert!(hundredths(&side["current"]) <= 100 * side["max"].as_i64().expect("max is whole"), "{side}");
    check_percentage(&side["percentage"]);
    assert!(side["weight"].is_u64() && side["unknown"].is_u64(), "{side}");
}

#[test]
fn a_score_document_has_the_documented_shape_and_its_sums_hold() {
    let score = score(SAMPLE, &[]);
    let scopes = score["scopes"].as_array().expect("scopes is a list");
    assert_eq!(scopes.len(), 4);
    let (mut weighted, mut weights) = (0.0, 0.0);
    for scope in scopes {
        assert!(scope["cloud"].is_string() && scope["scope"].is_string(), "{scope}");
        check_side(scope);
        check_side(&scope["adjusted"]);
        let controls = scope["controls"].as_array().expect("controls is a list");
        for control in controls {
            assert!(control["id"].is_string() && control["apiId"].is_string() && control["title"].is_string());
            check_side(control);
            check_side(&control["adjusted"]);
            let counted = control["healthy"].as_i64().unwrap() + control["unhealthy"].as_i64().unwrap();
            assert_eq!(control["weight"], counted, "{control}");
        }
        for side in [|own: &Json| own.clone(), |own: &Json| own["adjusted"].clone()] {
            let sum = |part: &dyn Fn(&Json) -> i64| controls.iter().map(|control| part(&side(control))).sum::<i64>();
            let own = side(scope);
            assert_eq!(hundredths(&own["current"]), sum(&|control| hundredths(&control["current"])));
            assert_eq!(own["max"], sum(&|control| control["max"].as_i64().unwrap()));
            let weight = |control: &Json| control["weight"].as_i64().unwrap() * control["max"].as_i64().unwrap();
            assert_eq!(own["weight"], sum(&weight));
            assert_eq!(own["unknown"], sum(&|control| control["unknown"].as_i64().unwrap()));
        }
        let share = scope["current"].as_f64().unwrap() / scope["max"].as_f64().unwrap();
        assert!((scope["percentage"].as_f64().unwrap() - share).abs() <= 0.00005 + 1e-9, "{scope}");
        weighted += scope["percentage"].as_f64().unwrap() * scope["weight"].as_f64().unwrap();
        weights += scope["weight"].as_f64().unwrap();
    }
    check_percentage(&score["overall"]["percentage"]);
    check_percentage(&score["overall"]["adjusted"]["percentage"]);
    assert!((score["overall"]["percentage"].as_f64().unwrap() - weighted / weights).abs() <= 0.00005 + 1e-9);
    let clouds = score["clouds"].as_array().expect("clouds is a list");
    assert_eq!(texts(clouds, "cloud"), BTreeSet::from(["aws", "azure", "gcp"]));
}

#[test]
fn the_score_for_spreadsheets_says_the_same_as_the_document() {
    let (header, rows) = run(&["score", SAMPLE, "--output", "csv", "--at", AT], b"").ended(4).rows();
    assert_eq!(header[..6], ["cloud", "scope", "control", "current", "max", "percentage"]);
    let score = score(SAMPLE, &[]);
    let scopes = score["scopes"].as_array().unwrap();
    let controls = scopes.iter().flat_map(|scope| scope["controls"].as_array().unwrap());
    assert_eq!(rows.len(), controls.clone().count());
    for (row, control) in rows.iter().zip(controls) {
        assert_eq!((row[2].as_str(), row[4].parse().ok()), (control["id"].as_str().unwrap(), control["max"].as_i64()));
        assert_eq!(row[3].parse::<f64>().ok(), control["current"].as_f64());
    }
}

#[test]
fn a_scan_as_json_sums_up_what_the_other_commands_say() {
    let scan = run(&["scan", SAMPLE, "--output", "json", "--quiet", "--at", AT], b"").ended(4).json();
    assert_eq!(scan["at"], AT);
    assert_eq!(scan["contentDigest"].as_str().map(str::len), Some(64));
    assert_eq!(scan["score"], score(SAMPLE, &[]));
    let rows = findings(SAMPLE, &[]);
    for status in ["healthy", "unhealthy", "unknown", "notApplicable"] {
        let count = rows.iter().filter(|row| row["status"] == status).count();
        assert_eq!(scan["statuses"][status], count, "{status}");
    }
    let sums = run(&["recommendations", SAMPLE, "--output", "json", "--quiet", "--at", AT], b"").ended(4).json();
    assert_eq!(scan["recommendations"], sums);
    let compliance = run(&["compliance", SAMPLE, "--output", "json", "--quiet", "--at", AT], b"").ended(4).json();
    assert_eq!(scan["compliance"], compliance);
    let unknown = rows.iter().filter(|row| row["status"] == "unknown").count() as u64;
    let gaps = scan["gaps"].as_array().expect("gaps is a list");
    assert_eq!(gaps.iter().filter_map(|gap| gap["assessments"].as_u64()).sum::<u64>(), unknown);
    assert!(scan["problems"].is_array());
}

#[test]
fn a_scan_as_lines_or_for_spreadsheets_gives_every_finding() {
    let lines = run(&["scan", SAMPLE, "--output", "jsonl", "--at", AT], b"").ended(4).lines();
    assert_eq!(lines, findings(SAMPLE, &[]));
    let (header, rows) = run(&["scan", SAMPLE, "--output", "csv", "--at", AT], b"").ended(4).rows();
    assert_eq!(rows.len(), lines.len());
    let column = |name: &str| header.iter().position(|own| own == name).unwrap_or_else(|| panic!("no column {name}"));
    for (row, line) in rows.iter().zip(&lines) {
        for name in ["key", "title", "resource", "cloud", "scope", "severity", "status"] {
            assert_eq!(Some(row[column(name)].as_str()), line[name].as_str(), "{name}");
        }
        assert_eq!(row[column("cause")], line["cause"].as_str().unwrap_or_default());
        let evidence = &row[column("evidence")];
        assert!(evidence.is_empty() || serde_json::from_str::<Json>(evidence).is_ok_and(|json| json.is_array()));
    }
}

/// The members that SARIF 2.1.0 requires, by hand.
#[test]
fn a_scan_as_sarif_is_a_valid_log() {
    let log = run(&["scan", SAMPLE, "--output", "sarif", "--at", AT], b"").ended(4).json();
    assert_eq!(log["version"], "2.1.0");
    let runs = log["runs"].as_array().expect("runs is a list");
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert_eq!(driver["name"], "Yagura");
    let rules = driver["rules"].as_array().expect("rules is a list");
    let ids = texts(rules, "id");
    assert_eq!(ids.len(), rules.len(), "a rule stands once");
    for rule in rules {
        assert!(rule["shortDescription"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        assert!(["error", "warning", "note"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap()));
    }
    let results = runs[0]["results"].as_array().expect("results is a list");
    let shown = findings(SAMPLE, &["--status", "unhealthy,unknown"]);
    assert_eq!(results.len(), shown.len());
    for (result, finding) in results.iter().zip(&shown) {
        assert_eq!(result["ruleId"], finding["key"]);
        assert!(ids.contains(result["ruleId"].as_str().unwrap()), "no rule for {result}");
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{result}");
        let (kind, level) = (result["kind"].as_str().unwrap(), result["level"].as_str().unwrap());
        match finding["status"].as_str() {
            Some("unhealthy") => assert!(kind == "fail" && ["error", "warning", "note"].contains(&level), "{result}"),
            // SARIF 3.27.10: a level other than `none` is for failures alone.
            _ => assert_eq!((kind, level), ("open", "none")),
        }
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.is_empty() && uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri} is no URI");
        assert!(!uri.split('/').next().unwrap().contains(':'), "{uri} reads as if it had a scheme");
    }
}

/// The members that OCSF 1.3 requires of a Compliance Finding, by hand.
#[test]
fn a_scan_as_ocsf_is_compliance_findings() {
    let events = run(&["scan", SAMPLE, "--output", "ocsf", "--at", AT], b"").ended(4).lines();
    assert_eq!(events.len(), findings(SAMPLE, &["--status", "healthy,unhealthy,unknown"]).len());
    for event in &events {
        assert_eq!((event["class_uid"].as_u64(), event["category_uid"].as_u64()), (Some(2003), Some(2)));
        let activity = event["activity_id"].as_u64().unwrap();
        assert_eq!(event["type_uid"], 200_300 + activity);
        assert_eq!(event["time"], 1_780_272_000_000_u64, "the time of the evaluation in milliseconds");
        assert!(event["severity_id"].as_u64().is_some_and(|id| id <= 6), "{event}");
        assert!(event["status_id"].is_u64() && event["compliance"]["status_id"].is_u64(), "{event}");
        assert!(event["metadata"]["version"].is_string() && event["metadata"]["product"]["name"].is_string());
        assert!(event["finding_info"]["uid"].is_string() && event["finding_info"]["title"].is_string());
        assert!(event["compliance"]["standards"].is_array(), "{event}");
        assert!(event["cloud"]["provider"].is_string() && event["cloud"]["account"]["uid"].is_string(), "{event}");
        assert!(event["resources"][0]["uid"].is_string(), "{event}");
    }
    let uids: BTreeSet<_> = events.iter().map(|event| event["finding_info"]["uid"].as_str()).collect();
    assert_eq!(uids.len(), events.len(), "a finding stands once");
}

#[test]
fn a_report_is_one_page_without_scripts_whatever_resources_are_called() {
    let page = run(&["scan", SAMPLE, "--output", "html", "--at", AT], b"").ended(4).out;
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    let lower = page.to_lowercase();
    for word in ["<script", "javascript:", " src=\"http", "<link", "@import", "<iframe"] {
        assert!(!lower.contains(word), "the page contains {word}");
    }
    let hostile = json!({
        "id": "/subscriptions/<script>alert(1)<x>/resourceGroups/<script>/providers/Microsoft.Storage/storageAccounts/<script>",
        "name": "\"><script>alert(2)</script>", "type": "Microsoft.Storage/storageAccounts", "properties": {},
    });
    let (_folder, estate) = Folder::with("<script>.json", hostile.to_string());
    for language in ["en", "ja"] {
        let page = run(&["scan", &estate, "--output", "html", "--lang", language], b"").ended(0).out;
        assert!(!page.to_lowercase().contains("<script"), "a name got into the page as it is");
    }
}

/// What a filter leaves of all findings.
#[track_caller]
fn check_filter(filter: &[&str], keeps: impl Fn(&Json) -> bool) {
    let mut wanted = findings(SAMPLE, &[]);
    let all = wanted.len();
    wanted.retain(keeps);
    assert!(!wanted.is_empty() && wanted.len() < all, "{filter:?} shows nothing about the filter");
    assert_eq!(findings(SAMPLE, filter), wanted, "{filter:?}");
}

#[test]
fn filters_by_cloud_severity_status_and_resource_keep_what_they_name() {
    check_filter(&["--cloud", "aws"], |row| row["cloud"] == "aws");
    check_filter(&["--cloud", "aws,GCP"], |row| row["cloud"] != "azure");
    check_filter(&["--severity", "high,medium"], |row| row["severity"] != "low");
    check_filter(&["--status", "unknown"], |row| row["status"] == "unknown");
    let contains = |row: &Json, wanted: &str| {
        ["resource", "name", "kind"].iter().any(|part| row[*part].as_str().unwrap().to_lowercase().contains(wanted))
    };
    check_filter(&["--resource", "STContosoPublic"], |row| contains(row, "stcontosopublic"));
    check_filter(&["--resource", "AWS::S3", "--resource", "vm-jump"], |row| {
        contains(row, "aws::s3") || contains(row, "vm-jump")
    });
    check_filter(&["--cloud", "azure", "--severity", "high"], |row| {
        row["cloud"] == "azure" && row["severity"] == "high"
    });
}

#[test]
fn a_scope_is_named_by_its_id_or_the_last_part_of_it() {
    check_filter(&["--scope", SUBSCRIPTION], |row| row["scope"] == SUBSCRIPTION);
    check_filter(&["--scope", "11111111-1111-1111-1111-111111111111"], |row| row["scope"] == SUBSCRIPTION);
    check_filter(&["--scope", "123456789012,contoso-web-prod"], |row| {
        row["scope"] == "123456789012" || row["scope"] == "projects/contoso-web-prod"
    });
}

#[test]
fn a_scope_that_the_estate_does_not_have_fails_by_name() {
    for command in ["scan", "score", "inventory"] {
        let ran = run(&[command, SAMPLE, "--scope", "999999999999"], b"").ended(1);
        assert_eq!(ran.out, "");
        ran.says(&["`999999999999` is no scope of this estate", "123456789012"]);
    }
}

#[test]
fn a_filter_that_a_score_cannot_honour_is_refused() {
    for filter in [&["--severity", "high"][..], &["--standard", "mcsb-v1"], &["--resource", "x"]] {
        for command in [
            &["score", SAMPLE][..],
            &["what-if", SAMPLE, "--fix", SECURE_TRANSFER],
            &["explain", SAMPLE, "--score", "123456789012"],
        ] {
            let ran = run(&[command, filter].concat(), b"").ended(1);
            assert_eq!(ran.out, "");
            ran.says(&["takes no", filter[0]]);
        }
    }
    run(&["compliance", SAMPLE, "--severity", "high"], b"").ended(1).says(&["takes no --severity"]);
}

#[test]
fn a_standard_keeps_the_recommendations_that_it_is_checked_by() {
    let document = run(&["compliance", SAMPLE, "--standard", "mcsb-v1", "-o", "json", "--at", AT], b"").ended(4).json();
    let standards = document.as_array().unwrap();
    assert_eq!(texts(standards, "standard"), BTreeSet::from(["mcsb-v1"]));
    let controls = standards[0]["controls"].as_array().unwrap();
    let checks = controls.iter().flat_map(|control| control["recommendations"].as_array().unwrap());
    let keys: BTreeSet<String> = checks.map(|own| own["key"].as_str().unwrap().to_owned()).collect();
    check_filter(&["--standard", "mcsb-v1"], |row| keys.contains(row["key"].as_str().unwrap()));
    let unknown = run(&["score", SAMPLE, "--standard", "no-such-standard"], b"").ended(1);
    unknown.says(&["`no-such-standard` is no standard", "mcsb-v1"]);
}

#[test]
fn filters_hold_for_scores_and_the_inventory_too() {
    let aws = score(SAMPLE, &["--cloud", "aws"]);
    let scopes = aws["scopes"].as_array().unwrap();
    assert_eq!(texts(scopes, "scope"), BTreeSet::from(["123456789012"]));
    assert_eq!(aws["overall"]["percentage"], scopes[0]["percentage"]);
    let rows = run(&["inventory", SAMPLE, "--scope", "contoso-web-prod", "-o", "jsonl"], b"").ended(4).lines();
    assert_eq!(texts(&rows, "scope"), BTreeSet::from(["projects/contoso-web-prod"]));
}

#[test]
fn findings_over_the_limit_end_with_3() {
    let (_folder, estate) = Folder::with("estate.jsonl", jsonl(&[plain_http("plain"), safe("safe")]));
    let ends = |more: &[&str]| run(&[&["recommendations", &estate, "--quiet", "--at", AT], more].concat(), b"").code;
    assert_eq!(ends(&[]), 0);
    for limit in ["high", "medium", "low"] {
        assert_eq!(ends(&["--fail-on", limit]), 3, "{limit}");
    }
    assert_eq!(ends(&["--severity", "medium", "--fail-on", "medium"]), 3);
    assert_eq!(ends(&["--severity", "medium", "--fail-on", "high"]), 0, "no high finding is left by the filter");
    assert_eq!(ends(&["--resource", "/safe", "--fail-on", "high"]), 0, "the other account is not looked at");
    for command in ["scan", "score", "compliance"] {
        run(&[command, &estate, "--fail-on", "high"], b"").ended(3);
    }
}

#[test]
fn what_is_exempted_does_not_fail_a_run() {
    let (folder, estate) = Folder::with("estate.jsonl", jsonl(&[plain_http("plain"), safe("safe")]));
    let exempted = |name: &str, expires: &str| {
        let text = format!(
            "exemptions:\n  - {{ key: {SECURE_TRANSFER}, resource: {}, category: waiver{expires} }}\n",
            account_id("plain")
        );
        folder.write(name, text)
    };
    let ends = |config: &str| run(&["scan", &estate, "--fail-on", "high", "--config", config, "--at", AT], b"").code;
    assert_eq!(ends(&exempted("holds.yaml", "")), 0);
    assert_eq!(ends(&exempted("later.yaml", ", expires: 2026-06-01T00:00:01Z")), 0);
    assert_eq!(ends(&exempted("over.yaml", ", expires: 2026-06-01T00:00:00Z")), 3);
}

#[test]
fn a_run_over_the_limit_still_says_what_could_not_be_read() {
    let ran = run(&["score", SAMPLE, "--fail-on", "high", "--at", AT], b"").ended(3);
    ran.says(&["warning", "AWS::Organizations::Account", "AccessDeniedException"]);
}

#[test]
fn japanese_gives_japanese_titles() {
    let (english, japanese) = (findings(SAMPLE, &[]), findings(SAMPLE, &["--lang", "ja"]));
    assert_eq!(english.len(), japanese.len());
    let is_japanese = |letter: char| matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}');
    for (english, japanese) in english.iter().zip(&japanese) {
        let title = japanese["title"].as_str().unwrap();
        assert!(title.contains(is_japanese), "{title} is not Japanese");
        let mut other = japanese.clone();
        other["title"] = english["title"].clone();
        assert_eq!(other, *english, "only the title differs");
    }
    let title = &finding(&japanese, SECURE_TRANSFER, "stcontosopublic")["title"];
    assert_eq!(title, "ストレージ アカウントへの安全な転送を有効にする必要がある");
    let page = run(&["scan", SAMPLE, "--output", "html", "--lang", "ja", "--at", AT], b"").ended(4).out;
    assert!(page.contains("<html lang=\"ja\">"));
}

#[test]
fn data_goes_to_standard_output_and_notes_to_standard_error() {
    for format in ["table", "json", "jsonl", "csv", "sarif", "ocsf", "html"] {
        let loud = run(&["scan", SAMPLE, "--output", format, "--at", AT], b"").ended(4);
        assert!(!loud.out.contains("warning:"), "a note in the data: {format}");
        assert!(loud.err.lines().count() == 2 && loud.err.lines().all(|line| line.starts_with("warning: ")));
        let quiet = run(&["scan", SAMPLE, "--output", format, "--at", AT, "-q"], b"").ended(4);
        assert_eq!(quiet.err, loud.err, "what was lost is said even so: {format}");
        assert_eq!(quiet.out, loud.out, "{format}");
    }
}

#[test]
fn quiet_is_silent_where_nothing_was_lost() {
    let (folder, _) = Folder::with("estate.jsonl", jsonl(&[safe("one")]));
    folder.write("README.md", "# Exports\n");
    for command in ["scan", "inventory", "recommendations", "score", "compliance"] {
        let loud = run(&[command, &folder.path(), "--at", AT], b"").ended(0);
        assert!(loud.err.starts_with("note: ") && loud.err.lines().count() == 1, "{}", loud.err);
        let quiet = run(&[command, &folder.path(), "--at", AT, "-q"], b"").ended(0);
        assert_eq!((quiet.err.as_str(), quiet.out), ("", loud.out), "{command}");
    }
}

#[test]
fn a_failed_run_gives_no_data() {
    for args in [
        &["scan", "/no/such/estate", "-o", "json"][..],
        &["score", SAMPLE, "-o", "html"],
        &["content", "show", "no-such-key"],
        &["explain", SAMPLE, "--key", "no-such-key", "-o", "json"],
    ] {
        let ran = run(args, b"").ended(1);
        assert_eq!(ran.out, "", "{args:?}");
        ran.says(&["yagura: "]);
    }
}

#[test]
fn standard_input_and_packed_files_are_read_like_plain_ones() {
    let plain = jsonl(&[plain_http("a"), safe("b")]);
    let (folder, estate) = Folder::with("estate.jsonl", &plain);
    let wanted = findings(&estate, &[]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(plain.as_bytes()).unwrap();
    assert_eq!(findings(&folder.write("estate.jsonl.gz", gzip.finish().unwrap()), &[]), wanted);
    let packed = zstd::encode_all(plain.as_bytes(), 3).unwrap();
    assert_eq!(findings(&folder.write("estate.jsonl.zst", &packed), &[]), wanted);
    for stdin in [plain.as_bytes(), &packed] {
        let ran = run(&["recommendations", "-", "--all", "-o", "jsonl", "--at", AT], stdin).ended(0);
        assert_eq!(ran.lines(), wanted);
    }
}

#[test]
fn an_explanation_names_the_rule_and_what_was_found() {
    let estate = ["--at", AT, "-q", "--resource", "stcontosopublic"];
    let args = [&["explain", SAMPLE, "--key", "storage_secure_transfer_required_is_enabled"], &estate[..]].concat();
    let page = run(&args, b"").ended(4).out;
    for words in ["recommendations/azure/storage/secure-transfer.yaml", "found false", "notEquals true", "unhealthy"] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
    let rows = run(&[&args[..], &["-o", "json"]].concat(), b"").ended(4).json();
    check_finding(&rows[0]);
    assert_eq!(rows[0]["decidedBy"][0]["path"], "properties.supportsHttpsTrafficOnly");
    let score = run(&["explain", SAMPLE, "--score", "123456789012", "--at", AT, "-q", "-o", "json"], b"").ended(4);
    assert_eq!(score.json(), super::score(SAMPLE, &["--cloud", "aws"])["scopes"][0]);
    run(&["explain", SAMPLE, "--score", "nowhere"], b"").ended(1).says(&["`nowhere` is no scope", "123456789012"]);
}

#[test]
fn usage_errors_end_with_2() {
    for args in [
        &[][..],
        &["no-such-command"],
        &["scan"],
        &["scan", SAMPLE, "--no-such-option"],
        &["scan", SAMPLE, "--output", "pdf"],
        &["scan", SAMPLE, "--fail-on", "critical"],
        &["scan", SAMPLE, "--cloud", "oracle"],
        &["scan", SAMPLE, "--severity", "huge"],
        &["scan", SAMPLE, "--at", "yesterday"],
        &["scan", SAMPLE, "--lang", "xx"],
        &["scan", SAMPLE, "--aliases", "file.json"],
        &["recommendations", SAMPLE, "--status", "healthy"],
        &["recommendations", SAMPLE, "--all", "--status", "sick"],
        &["explain", SAMPLE],
        &["explain", SAMPLE, "--key", "a", "--score", "b"],
        &["what-if", SAMPLE],
        &["policy", "eval", "--definition", "d.json"],
        &["content", "list", "nonsense"],
        &["completions", "cmd"],
    ] {
        let ran = run(args, b"").ended(2);
        assert_eq!(ran.out, "", "{args:?}");
        assert!(!ran.err.is_empty(), "{args:?} says nothing");
    }
}

#[test]
fn help_and_version_end_with_0() {
    assert!(run(&["--help"], b"").ended(0).out.contains("Exit codes: 0 done, 1 failed, 2 usage"));
    assert!(run(&["--version"], b"").ended(0).out.starts_with("yagura "));
}

/// Commands with much output and with little.
const PRINTING: [&[&str]; 21] = [
    &["scan", SAMPLE],
    &["scan", SAMPLE, "-o", "json"],
    &["scan", SAMPLE, "-o", "jsonl"],
    &["scan", SAMPLE, "-o", "csv"],
    &["scan", SAMPLE, "-o", "sarif"],
    &["scan", SAMPLE, "-o", "ocsf"],
    &["scan", SAMPLE, "-o", "html"],
    &["inventory", SAMPLE, "-o", "csv"],
    &["recommendations", SAMPLE, "--all"],
    &["recommendations", SAMPLE, "-o", "csv"],
    &["score", SAMPLE, "-o", "csv"],
    &["compliance", SAMPLE, "-o", "csv"],
    &["explain", SAMPLE, "--score", "123456789012"],
    &["what-if", SAMPLE, "--fix", SECURE_TRANSFER],
    &["content", "list", "-o", "csv"],
    &["content", "check"],
    &["content", "show", SECURE_TRANSFER],
    &["content", "new", "AWS::S3::Bucket"],
    &["completions", "bash"],
    &["policy", "eval"],
    &["--help"],
];

const CASE: &[u8] =
    b"{\"id\":\"1\",\"policy_rule\":{\"if\":{\"field\":\"name\",\"equals\":\"x\"},\"then\":{\"effect\":\"audit\"}}}\n";

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for args in PRINTING {
        let mut child =
            command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        drop(child.stdin.take().unwrap().write_all(CASE));
        let ended = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {err}");
        assert!(!err.contains("panicked") && !err.contains("ipe"), "{args:?}: {err}");
    }
}

#[test]
fn nobody_listening_to_the_notes_is_no_failure() {
    let (_folder, estate) = Folder::with("estate.jsonl", format!("{}{{broken\n", jsonl(&[safe("a")])));
    for (args, code) in [(&["scan", &estate][..], 4), (&["scan", "/no/such/estate"], 1), (&["policy", "eval"], 4)] {
        let mut child =
            command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        drop(child.stdin.take().unwrap().write_all(b"garbage\n"));
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(code), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    for args in PRINTING {
        // clap prints its help by itself and says nothing.
        if args == ["--help"] {
            continue;
        }
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = command(args).stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdin.take().unwrap().write_all(CASE));
        let ended = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.contains("No space left on device"), "{args:?}: {err}");
    }
}

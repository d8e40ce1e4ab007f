//! A user's decisions: plans, parameters, exemptions, attestations, and what-if.

use super::*;

/// Just-in-time access of AWS instances: plan `servers`.
const JUST_IN_TIME: &str = "9b26b102-ccde-4697-aa30-f0621f865f99";

/// Writes a configuration and gives its path.
fn config(text: &str) -> (Folder, String) {
    Folder::with("yagura.yaml", text)
}

#[test]
fn without_its_plan_a_recommendation_is_unknown_and_never_healthy() {
    let (_folder, off) = config("plans: { all: { servers: false } }");
    let (on, off) = (findings(SAMPLE, &[]), findings(SAMPLE, &["--config", &off]));
    let of_plan = on.iter().filter(|row| row["plan"] == "servers");
    assert!(of_plan.clone().any(|row| row["status"] == "healthy"), "the sample shows nothing");
    assert_eq!(on.len(), off.len());
    for (before, after) in on.iter().zip(&off) {
        if before["plan"] != "servers" {
            assert_eq!(before, after);
            continue;
        }
        contract::check_finding(after);
        assert_eq!((&before["planEnabled"], &after["planEnabled"]), (&json!(true), &json!(false)));
        assert_eq!(
            (&after["status"], &after["cause"]),
            (&json!("unknown"), &json!("plan servers is off in this scope"))
        );
    }
}

#[test]
fn a_plan_of_one_scope_wins_over_that_of_all() {
    let (_folder, path) = config(
        "plans:\n  all: { servers: false }\n  scopes:\n    \"/SUBSCRIPTIONS/11111111-1111-1111-1111-111111111111\": { servers: true }\n    123456789012: { servers: true, cspm: false }\n",
    );
    for row in findings(SAMPLE, &["--config", &path]) {
        let off = match (row["plan"].as_str().unwrap(), row["scope"].as_str().unwrap()) {
            ("servers", scope) => scope != SUBSCRIPTION && scope != "123456789012",
            ("cspm", scope) => scope == "123456789012",
            _ => false,
        };
        assert_eq!(row["planEnabled"], !off, "{row}");
    }
}

#[test]
fn the_free_plan_cannot_be_switched_off() {
    let (_folder, path) = config("plans: { all: { free: false } }");
    assert_eq!(findings(SAMPLE, &["--config", &path]), findings(SAMPLE, &[]));
}

#[test]
fn a_plan_that_is_off_lowers_no_score() {
    let (_folder, path) = config("plans: { all: { servers: false } }");
    let (on, off) = (score(SAMPLE, &["--cloud", "aws"]), score(SAMPLE, &["--cloud", "aws", "--config", &path]));
    let unknown = |score: &Json| control(score, "secure-management-ports")["unknown"].as_u64().unwrap();
    assert!(unknown(&off) > unknown(&on), "what is unknown is said");
    let rows = findings(SAMPLE, &["--cloud", "aws"]);
    assert!(rows.iter().any(|row| row["key"] == JUST_IN_TIME && row["status"] == "unhealthy"), "it would have counted");
}

/// Two accounts without infrastructure encryption and one with: the only recommendation of its control.
fn three_accounts() -> (Folder, String) {
    let encrypted = json!({"supportsHttpsTrafficOnly": true, "minimumTlsVersion": "TLS1_2",
        "encryption": {"requireInfrastructureEncryption": true}});
    Folder::with("estate.jsonl", jsonl(&[account("encrypted", encrypted), safe("bare"), safe("other")]))
}

/// The findings and the score of the three accounts with one exemption.
#[track_caller]
fn exempted(resource: &str, category: &str, more: &str) -> (Vec<Json>, Json) {
    let (_estate, estate) = three_accounts();
    let (_config, path) = config(&format!(
        "exemptions:\n  - {{ key: {INFRASTRUCTURE_ENCRYPTION}, resource: \"{resource}\", category: {category}, reason: because{more} }}\n"
    ));
    (findings(&estate, &["--config", &path]), score(&estate, &["--config", &path]))
}

/// An exemption must leave every raw number and verdict alone.
#[track_caller]
fn check_raw_is_unchanged(rows: &[Json], scored: &Json) {
    let (_estate, estate) = three_accounts();
    let (plain_rows, plain) = (findings(&estate, &[]), score(&estate, &[]));
    for (plain, row) in plain_rows.iter().zip(rows) {
        let mut bare = row.clone();
        bare["exemption"] = Json::Null;
        assert_eq!(bare, *plain, "only `exemption` differs");
    }
    for (plain, own) in plain["scopes"].as_array().unwrap().iter().zip(scored["scopes"].as_array().unwrap()) {
        for member in ["current", "max", "percentage", "worstCasePercentage", "weight", "unknown"] {
            assert_eq!(plain[member], own[member], "raw {member}");
        }
    }
    assert_eq!(plain["overall"]["percentage"], scored["overall"]["percentage"]);
}

#[test]
fn what_is_mitigated_counts_as_healthy_in_the_adjusted_score_alone() {
    let (rows, scored) = exempted(&account_id("bare"), "mitigated", ", expires: 2027-01-01T00:00:00Z");
    check_raw_is_unchanged(&rows, &scored);
    let row = finding(&rows, INFRASTRUCTURE_ENCRYPTION, "bare");
    contract::check_finding(row);
    assert_eq!(row["status"], "unhealthy");
    let wanted = json!({"category": "mitigated", "expires": "2027-01-01T00:00:00Z", "reason": "because"});
    assert_eq!(row["exemption"], wanted);
    let own = control(&scored, "enable-encryption-at-rest");
    // 4 points x 1 of 3, then 4 x 2 of 3.
    assert_eq!((own["current"].as_f64(), own["max"].as_u64()), (Some(1.33), Some(4)));
    assert_eq!((own["adjusted"]["current"].as_f64(), own["adjusted"]["weight"].as_u64()), (Some(2.67), Some(3)));
    assert!(scored["overall"]["adjusted"]["percentage"].as_f64() > scored["overall"]["percentage"].as_f64());
}

#[test]
fn what_is_waived_is_left_out_of_the_adjusted_score() {
    let (rows, scored) = exempted(&account_id("bare"), "waiver", "");
    check_raw_is_unchanged(&rows, &scored);
    assert_eq!(finding(&rows, INFRASTRUCTURE_ENCRYPTION, "bare")["exemption"]["category"], "waiver");
    let own = control(&scored, "enable-encryption-at-rest");
    // 4 points x 1 of 3, then 4 x 1 of 2.
    assert_eq!((own["current"].as_f64(), own["weight"].as_u64()), (Some(1.33), Some(3)));
    assert_eq!((own["adjusted"]["current"].as_f64(), own["adjusted"]["weight"].as_u64()), (Some(2.0), Some(2)));
}

#[test]
fn a_control_that_is_waived_whole_drops_out() {
    let (rows, scored) = exempted("*", "waiver", "");
    check_raw_is_unchanged(&rows, &scored);
    let adjusted = &control(&scored, "enable-encryption-at-rest")["adjusted"];
    assert_eq!((adjusted["max"].as_u64(), adjusted["weight"].as_u64()), (Some(0), Some(0)));
    assert!(adjusted["percentage"].is_null(), "{adjusted}");
}

#[test]
fn an_exemption_that_has_ended_changes_nothing() {
    let (rows, scored) = exempted(&account_id("bare"), "mitigated", ", expires: 2026-05-31T23:59:59Z");
    let (_estate, estate) = three_accounts();
    assert_eq!(rows, findings(&estate, &[]));
    assert_eq!(scored, score(&estate, &[]));
}

#[test]
fn an_exemption_of_a_group_or_subscription_covers_what_lies_below() {
    for (resource, covers) in [
        (format!("{SUBSCRIPTION}/resourceGroups/RG"), true),
        (SUBSCRIPTION.to_owned(), true),
        (format!("{SUBSCRIPTION}/resourceGroups/r"), false),
        ("/subscriptions/22222222-2222-2222-2222-222222222222".to_owned(), false),
    ] {
        let (rows, _) = exempted(&resource, "waiver", "");
        let row = finding(&rows, INFRASTRUCTURE_ENCRYPTION, "bare");
        assert_eq!(!row["exemption"].is_null(), covers, "{resource}");
    }
}

#[test]
fn an_exemption_is_shown_in_every_format_of_findings() {
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&[plain_http("a")]));
    let (_config, path) = config(&format!(
        "exemptions:\n  - {{ key: {SECURE_TRANSFER}, resource: \"*\", category: waiver, reason: old site, expires: 2027-01-01T00:00:00Z }}\n"
    ));
    let ran = |format| run(&["scan", &estate, "-o", format, "--at", AT, "--config", &path], b"").ended(0);
    let log = ran("sarif").json();
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let exempted = result["ruleId"] == SECURE_TRANSFER;
        assert_eq!(result.get("suppressions").is_some(), exempted, "{result}");
        assert!(!exempted || result["suppressions"][0]["justification"] == "old site", "{result}");
    }
    for event in ran("ocsf").lines() {
        let exempted = event["compliance"]["control"] == SECURE_TRANSFER;
        assert_eq!(event["status"] == "Suppressed", exempted, "{event}");
    }
    let (header, rows) = ran("csv").rows();
    let column = |name: &str| header.iter().position(|own| own == name).unwrap();
    let row = rows.iter().find(|row| row[column("key")] == SECURE_TRANSFER && row[column("name")] == "a").unwrap();
    let got = (&*row[column("status")], &*row[column("exemption")], &*row[column("exemptionExpires")]);
    assert_eq!(got, ("unhealthy", "waiver", "2027-01-01T00:00:00Z"));
}

#[test]
fn exemptions_count_in_the_adjusted_compliance_alone() {
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&[plain_http("a")]));
    let (_config, path) =
        config(&format!("exemptions:\n  - {{ key: {SECURE_TRANSFER}, resource: \"*\", category: mitigated }}\n"));
    let control = |more: &[&str]| {
        let args = [&["compliance", &estate, "--standard", "cis-azure-2.0.0", "-o", "json", "--at", AT], more].concat();
        let standards = run(&args, b"").ended(0).json();
        let controls = standards[0]["controls"].as_array().unwrap().clone();
        controls.into_iter().find(|control| control["id"] == "3.1").unwrap()
    };
    let (before, after) = (control(&[]), control(&["--config", &path]));
    assert_eq!((&before["state"], &before["adjustedState"]), (&json!("failed"), &json!("failed")));
    assert_eq!((&after["state"], &after["adjustedState"]), (&json!("failed"), &json!("passed")));
}

#[test]
fn a_parameter_of_one_scope_changes_the_verdict_there() {
    let (_folder, path) =
        config(&format!("scope_parameters:\n  {SUBSCRIPTION}:\n    {MINIMUM_TLS}: {{ minimumTlsVersion: TLS1_3 }}\n"));
    let (before, after) = (findings(SAMPLE, &[]), findings(SAMPLE, &["--config", &path]));
    let status = |rows: &[Json], name| finding(rows, MINIMUM_TLS, name)["status"].clone();
    assert_eq!(
        (status(&before, "stcontosodata"), status(&after, "stcontosodata")),
        ("healthy".into(), "unhealthy".into())
    );
    assert_eq!((status(&before, "stcontosodev"), status(&after, "stcontosodev")), ("healthy".into(), "healthy".into()));
    assert_eq!(finding(&after, MINIMUM_TLS, "stcontosodata")["evidence"][0]["wanted"], "TLS1_3");
}

#[test]
fn a_parameter_of_one_scope_wins_over_that_of_all() {
    let (_folder, path) = config(&format!(
        "parameters:\n  {MINIMUM_TLS}: {{ minimumTlsVersion: TLS1_3 }}\nscope_parameters:\n  {SUBSCRIPTION}:\n    {MINIMUM_TLS}: {{ minimumTlsVersion: TLS1_2 }}\n"
    ));
    let rows = findings(SAMPLE, &["--config", &path]);
    assert_eq!(finding(&rows, MINIMUM_TLS, "stcontosodata")["status"], "healthy");
    assert_eq!(finding(&rows, MINIMUM_TLS, "stcontosodev")["status"], "unhealthy");
}

/// A control of CIS AWS 5.0 under attestations.
fn attested(control: &str, attestation: &str) -> (Json, Json) {
    let (_folder, path) =
        config(&format!("attestations:\n  - {{ standard: cis-aws-5.0, control: \"{control}\", {attestation} }}\n"));
    let args = ["compliance", SAMPLE, "--standard", "cis-aws-5.0", "-o", "json", "--at", AT, "--config", &path];
    let standard = run(&args, b"").ended(4).json()[0].clone();
    let controls = standard["controls"].as_array().unwrap();
    (controls.iter().find(|own| own["id"] == control).unwrap().clone(), standard.clone())
}

#[test]
fn an_attestation_turns_a_manual_control_into_an_attested_one() {
    let (before, sums) = attested("1.1", "compliant: true, expires: 2026-06-01T00:00:00Z");
    assert_eq!((&before["state"], before.get("attestation")), (&json!("manual"), None), "it ended this second");
    let (after, now) = attested("1.1", "compliant: true, by: aya@contoso.example, evidence: ticket 7");
    assert_eq!((&after["state"], &after["attestation"]["by"]), (&json!("attested"), &json!("aya@contoso.example")));
    assert_eq!(now["attested"].as_u64(), sums["attested"].as_u64().map(|count| count + 1));
    assert_eq!(now["manual"].as_u64(), sums["manual"].as_u64().map(|count| count - 1));
    assert_eq!((&now["passed"], &now["percentage"]), (&sums["passed"], &sums["percentage"]), "never passed by a word");
}

#[test]
fn an_attestation_of_the_contrary_fails_the_control() {
    let (before, sums) = attested("1.6", "compliant: true, expires: 2020-01-01T00:00:00Z");
    assert_eq!(before["state"], "manual");
    let (after, now) = attested("1.6", "compliant: false");
    assert_eq!(after["state"], "failed");
    assert_eq!(now["failed"].as_u64(), sums["failed"].as_u64().map(|count| count + 1));
    let (failing, _) = attested("1.2", "compliant: true");
    assert_eq!(failing["state"], "failed", "what was found is not talked away");
}

#[test]
fn a_broken_configuration_fails_with_file_and_line() {
    for (text, line, reason) in [
        ("plans:\n  all:\n    servers: maybe\n", 3, "boolean"),
        ("# mine\nexemptions:\n  - key: a\n    resource: \"*\"\n    category: nope\n", 5, "nope"),
        ("planz: {}\n", 1, "planz"),
        ("plans:\n  all: [\n", 2, ""),
        ("attestations:\n  - { standard: a, control: b, compliant: true, expires: soon }\n", 2, ""),
        ("exemptions:\n  - { key: a, resource: b, category: waiver, expired: 2026-01-01T00:00:00Z }\n", 2, "expired"),
    ] {
        let (_folder, path) = config(text);
        for (environment, args) in [
            (&[][..], &["score", SAMPLE, "--config", &path][..]),
            (&[("YAGURA_CONFIG", path.as_str())][..], &["score", SAMPLE]),
        ] {
            let ran = run_with(environment, args, b"").ended(1);
            assert_eq!(ran.out, "");
            ran.says(&["yagura.yaml", &format!("line {line}"), reason]);
        }
    }
}

#[test]
fn a_configuration_that_is_missing_or_no_text_fails_by_name() {
    run(&["score", SAMPLE, "--config", "/no/such/yagura.yaml"], b"").ended(1).says(&["/no/such/yagura.yaml"]);
    let (_folder, path) = Folder::with("yagura.yaml", b"plans: \xff\xfe\n");
    run(&["score", SAMPLE, "--config", &path], b"").ended(1).says(&["yagura.yaml", "UTF-8"]);
}

#[test]
fn a_configuration_that_names_what_is_not_there_fails_by_name() {
    for (text, reason) in [
        ("plans: { all: { gold: true } }".to_owned(), "`gold` is no plan"),
        ("plans: { scopes: { a: { gold: true } } }".to_owned(), "`gold` is no plan"),
        ("parameters: { no-such-key: { a: 1 } }".to_owned(), "`no-such-key` is no recommendation"),
        (format!("parameters: {{ {MINIMUM_TLS}: {{ minimum: 1 }} }}"), "has no parameter `minimum`"),
        (format!("scope_parameters: {{ a: {{ {MINIMUM_TLS}: {{ minimum: 1 }} }} }}"), "has no parameter `minimum`"),
        (
            "exemptions: [{ key: no-such-key, resource: \"*\", category: waiver }]".to_owned(),
            "`no-such-key` is no recommendation",
        ),
        (
            "attestations: [{ standard: no-such-standard, control: a, compliant: true }]".to_owned(),
            "`no-such-standard` is no standard",
        ),
        (
            "attestations: [{ standard: cis-aws-5.0, control: \"99\", compliant: true }]".to_owned(),
            "cis-aws-5.0 has no control `99`",
        ),
    ] {
        let (_folder, path) = config(&text);
        let ran = run(&["score", SAMPLE, "--config", &path], b"").ended(1);
        assert_eq!(ran.out, "");
        ran.says(&["yagura.yaml", reason]);
    }
}

#[test]
fn a_configuration_may_name_a_recommendation_as_other_tools_do() {
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&[plain_http("one")]));
    for name in ["storage_secure_transfer_required_is_enabled", "404c3081-a854-4457-ae30-26a93ef643f9"] {
        let (_folder, path) = config(&format!("exemptions: [{{ key: {name}, resource: \"*\", category: waiver }}]"));
        let rows = findings(&estate, &["--config", &path]);
        assert_eq!(finding(&rows, SECURE_TRANSFER, "one")["exemption"]["category"], "waiver", "{name}");
        assert_eq!(rows.iter().filter(|row| !row["exemption"].is_null()).count(), 1);
    }
    let (_folder, path) =
        config(&format!("parameters: {{ {}: {{ minimumTlsVersion: TLS1_3 }} }}", MINIMUM_TLS.to_uppercase()));
    let rows = findings(&estate, &["--config", &path]);
    assert_eq!(finding(&rows, MINIMUM_TLS, "one")["status"], "unhealthy");
}

#[test]
fn an_empty_configuration_decides_nothing() {
    for text in ["", "\n", "# nothing yet\n", "{}\n"] {
        let (_folder, path) = config(text);
        assert_eq!(score(SAMPLE, &["--config", &path]), score(SAMPLE, &[]), "{text:?}");
    }
}

#[test]
fn the_environment_names_a_configuration_and_the_command_line_wins() {
    let (folder, off) = config("plans: { all: { servers: false } }");
    let on = folder.write("on.yaml", "plans: { all: { servers: true } }");
    let args = ["recommendations", SAMPLE, "--all", "-o", "jsonl", "--at", AT, "-q"];
    let off = [("YAGURA_CONFIG", off.as_str())];
    let rows = run_with(&off, &args, b"").ended(4).lines();
    assert!(rows.iter().any(|row| row["planEnabled"] == false));
    let rows = run_with(&off, &[&args[..], &["--config", &on]].concat(), b"").ended(4).lines();
    assert!(rows.iter().all(|row| row["planEnabled"] == true));
}

/// `what-if` of some fixes.
#[track_caller]
fn what_if(estate: &str, fixes: &[&str], more: &[&str]) -> Json {
    let mut args = vec!["what-if", estate, "-o", "json", "--at", AT, "-q"];
    for fix in fixes {
        args.extend(["--fix", fix]);
    }
    let ran = run(&[&args[..], more].concat(), b"");
    assert!([0, 4].contains(&ran.code), "{}", ran.err);
    ran.json()
}

/// Nothing that is fixed may lower a score.
#[track_caller]
fn check_rises(result: &Json) {
    let percentage = |side: &Json| side["percentage"].as_f64().unwrap();
    assert!(percentage(&result["after"]["overall"]) >= percentage(&result["before"]["overall"]));
    let scopes = |side: &str| result[side]["scopes"].as_array().unwrap().clone();
    for (before, after) in scopes("before").iter().zip(&scopes("after")) {
        assert_eq!(before["scope"], after["scope"]);
        let controls = |scope: &Json| scope["controls"].as_array().unwrap().clone();
        for (before, after) in controls(before).iter().zip(&controls(after)) {
            assert!(after["healthy"].as_u64() >= before["healthy"].as_u64(), "{before} {after}");
            assert!(after["unhealthy"].as_u64() <= before["unhealthy"].as_u64(), "{before} {after}");
        }
    }
}

#[test]
fn fixing_a_recommendation_gains_what_the_recommendations_promise() {
    let sums = run(&["recommendations", SAMPLE, "-o", "json", "--at", AT, "-q"], b"").ended(4).json();
    let sums = sums.as_array().unwrap();
    let gain = |sum: &Json| sum["scoreGain"].as_f64();
    let mut chosen: Vec<&Json> = sums.iter().filter(|sum| gain(sum).is_some_and(|gain| gain > 0.0)).collect();
    chosen.sort_by(|left, right| gain(right).partial_cmp(&gain(left)).unwrap());
    assert!(chosen.len() > 20, "{}", chosen.len());
    // The largest, the smallest, and two of those whose fix alone moves nothing.
    let still = sums.iter().filter(|sum| gain(sum) == Some(0.0) && sum["unhealthy"].as_u64() > Some(0)).take(2);
    for sum in chosen[..4].iter().chain(&chosen[chosen.len() - 4..]).copied().chain(still) {
        let result = what_if(SAMPLE, &[sum["key"].as_str().unwrap()], &[]);
        check_rises(&result);
        let percentage = |side: &str| result[side]["overall"]["percentage"].as_f64().unwrap();
        let risen = percentage("after") - percentage("before");
        assert!((risen - gain(sum).unwrap()).abs() < 1e-9, "{} gains {risen}, promised {:?}", sum["title"], gain(sum));
    }
}

#[test]
fn fixing_a_recommendation_gives_the_score_of_the_estate_that_is_fixed() {
    let (folder, estate) = Folder::with("now.jsonl", jsonl(&[plain_http("a"), plain_http("b"), safe("c")]));
    let (all, one) = (
        folder.write("all.jsonl", jsonl(&[safe("a"), safe("b"), safe("c")])),
        folder.write("one.jsonl", jsonl(&[plain_http("a"), safe("b"), safe("c")])),
    );
    let result = what_if(&estate, &[SECURE_TRANSFER], &[]);
    check_rises(&result);
    assert_eq!((&result["before"], &result["after"]), (&score(&estate, &[]), &score(&all, &[])));
    // An id is Azure's in any case; a recommendation goes by other tools' names too.
    for fix in [
        format!("{SECURE_TRANSFER}@{}", account_id("b")),
        format!("{SECURE_TRANSFER}@{}", account_id("b").to_uppercase()),
        format!("storage_secure_transfer_required_is_enabled@{}", account_id("b")),
    ] {
        let result = what_if(&estate, &[&fix], &[]);
        assert_eq!((&result["before"], &result["after"]), (&score(&estate, &[]), &score(&one, &[])), "{fix}");
    }
}

#[test]
fn fixing_a_resource_fixes_every_recommendation_on_it() {
    let (_folder, estate) = Folder::with("estate.jsonl", jsonl(&[plain_http("a"), plain_http("b"), safe("c")]));
    let everything = what_if(&estate, &[&format!("@{}", account_id("a"))], &[]);
    check_rises(&everything);
    let rows = findings(&estate, &["--status", "unhealthy", "--resource", "/a"]);
    let single: Vec<String> =
        rows.iter().map(|row| format!("{}@{}", row["key"].as_str().unwrap(), account_id("a"))).collect();
    assert!(single.len() > 3);
    let single: Vec<&str> = single.iter().map(String::as_str).collect();
    assert_eq!(everything, what_if(&estate, &single, &[]));
    assert_ne!(everything["before"], everything["after"]);
}

#[test]
fn what_cannot_be_fixed_fails_by_name() {
    let nowhere = format!("{SECURE_TRANSFER}@/subscriptions/none");
    for (fix, reason) in [
        ("no-such-key", "`no-such-key` is no recommendation"),
        ("", "names nothing to fix"),
        ("@", "is no resource of this estate"),
        (nowhere.as_str(), "`/subscriptions/none` is no resource of this estate"),
        ("@nowhere", "`nowhere` is no resource of this estate"),
    ] {
        let ran = run(&["what-if", SAMPLE, "--fix", fix], b"").ended(1);
        assert_eq!(ran.out, "", "{fix}");
        ran.says(&[reason]);
    }
}

//! Broken, hostile and strange input: the rest goes on, and what was lost is said.

use std::collections::BTreeSet;

use super::*;

/// The inventory of an estate with its notes.
fn inventory(estate: &str) -> Run {
    run(&["inventory", estate, "--output", "jsonl"], b"")
}

/// Three accounts in a file of that name, changed by `spoil`, of which `left` must still be read with exit code 4.
#[track_caller]
fn check_spoiled(name: &str, text: impl AsRef<[u8]>, left: &[&str], says: &[&str]) {
    let (_folder, estate) = Folder::with(name, text);
    let ran = inventory(&estate).ended(4).says(&[&["warning: ", name], says].concat());
    assert_eq!(accounts_read(&ran), left.iter().map(|name| (*name).to_owned()).collect(), "{}", ran.err);
    // The verdicts of what is left are there too.
    let rows = findings(&estate, &[]);
    rows.iter().for_each(contract::check_finding);
    for name in left {
        assert_eq!(finding(&rows, SECURE_TRANSFER, name)["status"], "healthy");
    }
}

fn three() -> [Json; 3] {
    [safe("one"), safe("two"), safe("three")]
}

/// A row of a storage account around a raw text of properties.
fn raw(name: &str, properties: &str) -> String {
    let id = account_id(name);
    format!(
        "{{\"id\":\"{id}\",\"name\":\"{name}\",\"type\":\"Microsoft.Storage/storageAccounts\",\"properties\":{properties}}}"
    )
}

/// Rows as they are, in the three forms of an export.
fn forms(rows: &[String]) -> [(&'static str, String); 3] {
    let list = rows.join(",\n");
    [
        ("lines.jsonl", rows.join("\n")),
        ("list.json", format!("[{list}]")),
        ("wrapped.json", format!("{{\"count\":3,\"data\":[{list}],\"skip\":null}}")),
    ]
}

#[test]
fn a_file_that_is_cut_off_gives_what_stands_before_the_cut() {
    let lines = jsonl(&three());
    let wrapped = json!({"count": 3, "data": three()}).to_string();
    for (name, text, says) in [
        ("list.json", json!(three()).to_string(), "list.json:3: the record does not end"),
        ("wrapped.json", wrapped, "wrapped.json:3: the record does not end"),
        ("lines.jsonl", lines, "lines.jsonl:3: could not be read as JSON"),
    ] {
        check_spoiled(name, &text[..text.len() - 60], &["one", "two"], &[says]);
    }
}

#[test]
fn an_export_that_only_lacks_its_end_is_said_to_be_cut_off() {
    let (list, wrapped) = (json!(three()).to_string(), json!({"count": 3, "data": three()}).to_string());
    for (name, text) in [("list.json", list), ("wrapped.json", wrapped)] {
        check_spoiled(name, &text[..text.len() - 1], &["one", "two", "three"], &["does not end: the file is cut off"]);
    }
}

#[test]
fn a_packed_file_that_is_cut_off_gives_what_could_be_unpacked() {
    let names: Vec<String> = (0..20_000).map(|number| format!("st{number}")).collect();
    let text: String = names.iter().map(|name| format!("{}\n", safe(name))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    for (name, packed) in [("estate.jsonl.gz", gzip.finish().unwrap()), ("estate.jsonl.zst", zstd)] {
        let (_folder, estate) = Folder::with(name, &packed[..packed.len() * 3 / 4]);
        let ran = inventory(&estate).ended(4).says(&["warning: ", name, "could not be read after", "records"]);
        let read = accounts_read(&ran).len();
        assert!(read > 1000 && read < names.len(), "{name}: {read} of {}", names.len());
    }
}

#[test]
fn a_property_name_of_a_megabyte_costs_its_record_alone() {
    let long = format!("{{\"{}\":1}}", "x".repeat(1 << 20));
    let rows = [safe("one").to_string(), raw("long", &long), safe("three").to_string()];
    for (name, text) in forms(&rows) {
        let place = format!("{name}:2: ");
        check_spoiled(name, text, &["one", "three"], &[&place, "a property name of 1048576 bytes"]);
    }
}

#[test]
fn nesting_of_ten_thousand_levels_costs_its_record_alone() {
    let lists = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    for deep in [lists, objects] {
        let rows = [safe("one").to_string(), raw("deep", &deep), safe("three").to_string()];
        for (name, text) in forms(&rows) {
            let place = format!("{name}:2: ");
            check_spoiled(name, text, &["one", "three"], &[&place, "recursion limit"]);
        }
    }
}

#[test]
fn numbers_that_json_does_not_have_cost_their_record_alone() {
    for number in ["1e999", "-1e999", "NaN"] {
        let spoiled = raw("odd", &format!("{{\"minimumTlsVersion\":{number}}}"));
        let rows = [safe("one").to_string(), spoiled, safe("three").to_string()];
        for (name, text) in forms(&rows) {
            let place = format!("{name}:2: could not be read as JSON");
            check_spoiled(name, text, &["one", "three"], &[&place]);
        }
    }
}

#[test]
fn a_broken_record_of_an_answer_on_one_line_costs_itself_alone() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (spoiled, reason) in [(raw("odd", &deep), "recursion limit"), (raw("odd", "{\"a\":NaN}"), "could not be read")]
    {
        let text = format!("{{\"count\":3,\"data\":[{},{spoiled},{}]}}", safe("one"), safe("three"));
        check_spoiled("answer.json", text, &["one", "three"], &["answer.json:2: ", reason]);
    }
}

#[test]
fn one_id_with_two_documents_in_one_file_is_said() {
    let rows = [plain_http("one"), safe("two"), safe("one")].map(|row| row.to_string());
    for (name, text) in forms(&rows) {
        let place = format!("{name}:3: ");
        check_spoiled(name, text, &["one", "two"], &[&place, &account_id("one"), "stands in record 1 too"]);
    }
}

#[test]
fn the_same_row_twice_is_one_resource_and_no_fault() {
    let (_folder, estate) = Folder::with("estate.jsonl", jsonl(&[safe("one"), safe("one")]));
    let ran = inventory(&estate).ended(0);
    assert_eq!((ran.err.as_str(), accounts_read(&ran).len()), ("", 1));
}

#[test]
fn an_unknown_kind_stays_in_the_inventory_without_rules() {
    let gadget = json!({"id": format!("{SUBSCRIPTION}/resourceGroups/rg/providers/Contoso.Own/gadgets/g"),
        "name": "g", "type": "Contoso.Own/gadgets", "properties": {}});
    let (_folder, estate) = Folder::with("estate.jsonl", jsonl(&[safe("one"), gadget]));
    let rows = inventory(&estate).ended(0).lines();
    let row = rows.iter().find(|row| row["kind"] == "Contoso.Own/gadgets").unwrap();
    assert_eq!((&row["recommendations"], &row["category"]), (&json!(0), &Json::Null));
    let table = run(&["inventory", &estate], b"").ended(0).out;
    let line = table.lines().find(|line| line.contains("Contoso.Own/gadgets")).unwrap();
    assert!(line.contains("no rules for this kind"), "{line}");
    let scan = run(&["scan", &estate, "-o", "json"], b"").ended(0).json();
    assert_eq!(scan["inventory"][0]["withoutRules"], 1);
}

#[test]
fn a_value_of_the_wrong_type_is_never_healthy() {
    for value in [json!(5), json!(1.2), json!(["TLS1_0"]), json!({"a": "TLS1_2"}), json!(true), Json::Null, json!("")] {
        let properties = json!({"minimumTlsVersion": value, "supportsHttpsTrafficOnly": value, "networkAcls": value});
        let mut odd = account("odd", properties);
        for member in ["sku", "kind", "tags", "location", "identity"] {
            odd[member] = value.clone();
        }
        let (_folder, estate) = Folder::with("estate.jsonl", jsonl(&[odd, safe("safe")]));
        let rows = findings(&estate, &[]);
        rows.iter().for_each(contract::check_finding);
        let status = &finding(&rows, MINIMUM_TLS, "odd")["status"];
        assert!(status == "unhealthy" || status == "unknown", "{value}: {status}");
        assert_eq!(finding(&rows, MINIMUM_TLS, "safe")["status"], "healthy");
    }
    for properties in [json!([1]), json!("text"), json!(7), Json::Null] {
        let (_folder, estate) = Folder::with("estate.jsonl", jsonl(&[account("odd", properties)]));
        let rows = findings(&estate, &[]);
        assert_ne!(finding(&rows, MINIMUM_TLS, "odd")["status"], "healthy");
    }
}

/// Every scalar below a value becomes another one.
fn replace(value: &mut Json, with: &Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, with)),
        Json::Object(members) => members.values_mut().for_each(|item| replace(item, with)),
        scalar => *scalar = with.clone(),
    }
}

/// The members of a row of the sample that say what it is.
const NAMING: [&str; 11] =
    ["id", "name", "type", "assetType", "cloud", "scope", "service", "operation", "params", "region", "ancestors"];

#[test]
fn no_type_anywhere_in_the_sample_ends_a_run() {
    let read = |name: &str| std::fs::read_to_string(format!("{SAMPLE}/{name}")).unwrap();
    let mut rows: Vec<Json> = Vec::new();
    for name in [
        "azure/children.jsonl",
        "azure/graph.jsonl",
        "aws/answers.jsonl",
        "gcp/resources.jsonl",
        "gcp/iam-policies.jsonl",
    ] {
        rows.extend(read(name).lines().map(|line| serde_json::from_str::<Json>(line).unwrap()));
    }
    let export: Json = serde_json::from_str(&read("azure/resources.json")).unwrap();
    rows.extend(export["data"].as_array().unwrap().iter().cloned());
    for with in
        [json!(7), json!(-1.5e300), json!(["x"]), json!({"x": [1]}), json!(true), Json::Null, json!(""), json!("[x]")]
    {
        let mut spoiled = rows.clone();
        for row in &mut spoiled {
            for (name, value) in row.as_object_mut().unwrap() {
                if !NAMING.contains(&name.as_str()) {
                    replace(value, &with);
                }
            }
        }
        let (_folder, estate) = Folder::with("estate.jsonl", jsonl(&spoiled));
        let found = findings(&estate, &[]);
        assert!(found.len() > 500, "{with}: {} findings", found.len());
        found.iter().for_each(contract::check_finding);
        for format in ["table", "html", "sarif"] {
            let ran = run(&["scan", &estate, "-o", format, "--at", AT, "-q"], b"");
            assert!([0, 4].contains(&ran.code), "{with} {format}: {}", ran.err);
        }
    }
}

#[test]
fn an_empty_estate_has_no_score() {
    for (name, text) in [
        ("empty.json", ""),
        ("blank.json", " \n\n"),
        ("list.json", "[]"),
        ("object.json", "{}"),
        ("data.json", "{\"data\":[]}"),
    ] {
        let (_folder, estate) = Folder::with(name, text);
        let ran = run(&["score", &estate, "-o", "json"], b"").ended(4).says(&["warning: ", "the estate is empty"]);
        let score = ran.json();
        assert_eq!(score["overall"], json!({"percentage": null, "adjusted": {"percentage": null}}), "{name}");
        assert_eq!((&score["scopes"], &score["clouds"]), (&json!([]), &json!([])));
        for command in ["score", "scan"] {
            let page = run(&[command, &estate], b"").ended(4).out;
            assert!(page.contains("Secure score not available (with exemptions not available)"), "{page}");
            assert!(!page.contains('%'), "a percentage of nothing: {page}");
        }
    }
}

#[test]
fn an_empty_estate_is_given_in_every_format() {
    let (_folder, estate) = Folder::with("empty.json", "");
    let scan = |format: &str| run(&["scan", &estate, "-o", format], b"").ended(4);
    assert_eq!((scan("jsonl").lines().len(), scan("ocsf").lines().len(), scan("csv").rows().1.len()), (0, 0, 0));
    assert_eq!(scan("sarif").json()["runs"][0]["results"], json!([]));
    let page = scan("html").out;
    assert!(!page.contains("100.00") && !page.contains("0.00 %"), "a percentage of nothing");
    assert!(page.to_lowercase().contains("not available"), "the page does not say that there is no score");
}

#[test]
fn an_estate_of_kinds_without_rules_has_no_score_either() {
    let gadget = json!({"id": "/providers/Contoso.Own/gadgets/g", "type": "Contoso.Own/gadgets", "properties": {}});
    let (_folder, estate) = Folder::with("estate.json", gadget.to_string());
    assert!(score(&estate, &[])["overall"]["percentage"].is_null());
}

#[test]
fn what_is_no_export_in_a_folder_is_passed_over_with_a_note() {
    let (folder, _) = Folder::with("real.jsonl", jsonl(&three()));
    folder.write("README.md", "# Exports\n\n{ \"this\": is no json }\n- nor this\n");
    folder.write("diagram.png", [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[0xff; 3000]].concat());
    folder.write("sub/package.json", "{\n  \"name\": \"x\",\n  \"version\": \"1.0.0\",\n  \"files\": [\"a\"]\n}\n");
    folder.write(".git/config", "hidden");
    let ran = inventory(&folder.path()).ended(0);
    assert_eq!(accounts_read(&ran).len(), 3);
    for name in ["README.md", "diagram.png", "package.json"] {
        let says = ran.err.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name} is not said"));
        assert!(says.starts_with("note: ") && says.contains("is no export of a cloud; skipped"), "{says}");
    }
    assert_eq!(ran.err.lines().count(), 3, "{}", ran.err);
    assert_eq!(run(&["inventory", &folder.path(), "-q"], b"").ended(0).err, "");
}

#[test]
fn broken_files_beside_a_real_one_cost_themselves_alone() {
    let (folder, _) = Folder::with("real.jsonl", jsonl(&three()));
    folder.write("cut.json", format!("[{},{{\"id\":", safe("four")));
    folder.write("broken.json.gz", b"\x1f\x8b\x08\x00garbage that is no deflate stream");
    let ran = inventory(&folder.path())
        .ended(4)
        .says(&["warning: ", "cut.json:2: "])
        .says(&["warning: ", "broken.json.gz: "]);
    assert_eq!(accounts_read(&ran).len(), 4);
}

#[test]
fn a_path_that_is_missing_fails_by_name() {
    let (_folder, estate) = Folder::with("estate.jsonl", jsonl(&three()));
    for command in ["scan", "inventory", "score"] {
        let ran = run(&[command, &estate, "/no/such/estate.json"], b"").ended(1);
        assert_eq!(ran.out, "");
        ran.says(&["/no/such/estate.json"]);
    }
}

/// Bytes that look like nothing, always the same ones.
fn garbage(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn binary_garbage_is_said_and_the_rest_goes_on() {
    let (folder, estate) = Folder::with("estate.jsonl", jsonl(&three()));
    let bin = folder.write("garbage.bin", garbage(100_000));
    let ran = run(&["inventory", &estate, &bin, "-o", "jsonl"], b"").ended(4).says(&["warning: ", "garbage.bin:1: "]);
    assert_eq!(accounts_read(&ran).len(), 3);
    assert!(ran.err.lines().count() <= 102, "{} lines about one file", ran.err.lines().count());
    let ran = run(&["inventory", "-", "-o", "jsonl"], &garbage(5_000)).ended(4);
    ran.says(&["warning: ", "standard input:1: "]);
}

#[test]
fn control_characters_of_an_estate_never_reach_the_terminal() {
    let mut row = plain_http("one");
    row["name"] = json!("\u{1b}[2J\u{7}\u{9b}31mevil");
    row["kind"] = json!("\u{1b}]0;title\u{7}");
    let (_folder, estate) = Folder::with("estate.jsonl", format!("{row}\n\u{1b}]0;title\u{7} junk\n"));
    for args in [
        &["scan"][..],
        &["inventory"],
        &["recommendations", "--all"],
        &["explain", "--key", SECURE_TRANSFER],
        &["scan", "-o", "json"],
        &["recommendations", "--all", "-o", "jsonl"],
    ] {
        let ran = run(&[&args[..1], &[&estate], &args[1..]].concat(), b"").ended(4);
        for (stream, text) in [("output", &ran.out), ("notes", &ran.err)] {
            let found = text.chars().find(|letter| letter.is_control() && *letter != '\n' && *letter != '\u{9b}');
            assert_eq!(found, None, "{args:?}: {stream}");
        }
        assert!(!args.contains(&"--all") || ran.out.contains("evil"), "the name is not shown");
    }
}

#[test]
fn an_export_that_its_query_cut_short_is_incomplete() {
    let rows = json!(three());
    for text in [
        format!("{{\"resultTruncated\":\"true\",\"data\":{rows}}}"),
        format!("{{\"data\":{rows},\"resultTruncated\":\"true\"}}"),
        format!("{{\n\"resultTruncated\": true,\n\"data\": {rows}\n}}\n"),
        format!("{{\n\"data\": {rows},\n\"resultTruncated\": true\n}}\n"),
    ] {
        check_spoiled("cut.json", text, &["one", "two", "three"], &["the query's result was truncated"]);
    }
}

#[test]
fn an_export_of_one_page_says_that_there_are_more() {
    let page = json!({"data": three(), "nextLink": "https://management.azure.com/next"}).to_string();
    let (_folder, estate) = Folder::with("page.json", page);
    inventory(&estate).ended(0).says(&["note: ", "page.json", "names a next page (`nextLink`)"]);
}

/// A user's own recommendation for storage accounts.
fn own(key: &str, more: &str) -> String {
    format!(
        "{key}
title: {{ en: Own rule }}
severity: low
applies_to: Microsoft.Storage/storageAccounts
{more}unhealthy_when: {{ field: properties.minimumTlsVersion, notEquals: TLS1_2 }}
why: {{ en: Because. }}
fix: {{ steps: {{ en: [Do it] }} }}
tests:
  - {{ expect: healthy, document: {{ properties: {{ minimumTlsVersion: TLS1_2 }} }} }}
  - {{ expect: unhealthy, document: {{ properties: {{ minimumTlsVersion: TLS1_0 }} }} }}
"
    )
}

/// The titles of findings under an overlay beside a good file of which nothing may be lost.
#[track_caller]
fn check_refused(files: &[(&str, &str)], says: &[&str]) {
    let folder = Folder::new();
    folder.write("recommendations/azure/own/good.yaml", own("slug: own-good", "").replace("Own rule", "Good rule"));
    for (name, text) in files {
        folder.write(name, text);
    }
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&three()));
    let args = ["recommendations", &estate, "--all", "-o", "jsonl", "--content", &folder.path()];
    let ran = run(&args, b"").ended(4).says(says);
    assert_eq!(ran.err.lines().count(), 1, "more is said than what is wrong: {}", ran.err);
    let rows = ran.lines();
    let titles = texts(&rows, "title");
    assert!(titles.contains("Good rule"), "a good file was lost");
    assert!(titles.contains("Secure transfer to storage accounts should be enabled"), "shipped content was lost");
}

#[test]
fn what_is_refused_in_use_is_refused_by_the_check() {
    for (text, says) in [
        (own("slug: own", "sevrity: high\n"), "own.yaml:5: error[schema]"),
        (own("slug: own", "controls: [no-such-control]\n"), "own.yaml:5: error[unknown-control]"),
        (own(&format!("key: {SECURE_TRANSFER}"), ""), "own.yaml:1: error[duplicate-key]"),
    ] {
        let (folder, _) = Folder::with(OWN_FILE, text);
        let (whole, own) = (folder.path(), ["content", "check", "--content"]);
        run(&["content", "check", &whole], b"").ended(1).says(&[says]);
        run(&[&own[..], &[&whole]].concat(), b"").ended(1).says(&[says]);
    }
}

const OWN_FILE: &str = "recommendations/azure/own/own.yaml";

#[test]
fn a_content_file_with_a_wrong_field_is_refused_at_its_line() {
    let text = own("slug: own", "sevrity: high\n");
    check_refused(&[(OWN_FILE, &text)], &["recommendations/azure/own/own.yaml:5: ", "unknown field `sevrity`"]);
    let text = own("slug: own", "").replace("low", "huge");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:3: ", "huge"]);
}

#[test]
fn a_content_file_that_is_no_yaml_is_refused_at_its_line() {
    let text = own("slug: own", "").replace("{ en: Because. }", "{ en: Because.");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:", "error[schema]"]);
}

#[test]
fn a_content_file_that_is_no_text_is_refused_at_its_line() {
    let folder = Folder::new();
    folder.write("recommendations/azure/own/good.yaml", own("slug: own-good", ""));
    folder.write(OWN_FILE, [b"slug: own\ntitle: ", &garbage(50)[..], b"\xff\n"].concat());
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&three()));
    let args = ["recommendations", &estate, "--all", "-o", "jsonl", "--content", &folder.path()];
    let rows = run(&args, b"").ended(4).says(&["own/own.yaml:2: ", "is no UTF-8 text"]).lines();
    assert!(texts(&rows, "title").contains("Own rule"));
}

#[test]
fn an_unknown_control_is_refused_at_its_line() {
    let text = own("slug: own", "controls: [no-such-control]\n");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:5: ", "control `no-such-control` is not in controls.yaml"]);
    let text = own("slug: own", "standards: { mcsb-v1: [XX-99] }\n");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:5: ", "mcsb-v1 has no control `XX-99`"]);
    let text = own("slug: own", "plan: gold\n");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:5: ", "plan `gold` is not in plans.yaml"]);
}

#[test]
fn an_unknown_control_among_the_inferred_ones_is_refused_at_its_line() {
    let text = own("slug: own", "controls: [enable-mfa]\ninferred: { controls: [no-such-control] }\n");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:6: ", "control `no-such-control` is not in controls.yaml"]);
}

#[test]
fn a_rule_with_an_unknown_relation_is_refused_at_its_line() {
    let condition = "{ field: properties.minimumTlsVersion, notEquals: TLS1_2 }";
    let text = own("slug: own", "").replace(condition, "{ related: { via: [nowhere], any: {} } }");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:5: ", "no relation `nowhere` is declared"]);
}

#[test]
fn a_rule_with_an_unknown_operator_or_function_is_refused_at_its_line() {
    let text = own("slug: own", "").replace("notEquals: TLS1_2", "isNot: TLS1_2");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:5: ", "isNot"]);
    let text = own("slug: own", "").replace("notEquals: TLS1_2", "notEquals: \"[noSuchFunction(1)]\"");
    check_refused(&[(OWN_FILE, &text)], &["own.yaml:5: ", "noSuchFunction"]);
}

#[test]
fn a_key_that_is_taken_is_refused_at_its_line() {
    let key = "key: 0f0f0f0f-0000-4000-8000-000000000001";
    let (first, second) = (own(key, ""), own(key, "").replace("Own rule", "Second rule"));
    check_refused(
        &[("recommendations/azure/own/a.yaml", &first), ("recommendations/azure/own/b.yaml", &second)],
        &["own/b.yaml:1: ", "is taken by recommendations/azure/own/a.yaml"],
    );
    let text = own(&format!("key: {SECURE_TRANSFER}"), "");
    check_refused(&[(OWN_FILE, &text)], &["own/own.yaml:1: ", "is taken by", "say `overrides: true` to replace it"]);
}

#[test]
fn a_slug_that_is_taken_is_refused_at_its_line() {
    let (first, second) = (own("slug: own-x", ""), own("slug: own-x", ""));
    check_refused(
        &[("recommendations/azure/own/a.yaml", &first), ("recommendations/azure/own/b.yaml", &second)],
        &["own/b.yaml:1: ", "is taken by recommendations/azure/own/a.yaml"],
    );
}

#[test]
fn a_content_file_in_a_place_where_nothing_is_read_is_said() {
    let folder = Folder::new();
    folder.write("azure/own.yaml", own("slug: own", ""));
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&three()));
    let ran = run(&["score", &estate, "--content", &folder.path()], b"").ended(4);
    ran.says(&["azure/own.yaml", "lies where no content is read from"]);
    run(&["score", &estate, "--content", "/no/such/folder"], b"").ended(1).says(&["/no/such/folder"]);
}

#[test]
fn an_overlay_that_overrides_replaces_what_is_shipped() {
    let (folder, _) = Folder::with(
        OWN_FILE,
        own(&format!("overrides: true\nkey: {SECURE_TRANSFER}"), "controls: [encrypt-data-in-transit]\n"),
    );
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&[plain_http("one")]));
    let more = ["--content", &folder.path()];
    let ran = run(&[&["recommendations", &estate, "--all", "-o", "jsonl"][..], &more].concat(), b"").ended(0);
    assert_eq!(ran.err, "");
    let rows = ran.lines();
    let row = finding(&rows, SECURE_TRANSFER, "one");
    // By the shipped rule the account is unhealthy.
    let got = (&row["title"], &row["severity"], &row["status"]);
    assert_eq!(got, (&json!("Own rule"), &json!("low"), &json!("healthy")));
    assert_eq!(rows.iter().filter(|row| row["key"] == SECURE_TRANSFER).count(), 1);
    assert_eq!(control(&score(&estate, &more), "encrypt-data-in-transit")["healthy"], 1);
}

#[test]
fn an_own_recommendation_is_shown_and_never_scored() {
    let (folder, _) = Folder::with(OWN_FILE, own("slug: own", "controls: [enable-mfa]\n"));
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&[account("one", json!({})), safe("two")]));
    let more = ["--content", &folder.path()];
    let rows = findings(&estate, &more);
    let status =
        |name: &str| &rows.iter().find(|row| row["title"] == "Own rule" && row["name"] == name).unwrap()["status"];
    assert_eq!((status("one"), status("two")), (&json!("unhealthy"), &json!("healthy")));
    assert_eq!(score(&estate, &more), score(&estate, &[]));
}

#[test]
fn an_own_standard_may_list_keys() {
    let standard = format!(
        "id: own-1\ntitle: {{ en: Our own standard }}\nversion: \"1\"\ncontrols:
  - {{ id: A.1, title: {{ en: No plain HTTP }}, recommendations: [{SECURE_TRANSFER}] }}
  - {{ id: A.2, title: {{ en: TLS }}, recommendations: [{}] }}
  - {{ id: A.3, title: {{ en: Nobody checks this }} }}
",
        MINIMUM_TLS.to_uppercase()
    );
    let (folder, _) = Folder::with("standards/own-1.yaml", &standard);
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&[plain_http("one"), safe("two")]));
    let more = ["--content", &folder.path(), "--standard", "own-1"];
    let args = [&["compliance", &estate, "-o", "json"][..], &more].concat();
    let standard = run(&args, b"").ended(0).json()[0].clone();
    let states: Vec<_> =
        standard["controls"].as_array().unwrap().iter().map(|own| own["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "passed", "manual"]);
    assert_eq!(standard["percentage"], 0.5);
    assert_eq!(texts(&findings(&estate, &more), "key"), BTreeSet::from([SECURE_TRANSFER, MINIMUM_TLS]));
    let page = run(&[&["compliance", &estate][..], &more].concat(), b"").ended(0).out;
    assert!(page.contains("Our own standard") && page.contains("No plain HTTP"), "{page}");
}

#[test]
fn an_own_standard_that_lists_an_unknown_key_is_said_by_file() {
    let standard = "id: own-1\ntitle: { en: Our own standard }\nversion: \"1\"\ncontrols:\n  - { id: A.1, title: { en: X }, recommendations: [no-such-key] }\n";
    check_refused(&[("standards/company.yaml", standard)], &["standards/company.yaml:5: ", "no-such-key"]);
}

/// A policy definition that audits storage accounts.
fn definition(name: &str, condition: Json, effect: &str) -> Json {
    let kind = json!({"field": "type", "equals": "Microsoft.Storage/storageAccounts"});
    json!({
        "name": name, "type": "Microsoft.Authorization/policyDefinitions",
        "properties": {
            "displayName": format!("Policy {name}"), "mode": "Indexed",
            "policyRule": {"if": {"allOf": [kind, condition]}, "then": {"effect": effect}},
        },
    })
}

fn tls_below(version: &str) -> Json {
    json!({"field": "Microsoft.Storage/storageAccounts/minimumTlsVersion", "notEquals": version})
}

/// The complete aliases of a provider with one alias.
const ALIASES: &str = r#"[{"namespace": "Microsoft.Storage", "resourceTypes": [{"resourceType": "storageAccounts", "aliases": [
    {"name": "Microsoft.Storage/storageAccounts/minimumTlsVersion", "defaultPath": "properties.minimumTlsVersion", "paths": []}]}]}]"#;

/// Evaluates a policy folder that holds a good definition beside what is given.
#[track_caller]
fn policies(files: &[(&str, String)], more: &[&str]) -> Run {
    let (folder, _) = Folder::with("good.json", definition("good", tls_below("TLS1_2"), "audit").to_string());
    for (name, text) in files {
        folder.write(name, text);
    }
    let rows = [account("old", json!({"minimumTlsVersion": "TLS1_0"})), safe("new")];
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&rows));
    let ran = run(&[&["scan", &estate, "-o", "json", "--policies", &folder.path()], more].concat(), b"");
    let document = ran.json();
    let sums = document["policies"].as_array().unwrap();
    let good = sums.iter().find(|sum| sum["policy"] == "good").expect("the good definition is evaluated");
    assert_eq!((&good["unhealthy"], &good["healthy"]), (&json!(1), &json!(1)), "{good}");
    ran
}

#[test]
fn policies_that_are_broken_cost_themselves_alone() {
    let kind = r#"{"field": "type", "equals": "Microsoft.Storage/storageAccounts"}"#;
    let nested = format!("{}{kind}{}", "{\"not\": ".repeat(1000), "}".repeat(1000));
    let nested = format!(
        r#"{{"name": "nested", "properties": {{"policyRule": {{"if": {nested}, "then": {{"effect": "audit"}}}}}}}}"#
    );
    let mut list = definition("list", tls_below("TLS1_2"), "audit");
    list["properties"]["policyRule"]["if"] = json!([1, 2]);
    for (name, text, reason) in [
        ("broken.json", "{\"name\": \"x\", ".to_owned(), "could not read"),
        (
            "effect.json",
            definition("x", tls_below("TLS1_2"), "explode").to_string(),
            "`explode` is no effect of Azure Policy",
        ),
        ("nested.json", nested, "recursion limit"),
        ("garbage.json", String::from_utf8_lossy(&garbage(500)).into_owned(), "could not read"),
        ("list.json", list.to_string(), "if"),
        ("number.json", "7".to_owned(), "no object"),
        ("operator.json", definition("x", json!({"field": "name", "isNot": "a"}), "audit").to_string(), "isNot"),
    ] {
        let ran = policies(&[(name, text)], &[]).ended(4).says(&["warning: ", name, reason]);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}

#[test]
fn an_unknown_alias_is_refused_where_the_list_is_complete() {
    let (_folder, aliases) = Folder::with("aliases.json", ALIASES);
    let condition = json!({"field": "Microsoft.Storage/storageAccounts/noSuchThing", "equals": 1});
    let files = [("alias.json", definition("alias", condition, "audit").to_string())];
    let ran = policies(&files, &["--aliases", &aliases]).ended(4);
    ran.says(&["warning: ", "alias.json", "Microsoft.Storage/storageAccounts/noSuchThing", "is no known alias"]);
    // Without the list the usual path is taken, and the result says so.
    let ran = policies(&files, &[]).ended(0);
    let sums = ran.json()["policies"].as_array().unwrap().clone();
    let derived = &sums.iter().find(|sum| sum["policy"] == "alias").unwrap()["derivedAliases"];
    assert_eq!(derived, &json!(["Microsoft.Storage/storageAccounts/noSuchThing"]));
}

#[test]
fn a_list_of_aliases_that_cannot_be_read_fails_by_name() {
    let (folder, _) = Folder::with("good.json", definition("good", tls_below("TLS1_2"), "audit").to_string());
    let (_estate, estate) = Folder::with("estate.jsonl", jsonl(&[safe("one")]));
    let (_aliases, aliases) = Folder::with("aliases.json", "[{");
    let args = ["scan", &estate, "--policies", &folder.path(), "--aliases", &aliases];
    run(&args, b"").ended(1).says(&["aliases.json"]);
    run(&["scan", &estate, "--policies", "/no/such/folder"], b"").ended(1).says(&["/no/such/folder"]);
}

#[test]
fn a_parameter_value_that_is_not_allowed_is_refused() {
    let mut limited = definition("limited", json!({"field": "location", "notIn": "[parameters('where')]"}), "audit");
    limited["properties"]["parameters"] =
        json!({"where": {"type": "Array", "allowedValues": ["japaneast", "japanwest"], "defaultValue": ["japaneast"]}});
    let member = |value: &str| {
        json!({"name": "set", "type": "Microsoft.Authorization/policySetDefinitions", "properties": {
            "displayName": "Our set", "policyDefinitions": [
                {"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/limited",
                 "parameters": {"where": {"value": [value]}}}]}})
        .to_string()
    };
    let files = |value| [("limited.json", limited.to_string()), ("set.json", member(value))];
    policies(&files("japanwest"), &[]).ended(0);
    let ran = policies(&files("mars"), &[]).ended(4);
    ran.says(&["warning: ", "set.json", "mars", "is no allowed value of parameter `where`"]);
}

#[test]
fn an_initiative_that_names_a_missing_definition_is_said() {
    let set = json!({"name": "set", "properties": {"displayName": "Our set", "policyDefinitions": [
        {"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/missing"},
        {"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/good"}]}});
    let ran = policies(&[("set.json", set.to_string())], &[]).ended(4);
    ran.says(&["warning: ", "set.json", "names the definition missing, which is in no file"]);
}

#[test]
fn an_effect_that_a_parameter_makes_unknown_is_unknown_and_not_compliant_with_anything() {
    let mut loose = definition("loose", tls_below("TLS1_2"), "[parameters('effect')]");
    loose["properties"]["parameters"] = json!({"effect": {"type": "String", "defaultValue": "explode"}});
    let ran = policies(&[("loose.json", loose.to_string())], &[]);
    let document = ran.json();
    let results = document["policyResults"].as_array().unwrap();
    let own: Vec<_> = results.iter().filter(|result| result["policy"] == "loose").collect();
    assert_eq!(own.len(), 2);
    for result in own {
        assert_eq!(result["status"], "unknown");
        assert!(result["cause"].as_str().unwrap().contains("`explode` is no effect"), "{result}");
    }
}

#[test]
fn garbage_among_the_cases_of_policy_eval_is_said_and_the_others_are_answered() {
    let rule = r#"{"if":{"field":"location","equals":"here"},"then":{"effect":"deny"}}"#;
    let deep = format!("{{\"id\":\"deep\",\"resource\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let first = format!("{{\"id\":\"1\",\"policy_rule\":{rule},\"resource\":{{\"location\":\"here\"}}}}");
    let last = format!("{{\"id\":\"2\",\"policy_rule\":{rule},\"resource\":{{\"location\":\"there\"}}}}");
    let lines =
        [first.as_bytes(), b"garbage", b"", b"[]", b"{\"id\": 5}", b"\xff\xfe\x00", deep.as_bytes(), last.as_bytes()];
    let ran = run(&["policy", "eval"], &lines.join(&b'\n')).ended(4);
    let answers = ran.lines();
    let got: Vec<_> =
        answers.iter().map(|answer| (answer["id"].as_str().unwrap(), answer["effect"].as_str())).collect();
    assert_eq!(got, [("1", Some("deny")), ("2", None)]);
    let said: Vec<_> = ran.err.lines().map(|line| line.split(": could").next().unwrap()).collect();
    assert_eq!(said, [2, 4, 5, 6, 7].map(|line| format!("warning: standard input:{line}")));
}

#[test]
fn a_case_that_cannot_be_decided_is_answered_with_its_reason() {
    let cases = [
        json!({"id": "none"}),
        json!({"id": "shape", "policy_rule": {"then": {"effect": "audit"}}, "resource": {}}),
        json!({"id": "catalogue", "aliases": "../../etc/passwd", "policy_rule": {"if": {}, "then": {"effect": "audit"}}}),
    ];
    let answers = run(&["policy", "eval"], jsonl(&cases).as_bytes()).lines();
    assert_eq!(answers.len(), 3);
    for answer in &answers {
        assert!(
            answer["effect"].is_null() && answer["error"].as_str().is_some_and(|text| !text.is_empty()),
            "{answer}"
        );
    }
}

#[test]
fn a_single_definition_is_answered_or_fails_by_file() {
    let folder = Folder::new();
    let rule = folder.write("rule.json", definition("x", tls_below("TLS1_2"), "audit").to_string());
    let old = folder.write("old.json", account("old", json!({"minimumTlsVersion": "TLS1_0"})).to_string());
    let answer = run(&["policy", "eval", "--definition", &rule, "--resource", &old], b"").ended(0).json();
    assert_eq!((&answer["effect"], &answer["error"]), (&json!("audit"), &Json::Null));
    let broken = folder.write("broken.json", "{");
    for (rule, resource, name) in
        [(&broken, &old, "broken.json"), (&rule, &broken, "broken.json"), (&old, &old, "old.json")]
    {
        let ran = run(&["policy", "eval", "--definition", rule, "--resource", resource], b"").ended(1);
        assert_eq!(ran.out, "");
        ran.says(&[name]);
    }
}

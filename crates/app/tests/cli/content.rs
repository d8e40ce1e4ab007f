//! Content files, what is shown of them, and completions.

use super::*;

#[test]
fn the_shipped_content_is_without_fault() {
    let ran = run(&["content", "check"], b"").ended(0);
    assert_eq!(ran.err, "");
    for words in [" recommendations, ", " resource types, ", " standards; ", " tests, 0 failed; 0 errors, 0 warnings"] {
        assert!(ran.out.contains(words), "{words:?} is not in {}", ran.out);
    }
}

#[test]
fn a_new_recommendation_is_accepted_where_its_comment_says_to_save_it() {
    for (kind, cloud) in [
        ("Microsoft.Storage/storageAccounts", "azure"),
        ("AWS::S3::Bucket", "aws"),
        ("compute.googleapis.com/Instance", "gcp"),
    ] {
        let file = run(&["content", "new", kind], b"").ended(0).out;
        assert!(file.contains(&format!("\napplies_to: {kind}\n")), "{file}");
        let place = file.lines().find_map(|line| line.strip_prefix("# Save as ")).expect("a comment says where");
        let place = place.split_whitespace().next().unwrap().replace("SERVICE", "own").replace("NAME", "own");
        assert_eq!(place, format!("recommendations/{cloud}/own/own.yaml"));
        let (folder, _) = Folder::with(&place, &file);
        let ran = run(&["content", "check", &folder.path()], b"").ended(0);
        assert_eq!(ran.err, "", "{kind}");
        assert!(ran.out.contains("0 failed; 0 errors, 0 warnings"), "{}", ran.out);
    }
}

#[test]
fn a_new_recommendation_of_no_kind_is_refused() {
    for kind in ["storage", "", "Microsoft.Storage/storage accounts", "a/b: c", "a/b\nslug: x"] {
        run(&["content", "new", kind], b"").ended(1).says(&["is no kind"]);
    }
}

/// A folder that stands alone: it has its own plans and controls.
fn whole() -> Folder {
    let (folder, _) = Folder::with("plans.yaml", "plans:\n  - { id: free, title: { en: Free, ja: 無料 } }\n");
    folder.write("controls.yaml", "controls: []\n");
    folder.write(
        "resource-types/azure/own/gadgets.yaml",
        "kind: Contoso.Own/gadgets\ncloud: azure\ntitle: { en: Gadget, ja: ガジェット }\ncategory: other\nlist: { table: resources }\npermissions: [Contoso.Own/gadgets/read]\n",
    );
    let file = run(&["content", "new", "Contoso.Own/gadgets"], b"").ended(0).out;
    folder.write("recommendations/azure/own/gadgets.yaml", file);
    folder
}

#[test]
fn a_folder_with_its_own_plans_is_checked_by_itself() {
    let folder = whole();
    let ran = run(&["content", "check", &folder.path()], b"").ended(0);
    assert!(
        ran.out.starts_with("4 files, 1 recommendations, 1 resource types, 0 standards; 3 tests, 0 failed;"),
        "{}",
        ran.out
    );
    assert_eq!(ran.err, "");
}

#[test]
fn content_that_stands_alone_needs_both_languages() {
    let folder = whole();
    let file = run(&["content", "new", "Contoso.Own/gadgets"], b"").ended(0).out;
    let english = file.replace(", ja: あるべき状態", "").replace("gadgets-should", "others-should");
    folder.write("recommendations/azure/own/english.yaml", english);
    let ran = run(&["content", "check", &folder.path()], b"").ended(1);
    ran.says(&["own/english.yaml:4: error[japanese]", "title needs `en` and `ja`"]);
}

#[test]
fn a_test_that_comes_out_otherwise_fails_the_check() {
    let file = run(&["content", "new", "Microsoft.Storage/storageAccounts"], b"").ended(0).out;
    let wrong = file.replace(
        "expect: healthy, document: { properties: { setting: wanted",
        "expect: healthy, document: { properties: { setting: other",
    );
    assert_ne!(file, wrong);
    let (folder, _) = Folder::with("recommendations/azure/own/own.yaml", &wrong);
    let ran = run(&["content", "check", &folder.path()], b"").ended(1);
    assert!(ran.out.contains("1 failed; 1 errors"), "{}", ran.out);
    ran.says(&["own/own.yaml", "error[test]", "test 1", "expected Healthy, got Unhealthy", "properties.setting"]);
}

#[test]
fn a_content_folder_that_is_missing_fails_by_name() {
    run(&["content", "check", "/no/such/folder"], b"").ended(1).says(&["/no/such/folder"]);
}

#[test]
fn a_recommendation_is_shown_by_every_name_it_has() {
    let wanted = run(&["content", "show", SECURE_TRANSFER], b"").ended(0);
    assert_eq!(wanted.err, "");
    for words in [
        "Secure transfer to storage accounts should be enabled",
        "key        1c5de8e1-f68d-6a17-e0d2-ec259c42768c",
        "file       recommendations/azure/storage/secure-transfer.yaml",
        "severity   high",
        "control    encrypt-data-in-transit",
        "standard   mcsb-v1 DP-3",
        "policy     404c3081-a854-4457-ae30-26a93ef643f9",
        "\"field\": \"properties.supportsHttpsTrafficOnly\"",
    ] {
        assert!(wanted.out.contains(words), "{words:?} is not in {}", wanted.out);
    }
    for name in [
        &SECURE_TRANSFER.to_uppercase(),
        "404c3081-a854-4457-ae30-26a93ef643f9",
        "storage_secure_transfer_required_is_enabled",
    ] {
        assert_eq!(run(&["content", "show", name], b"").ended(0).out, wanted.out, "{name}");
    }
    let japanese = run(&["content", "show", SECURE_TRANSFER, "--lang", "ja"], b"").ended(0).out;
    assert!(japanese.contains("ストレージ アカウントへの安全な転送を有効にする必要がある"), "{japanese}");
    run(&["content", "show", "no-such-key"], b"").ended(1).says(&["`no-such-key` is no recommendation"]);
}

#[test]
fn every_recommendation_of_the_list_is_shown_by_its_key() {
    let rows = run(&["content", "list", "-o", "jsonl"], b"").ended(0).lines();
    for row in rows.iter().step_by(rows.len() / 8) {
        let page = run(&["content", "show", row["key"].as_str().unwrap()], b"").ended(0).out;
        assert!(page.contains(row["title"].as_str().unwrap()), "{row}");
    }
}

#[test]
fn everything_is_listed_in_every_format() {
    for (what, header, known) in [
        ("recommendations", &["Key", "Cloud", "Severity", "Title", "Kinds"][..], SECURE_TRANSFER),
        ("standards", &["Id", "Title", "Version", "Controls"], "mcsb-v1"),
        ("controls", &["Id", "Title", "Points", "API"], "enable-mfa"),
        ("plans", &["Id", "Title", "Pricing"], "servers"),
        ("resource-types", &["Kind", "Cloud", "Title", "Category"], "Microsoft.Storage/storageAccounts"),
    ] {
        let list = |format: &str| run(&["content", "list", what, "--output", format], b"").ended(0);
        let (own_header, rows) = list("csv").rows();
        assert_eq!(own_header, header);
        assert!(rows.iter().any(|row| row[0] == known), "{known} is not among the {what}");
        let document = list("json").json();
        assert_eq!(document, Json::Array(list("jsonl").lines()));
        let documents = document.as_array().unwrap();
        assert_eq!(documents.len(), rows.len());
        for (document, row) in documents.iter().zip(&rows) {
            for (name, cell) in header.iter().zip(row) {
                assert_eq!(document[name.to_lowercase()], cell.as_str(), "{what}");
            }
        }
        let table = list("table").out;
        assert!(table.contains(known) && header.iter().all(|name| table.contains(name)), "{table}");
        run(&["content", "list", what, "--output", "html"], b"").ended(1).says(&["cannot give Html"]);
    }
}

#[test]
fn lists_are_japanese_on_request() {
    for what in ["recommendations", "standards", "controls", "plans", "resource-types"] {
        let titles = |language: &str| {
            let rows = run(&["content", "list", what, "-o", "jsonl", "--lang", language], b"").ended(0).lines();
            rows.iter().map(|row| row["title"].clone()).collect::<Vec<_>>()
        };
        assert_ne!(titles("en"), titles("ja"), "{what}");
    }
}

#[test]
fn a_list_under_an_overlay_holds_what_is_the_users_own() {
    let file = run(&["content", "new", "AWS::S3::Bucket"], b"").ended(0).out;
    let (folder, _) = Folder::with("recommendations/aws/own/own.yaml", &file);
    let more = ["--content", &folder.path()];
    let rows = run(&[&["content", "list", "-o", "jsonl"][..], &more].concat(), b"").ended(0).lines();
    assert!(texts(&rows, "title").contains("What should be true"));
    let page = run(&[&["content", "show", "bucket-should-be-safe"][..], &more].concat(), b"").ended(0).out;
    assert!(page.contains("recommendations/aws/own/own.yaml"), "{page}");
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ran = run(&["completions", shell], b"").ended(0);
        assert_eq!(ran.err, "");
        for word in
            ["scan", "inventory", "recommendations", "score", "compliance", "explain", "what-if", "content", "policy"]
        {
            assert!(ran.out.contains(word), "{shell}: {word}");
        }
        assert!(ran.out.contains("yagura") && ran.out.contains("fail-on"), "{shell}");
    }
}

#[cfg(unix)]
#[test]
fn the_completion_script_of_bash_is_a_script() {
    let script = run(&["completions", "bash"], b"").ended(0).out;
    let (_folder, path) = Folder::with("yagura.bash", script);
    match Command::new("bash").args(["-n", &path]).output() {
        Ok(checked) => assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr)),
        Err(error) => eprintln!("not checked, since bash could not be started: {error}"),
    }
}

//! Hostile and broken exports: each costs what is broken in it, is said with its file and record, and nothing else is lost.

mod answers;
mod files;
mod packed;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use yagura_connect::export::{ReadOptions, read_paths};
use yagura_content::{Catalogue, ContentFile, Layer};
use yagura_model::{EstateBuilder, MemoryEstate};

const TYPES: [(&str, &str); 4] = [
    (
        "resource-types/aws/s3/bucket.yaml",
        "
kind: AWS::S3::Bucket
cloud: aws
title: { en: Bucket }
category: storage
id: 'arn:{partition}:s3:::{Name}'
list: { service: s3, operation: ListBuckets, scope: global, items: Buckets }
attached:
  Policy: { service: s3, operation: GetBucketPolicy, params: { Bucket: '{Name}' }, items: Policy, none_on: [NoSuchBucketPolicy], permissions: { none: test } }
permissions: { none: test }
",
    ),
    (
        "resource-types/azure/storage/account.yaml",
        "
kind: Microsoft.Storage/storageAccounts
cloud: azure
title: { en: Account }
category: storage
list: { table: resources }
permissions: { none: test }
",
    ),
    (
        "resource-types/azure/storage/container.yaml",
        "
kind: Microsoft.Storage/storageAccounts/containers
cloud: azure
title: { en: Container }
category: storage
list: { arm: '{parent}/containers', api_version: 2024-01-01, parent: Microsoft.Storage/storageAccounts }
permissions: { none: test }
",
    ),
    (
        "resource-types/gcp/storage/bucket.yaml",
        "
kind: storage.googleapis.com/Bucket
cloud: gcp
title: { en: Bucket }
category: storage
list: { asset: storage.googleapis.com/Bucket }
permissions: { none: test }
",
    ),
];

fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let files = TYPES.iter().map(|(path, text)| ContentFile::yaml(*path, *text)).collect();
        let (catalogue, diagnostics) = Catalogue::load(&[Layer { files, shipped: false }]);
        assert_eq!(diagnostics, []);
        catalogue
    })
}

/// What the records of this size and more are passed over at, so that large input stays small here.
const LONGEST: usize = 1 << 20;

fn read(paths: &[PathBuf]) -> MemoryEstate {
    let mut builder = EstateBuilder::new();
    let options = ReadOptions { longest_record: LONGEST, ..ReadOptions::default() };
    read_paths(paths, catalogue().resource_types(), &mut builder, &options);
    builder.finish(catalogue().kinds())
}

/// A storage account of Azure, as one line.
fn account(name: &str) -> String {
    format!("{{\"id\":\"/subscriptions/s/a/{name}\",\"type\":\"Microsoft.Storage/storageAccounts\"}}\n")
}

/// What was read: the last parts of the ids of all resources, sorted.
fn names(estate: &MemoryEstate) -> Vec<String> {
    let last = |id: String| id.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    let mut names: Vec<_> = estate.resources().iter().map(|resource| last(resource.id.to_string())).collect();
    names.retain(|name| !["s", "unknown", "123456789012"].contains(&name.as_str()));
    names.sort();
    names
}

/// The problems as `file:record: message`, without the folder that the files stand in; notes begin with `note `.
fn problems(estate: &MemoryEstate, folder: &Path) -> Vec<String> {
    let folder = format!("{}/", folder.display());
    let said = |problem: &yagura_model::Problem| {
        let kind = if problem.incomplete { "" } else { "note " };
        format!("{kind}{}", problem.to_string().replace(&folder, ""))
    };
    estate.problems().iter().map(said).collect()
}

/// Reads one file of these bytes beside a good one: which resources there are, and which problems in which order (each by
/// how it begins). The good one's `good` is always there.
fn check(what: &str, bytes: &[u8], wanted: &[&str], said: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (bad, good) = (folder.path().join("bad"), folder.path().join("good"));
    std::fs::write(&bad, bytes).unwrap();
    std::fs::write(&good, account("good")).unwrap();
    let estate = read(&[bad, good]);
    let wanted: Vec<&str> = wanted.iter().copied().chain(["good"]).collect();
    assert_eq!(names(&estate), wanted, "{what}");
    assert_said(what, &problems(&estate, folder.path()), said);
}

/// Each problem begins as it should, and there is no other.
fn assert_said(what: &str, found: &[String], said: &[&str]) {
    let begins = |(found, said): (&String, &&str)| found.starts_with(*said);
    assert!(found.len() == said.len() && found.iter().zip(said).all(begins), "{what}: {found:#?}, wanted {said:#?}");
}

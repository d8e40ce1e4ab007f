//! Content files: what is not used is said, and loading twice gives the same knowledge.
//!
//! Input: a byte that says what file it is, and its YAML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yagura_content::{Catalogue, ContentFile, Diagnostic, Gravity, Layer, run_tests};

const PATHS: [&str; 6] = [
    "recommendations/azure/storage/fuzz.yaml",
    "resource-types/azure/storage/fuzz.yaml",
    "resource-types/aws/s3/fuzz.yaml",
    "resource-types/gcp/storage/fuzz.yaml",
    "standards/fuzz.yaml",
    "controls.yaml",
];

/// A kind that recommendations can speak of.
const KIND: &str = "kind: Microsoft.Storage/storageAccounts\ncloud: azure\ntitle: {en: Storage accounts}\n\
    category: storage\nlist: {table: resources}\npermissions: {none: fuzz}\n";

fuzz_target!(|data: &[u8]| {
    let Some((which, yaml)) = data.split_first() else { return };
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    let path = PATHS[usize::from(*which) % PATHS.len()];
    let (catalogue, said) = load(path, yaml);
    let (again, said_again) = load(path, yaml);
    assert_eq!((again.digest(), &said_again), (catalogue.digest(), &said));
    let used = catalogue.recommendations().len()
        + catalogue.resource_types().len()
        + catalogue.standards().len()
        + catalogue.controls().len();
    let is_refused = said.iter().any(|diagnostic| diagnostic.gravity == Gravity::Error);
    assert!(used > 1 || is_refused || path == "controls.yaml", "{path} is not used, and nothing says why");
    for diagnostic in &said {
        // YAML ends lines with either.
        let lines = yaml.matches(['\n', '\r']).count() as u64 + 1;
        assert!(diagnostic.line.is_none_or(|line| (1..=lines).contains(&line)), "{diagnostic} of {lines} lines");
    }
    let report = run_tests(&catalogue);
    assert!(report.failures.len() <= report.tests.max(1));
});

fn load(path: &str, yaml: &str) -> (Catalogue, Vec<Diagnostic>) {
    let files =
        vec![ContentFile::yaml("resource-types/azure/storage/account.yaml", KIND), ContentFile::yaml(path, yaml)];
    Catalogue::load(&[Layer { files, shipped: false }])
}

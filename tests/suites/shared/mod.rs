//! Suites over the shared data.

mod aws_cloudmapper;
mod aws_escalation;
mod azure_policy;
mod azure_psrule;
mod events;
mod gcp_policy_library;
mod permissions;
mod policy_cases;
mod recorded;
mod table;

use std::path::PathBuf;
use std::sync::OnceLock;

use yagura_connect::export::{ReadOptions, read_stream};
use yagura_content::{Catalogue, Layer, shipped};
use yagura_model::{EstateBuilder, MemoryEstate, Problem, Timestamp};

/// The moment of every evaluation here: 2026-06-01T00:00:00Z.
fn now() -> Timestamp {
    Timestamp::from_second(1_780_272_000).unwrap()
}

/// The folder of shared data.
fn shared() -> PathBuf {
    let named = std::env::var_os("YAGURA_SHARED").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| workspace().parent().unwrap().join("shared"));
    assert!(folder.join("estates").is_dir(), "the shared data is not in {}", folder.display());
    folder
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The bytes of a file, unpacked.
fn unpacked(path: &str) -> Vec<u8> {
    let bytes = std::fs::read(shared().join(path)).unwrap_or_else(|error| panic!("could not read {path}: {error}"));
    if path.ends_with(".zst") { zstd::decode_all(&*bytes).unwrap() } else { bytes }
}

fn json_lines(path: &str) -> Vec<serde_json::Value> {
    let text = String::from_utf8(unpacked(path)).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The shipped content.
fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let (catalogue, diagnostics) = Catalogue::load(&[Layer { files: shipped(), shipped: true }]);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        catalogue
    })
}

/// An estate of lines, with what could not be read.
fn estate_of(name: &str, lines: &[u8]) -> (MemoryEstate, Vec<Problem>) {
    let mut builder = EstateBuilder::new();
    read_stream(name, lines, catalogue().resource_types(), &mut builder, &ReadOptions::default());
    let estate = builder.finish(catalogue().kinds());
    let lost = estate.problems().iter().filter(|problem| problem.incomplete).cloned().collect();
    (estate, lost)
}

/// Lines of JSON as one text.
fn lines_of<'v>(values: impl IntoIterator<Item = &'v serde_json::Value>) -> Vec<u8> {
    let mut text = Vec::new();
    for value in values {
        serde_json::to_writer(&mut text, value).unwrap();
        text.push(b'\n');
    }
    text
}

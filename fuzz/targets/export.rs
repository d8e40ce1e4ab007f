//! Exports of the three clouds, plain and packed: however the bytes come, the same estate comes of them.
//!
//! Input: a byte that says how the rest comes, and the stream.
#![no_main]

use std::io::Write as _;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use yagura_connect::export::{ReadOptions, ReadSummary, read_stream};
use yagura_content::Catalogue;
use yagura_fuzz::{Pieces, resource_types};
use yagura_model::{Estate as _, EstateBuilder, MemoryEstate};

/// Services of every form: a reader looks at each type before it reads a byte, so that all of them are too many here.
const SERVICES: [&str; 18] = [
    "aws/account",
    "aws/ecs",
    "aws/elbv2",
    "aws/iam",
    "aws/kms",
    "aws/lambda",
    "aws/organizations",
    "aws/s3",
    "aws/sqs",
    "azure/aad",
    "azure/authorization",
    "azure/graph",
    "azure/resources",
    "azure/storage",
    "gcp/iam",
    "gcp/kms",
    "gcp/resourcemanager",
    "gcp/storage",
];

static CONTENT: LazyLock<Catalogue> = LazyLock::new(|| resource_types(|service| SERVICES.contains(&service)));

fuzz_target!(|data: &[u8]| {
    let Some((how, stream)) = data.split_first() else { return };
    // Short enough that inputs reach it.
    let longest_record = if how & 1 == 0 { ReadOptions::default().longest_record } else { 512 };
    let (summary, estate) = read(stream, usize::MAX, longest_record);
    let is_packed = stream.starts_with(&[0x1f, 0x8b]) || stream.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    // A byte is no record, nor are two: `{}`.
    assert!(is_packed || summary.records <= stream.len() as u64 / 2 + 1, "{} records", summary.records);
    let said = !estate.problems().is_empty();
    assert!(summary.records > 0 || said, "nothing was read and nothing said");
    for resource in estate.resources() {
        assert!(estate.by_id(&resource.id).is_some(), "{} is not found by its id", resource.id);
    }
    let (again, other) = match how >> 1 & 3 {
        0 => return,
        // How much of a broken stream is unpacked before its break is seen depends on how it comes.
        1 if is_packed && is_broken(&estate) => return,
        1 => read(stream, usize::from(how >> 3) * 16 + 5, longest_record),
        // What is packed twice is not unpacked twice.
        _ if is_packed => return,
        2 => read(&gzip(stream), usize::MAX, longest_record),
        _ => read(&zstd::encode_all(stream, 1).expect("memory takes all"), usize::MAX, longest_record),
    };
    assert_eq!(again, summary);
    assert_eq!(told(&other), told(&estate));
});

fn read(stream: &[u8], piece: usize, longest_record: usize) -> (ReadSummary, MemoryEstate) {
    let mut builder = EstateBuilder::new();
    let options = ReadOptions { longest_record, progress: None };
    let summary = read_stream("fuzz", Pieces::of(stream, piece), CONTENT.resource_types(), &mut builder, &options);
    (summary, builder.finish(CONTENT.kinds()))
}

fn is_broken(estate: &MemoryEstate) -> bool {
    estate.problems().iter().any(|problem| problem.message.starts_with("could not be read after"))
}

fn gzip(stream: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(stream).and_then(|()| packer.finish()).expect("memory takes all")
}

/// What an estate holds, as text.
fn told(estate: &MemoryEstate) -> String {
    let resources = estate.resources().iter().map(|resource| {
        let answers: Vec<_> = resource.attached.iter().collect();
        format!("{} {} {} {:?} {answers:?}\n", resource.kind, resource.id, resource.scope, resource.document)
    });
    let problems = estate.problems().iter().map(|problem| format!("{problem}\n"));
    let failed = estate.failed_listings().into_iter().map(|failed| format!("{failed:?}\n"));
    resources.chain(problems).chain(failed).collect()
}

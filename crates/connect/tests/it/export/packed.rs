//! Packed files that are broken, or larger than they look.

use std::io::Write as _;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Lines that do not pack well, so that a cut leaves whole ones behind.
fn many() -> String {
    (0u64..40_000)
        .map(|number| account(&format!("{number:05}{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
        .collect()
}

#[test]
fn what_was_unpacked_before_the_cut_is_kept() {
    for (what, packed) in [("gzip", gzip(many().as_bytes())), ("zstd", zstd(many().as_bytes()))] {
        let folder = tempfile::tempdir().unwrap();
        let (bad, good) = (folder.path().join("bad"), folder.path().join("good"));
        std::fs::write(&bad, &packed[..packed.len() / 2]).unwrap();
        std::fs::write(&good, account("good")).unwrap();
        let estate = read(&[bad, good]);
        let kept = names(&estate).len();
        assert!((2..40_000).contains(&kept), "{what}: {kept}");
        let found = problems(&estate, folder.path());
        let said = format!("bad: could not be read after {} records: ", kept - 1);
        assert!(found.len() == 1 && found[0].starts_with(&said), "{what}: {found:?}");
    }
}

#[test]
fn what_cannot_be_unpacked_is_said() {
    let unread = &["bad: could not be read after 0 records: "][..];
    let mut damaged = gzip(many().as_bytes());
    damaged[20..40].fill(0xff);
    // A frame that asks for a window of 2 GiB: no content size, then one raw block.
    let greedy = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x09, 0x00, 0x00][..], b"{"].concat();
    let rows: [(&str, &[u8], &[&str]); 5] = [
        ("the first bytes of gzip", &[0x1f, 0x8b], unread),
        ("the first bytes of zstd", &[0x28, 0xb5, 0x2f, 0xfd], unread),
        ("damaged gzip", &damaged, unread),
        ("noise behind the sign of zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff], unread),
        ("a window of 2 GiB", &greedy, unread),
    ];
    for (what, bytes, said) in rows {
        check(what, bytes, &[], said);
    }
}

#[test]
fn several_members_are_one_file() {
    let parts = [gzip(account("a").as_bytes()), gzip(account("c").as_bytes())].concat();
    check("gzip", &parts, &["a", "c"], &[]);
    let parts = [zstd(account("a").as_bytes()), zstd(account("c").as_bytes())].concat();
    check("zstd", &parts, &["a", "c"], &[]);
}

/// 64 MiB of one letter between two records, packed into a few kilobytes.
#[test]
fn a_bomb_is_one_record_that_is_too_long() {
    let text =
        [account("a").as_bytes(), b"{\"id\":\"", &vec![b'x'; 64 << 20], b"\"}\n", account("c").as_bytes()].concat();
    for (what, packed) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
        assert!(packed.len() < 1 << 20, "{what}: {} bytes", packed.len());
        check(what, &packed, &["a", "c"], &["bad:2: the record has more than 1048576 bytes"]);
    }
}

/// A packed file inside a packed file is no export: only the outer one is unpacked.
#[test]
fn packing_twice_is_unpacked_once() {
    let inner = zstd(many().as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twice");
    std::fs::write(&path, gzip(&inner)).unwrap();
    let estate = read(&[path]);
    assert!(names(&estate).is_empty());
    assert!(problems(&estate, folder.path()).iter().any(|problem| problem.starts_with("twice:1: ")));
}

#[test]
fn a_stream_is_unpacked_as_a_file_is() {
    let plain = account("a");
    for (what, packed) in [("gzip", gzip(plain.as_bytes())), ("zstd", zstd(plain.as_bytes())), ("plain", plain.into())]
    {
        let mut builder = EstateBuilder::new();
        let types = catalogue().resource_types();
        let options = ReadOptions::default();
        yagura_connect::export::read_stream(what, packed.as_slice(), types, &mut builder, &options);
        let estate = builder.finish(catalogue().kinds());
        assert_eq!((names(&estate), problems(&estate, Path::new(""))), (vec!["a".to_owned()], vec![]), "{what}");
    }
}

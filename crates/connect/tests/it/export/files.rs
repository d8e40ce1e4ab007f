//! Broken text, and folders that lead astray.

use super::*;

/// JSON lines around something broken, which stands in line 2.
fn around(broken: &[u8]) -> Vec<u8> {
    [account("a").as_bytes(), broken, b"\n", account("c").as_bytes()].concat()
}

#[test]
fn a_broken_line_costs_itself_alone() {
    let no_json = &["bad:2: could not be read as JSON: "][..];
    let deep = format!("{{\"id\":\"/subscriptions/s/a/b\",\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let long = format!("{{\"id\":\"/subscriptions/s/a/b\",\"x\":\"{}\"}}", "x".repeat(LONGEST));
    let rows: [(&str, &[u8], &[&str]); 9] = [
        ("nested 200 deep", deep.as_bytes(), no_json),
        ("longer than the longest", long.as_bytes(), &["bad:2: the record has more than 1048576 bytes"]),
        ("invalid UTF-8", b"{\"id\":\"/subscriptions/s/a/\xff\xfe\"}", no_json),
        ("half a surrogate", b"{\"id\":\"/subscriptions/s/a/\\ud800\"}", no_json),
        ("NUL bytes", b"\0\0\0\0", no_json),
        ("NUL in a text", b"{\"id\":\"/subscriptions/s/a/\0\"}", no_json),
        ("cut off", b"{\"id\":\"/subscriptions/s/a/b\",", no_json),
        ("a number", b"17", &["bad:2: is neither an Azure resource"]),
        ("brackets that close nothing", b"}]}]", no_json),
    ];
    for (what, broken, said) in rows {
        check(what, &around(broken), &["a", "c"], said);
    }
}

#[test]
fn what_surrounds_the_records_is_no_fault() {
    let (a, c) = (account("a"), account("c"));
    let windows = format!("\u{feff}{}\r\n\r\n{}\r\n", a.trim(), c.trim());
    let list = format!("\u{feff} [\r\n{},\r\n{}]\r\n", a.trim(), c.trim());
    for (what, text) in
        [("BOM and CRLF", windows), ("BOM before a list", list), ("no last line end", a.clone() + c.trim())]
    {
        check(what, text.as_bytes(), &["a", "c"], &[]);
    }
}

#[test]
fn ids_that_stand_twice_are_one_resource_and_said_if_they_differ() {
    let other = account("a").replace('}', ",\"location\":\"x\"}");
    check("twice the same", (account("a") + &account("a")).as_bytes(), &["a"], &[]);
    check(
        "twice, different",
        (account("a") + &other).as_bytes(),
        &["a"],
        &["bad:2: /subscriptions/s/a/a stands in record 1 too"],
    );
}

#[test]
fn files_without_records_are_said() {
    let utf_16: Vec<u8> = account("a").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_16 = [b"\xff\xfe".to_vec(), utf_16].concat();
    let rows: [(&str, &[u8], &[&str]); 5] = [
        ("nothing", b"", &["note bad: holds no record"]),
        ("white space", b" \r\n\n", &["note bad: holds no record"]),
        ("an empty list", b"[]", &["note bad: holds no record"]),
        ("prose", b"access denied", &["bad:1: `access denied` is neither an object nor a list"]),
        ("UTF-16", &utf_16, &["bad:1: ", "bad:2: "]),
    ];
    for (what, bytes, said) in rows {
        check(what, bytes, &[], said);
    }
}

#[test]
fn lists_that_are_cut_off_keep_their_records() {
    let cut = |text: String| text.replace('\n', "");
    let list = cut(format!("[{},{}", account("a"), "{\"id\":\"/subscr"));
    check("in a record", list.as_bytes(), &["a"], &["bad:2: the record does not end: the file is cut off"]);
    let object = cut(format!("{{\"data\":[{}]", account("a")));
    check("behind the list", object.as_bytes(), &["a"], &["bad:1: the object around the records does not end"]);
    let skipped = cut(format!("{{\"data\":[{},{},{}]}}", account("a"), "{\"id\":{}}", account("c")));
    check("wrong type inside", skipped.as_bytes(), &["a", "c"], &["bad:2: is neither an Azure resource"]);
}

#[test]
fn a_line_of_300_megabytes_is_not_held() {
    let size = 300 << 20;
    let bytes = std::io::Read::chain(
        account("a").as_bytes().to_vec().leak() as &[u8],
        std::io::Read::take(std::io::repeat(b'x'), size),
    );
    let stream = std::io::Read::chain(bytes, b"\n{\"id\":\"/subscriptions/s/a/c\",\"type\":\"a/b\"}\n" as &[u8]);
    let mut builder = EstateBuilder::new();
    let summary = yagura_connect::export::read_stream(
        "long",
        stream,
        catalogue().resource_types(),
        &mut builder,
        &ReadOptions::default(),
    );
    let estate = builder.finish(catalogue().kinds());
    assert_eq!((names(&estate), summary.records), (vec!["a".to_owned(), "c".to_owned()], 2));
    assert_eq!(problems(&estate, Path::new("")), ["long:2: the record has more than 67108864 bytes"]);
    if let Some(peak) = peak_memory() {
        assert!(peak < size, "{peak} bytes were held at once");
    }
}

/// The most memory that this process ever held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(unix)]
#[test]
fn links_that_lead_back_or_nowhere_are_said() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join("a.json"), account("a")).unwrap();
    std::fs::write(inner.join("b.json"), account("b")).unwrap();
    symlink(folder.path(), inner.join("back")).unwrap();
    symlink(inner.join("itself"), inner.join("itself")).unwrap();
    symlink(folder.path().join("gone"), inner.join("nowhere.json")).unwrap();
    symlink(folder.path().join("a.json"), inner.join("twice.json")).unwrap();
    let estate = read(&[folder.path().to_owned()]);
    assert_eq!(names(&estate), ["a", "b"]);
    let said = [
        "note inner/back: is a link to a folder; not followed",
        "inner/itself: leads nowhere: ",
        "inner/nowhere.json: leads nowhere: ",
    ];
    assert_said("links", &problems(&estate, folder.path()), &said);
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let estate = read(&[folder.path().join("none.json")]);
    let said = ["none.json: could not be read after 0 records: ", "estate: no resource was read"];
    assert_said("no such file", &problems(&estate, folder.path()), &said);
}

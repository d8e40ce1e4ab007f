//! Documents, paths and templates: what is read is what is written, within the size of what was read.
//!
//! Input: a path or template on the first line, a JSON document behind it.
#![no_main]

use serde_json::Value as Json;
use yagura_fuzz::first_line;
use yagura_model::{Document, Number, Path, Template, Value, View};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((line, rest)) = first_line(data) else { return };
    template(line);
    let path = path(line);
    let document = document(rest);
    if let (Some(path), Some(document)) = (path, document) {
        visit(&path, &document);
    }
});

/// The bytes of one node of a document.
const NODE: usize = 12;

fn document(json: &[u8]) -> Option<Document> {
    let document = Document::parse(json);
    let other = serde_json::from_slice::<Json>(json);
    let Ok(document) = document else {
        // Names of more than 64 KiB are longer than inputs are here.
        assert!(other.is_err(), "refused, and is JSON");
        return None;
    };
    let root = document.root();
    assert_eq!(root.to_json(), other.expect("a document that is no JSON"));
    // Every value takes a byte at least, and no text grows while it is read.
    assert!(document.size() <= json.len() * (NODE + 1), "{} bytes for {}", document.size(), json.len());
    for inner in root.items().chain(root.entries().map(|(_, inner)| inner)) {
        assert_eq!(inner.to_document().root().to_json(), inner.to_json());
    }
    for (name, _) in root.entries() {
        assert!(root.get(name).is_some(), "{name} is not found");
    }
    // The last digit of a fraction may change when it is read again.
    if !has_fraction(root) {
        let written = serde_json::to_vec(&document).expect("a document can be written");
        let again = Document::parse(&written).expect("what was written can be read");
        assert_eq!(serde_json::to_vec(&again).expect("a document can be written"), written);
    }
    Some(document)
}

fn has_fraction(value: Value<'_>) -> bool {
    match value.view() {
        View::Number(Number::Float(_)) => true,
        View::Array(mut items) => items.any(has_fraction),
        View::Object(mut entries) => entries.any(|(_, inner)| has_fraction(inner)),
        _ => false,
    }
}

fn path(text: &str) -> Option<Path> {
    let path = Path::parse(text).ok()?;
    let written = path.to_string();
    assert_eq!(Path::parse(&written).as_ref(), Ok(&path), "written as `{written}`");
    Some(path)
}

fn visit(path: &Path, document: &Document) {
    let (mut found, mut first) = (0, None);
    path.visit(document.root(), &mut |value| {
        found += 1;
        first.get_or_insert_with(|| value.to_json());
    });
    assert!(found <= document.size() / NODE, "{found} values of {} bytes", document.size());
    assert_eq!(path.first(document.root()).map(Value::to_json), first);
}

fn template(text: &str) {
    let Ok(template) = Template::parse(text) else { return };
    let filled = template.fill(|name| Some(format!("{{{name}}}")));
    assert_eq!(filled.as_deref(), Ok(text));
    let first = template.holes().next().map(str::to_owned);
    assert_eq!(template.fill(|_| None).err(), first);
}

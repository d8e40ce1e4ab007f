//! Packs `content/` into one compressed blob: JSON lines of `[path, content]`, so that a start reads no YAML.

use std::io::Write;
use std::path::{Path, PathBuf};

fn main() {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../content");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    yaml_files(&root, &mut files);
    files.sort();
    let out = Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join("content.zst");
    let file = std::fs::File::create(&out).expect("the build folder can be written");
    let mut blob = zstd::Encoder::new(file, 12).expect("the compressor starts");
    for path in files {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()));
        // As `ContentFile` reads YAML: only `true` and `false` are booleans.
        let options = serde_saphyr::options! { strict_booleans: true };
        let value: serde_json::Value = serde_saphyr::from_str_with_options(&text, options)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(&root).expect("it was found below").to_string_lossy().replace('\\', "/");
        serde_json::to_writer(&mut blob, &(name, value)).expect("the blob can be written");
        blob.write_all(b"\n").expect("the blob can be written");
    }
    blob.finish().expect("the blob can be written");
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("could not list {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            println!("cargo::rerun-if-changed={}", path.display());
            found.push(path);
        }
    }
}

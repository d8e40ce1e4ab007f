//! What the fuzz targets share: the shipped resource types, and streams that come in pieces.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use yagura_content::{Catalogue, Layer, ResourceType, shipped};
use yagura_model::Kind;

/// The shipped resource types alone: no reader looks at recommendations, and those take long to compile.
pub static CONTENT: LazyLock<Catalogue> = LazyLock::new(|| resource_types(|_| true));

/// Those shipped resource types whose service, `aws/s3`, is wanted.
pub fn resource_types(is_wanted: impl Fn(&str) -> bool) -> Catalogue {
    let mut files = shipped();
    files.retain(|file| {
        let service = file.path.strip_prefix("resource-types/").and_then(|rest| rest.rsplit_once('/'));
        service.is_some_and(|(service, _)| is_wanted(service))
    });
    Catalogue::load(&[Layer { files, shipped: true }]).0
}

/// The shipped resource types.
pub fn types() -> &'static BTreeMap<Kind, ResourceType> {
    CONTENT.resource_types()
}

/// A stream that gives at most so many bytes at once, as networks and pipes do.
pub struct Pieces<'d> {
    left: &'d [u8],
    size: usize,
}

impl<'d> Pieces<'d> {
    /// These bytes, at most `size` (at least 1) at once.
    pub fn of(bytes: &'d [u8], size: usize) -> Self {
        Self { left: bytes, size: size.max(1) }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let size = self.size.min(into.len());
        (&mut self.left).take(size as u64).read(into)
    }
}

/// The text before the first line end, and the bytes after it.
pub fn first_line(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    Some((std::str::from_utf8(line).ok()?, rest.get(1..).unwrap_or_default()))
}

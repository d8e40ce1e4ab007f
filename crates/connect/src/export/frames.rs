//! Cuts a stream of JSON into records without holding it whole.
//!
//! Three forms are told apart by how the stream begins: JSON lines (one object a line), a list, and an object that
//! carries the records in a list (`{"data": [...]}`, `{"value": [...]}`, `{"assets": [...]}`). JSON lines are cut at
//! line ends alone, so that a broken line costs that line and no other.

use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr, memchr2};

/// How long the first line may be to be looked at whole when the form is told.
const LONGEST_FIRST_LINE: usize = 1 << 20;
/// How much is read at once.
const CHUNK: usize = 256 * 1024;
/// Members of an object whose list holds the records.
const WRAPPERS: [&[u8]; 3] = [b"data", b"value", b"assets"];
/// Members that only a record has, never an object around records.
const RECORD_MEMBERS: [&[u8]; 6] = [b"id", b"name", b"assetType", b"asset_type", b"cloud", b"operation"];
/// The longest value of a member beside the records that is kept.
const LONGEST_BESIDE: usize = 4096;
/// How much of a line that is no JSON is shown.
const SHOWN: usize = 20;

/// Something that stands in the stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame<'b> {
    /// One record, not yet parsed.
    Record(&'b [u8]),
    /// A member that stands beside the list of records, with its short value.
    Beside(&'b [u8], &'b [u8]),
    /// Something that is no record; reading goes on after it.
    Fault(String),
}

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// From 1: the line of JSON lines, the place in the list otherwise.
    pub record: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Unknown,
    Lines,
    Values,
    /// Inside a list of records; `true` = the list stands in an object.
    List(bool),
    /// Behind the list of an object.
    Object,
}

/// The records of a stream.
pub(crate) struct Frames<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: bool,
    form: Form,
    record: u64,
    longest: usize,
    /// Members that stood before the list of records.
    before: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<R: Read> Frames<R> {
    /// Records of at most `longest` bytes; longer ones are faults.
    pub(crate) fn new(reader: R, longest: usize) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            end: false,
            form: Form::Unknown,
            record: 0,
            longest,
            before: Vec::new(),
        }
    }

    /// Hands every frame to `take` until it answers `false`. The error is the reader's own.
    pub(crate) fn read(&mut self, mut take: impl FnMut(Position, Frame<'_>) -> bool) -> io::Result<()> {
        while let Some((range, kind)) = self.next()? {
            let position = Position { record: self.record };
            for (name, value) in std::mem::take(&mut self.before) {
                take(position, Frame::Beside(&name, &value));
            }
            let bytes = self.buffer.get(range).unwrap_or_default();
            let goes_on = match kind {
                Kind::Record => take(position, Frame::Record(bytes)),
                Kind::Beside(name) => take(position, Frame::Beside(&name, bytes)),
                Kind::Fault(reason) => take(position, Frame::Fault(reason)),
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Reads more; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.end {
            return Ok(false);
        }
        if self.start > CHUNK || self.start == self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let outcome = loop {
            match self.reader.read(self.buffer.get_mut(before..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        let count = *outcome.as_ref().unwrap_or(&0);
        self.buffer.truncate(before + count);
        outcome?;
        self.end = count == 0;
        Ok(count > 0)
    }

    /// The next byte that is no white space, which becomes the start.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let skipped = self.rest().iter().take_while(blank).count();
            self.start += skipped;
            if let Some(byte) = self.rest().first() {
                return Ok(Some(*byte));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn next(&mut self) -> io::Result<Option<(Range<usize>, Kind)>> {
        loop {
            match self.form {
                Form::Unknown => self.tell_form()?,
                Form::Lines => return self.line(),
                Form::Values => match self.peek()? {
                    None => return Ok(None),
                    Some(b'[') => {
                        self.start += 1;
                        self.form = Form::List(false);
                    }
                    Some(b'{') => {
                        if let Some(found) = self.object()? {
                            return Ok(Some(found));
                        }
                    }
                    Some(_) => return self.stray().map(Some),
                },
                Form::List(inside) => match self.peek()? {
                    None => return self.cut("the list does not end").map(Some),
                    Some(b']') => {
                        self.start += 1;
                        self.form = if inside { Form::Object } else { Form::Values };
                    }
                    Some(b',') => self.start += 1,
                    Some(_) => return self.element().map(Some),
                },
                Form::Object => match self.peek()? {
                    None => return self.cut("the object around the records does not end").map(Some),
                    Some(b'}') => {
                        self.start += 1;
                        self.form = Form::Values;
                    }
                    Some(b',') => self.start += 1,
                    Some(_) => {
                        if let Some(found) = self.member()? {
                            return Ok(Some(found));
                        }
                    }
                },
            }
        }
    }

    fn tell_form(&mut self) -> io::Result<()> {
        self.form = Form::Values;
        while self.rest().len() < 3 && self.fill()? {}
        if self.rest().starts_with(b"\xef\xbb\xbf") {
            self.start += 3;
        }
        if self.peek()? != Some(b'{') {
            return Ok(());
        }
        let mut looked = 0;
        let line_end = loop {
            let rest = self.rest();
            if let Some(found) = memchr(b'\n', rest.get(looked..).unwrap_or_default()) {
                break looked + found;
            }
            looked = rest.len();
            if looked > LONGEST_FIRST_LINE {
                return Ok(());
            }
            if !self.fill()? {
                break self.rest().len();
            }
        };
        let line = self.rest().get(..line_end).unwrap_or_default().to_vec();
        let mut extent = Extent::default();
        let closes = extent.feed(&line);
        let rest_is_blank = |at: usize| line.get(at..).is_some_and(|rest| rest.trim_ascii().is_empty());
        let whole = closes.is_some_and(rest_is_blank);
        if whole && self.is_wrapper(&line)? {
            return Ok(());
        }
        if whole || self.next_line_is_object(line_end)? && !ends_open(&line) {
            self.form = Form::Lines;
        }
        Ok(())
    }

    /// Whether a line is an object around records: then a broken record of it costs itself alone.
    fn is_wrapper(&self, line: &[u8]) -> io::Result<bool> {
        let mut probe = Frames::new(line, self.longest);
        probe.form = Form::Values;
        Ok(probe.object()?.is_none())
    }

    fn next_line_is_object(&mut self, line_end: usize) -> io::Result<bool> {
        while self.rest().len() < line_end + 2 && self.fill()? {}
        Ok(self.rest().get(line_end + 1) == Some(&b'{'))
    }

    fn line(&mut self) -> io::Result<Option<(Range<usize>, Kind)>> {
        loop {
            self.record += 1;
            let mut looked = 0;
            let mut too_long = false;
            let line_end = loop {
                if let Some(found) = memchr(b'\n', self.rest().get(looked..).unwrap_or_default()) {
                    break looked + found;
                }
                looked = self.rest().len();
                if looked > self.longest {
                    too_long = true;
                    self.start = self.buffer.len();
                    looked = 0;
                }
                if !self.fill()? {
                    break self.rest().len();
                }
            };
            let range = self.start..self.start + line_end;
            let at_end = self.end && range.end >= self.buffer.len();
            let blank = self.buffer.get(range.clone()).is_none_or(|line| line.trim_ascii().is_empty());
            self.start = (range.end + 1).min(self.buffer.len());
            if too_long || range.len() > self.longest {
                return Ok(Some((0..0, Kind::Fault(self.too_long()))));
            }
            if !blank {
                return Ok(Some((range, Kind::Record)));
            }
            if at_end {
                return Ok(None);
            }
        }
    }

    fn too_long(&self) -> String {
        format!("the record has more than {} bytes", self.longest)
    }

    /// An object at the outermost level: one record, or an object around records (then `None`, and the form says so).
    fn object(&mut self) -> io::Result<Option<(Range<usize>, Kind)>> {
        let mut at = 1;
        let mut may_wrap = true;
        let mut before = Vec::new();
        while may_wrap {
            at = self.skip_blank_from(at, true)?;
            let Some((name, after)) = self.name_at(at)? else { break };
            may_wrap = !RECORD_MEMBERS.contains(&name.as_slice());
            let value = self.skip_blank_from(after, false)?;
            if may_wrap && self.byte_at(value)? == Some(b'[') && WRAPPERS.contains(&name.as_slice()) {
                self.start += value + 1;
                self.form = Form::List(true);
                self.before = before;
                return Ok(None);
            }
            match self.extent_from(value)? {
                Skipped::To(end) => {
                    let short = self.rest().get(value..end).filter(|text| text.len() <= LONGEST_BESIDE);
                    before.extend(short.map(|text| (name, text.to_vec())));
                    at = end;
                }
                Skipped::TooLong | Skipped::Cut => break,
            }
        }
        self.record += 1;
        self.whole_value().map(Some)
    }

    /// One element of a list of records.
    fn element(&mut self) -> io::Result<(Range<usize>, Kind)> {
        self.record += 1;
        self.whole_value()
    }

    fn whole_value(&mut self) -> io::Result<(Range<usize>, Kind)> {
        match self.extent_from(0)? {
            // A bracket that closes nothing.
            Skipped::To(0) => {
                self.start += 1;
                Ok((0..0, Kind::Fault("a bracket without its partner".to_owned())))
            }
            Skipped::To(end) => {
                let range = self.start..self.start + end;
                self.start = range.end;
                let kind = if end > self.longest { Kind::Fault(self.too_long()) } else { Kind::Record };
                Ok((range, kind))
            }
            Skipped::TooLong => {
                self.skip_rest_of_value()?;
                Ok((0..0, Kind::Fault(self.too_long())))
            }
            Skipped::Cut => self.cut("the record does not end"),
        }
    }

    /// Throws away a value that is too long to be held.
    fn skip_rest_of_value(&mut self) -> io::Result<()> {
        let mut extent = Extent::default();
        loop {
            if let Some(end) = extent.feed(self.buffer.get(self.start..).unwrap_or_default()) {
                self.start += end;
                return Ok(());
            }
            self.start = self.buffer.len();
            extent.restart();
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    fn cut(&mut self, what: &str) -> io::Result<(Range<usize>, Kind)> {
        self.start = self.buffer.len();
        self.form = Form::Values;
        self.end = true;
        Ok((0..0, Kind::Fault(format!("{what}: the file is cut off"))))
    }

    /// Something that is neither an object nor a list: skips the line.
    fn stray(&mut self) -> io::Result<(Range<usize>, Kind)> {
        self.record += 1;
        while self.rest().len() < SHOWN && memchr(b'\n', self.rest()).is_none() && self.fill()? {}
        let line = self.rest().split(|byte| *byte == b'\n').next().unwrap_or_default();
        let shown = String::from_utf8_lossy(line.get(..SHOWN.min(line.len())).unwrap_or_default()).into_owned();
        loop {
            if let Some(end) = memchr(b'\n', self.rest()) {
                self.start += end;
                break;
            }
            self.start = self.buffer.len();
            if !self.fill()? {
                break;
            }
        }
        Ok((0..0, Kind::Fault(format!("`{}` is neither an object nor a list", shown.trim_end()))))
    }

    /// A member behind the list of records; a second list of records opens it again.
    fn member(&mut self) -> io::Result<Option<(Range<usize>, Kind)>> {
        let Some((name, after)) = self.name_at(0)? else { return self.stray().map(Some) };
        let value = self.skip_blank_from(after, false)?;
        if self.byte_at(value)? == Some(b'[') && WRAPPERS.contains(&name.as_slice()) {
            self.start += value + 1;
            self.form = Form::List(true);
            return Ok(None);
        }
        match self.extent_from(value)? {
            Skipped::To(end) => {
                let range = self.start + value..self.start + end;
                self.start += end;
                let short = range.len() <= LONGEST_BESIDE;
                Ok(short.then_some((range, Kind::Beside(name))))
            }
            Skipped::TooLong => {
                self.start += value;
                self.skip_rest_of_value()?;
                Ok(None)
            }
            Skipped::Cut => self.cut("the object around the records does not end").map(Some),
        }
    }

    fn byte_at(&mut self, at: usize) -> io::Result<Option<u8>> {
        while self.rest().len() <= at {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(self.rest().get(at).copied())
    }

    /// The first place from `at` on that is no white space and no colon (or comma).
    fn skip_blank_from(&mut self, mut at: usize, comma: bool) -> io::Result<usize> {
        let separator = if comma { b',' } else { b':' };
        while let Some(byte) = self.byte_at(at)? {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') && byte != separator {
                break;
            }
            at += 1;
        }
        Ok(at)
    }

    /// The short name of a member at `at`, with the place behind it.
    fn name_at(&mut self, at: usize) -> io::Result<Option<(Vec<u8>, usize)>> {
        if self.byte_at(at)? != Some(b'"') {
            return Ok(None);
        }
        match self.extent_from(at)? {
            Skipped::To(end) => {
                let name = self.rest().get(at + 1..end - 1).unwrap_or_default();
                let kept = name.get(..name.len().min(64)).unwrap_or_default().to_vec();
                Ok(Some((kept, end)))
            }
            _ => Ok(None),
        }
    }

    /// Where the value that starts at `at` ends.
    fn extent_from(&mut self, at: usize) -> io::Result<Skipped> {
        let mut extent = Extent { at, ..Extent::default() };
        loop {
            if let Some(end) = extent.feed(self.rest()) {
                return Ok(Skipped::To(end));
            }
            if self.rest().len() > self.longest {
                return Ok(Skipped::TooLong);
            }
            if !self.fill()? {
                return Ok(if extent.is_scalar() { Skipped::To(self.rest().len()) } else { Skipped::Cut });
            }
        }
    }
}

#[derive(Debug)]
enum Kind {
    Record,
    Beside(Vec<u8>),
    Fault(String),
}

enum Skipped {
    To(usize),
    TooLong,
    Cut,
}

/// Whether a line ends where more must follow, as pretty JSON does.
fn ends_open(line: &[u8]) -> bool {
    matches!(line.trim_ascii_end().last(), Some(b'{' | b'[' | b':' | b','))
}

/// Finds the end of one JSON value by its brackets and quotes alone; goes on where it stopped.
#[derive(Debug, Default)]
struct Extent {
    at: usize,
    depth: u64,
    in_text: bool,
    escaped: bool,
    begun: bool,
}

impl Extent {
    /// The place behind the value, or none when the bytes end before it.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(&byte) = bytes.get(self.at) {
            if self.escaped {
                self.escaped = false;
                self.at += 1;
                continue;
            }
            if self.in_text {
                let rest = bytes.get(self.at..).unwrap_or_default();
                let Some(found) = memchr2(b'"', b'\\', rest) else {
                    self.at = bytes.len();
                    return None;
                };
                self.at += found + 1;
                if rest.get(found) == Some(&b'\\') {
                    self.escaped = true;
                    continue;
                }
                self.in_text = false;
                if self.depth == 0 {
                    return Some(self.at);
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return Some(self.at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.at + 1);
                    }
                }
                b',' | b' ' | b'\n' | b'\r' | b'\t' if self.depth == 0 && self.begun => return Some(self.at),
                _ => {}
            }
            self.begun = true;
            self.at += 1;
        }
        None
    }

    /// The bytes fed so far are gone.
    fn restart(&mut self) {
        self.at = 0;
    }

    fn is_scalar(&self) -> bool {
        self.depth == 0 && !self.in_text && self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reader that gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn frames_of(text: &str, step: usize, longest: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut frames = Frames::new(Drip(text.as_bytes(), step), longest);
        frames
            .read(|position, frame| {
                found.push(match frame {
                    Frame::Record(bytes) => format!("{}: {}", position.record, String::from_utf8_lossy(bytes)),
                    Frame::Beside(name, bytes) => {
                        format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(bytes))
                    }
                    Frame::Fault(reason) => format!("{}! {reason}", position.record),
                });
                true
            })
            .unwrap();
        found
    }

    fn check(text: &str, wanted: &[&str]) {
        for step in [1, 3, 1 << 20] {
            assert_eq!(frames_of(text, step, 1 << 20), wanted, "{text} in steps of {step}");
        }
    }

    #[test]
    fn every_form_of_an_export_gives_its_records() {
        check("{\"a\":1}\n{\"a\":2}\n", &["1: {\"a\":1}", "2: {\"a\":2}"]);
        check("\u{feff}{\"a\":1}\r\n\n{\"a\":2}", &["1: {\"a\":1}\r", "3: {\"a\":2}"]);
        check("[{\"a\":\"]\"}, {\"b\":[1]}]", &["1: {\"a\":\"]\"}", "2: {\"b\":[1]}"]);
        check(
            "{\n \"count\": 2,\n \"data\": [ {\"a\":1},\n{\"a\":2} ],\n \"x\": null }",
            &["count=2", "1: {\"a\":1}", "2: {\"a\":2}", "x=null"],
        );
        check("{\n \"id\": \"x\",\n \"data\": [1]\n}", &["1: {\n \"id\": \"x\",\n \"data\": [1]\n}"]);
        check("{\n\"a\": 1}\n{\n\"a\": 2}", &["1: {\n\"a\": 1}", "2: {\n\"a\": 2}"]);
        check("", &[]);
        check("[]", &[]);
        check("  \n", &[]);
    }

    #[test]
    fn a_broken_line_costs_that_line_alone() {
        check("{\"a\":1}\n{\"a\":\n{\"a\":3}\n", &["1: {\"a\":1}", "2: {\"a\":", "3: {\"a\":3}"]);
        check("{\"a\":\"x\n{\"a\":2}\n", &["1: {\"a\":\"x", "2: {\"a\":2}"]);
    }

    #[test]
    fn what_is_cut_off_says_so() {
        let cut = "the record does not end: the file is cut off";
        check("[{\"a\":1},{\"a\":", &["1: {\"a\":1}", &format!("2! {cut}")]);
        check("[{\"a\":1}", &["1: {\"a\":1}", "1! the list does not end: the file is cut off"]);
        check(
            "{\"data\":[\n{\"a\":1}]",
            &["1: {\"a\":1}", "1! the object around the records does not end: the file is cut off"],
        );
    }

    #[test]
    fn what_is_no_json_is_said_once_a_line() {
        let frames = frames_of("hello\n{\"a\":1}", 1 << 20, 1 << 20);
        assert_eq!(frames, ["1! `hello` is neither an object nor a list", "2: {\"a\":1}"]);
    }

    #[test]
    fn a_record_that_is_too_long_is_passed_over() {
        let long = format!("[{{\"a\":\"{}\"}},{{\"b\":2}}]", "x".repeat(600_000));
        assert_eq!(frames_of(&long, 1 << 20, 1000), ["1! the record has more than 1000 bytes", "2: {\"b\":2}"]);
        let lines = format!("{{\"b\":1}}\n{{\"a\":\"{}\"}}\n{{\"b\":2}}\n", "x".repeat(600_000));
        assert_eq!(
            frames_of(&lines, 1 << 20, 1000),
            ["1: {\"b\":1}", "2! the record has more than 1000 bytes", "3: {\"b\":2}"]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), step in 1usize..50) {
            let mut frames = Frames::new(Drip(&bytes, step), 64);
            let mut count = 0;
            frames.read(|_, _| { count += 1; count < 10_000 }).unwrap();
            prop_assert!(count < 10_000);
        }

        #[test]
        fn brackets_and_quotes_alone_end_too(text in "[\\[\\]{}\",:\\\\ a\n]{0,200}", step in 1usize..20) {
            let mut frames = Frames::new(Drip(text.as_bytes(), step), 64);
            let mut count = 0;
            frames.read(|_, _| { count += 1; count < 10_000 }).unwrap();
            prop_assert!(count < 10_000);
        }
    }
}

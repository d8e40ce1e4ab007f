//! A small reader of XML answers into a tree.
//!
//! Answers are written by machines, so little is allowed: no document types, no entities but the five of XML itself and
//! character references, bounded depth and number of elements. Namespaces are left out: names are local names.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::{Outcome, ProtocolError, bad_output};

/// How deep elements may nest.
const DEEPEST: usize = 64;
/// How many elements there may be.
const MOST_ELEMENTS: usize = 4_000_000;

/// An element.
#[derive(Debug, Default, PartialEq)]
pub struct Element {
    /// Its name without prefix.
    pub name: String,
    /// Its text before the first child.
    pub text: String,
    /// Its attributes by name without prefix.
    pub attributes: Vec<(String, String)>,
    /// Its children.
    pub children: Vec<Self>,
}

impl Element {
    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of a name.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The root element of a document.
pub fn read(bytes: &[u8]) -> Outcome<Element> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return bad_output("not UTF-8");
    };
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut tree = Tree::default();
    loop {
        let event = reader
            .read_event()
            .map_err(|error| ProtocolError::Output(format!("not XML at byte {}: {error}", reader.error_position())))?;
        match event {
            Event::Start(start) => tree.open(element(&start)?)?,
            Event::Empty(start) => {
                tree.open(element(&start)?)?;
                tree.close()?;
            }
            Event::End(_) => tree.close()?,
            Event::Text(part) => tree.text(&part.xml10_content())?,
            Event::CData(part) => tree.text(&part.xml10_content())?,
            Event::GeneralRef(reference) => tree.text(&resolved(&reference)?)?,
            Event::DocType(_) => return bad_output("XML with a document type"),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => (),
            Event::Eof => return tree.finish(),
        }
    }
}

fn unreadable(error: impl std::fmt::Display) -> ProtocolError {
    ProtocolError::Output(format!("not XML: {error}"))
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

fn element(start: &BytesStart<'_>) -> Outcome<Element> {
    let mut out = Element { name: local(start.name().as_ref()), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(unreadable)?;
        let name = attribute.key.as_ref();
        if name == "xmlns" || name.starts_with("xmlns:") {
            continue;
        }
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).map_err(unreadable)?;
        out.attributes.push((local(name), value.into_owned()));
    }
    Ok(out)
}

fn resolved(reference: &BytesRef<'_>) -> Outcome<String> {
    if let Some(character) = reference.resolve_char_ref().map_err(unreadable)? {
        return Ok(character.to_string());
    }
    match resolve_xml_entity(reference) {
        Some(text) => Ok(text.to_owned()),
        None => bad_output("XML with an entity of its own"),
    }
}

#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, element: Element) -> Outcome<()> {
        self.elements += 1;
        if self.open.len() >= DEEPEST || self.elements > MOST_ELEMENTS {
            return bad_output("XML that is too deep or too large");
        }
        if self.open.is_empty() && self.root.is_some() {
            return bad_output("XML with two roots");
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Outcome<()> {
        let Some(done) = self.open.pop() else {
            return bad_output("XML that closes what it never opened");
        };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            None => self.root = Some(done),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Outcome<()> {
        match self.open.last_mut() {
            Some(element) if element.children.is_empty() => element.text.push_str(text),
            Some(_) => (),
            None if text.trim().is_empty() => (),
            None => return bad_output("text outside of XML"),
        }
        Ok(())
    }

    fn finish(self) -> Outcome<Element> {
        match (self.open.is_empty(), self.root) {
            (true, Some(root)) => Ok(root),
            (true, None) => bad_output("no XML"),
            (false, _) => bad_output("XML that ends too early"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let root = read(
            b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- c --><a:r xmlns:a=\"u\" xmlns=\"v\" xsi:type=\"T&amp;\">\n \
              <b>x &lt;&#65;&#x42;<![CDATA[<&]]></b><b/><c> \n</c></a:r>\n",
        )
        .unwrap();
        assert_eq!((root.name.as_str(), root.attribute("type")), ("r", Some("T&")));
        assert_eq!(root.attributes.len(), 1);
        let texts: Vec<&str> = root.children_named("b").map(|b| b.text.as_str()).collect();
        assert_eq!((texts, root.child("c").unwrap().text.as_str()), (vec!["x <AB<&", ""], " \n"));
    }

    #[test]
    fn what_is_not_plain_xml_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(65), "</a>".repeat(65));
        for text in [
            "",
            "  ",
            "hello",
            "<a>",
            "<a><b></a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "<a>&unknown;</a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "<a b=\"&x;\"/>",
            "<a>&#0;</a>",
            "{\"json\": true}",
            &deep,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"<a>\xff</a>").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn any_tags_are_read_or_refused(parts in prop::collection::vec("</?[ab]/?>|&(lt|#65|x);|[<&>]|t", 0..40)) {
            let _ = read(parts.concat().as_bytes());
        }
    }
}

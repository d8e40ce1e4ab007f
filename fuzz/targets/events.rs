//! Messages about changes: what is taken from them is usable in calls and bounded, and the same each time.
//!
//! Input: a byte that says whose message it is, and the message.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use yagura_connect::events::plan::plan;
use yagura_connect::events::{ChangeEvent, Parsed, Subject, Watch, aws, azure, gcp};
use yagura_connect::live::Target;
use yagura_fuzz::types;
use yagura_model::{Cloud, Document};

static TARGETS: LazyLock<[Target; 3]> = LazyLock::new(|| {
    [
        Target::Aws { account: "123456789012".into(), regions: vec!["eu-west-1".into()], home: "us-east-1".into() },
        Target::Azure { tenant: None, subscriptions: vec!["11111111-1111-1111-1111-111111111111".into()] },
        Target::Gcp { scope: "projects/1".into() },
    ]
});
static WATCH: LazyLock<Watch<'static>> = LazyLock::new(|| Watch::new(&*TARGETS, types()));

/// The longest name and the longest actor that are taken.
const LONGEST: (usize, usize) = (2048, 256);

fuzz_target!(|data: &[u8]| {
    let Some((whose, message)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(message) else { return };
    let Some(parsed) = parse(*whose, text) else { return };
    assert_eq!(parse(*whose, text), Some(parsed.clone()), "read twice, read differently");
    for event in &parsed.events {
        check(event);
        for planned in plan(event, &WATCH) {
            assert!(planned.calls().all(|call| call.cloud == event.cloud && is_usable(&call.scope)));
        }
    }
});

fn parse(whose: u8, text: &str) -> Option<Parsed> {
    match whose % 5 {
        0 => aws::parse(text, &WATCH.triggers).ok(),
        1 => azure::parse(text).ok(),
        2 => Document::parse(text.as_bytes()).ok().map(|page| azure::parse_activity(&page)),
        // Packed here, so that a change of the input is a change of the message.
        3 => gcp::parse(&STANDARD.encode(text), "1", types()).ok(),
        _ => gcp::parse_push(text, types()).ok(),
    }
}

fn is_usable(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST.0 && !name.chars().any(char::is_control)
}

fn check(event: &ChangeEvent) {
    assert!(is_usable(&event.scope), "scope {:?}", event.scope);
    assert!(!event.id.is_empty(), "an event without id");
    assert!(event.actor.as_ref().is_none_or(|actor| actor.chars().count() <= LONGEST.1), "a long actor");
    for subject in &event.subjects {
        let (cloud, name) = match subject {
            Subject::Id(id) => (Cloud::Azure, Some(id)),
            Subject::Asset { name, .. } => (Cloud::Gcp, Some(name)),
            Subject::Called { name, .. } => (Cloud::Aws, Some(name)),
            Subject::Kind(_) => (Cloud::Aws, None),
        };
        assert_eq!(cloud, event.cloud);
        assert!(name.is_none_or(|name| is_usable(name)), "name {name:?}");
    }
}

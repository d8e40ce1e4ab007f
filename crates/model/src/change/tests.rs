//! Changes laid over an estate give the estate that would have been built from scratch.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::document::Document;
use crate::estate::Sink;
use crate::kind::{KindCatalogue, KindFacts, Relation, Template};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

fn facts(kind: &str, relation: Option<(&str, &str)>) -> KindFacts {
    let relations = relation.map(|(path, target)| {
        let relation = Relation {
            path: Path::parse(path).unwrap(),
            kinds: vec![Kind::new(target)],
            target: Some(Template::parse("arn:{}").unwrap()),
        };
        (Box::from("parent"), relation)
    });
    KindFacts {
        kind: Kind::new(kind),
        cloud: Cloud::Aws,
        relations: relations.into_iter().collect(),
        attached: vec![],
        tags: None,
        implied: None,
    }
}

fn kinds() -> Arc<KindCatalogue> {
    let mut kinds = KindCatalogue::default();
    kinds.insert(facts("Balancer", None));
    kinds.insert(facts("Listener", Some(("Balancer", "Balancer"))));
    Arc::new(kinds)
}

fn scope() -> Scope {
    Scope::account(Cloud::Aws, "1")
}

fn resource(kind: &str, name: &str, region: usize, document: serde_json::Value) -> Resource {
    Resource {
        id: ResourceId::new(Cloud::Aws, format!("arn:{name}")),
        kind: Kind::new(kind),
        cloud: Cloud::Aws,
        scope: scope(),
        group: None,
        name: name.into(),
        region: Some(REGIONS[region].into()),
        observed_at: None,
        document: Document::from(document),
        attached: Vec::new(),
    }
}

fn regional(region: usize) -> Place {
    Place { scope: scope(), region: Some(REGIONS[region].into()), parent: None }
}

/// Balancers by number: version of the document, region, and the listeners below it.
type World = BTreeMap<u8, (u8, usize, Vec<u8>)>;

fn balancer(number: u8, version: u8, region: usize) -> Resource {
    let mut read =
        resource("Balancer", &format!("b{number}"), region, json!({"Name": format!("b{number}"), "v": version}));
    read.attach("Attributes".into(), Answer::Found(json!({"v": version}).into()));
    read
}

fn listener(number: u8, parent: u8, region: usize) -> Resource {
    resource("Listener", &format!("l{parent}-{number}"), region, json!({"Balancer": format!("b{parent}")}))
}

/// A balancer as it is read: with its listeners and that they were asked for.
fn read_one(sink: &mut EstateBuilder, number: u8, (version, region, listeners): &(u8, usize, Vec<u8>)) {
    let parent = balancer(number, *version, *region);
    let place = below(&parent);
    sink.resource(parent);
    for child in listeners {
        sink.resource(listener(*child, number, *region));
    }
    sink.listing(Kind::new("Listener"), place, Listing::Complete);
}

fn whole(world: &World) -> MemoryEstate {
    let mut builder = EstateBuilder::new();
    for region in 0..REGIONS.len() {
        builder.listing(Kind::new("Balancer"), regional(region), Listing::Complete);
    }
    for (number, state) in world {
        read_one(&mut builder, *number, state);
    }
    builder.finish(kinds())
}

/// Everything that an estate answers, as text.
fn answers(estate: &MemoryEstate) -> String {
    let mut text = String::new();
    let kinds = [Kind::new("Balancer"), Kind::new("Listener")];
    for resource in estate.resources() {
        text.push_str(&format!("{} {:?} {:?}\n", resource.id, resource.document, resource.attached));
        assert_eq!(estate.by_id(&resource.id).map(|found| found.id.clone()), Some(resource.id.clone()));
        let below = estate.referring(resource, &kinds[1], "parent");
        text.push_str(&format!("  {:?}\n", below.iter().map(|child| &child.id).collect::<Vec<_>>()));
        text.push_str(&format!("  {:?}\n", estate.listing_below(&kinds[1], resource)));
    }
    for kind in &kinds {
        for region in REGIONS {
            let found = estate.of_kind(kind, Within::Region(&scope(), region));
            text.push_str(&format!("{kind} {region} {:?}\n", found.iter().map(|own| &own.id).collect::<Vec<_>>()));
            text.push_str(&format!("{:?}\n", estate.listing(kind, &scope(), Some(region))));
        }
    }
    text
}

fn gone(number: u8, region: usize) -> Gone {
    Gone::Called {
        kind: Kind::new("Balancer"),
        scope: scope(),
        region: Some(REGIONS[region].into()),
        paths: vec![Path::parse("Name").unwrap()],
        name: format!("b{number}"),
    }
}

fn worlds() -> impl Strategy<Value = World> {
    let state = (0..3u8, 0..REGIONS.len(), prop::collection::btree_set(0..4u8, 0..3));
    let state = state.prop_map(|(version, region, listeners)| (version, region, listeners.into_iter().collect()));
    prop::collection::btree_map(0..6u8, state, 0..6)
}

proptest! {
    #[test]
    fn re_reading_what_changed_equals_building_from_scratch(before in worlds(), after in worlds(), at_once in any::<bool>()) {
        let mut estate = whole(&before);
        let mut changes = Vec::new();
        for number in 0..6u8 {
            let mut builder = EstateBuilder::new();
            if let Some(state) = after.get(&number) {
                read_one(&mut builder, number, state);
            }
            let mut change = builder.into_change();
            match (before.get(&number), after.get(&number)) {
                (Some((_, region, _)), None) => change.gone.push(gone(number, *region)),
                (None, None) => continue,
                _ => {}
            }
            changes.push(change);
        }
        if at_once {
            let mut one = EstateChange::default();
            for change in changes {
                one.resources.extend(change.resources);
                one.listings.extend(change.listings);
                one.gone.extend(change.gone);
            }
            estate.apply(one);
        } else {
            for change in changes {
                estate.apply(change);
            }
        }
        prop_assert_eq!(answers(&estate), answers(&whole(&after)));
    }

    #[test]
    fn listing_a_region_again_equals_building_from_scratch(before in worlds(), after in worlds()) {
        let mut estate = whole(&before);
        for region in 0..REGIONS.len() {
            let mut builder = EstateBuilder::new();
            builder.listing(Kind::new("Balancer"), regional(region), Listing::Complete);
            for (number, state) in after.iter().filter(|(_, state)| state.1 == region) {
                read_one(&mut builder, *number, state);
            }
            estate.apply(builder.into_change());
        }
        prop_assert_eq!(answers(&estate), answers(&whole(&after)));
    }
}

#[test]
fn a_failed_listing_removes_nothing() {
    let world = World::from([(0, (0, 0, vec![1]))]);
    let mut estate = whole(&world);
    let mut builder = EstateBuilder::new();
    let failed = Listing::Failed(crate::assessment::Cause::CallFailed("denied".into()));
    builder.listing(Kind::new("Balancer"), regional(0), failed.clone());
    let applied = estate.apply(builder.into_change());
    assert_eq!(applied, Applied::default());
    assert_eq!(estate.resources().len(), 2);
    assert_eq!(estate.listing(&Kind::new("Balancer"), &scope(), Some(REGIONS[0])), failed);
}

#[test]
fn what_was_gone_takes_its_children_with_it_and_says_so() {
    let mut estate = whole(&World::from([(0, (0, 0, vec![1, 2])), (1, (0, 0, vec![1]))]));
    let applied = estate.apply(EstateChange { gone: vec![gone(0, 0)], ..EstateChange::default() });
    let removed: Vec<_> = applied.removed.iter().map(ResourceId::as_str).collect();
    assert_eq!(removed, ["arn:b0", "arn:l0-1", "arn:l0-2"]);
    assert_eq!(estate.resources().len(), 2);
}

fn azure(id: &str, kind: &str, document: serde_json::Value) -> Resource {
    Resource {
        id: ResourceId::new(Cloud::Azure, id),
        kind: Kind::new(kind),
        cloud: Cloud::Azure,
        scope: Scope::account(Cloud::Azure, "/subscriptions/a"),
        ..resource("x", "x", 0, document)
    }
}

#[test]
fn copies_follow_the_document_that_holds_them_and_listed_resources_do_not() {
    let (net, subnet) = ("/subscriptions/a/n/one", "/subscriptions/a/n/one/subnets/s");
    let listed = "/subscriptions/a/N/one/subnets/listed";
    let mut builder = EstateBuilder::new();
    builder.resource(azure(net, "N/nets", json!({"v": 1})));
    builder.inline_copy(azure(subnet, "N/nets/subnets", json!({"v": 1})));
    builder.resource(azure(listed, "N/nets/subnets", json!({"from": "list"})));
    let mut estate = builder.finish(Arc::default());

    let mut again = EstateBuilder::new();
    again.resource(azure("/subscriptions/A/n/one", "N/nets", json!({"v": 2})));
    again.inline_copy(azure(listed, "N/nets/subnets", json!({"from": "copy"})));
    let applied = estate.apply(again.into_change());
    assert_eq!(applied.removed, [ResourceId::new(Cloud::Azure, subnet)]);
    let kept = estate.by_id(&ResourceId::new(Cloud::Azure, listed)).unwrap();
    assert_eq!(kept.document.root().get("from").and_then(Value::as_str), Some("list"));
}

#[test]
fn the_latest_answer_counts_even_when_it_says_that_there_is_none() {
    let mut estate = whole(&World::from([(0, (0, 0, vec![]))]));
    let mut builder = EstateBuilder::new();
    let id = ResourceId::new(Cloud::Aws, "arn:b0");
    builder.attach(id.clone(), "attributes".into(), Answer::Absent);
    let applied = estate.apply(builder.into_change());
    assert_eq!(applied.changed, std::slice::from_ref(&id));
    assert!(matches!(estate.by_id(&id).unwrap().attachment("Attributes"), Some(Answer::Absent)));
}

#[test]
fn names_arns_and_urls_of_one_thing_are_the_same_name() {
    for (own, asked, same) in [
        ("q", "q", true),
        ("arn:aws:sqs:eu-west-1:1:q", "https://sqs.eu-west-1.amazonaws.com/1/q", true),
        ("arn:aws:lambda:eu-west-1:1:function:f", "f", true),
        ("f", "arn:aws:lambda:eu-west-1:1:function:f", true),
        ("arn:aws:iam::1:user/x", "arn:aws:iam::1:role/x", false),
        ("arn:aws:iam::1:user/path/x", "x", true),
        ("x", "y", false),
    ] {
        let document = Document::from(json!({"Name": own}));
        let paths = [Path::parse("Name").unwrap()];
        assert_eq!(is_called(document.root(), &paths, asked), same, "{own} {asked}");
    }
}

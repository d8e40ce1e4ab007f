//! Posture over small estates and a small content of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use yagura_content::{Catalogue, ContentFile, Layer};
use yagura_model::{
    Cloud, Document, EstateBuilder, Kind, MemoryEstate, Resource, ResourceId, Scope, Sink, Status, Timestamp, Verdict,
};
use yagura_posture::{
    Assessed, Exemption, ExemptionCategory, Fixes, Settings, View, assess, explain, gains, secure_score,
};

/// One recommendation: a letter names the property that must be `true`, and the controls it counts in.
fn recommendation(letter: char, controls: &str, more: &str) -> ContentFile {
    let text = format!(
        "slug: rule-{letter}\ntitle: {{ en: Rule {letter}, ja: 規則 {letter} }}\nseverity: high\napplies_to: Test/things\ncontrols: [{controls}]\n{more}\
         applies_when: {{ field: {letter}, notEquals: none }}\n\
         unhealthy_when: {{ anyOf: [{{ field: {letter}, equals: false }}, {{ allOf: [{{ field: {letter}, equals: unknown }}, \
         {{ related: {{ via: [{{ same: scope, kind: Test/unlisted }}], any: {{}} }} }}] }}] }}\n\
         why: {{ en: Because., ja: 理由。 }}\nfix: {{ steps: {{ en: [Do it], ja: [実行する] }} }}\n\
         tests:\n  - {{ expect: healthy, document: {{ {letter}: true }} }}\n  - {{ expect: unhealthy, document: {{ {letter}: false }} }}\n"
    );
    ContentFile::yaml(format!("recommendations/azure/test/{letter}.yaml"), text)
}

fn catalogue() -> Catalogue {
    let control =
        |id: &str, points: u8| format!("  - {{ id: {id}, api_id: {id}, points: {points}, title: {{ en: {id} }} }}\n");
    let controls = format!("controls:\n{}{}{}", control("one", 10), control("two", 4), control("three", 0));
    let files = vec![
        ContentFile::yaml("controls.yaml", controls),
        ContentFile::yaml(
            "plans.yaml",
            "plans:\n  - { id: free, title: { en: Free } }\n  - { id: extra, title: { en: Extra } }\n",
        ),
        ContentFile::yaml(
            "resource-types/azure/test/thing.yaml",
            "kind: Test/things\ncloud: azure\ntitle: { en: Thing, ja: 物 }\ncategory: other\nlist: { table: resources }\n",
        ),
        recommendation('a', "one", ""),
        recommendation('b', "one, two", ""),
        recommendation('c', "two, three", ""),
        recommendation('d', "one", "preview: true\n"),
        recommendation('e', "two", "plan: extra\n"),
    ];
    // As shipped content, since a user's own is never scored.
    let (catalogue, _) = Catalogue::load(&[Layer { files, shipped: true }]);
    assert_eq!(catalogue.recommendations().len(), 5);
    catalogue
}

/// The value of one property: what the rule of that letter says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Healthy,
    Unhealthy,
    Unknown,
    NotApplicable,
}

fn any_said() -> impl Strategy<Value = Said> {
    prop_oneof![Just(Said::Healthy), Just(Said::Unhealthy), Just(Said::Unknown), Just(Said::NotApplicable)]
}

type Things = Vec<(u8, [Said; 5])>;

fn any_things() -> impl Strategy<Value = Things> {
    prop::collection::vec((0u8..3, prop::array::uniform5(any_said())), 0..24)
}

fn estate(things: &Things, catalogue: &Catalogue) -> MemoryEstate {
    let mut builder = EstateBuilder::new();
    builder.held(Cloud::Azure, &Kind::new("Test/things"));
    for (number, (place, said)) in things.iter().enumerate() {
        let scope = Scope::account(Cloud::Azure, &format!("/subscriptions/s{place}"));
        let value = |said: &Said| match said {
            Said::Healthy => json!(true),
            Said::Unhealthy => json!(false),
            Said::Unknown => json!("unknown"),
            Said::NotApplicable => json!("none"),
        };
        let document: serde_json::Map<_, _> =
            ["a", "b", "c", "d", "e"].iter().zip(said).map(|(name, said)| ((*name).to_owned(), value(said))).collect();
        builder.resource(Resource {
            id: ResourceId::new(Cloud::Azure, format!("{scope}/resourceGroups/g/providers/Test/things/t{number}")),
            kind: Kind::new("Test/things"),
            cloud: Cloud::Azure,
            scope,
            group: Some("g".into()),
            name: format!("t{number}").into(),
            region: None,
            observed_at: None,
            document: Document::from(serde_json::Value::Object(document)),
            attached: Vec::new(),
        });
    }
    builder.finish(catalogue.kinds())
}

fn assessed(things: &Things, catalogue: &Catalogue, settings: &Settings) -> Assessed {
    assess(&estate(things, catalogue), catalogue, settings, Timestamp::UNIX_EPOCH)
}

fn position(catalogue: &Catalogue, slug: &str) -> u32 {
    catalogue.find(slug).unwrap() as u32
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_gain_of_a_recommendation_is_what_fixing_it_everywhere_brings(things in any_things()) {
        let (catalogue, settings) = (catalogue(), Settings::default());
        let assessed = assessed(&things, &catalogue, &settings);
        let score = |fixes: &Fixes| secure_score(&assessed, &catalogue, &settings, View::Raw, fixes);
        let before = score(&Fixes::default());
        let found = gains(&assessed, &catalogue, &settings, View::Raw, &before);
        for place in 0..catalogue.recommendations().len() as u32 {
            let fails = assessed.assessments.iter().any(|own| own.recommendation == place && own.status == Status::Unhealthy);
            let scored = !catalogue.recommendations()[place as usize].source.preview;
            let after = score(&Fixes { recommendations: [place].into(), ..Fixes::default() });
            match (before.percentage, after.percentage) {
                (Some(before), Some(after)) if fails && scored => {
                    let wanted = ((after - before) * 10_000.0).round() / 10_000.0;
                    prop_assert_eq!(found.get(&place), Some(&wanted));
                }
                _ => prop_assert!(found.get(&place).is_none_or(|gain| *gain == 0.0)),
            }
        }
    }

    #[test]
    fn what_is_unknown_never_raises_the_score(things in any_things(), at in any::<prop::sample::Index>(), letter in 0usize..5) {
        prop_assume!(!things.is_empty());
        let (catalogue, settings) = (catalogue(), Settings::default());
        let mut blind = things.clone();
        let at = at.index(things.len());
        blind[at].1[letter] = Said::Unknown;
        prop_assume!(things[at].1[letter] == Said::Healthy);
        let score = |things: &Things| {
            secure_score(&assessed(things, &catalogue, &settings), &catalogue, &settings, View::Raw, &Fixes::default())
        };
        for (clear, blind) in score(&things).scopes.iter().zip(score(&blind).scopes) {
            for (clear, blind) in clear.controls.iter().zip(blind.controls) {
                prop_assert!(blind.counts.healthy <= clear.counts.healthy);
                prop_assert_eq!(blind.counts.unhealthy, clear.counts.unhealthy);
            }
        }
    }

    #[test]
    fn explaining_agrees_with_assessing(things in any_things()) {
        let (catalogue, settings) = (catalogue(), Settings::default());
        let estate = estate(&things, &catalogue);
        for own in assess(&estate, &catalogue, &settings, Timestamp::UNIX_EPOCH).assessments {
            let explained = explain(&estate, &catalogue, &settings, Timestamp::UNIX_EPOCH, own.recommendation, &own.resource);
            prop_assert_eq!(explained.verdict.status(), own.status);
        }
    }
}

fn exemption(category: ExemptionCategory, resource: &str, expires: Option<&str>) -> Settings {
    let exemption = Exemption {
        key: "*".into(),
        resource: resource.into(),
        category,
        expires: expires.map(|time| time.parse().unwrap()),
        reason: String::new(),
    };
    Settings { exemptions: vec![exemption], ..Settings::default() }
}

/// Healthy, unhealthy, unknown and not applicable of control `one` in the first scope.
fn counts(things: &Things, settings: &Settings, view: View) -> (u64, u64, u64, u64) {
    let catalogue = catalogue();
    let score = secure_score(&assessed(things, &catalogue, settings), &catalogue, settings, view, &Fixes::default());
    let counts = score.scopes[0].controls[0].counts;
    (counts.healthy, counts.unhealthy, counts.unknown, counts.not_applicable)
}

#[test]
fn exemptions_change_the_adjusted_side_alone_and_only_what_was_found() {
    use Said::{Healthy, NotApplicable, Unhealthy, Unknown};
    let thing = |said| (0u8, [said, NotApplicable, NotApplicable, NotApplicable, NotApplicable]);
    let things = vec![thing(Healthy), thing(Unhealthy), thing(Unknown), thing(NotApplicable)];
    let raw = (1, 1, 1, 1);
    for (category, expires, adjusted) in [
        (ExemptionCategory::Mitigated, None, (2, 0, 1, 1)),
        (ExemptionCategory::Waiver, None, (0, 0, 0, 4)),
        (ExemptionCategory::Mitigated, Some("1969-12-31T00:00:00Z"), raw),
    ] {
        let settings = exemption(category, "/subscriptions/S0", expires);
        assert_eq!(counts(&things, &settings, View::Raw), raw);
        assert_eq!(counts(&things, &settings, View::Adjusted), adjusted, "{category:?}");
    }
}

#[test]
fn an_exemption_covers_what_lies_below_and_no_sibling_with_the_same_start() {
    let things = vec![(0u8, [Said::Unhealthy; 5]), (0, [Said::Unhealthy; 5])];
    let id = "/subscriptions/s0/resourceGroups/g/providers/Test/things/t";
    assert_eq!(counts(&things, &exemption(ExemptionCategory::Mitigated, id, None), View::Adjusted), (0, 2, 0, 0));
    let one = exemption(ExemptionCategory::Mitigated, &format!("{id}0"), None);
    assert_eq!(counts(&things, &one, View::Adjusted), (1, 1, 0, 0));
}

#[test]
fn a_plan_that_is_off_makes_its_recommendations_unknown_in_that_scope() {
    let catalogue = catalogue();
    let things = vec![(0u8, [Said::Unhealthy; 5]), (1, [Said::Unhealthy; 5])];
    let mut settings = Settings::default();
    settings.plans.scopes.insert("/subscriptions/s0".into(), BTreeMap::from([("extra".into(), false)]));
    let place = position(&catalogue, "rule-e");
    for own in assessed(&things, &catalogue, &settings).assessments.iter().filter(|own| own.recommendation == place) {
        let is_off = own.resource.scope.id() == "/subscriptions/s0";
        assert_eq!(
            (own.status, own.plan_enabled),
            if is_off { (Status::Unknown, false) } else { (Status::Unhealthy, true) }
        );
    }
    let estate = estate(&things, &catalogue);
    let explained =
        explain(&estate, &catalogue, &settings, Timestamp::UNIX_EPOCH, place, &Arc::clone(&estate.resources()[0]));
    assert!(matches!(explained.verdict, Verdict::Unknown(_)));
}

#[test]
fn previews_are_assessed_and_never_scored() {
    use Said::{NotApplicable, Unhealthy};
    let things = vec![(0u8, [NotApplicable, NotApplicable, NotApplicable, Unhealthy, NotApplicable])];
    assert_eq!(counts(&things, &Settings::default(), View::Raw), (0, 0, 0, 1));
}

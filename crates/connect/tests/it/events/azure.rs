//! Subscriptions of Azure: Event Grid bodies, and the Activity Log.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value as Json, json};
use yagura_cloud::{Call, CallFailure, FailureKind};
use yagura_connect::events::plan::{How, plan};
use yagura_connect::events::{Changes, Passed, Source, Watch};
use yagura_connect::live::Target;
use yagura_model::Cloud;

use super::{Played, at, catalogue, collected, failure, round, said, types};

const SUBSCRIPTION: &str = "11111111-1111-1111-1111-111111111111";
const KINDS: [&str; 5] = [
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Sql/servers",
    "Microsoft.Sql/servers/firewallRules",
    "Microsoft.Resources/subscriptions/resourceGroups",
];

fn targets() -> [Target; 1] {
    [Target::Azure { tenant: None, subscriptions: vec![SUBSCRIPTION.into()] }]
}

fn group() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg")
}

fn id(kind: &str, name: &str) -> String {
    format!("{}/providers/{kind}/{name}", group())
}

/// Resources by id, with their kind and document.
type World = BTreeMap<String, (&'static str, Json)>;

fn resource(kind: &'static str, name: &str, properties: Json) -> (String, (&'static str, Json)) {
    let own = if kind.ends_with("resourceGroups") { group() } else { id(kind, name) };
    let document = json!({"id": own, "type": kind.to_ascii_lowercase(), "name": name, "properties": properties});
    (own, (kind, document))
}

fn rule(server: &str, name: &str, start: &str) -> (String, (&'static str, Json)) {
    let own = format!("{}/firewallRules/{name}", id("Microsoft.Sql/servers", server));
    let document = json!({"id": own, "type": "Microsoft.Sql/servers/firewallRules", "name": name,
        "properties": {"startIpAddress": start}});
    (own, ("Microsoft.Sql/servers/firewallRules", document))
}

fn subnets(names: &[&str]) -> Json {
    let network = id("Microsoft.Network/virtualNetworks", "net");
    let subnets: Vec<Json> =
        names.iter().map(|name| json!({"id": format!("{network}/subnets/{name}"), "name": name})).collect();
    json!({ "subnets": subnets })
}

fn world() -> World {
    World::from([
        resource("Microsoft.Resources/subscriptions/resourceGroups", "rg", json!({})),
        resource("Microsoft.Network/virtualNetworks", "net", subnets(&["a", "b"])),
        resource("Microsoft.Network/networkSecurityGroups", "nsg", json!({"securityRules": []})),
        resource("Microsoft.Sql/servers", "one", json!({"v": 1})),
        rule("one", "r1", "0.0.0.0"),
        rule("one", "r2", "10.0.0.0"),
    ])
}

fn table_of(kind: &str) -> &'static str {
    if kind.ends_with("resourceGroups") { "resourcecontainers" } else { "resources" }
}

/// What a call is answered. A query is taken apart as the service would: one literal, nothing behind it.
fn answer(world: &World, call: &Call) -> Result<Json, CallFailure> {
    if call.service == "resourcegraph" {
        let query = call.params["query"].as_str().unwrap();
        let asked = query.split_once(" | where id =~ '").map(|(_, rest)| rest.strip_suffix('\'').unwrap().to_owned());
        let rows: Vec<&Json> = world
            .iter()
            .filter(|(_, (kind, _))| table_of(kind) == call.operation && !kind.ends_with("firewallRules"))
            .filter(|(own, _)| asked.as_ref().is_none_or(|asked| own.eq_ignore_ascii_case(asked)))
            .map(|(_, (_, document))| document)
            .collect();
        return Ok(json!({ "data": rows }));
    }
    let path = call.params["path"].as_str().unwrap().to_ascii_lowercase();
    let found = world.iter().find(|(own, _)| own.to_ascii_lowercase() == path);
    if let Some((_, (_, document))) = found {
        return Ok(document.clone());
    }
    let parent = call.params["parent"].as_str().unwrap();
    if path.ends_with("/firewallrules") {
        let own = |id: &&String| id.to_ascii_lowercase().starts_with(&format!("{path}/"));
        let rows: Vec<&Json> = world.keys().filter(own).map(|id| &world[id].1).collect();
        return match world.keys().any(|id| id.eq_ignore_ascii_case(parent)) {
            true => Ok(json!({ "value": rows })),
            false => Err(failure(FailureKind::NotFound, "ParentResourceNotFound")),
        };
    }
    Err(failure(FailureKind::NotFound, "ResourceNotFound"))
}

/// An event of Event Grid about an id, in the first schema.
fn event(number: usize, what: &str, id: &str, moment: i64) -> Json {
    json!({
        "id": format!("event-{number}"), "topic": format!("/subscriptions/{SUBSCRIPTION}"), "subject": id,
        "eventType": format!("Microsoft.Resources.Resource{what}"), "eventTime": at(moment), "dataVersion": "2",
        "metadataVersion": "1", "data": {"resourceUri": id, "operationName": "x/write", "status": "Succeeded",
            "httpRequest": {"clientIpAddress": "10.0.0.1"}, "claims": {"name": "someone"}},
    })
}

/// Applies a change of the world, tells of it, and compares with a full collection.
fn check(what: &str, change: impl FnOnce(&mut World), events: &[(&str, String)], wanted: &[&str]) {
    let (types, targets) = (types(&KINDS), targets());
    let watch = Watch::new(&targets, &types);
    let world = Mutex::new(world());
    let cloud = Played::new(|call: &Call| answer(&world.lock().unwrap(), call));
    let mut estate = collected(&cloud, &targets, &types);
    let mut changes = Changes::new(at(0));
    change(&mut world.lock().unwrap());
    cloud.calls();
    let bodies =
        events.iter().enumerate().map(|(number, (what, id))| json!([event(number, what, id, 100)]).to_string());
    let source = Source::handed(Cloud::Azure, bodies.collect());
    let polled = round(&cloud, &source, &mut changes, &watch, &mut estate, at(200));
    assert_eq!(polled.problems, [], "{what}");
    let asked: Vec<String> = cloud.calls().iter().map(|call| format!("{}:{}", call.service, call.operation)).collect();
    assert_eq!(asked, wanted, "{what}");
    assert_eq!(said(&estate, &types), said(&collected(&cloud, &targets, &types), &types), "{what}");
}

#[test]
fn each_change_reads_what_it_names_and_ends_in_what_a_full_collection_says() {
    let server = id("Microsoft.Sql/servers", "one");
    let network = id("Microsoft.Network/virtualNetworks", "net");
    let security = id("Microsoft.Network/networkSecurityGroups", "nsg");
    let put = |change: (String, (&'static str, Json))| move |world: &mut World| drop(world.insert(change.0, change.1));
    let rules = "arm:Microsoft.Sql/servers/firewallRules";
    check(
        "a server and its children",
        put(resource("Microsoft.Sql/servers", "one", json!({"v": 2}))),
        &[("WriteSuccess", server.to_ascii_uppercase().replace("/SUBSCRIPTIONS/", "/subscriptions/"))],
        &["resourcegraph:resources", rules],
    );
    check(
        "a child",
        put(rule("one", "r1", "10.0.0.1")),
        &[("WriteSuccess", format!("{server}/firewallRules/r1"))],
        &[rules],
    );
    check(
        "a new child",
        put(rule("one", "r3", "10.0.0.1")),
        &[("WriteSuccess", format!("{server}/firewallRules/r3"))],
        &[rules],
    );
    check(
        "a child that is gone",
        |world| drop(world.remove(&rule("one", "r1", "").0)),
        &[("DeleteSuccess", format!("{server}/firewallRules/r1"))],
        &[rules],
    );
    check(
        "a server that is gone with its children",
        |world| world.retain(|id, _| !id.contains("/servers/one")),
        &[("DeleteSuccess", server.clone())],
        &["resourcegraph:resources"],
    );
    check(
        "a rule that stands in the document above it",
        put(resource("Microsoft.Network/networkSecurityGroups", "nsg", json!({"securityRules": [{"name": "r"}]}))),
        &[("WriteSuccess", format!("{security}/securityRules/r"))],
        &["resourcegraph:resources"],
    );
    check(
        "a subnet, which is a copy in its network",
        put(resource("Microsoft.Network/virtualNetworks", "net", subnets(&["b", "c"]))),
        &[("WriteSuccess", format!("{network}/subnets/c")), ("DeleteSuccess", format!("{network}/subnets/a"))],
        &["resourcegraph:resources"],
    );
    check(
        "a whole resource group",
        |world| world.clear(),
        &[("DeleteSuccess", group())],
        &["resourcegraph:resourcecontainers"],
    );
}

#[test]
fn an_index_that_lags_does_not_remove_what_was_written() {
    let (types, targets) = (types(&KINDS), targets());
    let watch = Watch::new(&targets, &types);
    let world = Mutex::new(world());
    let cloud = Played::new(|call: &Call| answer(&world.lock().unwrap(), call));
    let mut estate = collected(&cloud, &targets, &types);
    let before = estate.resources().len();
    world.lock().unwrap().clear();
    let mut changes = Changes::new(at(0));
    let body = json!([event(1, "WriteSuccess", &id("Microsoft.Sql/servers", "one"), 100)]).to_string();
    let source = Source::handed(Cloud::Azure, vec![body]);
    let mut problems = Vec::new();
    for moment in [200, 300, 500, 900] {
        problems.extend(round(&cloud, &source, &mut changes, &watch, &mut estate, at(moment)).problems);
    }
    assert_eq!(estate.resources().len(), before);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains("no answer holds it"), "{problems:?}");
    assert_eq!(changes.waiting(), 0);
}

#[test]
fn a_hostile_id_stays_inside_its_literal() {
    let targets = targets();
    let watch = Watch::new(&targets, catalogue().resource_types());
    let hostile = id("Microsoft.Sql/servers", "x' or true | project secrets = properties //");
    let body = json!([event(1, "WriteSuccess", &hostile, 1)]).to_string();
    let parsed = yagura_connect::events::azure::parse(&body).unwrap();
    let plans = plan(&parsed.events[0], &watch);
    assert_eq!(plans.iter().map(|plan| plan.how).collect::<Vec<_>>(), [How::Narrow]);
    // The slashes of the name make it the id of a child; the part of the server is asked for.
    for call in plans.iter().flat_map(|plan| plan.calls()) {
        let query = call.params["query"].as_str().unwrap();
        assert!(query.starts_with("resources | where id =~ '/subscriptions/"), "{query}");
        let literal = query.split_once("=~ '").unwrap().1.strip_suffix('\'').unwrap();
        assert!(!literal.replace("\\'", "").contains('\''), "{query}");
    }
}

/// An entry of the Activity Log.
fn entry(number: usize, operation: &str, status: &str, id: &str, moment: i64) -> Json {
    json!({
        "eventDataId": format!("data-{number}"), "correlationId": "c", "eventTimestamp": at(moment),
        "operationName": {"value": operation, "localizedValue": "x"}, "status": {"value": status},
        "category": {"value": "Administrative"}, "resourceId": id, "caller": "someone@contoso.com",
        "properties": {"requestbody": "{\"password\": \"p\"}"},
    })
}

#[test]
fn the_activity_log_is_polled_with_an_overlap_for_late_entries() {
    let (types, targets) = (types(&KINDS), targets());
    let watch = Watch::new(&targets, &types);
    let world = Mutex::new(world());
    let log: Mutex<Vec<(i64, Json)>> = Mutex::default();
    let cloud = Played::new(|call: &Call| {
        if call.operation != "Microsoft.Insights/eventtypes/values" {
            return answer(&world.lock().unwrap(), call);
        }
        assert_eq!(call.params["api_version"], "2015-04-01");
        let filter = call.params["filter"].as_str().unwrap();
        let bound = |word: &str| {
            let rest = filter.split_once(&format!("{word} '")).unwrap().1;
            rest.split_once('\'').unwrap().0.parse::<yagura_model::Timestamp>().unwrap()
        };
        let (from, to) = (bound("ge"), bound("le"));
        let entries = log.lock().unwrap();
        let own = entries.iter().filter(|(moment, _)| at(*moment) >= from && at(*moment) <= to);
        Ok(json!({ "value": own.map(|(_, entry)| entry).collect::<Vec<_>>() }))
    });
    let mut estate = collected(&cloud, &targets, &types);
    let mut changes = Changes::new(at(0));
    let source = Source::activity_log(SUBSCRIPTION).unwrap();
    let server = id("Microsoft.Sql/servers", "one");
    let write = "Microsoft.Sql/servers/write";
    {
        let mut log = log.lock().unwrap();
        log.push((90, entry(0, write, "Started", &server, 90)));
        log.push((100, entry(1, write, "Succeeded", &server, 100)));
        log.push((100, entry(2, "Microsoft.Sql/servers/listKeys/action", "Succeeded", &server, 100)));
    }
    let first = round(&cloud, &source, &mut changes, &watch, &mut estate, at(200));
    assert_eq!((first.events, first.passed.get(&Passed::NotDone)), (1, Some(&1)));
    assert_eq!(first.passed.get(&Passed::ReadOnly), Some(&1));
    assert_eq!(changes.watermark(&source.name()), at(200));
    // An entry from before the watermark that comes late is read; the known ones are not read twice.
    let network = id("Microsoft.Network/virtualNetworks", "net");
    world
        .lock()
        .unwrap()
        .insert(network.clone(), resource("Microsoft.Network/virtualNetworks", "net", subnets(&["z"])).1);
    log.lock().unwrap().push((150, entry(3, "Microsoft.Network/virtualNetworks/write", "Succeeded", &network, 150)));
    let second = round(&cloud, &source, &mut changes, &watch, &mut estate, at(600));
    assert_eq!((second.events, second.passed.get(&Passed::Old)), (1, Some(&1)));
    assert_eq!(said(&estate, &types), said(&collected(&cloud, &targets, &types), &types));
    assert!(!format!("{changes:?}", changes = changes.waiting()).contains("password"));
}

#[test]
fn a_watermark_does_not_pass_what_could_not_be_read() {
    let (types, targets) = (types(&KINDS), targets());
    let watch = Watch::new(&targets, &types);
    let refuses = Mutex::new(true);
    let server = id("Microsoft.Sql/servers", "one");
    let cloud = Played::new(|call: &Call| match call.operation.as_str() {
        "Microsoft.Insights/eventtypes/values" => {
            Ok(json!({ "value": [entry(1, "Microsoft.Sql/servers/write", "Succeeded", &server, 100)] }))
        }
        _ if *refuses.lock().unwrap() => Err(failure(FailureKind::Throttled, "TooManyRequests")),
        _ => answer(&world(), call),
    });
    let mut estate = collected(&cloud, &targets, &types);
    let mut changes = Changes::new(at(0));
    let source = Source::activity_log(SUBSCRIPTION).unwrap();
    let polled = round(&cloud, &source, &mut changes, &watch, &mut estate, at(200));
    assert!(polled.problems[0].message.contains("TooManyRequests"), "{:?}", polled.problems);
    assert_eq!(changes.watermark(&source.name()), at(100));
    *refuses.lock().unwrap() = false;
    round(&cloud, &source, &mut changes, &watch, &mut estate, at(900));
    assert_eq!(changes.watermark(&source.name()), at(900));
}

//! Collection of Azure through the real client, against an Azure on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use yagura_cloud::azure::{AzureClient, AzureEndpoints, AzureSettings, AzureSource};
use yagura_cloud::{HttpSettings, Secret};
use yagura_connect::live::{CollectOptions, CollectSummary, Target, collect};
use yagura_content::{Catalogue, Layer, ResourceType, shipped};
use yagura_fakecloud::{FakeCloud, Fault, Options, Running};
use yagura_model::{Cloud, Estate, EstateBuilder, Kind, Listing, MemoryEstate, NoCheckpoints, Scope};

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const SUBSCRIPTION: &str = "22222222-2222-2222-2222-222222222222";
const APPLICATION: &str = "33333333-3333-3333-3333-333333333333";

fn client(cloud: &Running) -> AzureClient {
    let http = HttpSettings { allow_private: true, extra_ca: vec![cloud.ca_pem.clone().into()], ..Default::default() };
    let source = AzureSource::ClientSecret {
        tenant: TENANT.to_owned(),
        client: APPLICATION.to_owned(),
        secret: Secret::new("secret"),
    };
    let endpoints = AzureEndpoints::at(&cloud.base_url);
    AzureClient::new(AzureSettings { source, endpoints, http, ..AzureSettings::of_process() }).unwrap()
}

fn options<'p>() -> CollectOptions<'p> {
    CollectOptions { at_once: 48, most_pages: 1000, ..super::options() }
}

/// Collects with the resource types of the shipped content that `wanted` keeps.
fn collected(cloud: &Running, wanted: impl Fn(&ResourceType) -> bool) -> (MemoryEstate, CollectSummary, AzureClient) {
    let (catalogue, _) = Catalogue::load(&[Layer { files: shipped(), shipped: true }]);
    let types: BTreeMap<Kind, ResourceType> = catalogue
        .resource_types()
        .iter()
        .filter(|(_, described)| wanted(described))
        .map(|(k, t)| (k.clone(), t.clone()))
        .collect();
    let client = client(cloud);
    let targets = [Target::Azure { tenant: Some(TENANT.to_owned()), subscriptions: vec![SUBSCRIPTION.to_owned()] }];
    let mut builder = EstateBuilder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let summary = runtime.block_on(collect(&client, &targets, &types, &mut builder, &mut NoCheckpoints, options()));
    (builder.finish(catalogue.kinds()), summary, client)
}

fn is_table(described: &ResourceType) -> bool {
    described.list.as_slice().iter().any(|list| list.table.is_some())
}

fn ids(estate: &MemoryEstate) -> BTreeSet<String> {
    estate.resources().iter().map(|resource| resource.id.as_str().to_lowercase()).collect()
}

#[test]
fn twenty_thousand_resources_are_read_within_the_quota() {
    let cloud = FakeCloud::start(Options { seed: 20_000, ..Options::default() }).unwrap();
    let (catalogue, _) = Catalogue::load(&[Layer { files: shipped(), shipped: true }]);
    let tables: BTreeSet<String> = catalogue
        .resource_types()
        .values()
        .flat_map(|described| described.list.as_slice())
        .filter_map(|list| list.table.clone())
        .collect();
    let started = Instant::now();
    let (estate, summary, client) = collected(&cloud, is_table);
    let seconds = started.elapsed().as_secs_f64();
    let (found, mut there) = (ids(&estate), cloud.ids());
    // Locations of a provider are no resources: no table of Resource Graph holds them.
    there.retain(|id| !id.contains("/providers/Microsoft.Security/locations"));
    let missing: Vec<_> = there.iter().filter(|id| !found.contains(&id.to_lowercase())).collect();
    assert!(there.len() >= 20_000, "{} resources", there.len());
    assert_eq!(missing, Vec::<&String>::new(), "of {}", there.len());
    let counts = client.counters().counts();
    let queries = cloud.count("POST", "/providers/Microsoft.ResourceGraph/resources");
    eprintln!("{} resources, {queries} queries, {:?}, {seconds:.1} s", found.len(), summary.progress);
    assert_eq!((counts.throttles, counts.retries), (0, 0), "15 queries in 5 s were not exceeded");
    // 1,000 rows a page; an empty table is one page.
    let ideal = there.len().div_ceil(1000) + tables.len();
    assert!(queries as f64 <= ideal as f64 * 1.05, "{queries} queries, ideally {ideal}");
}

#[test]
fn throttling_and_failures_change_no_document() {
    let plain = FakeCloud::start(Options { seed: 120, ..Options::default() }).unwrap();
    let failing = Options { seed: 120, throttle_every: Some(10), fail_every: Some(11), ..Options::default() };
    let failing = FakeCloud::start(Options { retry_after: 0, ..failing }).unwrap();
    let all = |_: &ResourceType| true;
    let ((left, _, _), (right, summary, client)) = (collected(&plain, all), collected(&failing, all));
    assert!(client.counters().counts().throttles > 0, "{:?}", summary.progress);
    let documents = |estate: &MemoryEstate| -> BTreeMap<String, String> {
        let one = |resource: &std::sync::Arc<yagura_model::Resource>| {
            let text = format!("{:?} {:?}", resource.document, resource.attached);
            // The address of the fake stands in some documents.
            (resource.id.as_str().to_lowercase(), text.replace(&plain.base_url, "").replace(&failing.base_url, ""))
        };
        estate.resources().iter().map(one).collect()
    };
    assert_eq!(documents(&left), documents(&right));
}

#[test]
fn a_denied_call_costs_its_kind_below_its_parent_alone() {
    let cloud = FakeCloud::start(Options { seed: 40, ..Options::default() }).unwrap();
    cloud.fault(Fault::on("/blobServices"));
    let (estate, summary, _) = collected(&cloud, |_| true);
    assert!(summary.progress.failed > 0);
    let scope = Scope::account(Cloud::Azure, &format!("/subscriptions/{SUBSCRIPTION}"));
    let account = estate.of_kind(&Kind::new("Microsoft.Storage/storageAccounts"), yagura_model::Within::Scope(&scope));
    let blob = Kind::new("Microsoft.Storage/storageAccounts/blobServices");
    let Listing::Failed(cause) = estate.listing_below(&blob, &account[0]) else { panic!("it was denied") };
    assert!(cause.to_string().contains("AuthorizationFailed"), "{cause}");
    let files = Kind::new("Microsoft.Storage/storageAccounts/fileServices");
    assert_eq!(estate.listing_below(&files, &account[0]), Listing::Complete);
}

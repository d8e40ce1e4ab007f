//! How fast an estate of 100,000 resources is assessed with the whole shipped content, and scored.
//!
//! `cargo bench -p yagura-posture`; one assessment as a process: `cargo run --release -p yagura-posture --example
//! assess_estate`.
#![allow(missing_docs)]

mod estate;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use yagura_posture::{Fixes, View, assess, secure_score};

/// Resources of the estate.
const RESOURCES: usize = 100_000;

fn evaluate(criterion: &mut Criterion) {
    let catalogue = estate::catalogue();
    let settings = estate::settings(&catalogue);
    let estate = estate::estate(&catalogue, RESOURCES);
    let assessed = assess(&estate, &catalogue, &settings, estate::now());
    let (resources, evaluations) = (estate.resources().len(), assessed.assessments.len());
    println!("{resources} resources, {} recommendations, {evaluations} evaluations", catalogue.recommendations().len());

    let mut group = criterion.benchmark_group("evaluate");
    group.sample_size(10).throughput(Throughput::Elements(evaluations as u64));
    group.bench_function("assess", |bencher| {
        bencher.iter_with_large_drop(|| assess(&estate, &catalogue, &settings, estate::now()));
    });
    group.bench_function("secure_score", |bencher| {
        bencher.iter(|| secure_score(&assessed, &catalogue, &settings, View::Adjusted, &Fixes::default()));
    });
    group.finish();
}

criterion_group!(benches, evaluate);
criterion_main!(benches);

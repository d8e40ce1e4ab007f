//! `yagura connect test`

use serde::Serialize;
use yagura_connect::live::{Outcome, ProbeOptions, ProbeSummary, Probed, Progress, Target, probe};
use yagura_model::Timestamp;
use yagura_store::DEFAULT_TENANT;

use crate::args::{DataArguments, Format, KnowledgeArguments};
use crate::estate::catalogue;
use crate::exit::Exit;
use crate::live::{AT_ONCE, Bar, Client, Patience, Targets, block_on, connector, open};
use crate::output;

/// Calls that the table shows one by one.
const MOST_ROWS: usize = 40;

/// `connect test -o json`: a public contract. Fields are added, never changed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested<'a> {
    connector: &'a str,
    identity: String,
    reaches: Vec<String>,
    /// What of the connector could not be found out.
    lost: Vec<String>,
    #[serde(flatten)]
    summary: ProbeSummary,
    calls: Vec<Probed>,
}

/// Signs in, asks for one page of everything, says what is missing. Nothing that is read is kept.
pub fn run(name: &str, data: &DataArguments, knowledge: &KnowledgeArguments, format: Format) -> anyhow::Result<Exit> {
    if !matches!(format, Format::Table | Format::Json) {
        output::not_here(format, "connect test", "table, json")?;
    }
    let (catalogue, _) = catalogue(knowledge)?;
    let store = open(data)?;
    let connector = connector(&store, name)?;
    let client = Client::new(&connector, store.credential(DEFAULT_TENANT, &connector.id)?, Patience::Test)?;
    let asked = async {
        output::note(format_args!("signing in to {}", connector.kind.cloud().title()));
        let identity = client.identity().await?;
        output::note(format_args!("signed in as {identity}; asking for one page of everything"));
        let Targets { targets, lost } = client.targets(&connector).await?;
        let bar = Bar::new(false, 1);
        let say = |answered, left| bar.say(0, Progress { answered, left, ..Progress::default() }, client.throttles());
        let options = ProbeOptions { at_once: AT_ONCE, now: Timestamp::now(), progress: Some(&say) };
        let calls = probe(&client, &targets, &catalogue, options).await;
        bar.clear();
        anyhow::Ok((identity, targets, lost, calls))
    };
    let (identity, targets, lost, calls) = block_on(asked)??;
    let tested = Tested {
        connector: name,
        identity,
        reaches: targets.iter().map(reach).collect(),
        lost,
        summary: ProbeSummary::of(&calls),
        calls,
    };
    let exit = if tested.summary.is_whole() && tested.lost.is_empty() { Exit::Done } else { Exit::Incomplete };
    match format {
        Format::Json => output::json(&tested)?,
        _ => table(&tested)?,
    }
    Ok(exit)
}

fn reach(target: &Target) -> String {
    match target {
        Target::Aws { account, regions, .. } => format!("account {account}: {}", regions.join(", ")),
        Target::Azure { subscriptions, .. } => format!("subscriptions {}", subscriptions.join(", ")),
        Target::Gcp { scope } => scope.clone(),
    }
}

fn table(tested: &Tested<'_>) -> anyhow::Result<()> {
    output::line(format_args!("signed in as {}", tested.identity))?;
    for place in &tested.reaches {
        output::line(format_args!("reaches {place}"))?;
    }
    for lost in &tested.lost {
        output::line(format_args!("lost: {lost}"))?;
    }
    let summary = &tested.summary;
    output::line(format_args!(
        "{} calls answered, {} denied, {} failed, {} of services that are not offered, {} without anything to ask for",
        summary.ok, summary.denied, summary.failed, summary.not_offered, summary.not_tried
    ))?;
    if !summary.missing.is_empty() {
        output::heading("Missing permissions")?;
        let rows = summary.missing.iter().map(|own| vec![own.permission.clone(), own.scopes.join(", ")]);
        output::table(&["Permission", "Where"], rows.collect())?;
    }
    let rows: Vec<_> = tested.calls.iter().filter_map(row).collect();
    if !rows.is_empty() {
        output::heading("What could not be read")?;
        let more = rows.len().saturating_sub(MOST_ROWS);
        let shown = rows.into_iter().take(MOST_ROWS).collect();
        output::table(&["Call", "Where", "Why", "For", ">Recommendations unknown"], shown)?;
        if more > 0 {
            output::line(format_args!("{more} more calls: yagura connect test {} -o json", tested.connector))?;
        }
    }
    match (summary.is_whole(), tested.lost.is_empty()) {
        (true, true) => return output::line("everything that was tried can be read"),
        (true, false) => return output::line("what was tried can be read; what is lost above was not tried"),
        (false, _) => {}
    }
    output::line(format_args!(
        "{} recommendations will be unknown for some resources; `yagura connect permissions` prints the rights",
        summary.recommendations.len()
    ))
}

/// A call that lost something, as a row.
fn row(probed: &Probed) -> Option<Vec<String>> {
    let why = match &probed.outcome {
        Outcome::Denied { code, .. } => format!("{code}: needs {}", probed.permissions.join(" or ")),
        Outcome::Failed { code, message } => format!("{code}: {message}"),
        Outcome::Ok | Outcome::NotOffered | Outcome::NotTried => return None,
    };
    let place =
        probed.region.as_ref().map_or_else(|| probed.scope.clone(), |region| format!("{} {region}", probed.scope));
    let kinds: Vec<_> = probed.subjects.iter().map(|subject| subject.kind.to_string()).collect();
    let call = format!("{}:{}", probed.service, probed.operation);
    Some(vec![call, place, why, kinds.join(", "), probed.unknown.len().to_string()])
}

//! Azure Resource Graph: `<table> | order by id asc` and a little more, paged, with its quota.
//!
//! Sources: shapes.md ("Resource Graph request/response"); Microsoft, "Working with large data sets" ($top, $skip, $skipToken,
//! 1,000 rows), "Guidance for throttled requests" (15 queries in 5 s, the headers), "Supported tables and resource types".

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::refuse;
use super::store::Stored;
use crate::http::{Reply, Request};
use crate::state::State;

/// Rows of a page when the client does not say, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// Tables besides `resources`, by the start of the types in them.
const TABLES: [(&str, &str); 19] = [
    ("microsoft.resources/subscriptions", "resourcecontainers"),
    ("microsoft.resources/resourcegroups", "resourcecontainers"),
    ("microsoft.management/managementgroups", "resourcecontainers"),
    ("microsoft.authorization/roleassignments", "authorizationresources"),
    ("microsoft.authorization/roledefinitions", "authorizationresources"),
    ("microsoft.authorization/classicadministrators", "authorizationresources"),
    ("microsoft.authorization/policy", "policyresources"),
    ("microsoft.policyinsights/", "policyresources"),
    ("microsoft.security/", "securityresources"),
    ("microsoft.advisor/", "advisorresources"),
    ("microsoft.guestconfiguration/", "guestconfigurationresources"),
    ("microsoft.kubernetesconfiguration/", "kubernetesconfigurationresources"),
    ("microsoft.maintenance/maintenanceconfigurations", "resources"),
    ("microsoft.maintenance/", "maintenanceresources"),
    ("microsoft.recoveryservices/vaults/", "recoveryservicesresources"),
    ("microsoft.dataprotection/backupvaults/", "recoveryservicesresources"),
    ("microsoft.compute/virtualmachinescalesets/virtualmachines", "computeresources"),
    ("microsoft.web/sites/config", "appserviceresources"),
    ("microsoft.resourcehealth/", "healthresources"),
];
/// Types of those providers that a table holds; what is not named is in no table (arm-endpoints.tsv, "NOT in ARG").
const NOT_IN_TABLES: [&str; 4] = [
    "microsoft.security/locations",
    "microsoft.security/securitycontacts",
    "microsoft.security/settings",
    "microsoft.security/autoprovisioningsettings",
];

/// The columns of `resources`, with what they hold when there is nothing.
const COLUMNS: [&str; 10] =
    ["extendedLocation", "identity", "kind", "location", "managedBy", "plan", "properties", "sku", "tags", "zones"];

/// Queries of each user in the window that runs.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    windows: BTreeMap<String, (Timestamp, u32)>,
}

impl Quota {
    /// Takes one query of a user: how many are left and in how many seconds the window ends, or that there was none left.
    fn take(&mut self, user: &str, now: Timestamp, most: u32, window: i64) -> (Option<u32>, i64) {
        let (start, used) = self.windows.entry(user.to_owned()).or_insert((now, 0));
        if now.as_millisecond() - start.as_millisecond() >= window * 1000 {
            (*start, *used) = (now, 0);
        }
        let passed = (now.as_millisecond() - start.as_millisecond()) / 1000;
        let left = most.checked_sub(*used + 1);
        *used += u32::from(left.is_some());
        (left, (window - passed).max(1))
    }
}

/// Answers `POST /providers/Microsoft.ResourceGraph/resources`.
pub(crate) fn answer(state: &mut State, request: &Request, user: &str) -> Result<Reply, Reply> {
    let (most, window) = state.options.query_quota;
    let (left, seconds) = state.quota.take(user, state.clock.now(), most, window.as_secs() as i64);
    let quota = |reply: Reply| {
        let after = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        reply.with("x-ms-user-quota-remaining", left.unwrap_or(0)).with("x-ms-user-quota-resets-after", after)
    };
    if left.is_none() {
        let why = "Client application has been throttled and should not continue to make requests within this time window. Please see https://aka.ms/resourcegraph-throttling for help.";
        return Err(quota(detailed(429, "RateLimiting", &[("RateLimiting", why)]).with("retry-after", seconds)));
    }
    match run(state, request) {
        Ok(reply) => Ok(quota(reply).with("x-ms-tenant-subscription-limit-hit", "false")),
        Err(refused) => Err(quota(refused)),
    }
}

fn detailed(status: u16, code: &str, details: &[(&str, &str)]) -> Reply {
    let details: Vec<Json> =
        details.iter().map(|(code, message)| json!({ "code": code, "message": message })).collect();
    let message = "Please provide below info when asking for support: timestamp = 2026-01-01T00:00:00.0000000Z, correlationId = 00000000-0000-0000-0000-000000000000.";
    Reply::new(status, json!({ "error": { "code": code, "message": message, "details": details } }))
}

fn bad_query(code: &str, message: &str) -> Reply {
    let general = "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying.";
    detailed(400, "BadRequest", &[("InvalidQuery", general), (code, message)])
}

fn run(state: &State, request: &Request) -> Result<Reply, Reply> {
    if request.method != axum::http::Method::POST {
        return Err(refuse(405, "MethodNotAllowed", "Resource Graph is asked with POST."));
    }
    let body = request
        .object()
        .map(Json::Object)
        .map_err(|why| detailed(400, "BadRequest", &[("InvalidRequestBody", &why)]))?;
    let text = body["query"].as_str().unwrap_or_default();
    let query = Query::parse(text)?;
    let scope = Scope::of(state, &body)?;
    let options = &body["options"];
    let number = |name: &str| options[name].as_u64().map(|number| number as usize);
    let top = number("$top").unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&top) {
        return Err(detailed(400, "BadRequest", &[("InvalidPagingParameter", "$top must be between 1 and 1000.")]));
    }
    let from = match options["$skipToken"].as_str() {
        Some(token) => read_token(token, text)?,
        None => number("$skip").unwrap_or(0),
    };
    let found = query.find(state, &scope);
    let (total, shown) = (found.len(), found.into_iter().skip(from).take(top));
    let data: Vec<Json> = shown.map(|row| query.shape(row.whole(state))).collect();
    let (count, end) = (data.len(), from + data.len());
    let data = if options["resultFormat"] == "table" { table_of(&data) } else { Json::Array(data) };
    let mut body =
        json!({ "totalRecords": total, "count": count, "resultTruncated": "false", "facets": [], "data": data });
    // Microsoft gives a token only when the rows have an id to go on from; else the rest cannot be had.
    let has_id = query.columns.as_ref().is_none_or(|columns| columns.iter().any(|column| column == "id"));
    if end < total && has_id {
        body["$skipToken"] = BASE64_URL_SAFE_NO_PAD.encode(format!("{end}\n{text}")).into();
    } else if end < total {
        body["resultTruncated"] = "true".into();
    }
    Ok(Reply::ok(body))
}

fn read_token(token: &str, query: &str) -> Result<usize, Reply> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = decoded.as_deref().and_then(|text| text.split_once('\n')).filter(|(_, own)| *own == query);
    let from = parts.and_then(|(from, _)| from.parse().ok());
    from.ok_or_else(|| {
        detailed(
            400,
            "BadRequest",
            &[("InvalidSkipToken", "The skip token is invalid or was given for another query.")],
        )
    })
}

/// The subscriptions that rows may be of.
struct Scope {
    /// Lower case; none = all.
    subscriptions: Option<Vec<String>>,
}

impl Scope {
    fn of(state: &State, body: &Json) -> Result<Self, Reply> {
        let Some(asked) = body["subscriptions"].as_array().filter(|asked| !asked.is_empty()) else {
            return Ok(Self { subscriptions: None });
        };
        let asked: Vec<String> = asked.iter().filter_map(Json::as_str).map(str::to_lowercase).collect();
        let known = |id: &String| state.arm.store.get(&format!("/subscriptions/{id}")).is_some();
        if !asked.iter().any(known) {
            let message = format!(
                "There must be at least one subscription that is eligible to contain resources. Given: '{}'.",
                asked.join(",")
            );
            return Err(detailed(400, "BadRequest", &[("NoValidSubscriptionsInQueryRequest", &message)]));
        }
        Ok(Self { subscriptions: Some(asked) })
    }

    /// Rows of no subscription belong to the tenant: built-in roles are seen from everywhere, management groups are not.
    fn holds(&self, subscription: &str, kind: &str) -> bool {
        match &self.subscriptions {
            None => true,
            Some(_) if subscription.is_empty() => kind != "microsoft.management/managementgroups",
            Some(own) => own.contains(&subscription.to_lowercase()),
        }
    }
}

/// What of the query language is understood.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    table: String,
    /// `where <column> =~ 'value'`, or `in~`: lower-case column, values, whether case counts.
    conditions: Vec<(String, Vec<String>, bool)>,
    descending: bool,
    columns: Option<Vec<String>>,
    limit: Option<usize>,
}

impl Query {
    fn parse(text: &str) -> Result<Self, Reply> {
        let mut stages = text.split('|').map(str::trim);
        let table = stages.next().unwrap_or_default().to_lowercase();
        let is_table =
            table == "resources" || TABLES.iter().any(|(_, own)| *own == table) || table == "patchassessmentresources";
        if table.is_empty() || !table.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(bad_query("ParserFailure", "ParserFailure"));
        }
        if !is_table {
            return Err(bad_query(
                "DisallowedLogicalTableName",
                &format!("Table {table} is invalid, unsupported or disallowed."),
            ));
        }
        let mut query = Self { table, ..Self::default() };
        for stage in stages {
            query
                .stage(stage)
                .ok_or_else(|| bad_query("ParserFailure", &format!("The fake does not understand '{stage}'.")))?;
        }
        Ok(query)
    }

    fn stage(&mut self, stage: &str) -> Option<()> {
        let (word, rest) = stage.split_once(char::is_whitespace)?;
        let rest = rest.trim();
        match word.to_lowercase().as_str() {
            "order" | "sort" => {
                let parts: Vec<&str> = rest.strip_prefix("by ")?.split_whitespace().collect();
                match parts.as_slice() {
                    ["id"] | ["id", "desc"] => self.descending = true,
                    ["id", "asc"] => self.descending = false,
                    _ => return None,
                }
            }
            "where" => self.conditions.push(condition(rest)?),
            "project" => self.columns = Some(rest.split(',').map(|column| column.trim().to_owned()).collect()),
            "limit" | "take" => self.limit = Some(rest.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    /// The rows of the answer in their order.
    fn find<'s>(&self, state: &'s State, scope: &Scope) -> Vec<Row<'s>> {
        let own = state.arm.store.all().filter(|stored| table_of_type(stored) == Some(self.table.as_str()));
        let own = own.map(Row::Resource);
        let further = state.arm.rows.get(&self.table).into_iter().flatten().map(Row::Given);
        let mut rows: Vec<Row<'s>> =
            own.chain(further).filter(|row| scope.holds(&row.text("subscriptionId"), &row.text("type"))).collect();
        for (column, values, exact) in &self.conditions {
            rows.retain(|row| {
                let own = row.text(column);
                values.iter().any(|value| if *exact { *value == own } else { value.eq_ignore_ascii_case(&own) })
            });
        }
        rows.sort_by_cached_key(|row| row.text("id").to_lowercase());
        if self.descending {
            rows.reverse();
        }
        rows.truncate(self.limit.unwrap_or(usize::MAX));
        rows
    }

    fn shape(&self, row: Json) -> Json {
        let Some(columns) = &self.columns else { return row };
        columns.iter().map(|column| (column.clone(), row[column].clone())).collect::<Map<String, Json>>().into()
    }
}

fn condition(text: &str) -> Option<(String, Vec<String>, bool)> {
    for (operator, exact) in [(" =~ ", false), (" == ", true), (" in~ ", false), (" in ", true)] {
        let Some((column, values)) = text.split_once(operator) else { continue };
        let values = values.trim().trim_start_matches('(').trim_end_matches(')').split(',');
        let values: Option<Vec<String>> = values.map(|value| quoted(value.trim())).collect();
        return Some((column.trim().to_owned(), values?, exact));
    }
    None
}

fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    inner.or_else(|| text.strip_prefix('"')?.strip_suffix('"')).map(str::to_owned)
}

/// The table that a resource shows in, if any: what has a location is in `resources`.
fn table_of_type(stored: &Stored) -> Option<&'static str> {
    let kind = stored.path.kind.to_lowercase();
    if NOT_IN_TABLES.contains(&kind.as_str()) {
        return None;
    }
    let named = TABLES.iter().find(|(start, _)| kind.starts_with(start)).map(|(_, table)| *table);
    let located = stored.document.contains_key("location").then_some("resources");
    // Of Defender's types the tracked ones (automations, security connectors) are where all tracked ones are.
    named.filter(|table| *table != "securityresources" || located.is_none()).or(located)
}

/// One row, before it is written out.
enum Row<'s> {
    /// A resource of the store.
    Resource(&'s Stored),
    /// A row that the test gave.
    Given(&'s Json),
}

impl Row<'_> {
    /// A column of text, without writing the whole row out.
    fn text(&self, column: &str) -> String {
        let stored = match self {
            Row::Given(row) => return row[column].as_str().unwrap_or_default().to_owned(),
            Row::Resource(stored) => stored,
        };
        let path = &stored.path;
        match column {
            "id" => path.id.clone(),
            "name" => name_of(stored),
            "type" => type_of(stored),
            "subscriptionId" => path.subscription.clone().unwrap_or_default(),
            "resourceGroup" => path.group.clone().unwrap_or_default().to_lowercase(),
            other => stored.document.get(other).and_then(Json::as_str).unwrap_or_default().to_owned(),
        }
    }

    /// The whole row.
    fn whole(&self, state: &State) -> Json {
        let stored = match self {
            Row::Given(row) => return (*row).clone(),
            Row::Resource(stored) => stored,
        };
        let document = state.arm.store.render(stored);
        let mut row = Map::new();
        for column in COLUMNS {
            let value = document.get(column).cloned().unwrap_or(Json::Null);
            // Columns of text are empty rather than null.
            let is_text = matches!(column, "kind" | "location" | "managedBy");
            row.insert(column.to_owned(), if is_text && value.is_null() { "".into() } else { value });
        }
        if stored.path.kind == "Microsoft.Resources/subscriptions" {
            let known = ["authorizationSource", "managedByTenants", "state", "subscriptionPolicies"];
            let properties = known.iter().filter_map(|name| Some(((*name).to_owned(), document.get(*name)?.clone())));
            row.insert("properties".to_owned(), properties.collect::<Map<String, Json>>().into());
        }
        for column in ["id", "name", "type", "subscriptionId", "resourceGroup"] {
            row.insert(column.to_owned(), self.text(column).into());
        }
        row.insert("tenantId".to_owned(), state.options.tenant.as_str().into());
        Json::Object(row)
    }
}

fn name_of(stored: &Stored) -> String {
    let shown = stored.document.get("displayName").and_then(Json::as_str);
    let is_subscription = stored.path.kind == "Microsoft.Resources/subscriptions";
    shown.filter(|_| is_subscription).or(stored.path.name.as_deref()).unwrap_or_default().to_owned()
}

/// Types are in lower case, and groups are children of subscriptions.
fn type_of(stored: &Stored) -> String {
    match stored.path.kind.as_str() {
        "Microsoft.Resources/resourceGroups" => "microsoft.resources/subscriptions/resourcegroups".to_owned(),
        kind => kind.to_lowercase(),
    }
}

/// `resultFormat: table`: columns with types, rows as lists.
fn table_of(data: &[Json]) -> Json {
    let first = data.first().and_then(Json::as_object);
    let names: Vec<&String> = first.into_iter().flat_map(Map::keys).collect();
    let kind = |name: &str| match first.and_then(|row| row.get(name)) {
        Some(Json::String(_)) => "string",
        Some(Json::Number(_)) => "integer",
        Some(Json::Bool(_)) => "boolean",
        _ => "object",
    };
    let columns: Vec<Json> = names.iter().map(|name| json!({ "name": name, "type": kind(name) })).collect();
    let rows: Vec<Json> =
        data.iter().map(|row| names.iter().map(|name| row[name.as_str()].clone()).collect()).collect();
    json!({ "columns": columns, "rows": rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queries_of_the_collector_are_understood() {
        let query = Query::parse("resources | order by id asc").unwrap();
        assert_eq!(query, Query { table: "resources".into(), ..Query::default() });
        let query = Query::parse(
            "SecurityResources | where type =~ 'Microsoft.Security/assessments' | project id, name | limit 5",
        )
        .unwrap();
        assert_eq!((query.table.as_str(), query.limit), ("securityresources", Some(5)));
        assert_eq!(query.conditions, [("type".to_owned(), vec!["Microsoft.Security/assessments".to_owned()], false)]);
        for wrong in ["", "nonsense", "resources | summarize count()", "resources | where", "resources | order by name"]
        {
            assert_eq!(Query::parse(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }

    #[test]
    fn the_quota_refills() {
        let mut quota = Quota::default();
        let at = |second: i64| Timestamp::from_second(1000 + second).unwrap();
        assert_eq!(quota.take("u", at(0), 2, 5), (Some(1), 5));
        assert_eq!(quota.take("u", at(1), 2, 5), (Some(0), 4));
        assert_eq!(quota.take("u", at(2), 2, 5), (None, 3));
        assert_eq!(quota.take("other", at(2), 2, 5), (Some(1), 5));
        assert_eq!(quota.take("u", at(5), 2, 5), (Some(1), 5));
    }
}

//! PUT, PATCH and DELETE.

use serde_json::{Map, Value as Json};

use super::defaults::{Fresh, complete, implied};
use super::links::{in_use, links};
use super::operations::{Effect, Start, addresses};
use super::path::ArmPath;
use super::read::absent;
use super::statuses::{Codes, facts};
use super::store::{Stored, inline_words, merge, strip, take_inline};
use super::{group_missing, refuse};
use crate::http::{Reply, Request};
use crate::state::State;

/// Namespaces whose top-level resources in a group all have a location.
const LOCATED: [&str; 5] =
    ["Microsoft.Compute", "Microsoft.Network", "Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.Resources"];

/// Inline children by the last word of their type; none = the document does not speak of them.
type Inline = Vec<(&'static str, Option<Vec<Json>>)>;
/// Children that go, and children that are put.
type Children = (Vec<ArmPath>, Vec<(ArmPath, Map<String, Json>)>);

/// Answers PUT: the resource is what the body says.
pub(super) fn put(state: &mut State, request: &Request, path: ArmPath) -> Result<Reply, Reply> {
    let codes = facts(&path.kind).put;
    writable(&path, &codes, "PUT")?;
    let body = body(request)?;
    let old = state.arm.store.get(&path.id).map(|stored| stored.document.clone());
    places(state, &path)?;
    is_current(state, request, &path)?;
    located(&path, &body, old.as_ref())?;
    written(state, request, path, body, old, &codes, &[200, 201, 202])
}

/// Answers PATCH: what the body says is laid over what is there. `tags` are replaced as a whole.
pub(super) fn patch(state: &mut State, request: &Request, path: ArmPath) -> Result<Reply, Reply> {
    let codes = facts(&path.kind).patch;
    writable(&path, &codes, "PATCH")?;
    let mut body = body(request)?;
    let Some(stored) = state.arm.store.get(&path.id) else { return Err(absent(state, &path)) };
    let old = stored.document.clone();
    is_current(state, request, &path)?;
    let tags = body.remove("tags");
    let mut merged = Json::Object(old.clone());
    // Children that are shown inside are part of what is patched.
    for word in inline_words(&path.kind) {
        if body.get("properties").is_some_and(|properties| properties.get(word).is_some()) {
            merged["properties"][word] =
                state.arm.store.rendered(&path.id).map(|found| found["properties"][word].clone()).unwrap_or_default();
        }
    }
    merge(&mut merged, &Json::Object(body));
    if let Some(tags) = tags {
        merged["tags"] = tags;
    }
    let Json::Object(merged) = merged else {
        return Err(refuse(400, "InvalidRequestContent", "An object was expected."));
    };
    written(state, request, path, merged, Some(old), &codes, &[200, 202])
}

fn writable(path: &ArmPath, codes: &Codes, method: &str) -> Result<(), Reply> {
    if codes.exist() {
        return Ok(());
    }
    let message = format!("The HTTP method '{method}' is not supported for '{}'.", path.kind);
    Err(refuse(405, "HttpMethodNotSupported", &message))
}

fn body(request: &Request) -> Result<Map<String, Json>, Reply> {
    request.object().map_err(|why| {
        refuse(
            400,
            "InvalidRequestContent",
            &format!("The request content was invalid and could not be deserialized: '{why}'."),
        )
    })
}

/// Group and parent must be there, and not on their way out.
fn places(state: &State, path: &ArmPath) -> Result<(), Reply> {
    let store = &state.arm.store;
    let leaving = |stored: &Stored| stored.pending.as_ref().is_some_and(|pending| pending.phase == "Deleting");
    if let Some(group) = path.group_id().filter(|group| !group.eq_ignore_ascii_case(&path.id)) {
        let Some(stored) = store.get(&group) else { return Err(group_missing(path)) };
        if leaving(stored) {
            let message = format!(
                "The resource group '{}' is in deprovisioning state and cannot perform this operation.",
                path.group.as_deref().unwrap_or_default()
            );
            return Err(refuse(409, "ResourceGroupBeingDeleted", &message));
        }
    }
    let parent = ArmPath::parse(&path.parent);
    if !path.is_top() && store.get(&path.parent).is_none() && !parent.kind.ends_with("/locations") {
        let message = format!(
            "Failed to perform 'write' on resource(s) of type '{}', because the parent resource '{}' could not be found.",
            path.kind, path.parent
        );
        return Err(refuse(404, "ParentResourceNotFound", &message));
    }
    match store.get(&path.id) {
        Some(stored) if leaving(stored) => Err(refuse(
            409,
            "AnotherOperationInProgress",
            "Another operation on this or dependent resource is in progress.",
        )),
        _ => Ok(()),
    }
}

/// `If-Match` and `If-None-Match: *`.
fn is_current(state: &State, request: &Request, path: &ArmPath) -> Result<(), Reply> {
    let own = state.arm.store.get(&path.id).map(Stored::etag);
    let wanted =
        request.header("if-match").is_none_or(|tag| tag == "*" && own.is_some() || Some(tag) == own.as_deref());
    let unwanted = request.header("if-none-match") == Some("*") && own.is_some();
    if wanted && !unwanted {
        return Ok(());
    }
    Err(refuse(
        412,
        "PreconditionFailed",
        "Precondition failed: the entity tag in the request does not match that of the resource.",
    ))
}

fn located(path: &ArmPath, body: &Map<String, Json>, old: Option<&Map<String, Json>>) -> Result<(), Reply> {
    let is_located = path.is_top()
        && path.group.is_some()
        && LOCATED.contains(&path.namespace())
        && path.kind != "Microsoft.Resources/tags";
    let location = |document: &Map<String, Json>| {
        let text = document.get("location").and_then(Json::as_str).unwrap_or_default();
        text.replace(' ', "").to_lowercase()
    };
    let wanted = location(body);
    if is_located && wanted.is_empty() && !path.scope.contains("/providers/") {
        return Err(refuse(400, "LocationRequired", "The location property is required for this definition."));
    }
    match old.map(location) {
        Some(own) if !own.is_empty() && !wanted.is_empty() && own != wanted => {
            let name = path.name.as_deref().unwrap_or_default();
            let message = format!(
                "The resource '{name}' already exists in location '{own}'. A resource with the same name cannot be created in location '{wanted}'. Please select a new resource name."
            );
            Err(refuse(409, "InvalidResourceLocation", &message))
        }
        _ => Ok(()),
    }
}

/// Every reference must lead to something.
/// Source: Microsoft, "Resolve invalid resource reference errors" (code and message of the network provider).
fn refers(
    state: &State,
    path: &ArmPath,
    document: &Map<String, Json>,
    implied: &[(String, Json)],
) -> Result<(), Reply> {
    for link in links(&path.kind, &path.id, document) {
        let comes_along = implied.iter().any(|(id, _)| id.eq_ignore_ascii_case(&link.target));
        if state.arm.store.get(&link.target).is_none() && !comes_along {
            let message = format!(
                "Resource {} referenced by resource {} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.",
                link.target, path.id
            );
            return Err(refuse(400, "InvalidResourceReference", &message));
        }
    }
    Ok(())
}

/// Rules of one direction differ in priority (Microsoft, "Network security groups": 100 to 4096, unique per direction).
fn rules_agree<'r>(rules: impl Iterator<Item = (&'r str, &'r Json)>) -> Result<(), Reply> {
    let mut seen: Vec<(u64, String, &str)> = Vec::new();
    for (name, rule) in rules {
        let priority = rule["priority"].as_u64().unwrap_or_default();
        if !(100..=4096).contains(&priority) {
            let message = format!(
                "Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096. Rule: {name}"
            );
            return Err(refuse(400, "SecurityRuleInvalidPriority", &message));
        }
        let direction = rule["direction"].as_str().unwrap_or_default().to_lowercase();
        if let Some((_, _, other)) =
            seen.iter().find(|(own, way, _)| (*own, way.as_str()) == (priority, direction.as_str()))
        {
            let message = format!(
                "Security rule {name} conflicts with rule {other}. Rules cannot have the same Priority and Direction."
            );
            return Err(refuse(400, "SecurityRuleConflict", &message));
        }
        seen.push((priority, direction, name));
    }
    Ok(())
}

/// The rules of a group as they would be with this write.
fn check_rules(state: &State, path: &ArmPath, document: &Map<String, Json>, inline: &Inline) -> Result<(), Reply> {
    match path.kind.as_str() {
        "Microsoft.Network/networkSecurityGroups" => {
            let rules = inline.iter().filter_map(|(_, rules)| rules.as_ref()).flatten();
            rules_agree(rules.map(|rule| (rule["name"].as_str().unwrap_or_default(), &rule["properties"])))
        }
        "Microsoft.Network/networkSecurityGroups/securityRules" => {
            let is_other =
                |other: &&Stored| other.path.kind == path.kind && !other.path.id.eq_ignore_ascii_case(&path.id);
            let others = state.arm.store.below(&path.parent).filter(is_other);
            let others = others.map(|other| (other.path.name.as_deref(), &other.document));
            let rules = others.chain([(path.name.as_deref(), document)]);
            let rules =
                rules.map(|(name, rule)| (name.unwrap_or_default(), rule.get("properties").unwrap_or(&Json::Null)));
            rules_agree(rules)
        }
        _ => Ok(()),
    }
}

/// Puts the document there, starts the operation, answers.
fn written(
    state: &mut State,
    request: &Request,
    path: ArmPath,
    mut document: Map<String, Json>,
    old: Option<Map<String, Json>>,
    codes: &Codes,
    wanted: &[u16],
) -> Result<Reply, Reply> {
    if document.get("properties").is_some_and(|properties| !properties.is_object() && !properties.is_null()) {
        return Err(refuse(
            400,
            "InvalidRequestContent",
            "The request content was invalid: 'properties' is no object.",
        ));
    }
    strip(&mut document);
    let inline = take_inline(&path.kind, &mut document);
    if inline.iter().filter_map(|(_, children)| children.as_ref()).flatten().any(|child| !child["name"].is_string()) {
        return Err(refuse(400, "InvalidRequestFormat", "Cannot parse the request: a child resource has no name."));
    }
    check_rules(state, &path, &document, &inline)?;
    completed(state, &path, &mut document, old.as_ref());
    let mut along = if old.is_none() { implied(&path, &document) } else { Vec::new() };
    along.retain(|(id, _)| state.arm.store.get(id).is_none());
    refers(state, &path, &document, &along)?;
    let (gone, children) = children(state, &path, inline, request.method == axum::http::Method::PUT)?;
    // From here on nothing is refused: a write happens as a whole or not at all.
    state.arm.store.put(path.clone(), document);
    for child in gone {
        state.arm.store.remove(&child.id);
    }
    for (path, document) in children {
        state.arm.store.put(path, document);
    }
    for (id, document) in along {
        let (path, Json::Object(mut document)) = (ArmPath::parse(&id), document) else { continue };
        completed(state, &path, &mut document, None);
        state.arm.store.put(path, document);
    }
    // A resource that is new is answered with 201 where its clients take that.
    let status = if old.is_none() { codes.choose(&[201, 202, 200]) } else { codes.choose(wanted) };
    let reply = Reply::empty(status);
    let reply = match codes.long {
        true => {
            let phase = if old.is_none() { "Creating" } else { "Updating" };
            started(state, request, &path, Effect::Written, phase, reply)
        }
        false => reply,
    };
    // Storage accounts are answered empty while they are made (Storage Accounts - Create: 202 has no body).
    let is_empty = status == 202 && path.namespace() == "Microsoft.Storage";
    Ok(match state.arm.store.rendered(&path.id).filter(|_| !is_empty) {
        Some(body) => Reply { body: Some(body), ..reply },
        None => reply,
    })
}

fn completed(state: &mut State, path: &ArmPath, document: &mut Map<String, Json>, old: Option<&Map<String, Json>>) {
    let (now, tenant) = (state.clock.now().to_string(), state.options.tenant.clone());
    let mut guid = || state.guid();
    complete(path, document, old, &mut Fresh { guid: &mut guid, now, tenant });
}

/// What the children that a parent was written with come to: those that go, and those that are put.
/// A virtual network that is put without the member keeps its subnets (Microsoft, "Update a virtual network without its
/// subnets"); a security group loses its rules.
fn children(state: &mut State, path: &ArmPath, inline: Inline, replaces: bool) -> Result<Children, Reply> {
    let (mut gone, mut put) = (Vec::new(), Vec::new());
    for (word, children) in inline {
        if children.is_none() && (!replaces || path.kind == "Microsoft.Network/virtualNetworks") {
            continue;
        }
        let children = children.unwrap_or_default();
        let list = format!("{}/{word}", path.id);
        let is_gone = |stored: &&Stored| {
            let own = stored.path.name.as_deref().unwrap_or_default();
            let is_it = |child: &Json| child["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(own));
            stored.path.parent.eq_ignore_ascii_case(&path.id) && !children.iter().any(is_it)
        };
        gone.extend(state.arm.store.below(&list).filter(is_gone).map(|stored| stored.path.clone()));
        for child in children {
            let name = child["name"].as_str().unwrap_or_default().to_owned();
            let Json::Object(mut document) = child else { continue };
            let path = ArmPath::parse(&format!("{list}/{name}"));
            let old = state.arm.store.get(&path.id).map(|stored| stored.document.clone());
            strip(&mut document);
            completed(state, &path, &mut document, old.as_ref());
            refers(state, &path, &document, &[])?;
            put.push((path, document));
        }
    }
    gone.iter().try_for_each(|child| free(state, child))?;
    Ok((gone, put))
}

/// Starts a long-running operation and says where to ask for it. Storage and groups have only a `Location`.
pub(super) fn started(
    state: &mut State,
    request: &Request,
    path: &ArmPath,
    effect: Effect,
    phase: &'static str,
    reply: Reply,
) -> Reply {
    started_with(state, request, path, effect, phase, reply, None)
}

/// The same with what the result address is to answer.
pub(super) fn started_with(
    state: &mut State,
    request: &Request,
    path: &ArmPath,
    effect: Effect,
    phase: &'static str,
    reply: Reply,
    result: Option<Json>,
) -> Reply {
    let id = state.guid();
    let (status, outcome) = addresses(request, path, &id);
    let (polls, now) = (state.options.operation_polls, state.clock.now().to_string());
    let start = Start { id, target: path, effect, result, polls, now };
    state.arm.operations.start(&mut state.arm.store, start, phase);
    let reply = reply.with("location", outcome).with("retry-after", 0);
    let only_location = matches!(path.namespace(), "Microsoft.Storage" | "Microsoft.Resources");
    if only_location { reply } else { reply.with("azure-asyncoperation", status) }
}

/// Whether nobody refers to a resource or to what is in it.
fn free(state: &State, path: &ArmPath) -> Result<(), Reply> {
    let store = &state.arm.store;
    let inside = format!("{}/", path.id.to_lowercase());
    let all = store.below(&path.id).map(|stored| &stored.path).chain([path]);
    for own in all {
        let Some((status, code)) = in_use(&own.kind) else { continue };
        // What goes away with it does not hold it back.
        let user = store.users(&own.id).iter().find(|link| !link.source.to_lowercase().starts_with(&inside));
        if let Some(link) = user {
            let message = format!(
                "{} cannot be deleted because it is in use by the following resources: {}.",
                own.id, link.source
            );
            return Err(refuse(status, code, &message));
        }
    }
    Ok(())
}

/// Answers DELETE.
pub(super) fn delete(state: &mut State, request: &Request, path: &ArmPath) -> Result<Reply, Reply> {
    let codes = facts(&path.kind).delete;
    writable(path, &codes, "DELETE")?;
    if state.arm.store.get(&path.id).is_none() {
        return if codes.accept(204) && path.group_id().is_none_or(|group| state.arm.store.get(&group).is_some()) {
            Ok(Reply::empty(204))
        } else {
            Err(absent(state, path))
        };
    }
    is_current(state, request, path)?;
    // A group goes with all that is in it, used or not.
    if path.kind != "Microsoft.Resources/resourceGroups" {
        free(state, path)?;
    }
    if codes.long {
        let reply = Reply::empty(codes.choose(&[202, 200, 204]));
        return Ok(started(state, request, path, Effect::Deleted, "Deleting", reply));
    }
    let last = state.arm.store.rendered(&path.id);
    state.arm.store.remove(&path.id);
    let status = codes.choose(&[200, 204]);
    // Role assignments and the like answer what was deleted.
    let shows = status == 200 && path.namespace() == "Microsoft.Authorization";
    Ok(Reply { body: last.filter(|_| shows), ..Reply::empty(status) })
}

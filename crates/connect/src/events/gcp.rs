//! Google Cloud: messages that a Cloud Asset feed publishes.
//!
//! Sources: "Monitor asset changes" and `TemporalAsset` (Cloud Asset Inventory), `PubsubMessage` (Pub/Sub).

use std::collections::BTreeMap;

use base64::Engine;
use yagura_content::ResourceType;
use yagura_model::{Cloud, Kind, Value};

use super::{
    AssetContent, Change, ChangeEvent, LONGEST_MESSAGE, Parsed, Passed, Refusal, Subject, read, text, time, usable,
};

/// How the message begins that a new feed sends once.
const WELCOME: &str = "You have successfully configured";
/// Google allows ten levels of folders; more than that is not followed.
const MOST_ANCESTORS: usize = 16;
/// The attached answer that an IAM policy becomes.
const IAM_POLICY: &str = "iamPolicy";

/// Reads the `data` of one Pub/Sub message (base64). `message` is its `messageId`.
pub fn parse(data: &str, message: &str, types: &BTreeMap<Kind, ResourceType>) -> Result<Parsed, Refusal> {
    // Base64 is longer than what it holds by a third.
    if data.len() / 4 * 3 > LONGEST_MESSAGE {
        return Err(Refusal::TooLong);
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(data.trim()).map_err(|_| Refusal::UnknownForm)?;
    let plain = String::from_utf8(bytes).map_err(|_| Refusal::UnknownForm)?;
    let mut parsed = Parsed::default();
    if plain.starts_with(WELCOME) {
        parsed.pass(Passed::Handshake);
        return Ok(parsed);
    }
    let document = read(&plain)?;
    parsed.take(temporal(document.root(), message, types));
    Ok(parsed)
}

/// Reads the body that a push subscription delivers.
pub fn parse_push(body: &str, types: &BTreeMap<Kind, ResourceType>) -> Result<Parsed, Refusal> {
    let document = read(body)?;
    let message = document.root().get("message").ok_or(Refusal::UnknownForm)?;
    let id = text(message, "messageId").ok_or(Refusal::Lacks("messageId"))?;
    parse(text(message, "data").ok_or(Refusal::Lacks("data"))?, id, types)
}

fn temporal(
    change: Value<'_>,
    message: &str,
    types: &BTreeMap<Kind, ResourceType>,
) -> Result<Result<ChangeEvent, Passed>, Refusal> {
    let asset = change.get("asset").filter(|asset| asset.is_object()).ok_or(Refusal::UnknownForm)?;
    let name = text(asset, "name").filter(|name| usable(name) && name.starts_with("//"));
    let name = name.ok_or(Refusal::Lacks("asset.name"))?;
    let kind = text(asset, "assetType").ok_or(Refusal::Lacks("asset.assetType"))?;
    let at = time(change.get("window").ok_or(Refusal::Lacks("window"))?, "startTime")?;
    let is_gone = change.get("deleted").and_then(Value::as_bool) == Some(true);
    let before = change.get("priorAsset").filter(|prior| prior.is_object());
    let Some(content) =
        content_of(asset).or_else(|| before.and_then(content_of)).or(is_gone.then_some(AssetContent::Resource))
    else {
        return Ok(Err(Passed::OtherEvent));
    };
    let Some(described) = types.get(&Kind::new(kind)).filter(|described| described.cloud == Cloud::Gcp) else {
        return Ok(Err(Passed::OtherService));
    };
    if content == AssetContent::IamPolicy && !described.attached.contains_key(IAM_POLICY) {
        return Ok(Err(Passed::OtherService));
    }
    let mut above = ancestors(asset);
    if let Some(before) = before.filter(|_| above.is_empty()) {
        above = ancestors(before);
    }
    let scope = above.first().cloned().unwrap_or_else(|| project_in(name));
    let asset = if is_gone { None } else { Some(asset.to_json()) };
    Ok(Ok(ChangeEvent {
        cloud: Cloud::Gcp,
        scope,
        above,
        region: None,
        at,
        id: message.to_owned(),
        name: kind.to_owned(),
        change: if is_gone { Change::Deleted } else { Change::Written },
        actor: None,
        subjects: vec![Subject::Asset { name: name.to_owned(), content, asset }],
    }))
}

fn content_of(asset: Value<'_>) -> Option<AssetContent> {
    let has = |name: &str| asset.get(name).is_some_and(|part| !part.is_null());
    if has("resource") {
        return Some(AssetContent::Resource);
    }
    if has(IAM_POLICY) {
        return Some(AssetContent::IamPolicy);
    }
    has("orgPolicy").then_some(AssetContent::OrgPolicy)
}

/// The scopes above an asset, nearest first.
fn ancestors(asset: Value<'_>) -> Vec<String> {
    let named = asset.get("ancestors").into_iter().flat_map(Value::items).filter_map(Value::as_str);
    named.filter(|name| usable(name)).take(MOST_ANCESTORS).map(str::to_owned).collect()
}

/// The project in the name of an asset that names nothing above it.
fn project_in(name: &str) -> String {
    let project = name.split_once("/projects/").and_then(|(_, rest)| rest.split('/').next());
    format!("projects/{}", project.unwrap_or("unknown"))
}

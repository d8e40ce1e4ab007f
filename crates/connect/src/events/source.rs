//! Where events come from, and the calls that receive and acknowledge them.

use serde_json::{Map, Value as Json, json};
use yagura_cloud::{Call, CallFailure, Caller};
use yagura_model::{Cloud, Document, Problem, Timestamp};

use super::changes::{Changes, later};
use super::{Parsed, PollOptions, Refusal, Watch, aws, azure, gcp, usable};

/// Messages that one ReceiveMessage or DeleteMessageBatch takes (SQS API reference).
const SQS_BATCH: usize = 10;
/// For how long SQS hides a message that was received, in seconds.
const HIDDEN: u32 = 300;
/// Messages that one `pull` or `acknowledge` is asked with.
const PUB_SUB_BATCH: usize = 100;
/// Entries of the Activity Log come late: so much is read again, in seconds ("usually within 3 to 20 minutes").
const OVERLAP: i64 = 20 * 60;
const ACTIVITY_API: &str = "2015-04-01";

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Sqs { account: String, region: String, url: String },
    ActivityLog { subscription: String },
    PubSub { project: String, name: String },
    Handed { cloud: Cloud, bodies: Vec<String> },
}

/// A message as it was received.
pub(super) struct Received {
    pub id: String,
    pub receipt: Option<String>,
    pub content: Result<Parsed, Refusal>,
}

/// What one round of receiving gave.
#[derive(Default)]
pub(super) struct Batch {
    pub messages: Vec<Received>,
    pub calls: u64,
    pub problems: Vec<Problem>,
    /// Up to where a log was read whole.
    pub reached: Option<Timestamp>,
}

impl Source {
    /// An SQS queue by its URL, in an account and region.
    pub fn sqs(account: &str, region: &str, url: &str) -> Result<Self, String> {
        if !url.starts_with("https://") && !url.starts_with("http://") || !usable(url) {
            return Err(format!("`{url}` is not the URL of a queue"));
        }
        let form = Form::Sqs { account: account.to_owned(), region: region.to_owned(), url: url.to_owned() };
        Ok(Self { form })
    }

    /// The Activity Log of a subscription.
    pub fn activity_log(subscription: &str) -> Result<Self, String> {
        let id = azure::subscription_of(&format!("/subscriptions/{subscription}"));
        let subscription = id.ok_or_else(|| format!("`{subscription}` is not the GUID of a subscription"))?;
        Ok(Self { form: Form::ActivityLog { subscription } })
    }

    /// A Pub/Sub subscription by its name: `projects/PROJECT/subscriptions/NAME`.
    pub fn pub_sub(name: &str) -> Result<Self, String> {
        let wrong = || format!("`{name}` is not the name of a subscription: projects/PROJECT/subscriptions/NAME");
        let is_plain = |part: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+%:".contains(&byte);
            !part.is_empty() && part.bytes().all(allowed)
        };
        match name.split('/').collect::<Vec<_>>().as_slice() {
            ["projects", project, "subscriptions", own] if is_plain(project) && is_plain(own) => {
                Ok(Self { form: Form::PubSub { project: format!("projects/{project}"), name: name.to_owned() } })
            }
            _ => Err(wrong()),
        }
    }

    /// Bodies that were delivered to the caller: webhooks, or messages of a storage queue.
    pub fn handed(cloud: Cloud, bodies: Vec<String>) -> Self {
        Self { form: Form::Handed { cloud, bodies } }
    }

    /// The name of the source, for problems and watermarks.
    pub fn name(&self) -> String {
        match &self.form {
            Form::Sqs { url, .. } => url.clone(),
            Form::ActivityLog { subscription } => format!("activity log of {subscription}"),
            Form::PubSub { name, .. } => name.clone(),
            Form::Handed { cloud, .. } => format!("delivered events of {}", cloud.title()),
        }
    }

    /// The scope whose watermark this source moves.
    pub(super) fn log_scope(&self) -> Option<&str> {
        match &self.form {
            Form::ActivityLog { subscription } => Some(subscription),
            _ => None,
        }
    }

    pub(super) async fn receive<C: Caller>(
        &self,
        caller: &C,
        changes: &Changes,
        watch: &Watch<'_>,
        options: &PollOptions<'_>,
    ) -> Batch {
        let mut batch = Batch::default();
        match &self.form {
            Form::Sqs { account, region, url } => {
                let mut wait = options.wait_seconds.min(20);
                for _ in 0..options.most_batches {
                    let params = json!({
                        "QueueUrl": url, "MaxNumberOfMessages": SQS_BATCH, "WaitTimeSeconds": wait,
                        "VisibilityTimeout": HIDDEN,
                    });
                    let call = sqs(account, region, "ReceiveMessage", params);
                    let Some(answer) = self.asked(caller, &call, &mut batch).await else { break };
                    let messages = list(&answer, "Messages");
                    for message in messages {
                        let body = text(message, "Body");
                        let content = aws::parse(body, &watch.triggers);
                        batch.add(text(message, "MessageId"), text(message, "ReceiptHandle"), content);
                    }
                    if messages.is_empty() {
                        break;
                    }
                    wait = 0;
                }
            }
            Form::PubSub { project, name } => {
                for _ in 0..options.most_batches {
                    let call = pub_sub(project, name, "pull", json!({ "maxMessages": PUB_SUB_BATCH }));
                    let Some(answer) = self.asked(caller, &call, &mut batch).await else { break };
                    let messages = list(&answer, "receivedMessages");
                    for received in messages {
                        let message = received.get("message").unwrap_or(&Json::Null);
                        let id = text(message, "messageId");
                        let content = gcp::parse(text(message, "data"), id, watch.types);
                        batch.add(id, text(received, "ackId"), content);
                    }
                    if messages.is_empty() {
                        break;
                    }
                }
            }
            Form::ActivityLog { subscription } => {
                self.activity(caller, subscription, changes, options, &mut batch).await;
            }
            Form::Handed { cloud, bodies } => {
                for (number, body) in bodies.iter().enumerate() {
                    let content = match cloud {
                        Cloud::Aws => aws::parse(body, &watch.triggers),
                        Cloud::Azure => azure::parse(body),
                        Cloud::Gcp => gcp::parse_push(body, watch.types),
                    };
                    batch.messages.push(Received { id: number.to_string(), receipt: None, content });
                }
            }
        }
        batch
    }

    /// Every page of the Activity Log since the watermark, with an overlap for entries that come late.
    async fn activity<C: Caller>(
        &self,
        caller: &C,
        subscription: &str,
        changes: &Changes,
        options: &PollOptions<'_>,
        batch: &mut Batch,
    ) {
        let from = later(changes.watermark(&self.name()), -OVERLAP);
        let to = options.now;
        let filter = format!("eventTimestamp ge '{from}' and eventTimestamp le '{to}'");
        let path = format!("/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values");
        let params = json!({ "path": path, "api_version": ACTIVITY_API, "filter": filter });
        let mut call = Call {
            cloud: Cloud::Azure,
            scope: subscription.to_owned(),
            region: None,
            service: "arm".to_owned(),
            operation: "Microsoft.Insights/eventtypes/values".to_owned(),
            params: members(params),
        };
        for page in 0..options.most_pages {
            batch.calls += 1;
            let answer = match caller.call(&call).await {
                Ok(answer) => answer,
                Err(failure) => return batch.problems.push(self.problem(&call, &failure)),
            };
            let content = azure::parse_activity(&Document::from(answer.response));
            batch.messages.push(Received { id: format!("{to} {page}"), receipt: None, content: Ok(content) });
            let Some(next) = answer.next else {
                batch.reached = Some(to);
                return;
            };
            call = call.with(&next);
        }
        let message = format!("has more than {} pages; the rest is read next time", options.most_pages);
        batch.problems.push(Problem::note(self.name(), None, message));
    }

    /// Tells the source that messages are done. What cannot be told comes again, and does no harm then.
    pub(super) async fn acknowledge<C: Caller>(&self, caller: &C, done: Vec<(String, Option<String>)>) -> Batch {
        let mut batch = Batch::default();
        let receipts: Vec<String> = done.into_iter().filter_map(|(_, receipt)| receipt).collect();
        match &self.form {
            Form::Sqs { account, region, url } => {
                for part in receipts.chunks(SQS_BATCH) {
                    let entries: Vec<Json> = part
                        .iter()
                        .enumerate()
                        .map(|(number, receipt)| json!({ "Id": number.to_string(), "ReceiptHandle": receipt }))
                        .collect();
                    let params = json!({ "QueueUrl": url, "Entries": entries });
                    let call = sqs(account, region, "DeleteMessageBatch", params);
                    let Some(answer) = self.asked(caller, &call, &mut batch).await else { continue };
                    let kept = list(&answer, "Failed").len();
                    if kept > 0 {
                        let message = format!("{kept} messages could not be deleted; they come again");
                        batch.problems.push(Problem::note(self.name(), None, message));
                    }
                }
            }
            Form::PubSub { project, name } => {
                for part in receipts.chunks(PUB_SUB_BATCH) {
                    let call = pub_sub(project, name, "acknowledge", json!({ "ackIds": part }));
                    self.asked(caller, &call, &mut batch).await;
                }
            }
            Form::ActivityLog { .. } | Form::Handed { .. } => {}
        }
        batch
    }

    async fn asked<C: Caller>(&self, caller: &C, call: &Call, batch: &mut Batch) -> Option<Json> {
        batch.calls += 1;
        match caller.call(call).await {
            Ok(page) => Some(page.response),
            Err(failure) => {
                batch.problems.push(self.problem(call, &failure));
                None
            }
        }
    }

    fn problem(&self, call: &Call, failure: &CallFailure) -> Problem {
        Problem::lost(self.name(), None, format!("{}:{} said {failure}", call.service, call.operation))
    }
}

impl Batch {
    fn add(&mut self, id: &str, receipt: &str, content: Result<Parsed, Refusal>) {
        self.messages.push(Received { id: id.to_owned(), receipt: Some(receipt.to_owned()), content });
    }
}

fn sqs(account: &str, region: &str, operation: &str, params: Json) -> Call {
    Call {
        cloud: Cloud::Aws,
        scope: account.to_owned(),
        region: Some(region.to_owned()),
        service: "sqs".to_owned(),
        operation: operation.to_owned(),
        params: members(params),
    }
}

/// A direct call: a POST with a body.
fn pub_sub(project: &str, name: &str, method: &str, body: Json) -> Call {
    let url = format!("https://pubsub.googleapis.com/v1/{name}:{method}");
    Call {
        cloud: Cloud::Gcp,
        scope: project.to_owned(),
        region: None,
        service: "pubsub".to_owned(),
        operation: format!("subscriptions.{method}"),
        params: members(json!({ "url": url, "method": "POST", "body": body })),
    }
}

fn members(params: Json) -> Map<String, Json> {
    match params {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}

fn list<'j>(answer: &'j Json, name: &str) -> &'j [Json] {
    answer.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn text<'j>(value: &'j Json, name: &str) -> &'j str {
    value.get(name).and_then(Json::as_str).unwrap_or_default()
}

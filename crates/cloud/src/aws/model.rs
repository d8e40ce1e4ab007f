//! The trimmed service model of AWS: what an operation takes and gives, and how it looks on the wire.
//!
//! Written by `tools/aws_models.py` from botocore's service models (Apache-2.0) into `models/aws.json`, embedded here
//! and read once.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

static EMBEDDED: &[u8] = include_bytes!("../../models/aws.json");
static MODEL: LazyLock<Result<Model, String>> = LazyLock::new(|| Model::read(EMBEDDED));

/// How the bytes of a service look (Smithy's AWS protocols).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Form in, XML out.
    Query,
    /// EC2's own form in, XML out.
    Ec2,
    /// JSON in, JSON out, the operation in a header.
    Json,
    /// JSON bodies, the rest in path, query string and headers.
    RestJson,
    /// XML bodies, the rest in path, query string and headers.
    RestXml,
}

/// All services.
#[derive(Debug)]
pub struct Model {
    /// Where the model comes from, for example `botocore 1.44.5`.
    pub source: String,
    /// The partitions by name.
    pub partitions: BTreeMap<String, Partition>,
    services: BTreeMap<String, Service>,
}

/// A partition: a part of AWS with regions and accounts of its own.
#[derive(Debug, Deserialize)]
pub struct Partition {
    /// The domain of its hosts.
    pub suffix: String,
    /// Its regions, as far as known when the model was written.
    pub regions: Vec<String>,
}

/// One service.
#[derive(Debug)]
pub struct Service {
    /// boto3's name of it.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The version of its API.
    pub api_version: String,
    /// The name that signatures carry.
    pub signing_name: String,
    /// What goes before the operation in `X-Amz-Target`.
    pub target: Option<String>,
    /// The version of the JSON protocol.
    pub json_version: Option<String>,
    /// Whether it spoke the query protocol once and gives the old error codes in a header.
    pub query_compatible: bool,
    /// Its hosts by partition.
    pub hosts: BTreeMap<String, Hosts>,
    /// The XML namespace of its documents.
    pub namespace: Option<String>,
    operations: BTreeMap<String, Operation>,
    shapes: Vec<Shape>,
}

/// Where a service listens in one partition.
#[derive(Debug, Deserialize)]
pub struct Hosts {
    /// The host, with `{region}` in it unless one host serves all regions.
    pub host: String,
    /// The region that signatures carry, when it is not the one that is asked.
    pub region: Option<String>,
    /// Regions whose host or signing region is another.
    #[serde(default, rename = "except")]
    pub exceptions: BTreeMap<String, ExceptionalHost>,
}

/// The host of a region that differs from the others.
#[derive(Debug, Deserialize)]
pub struct ExceptionalHost {
    /// The host.
    pub host: String,
    /// The region that signatures carry.
    pub region: String,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// The HTTP method.
    pub method: String,
    /// Path and query string, with `{Member}` and `{Member+}` in it.
    pub uri: String,
    /// Its input, a structure.
    pub input: Option<Reference>,
    /// Its output, a structure.
    pub output: Option<Reference>,
    /// The element around the output (query protocol).
    pub wrapper: Option<String>,
    /// What goes before the host, with `{Member}` in it.
    pub host_prefix: Option<String>,
    /// Whether it is sent without a signature.
    pub unsigned: bool,
    /// How its answer is paged.
    pub pages: Option<Paging>,
}

/// How an answer is paged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Paging {
    /// Input members that take the tokens.
    pub input: Vec<String>,
    /// Expressions that find the tokens in the output, in the same order.
    pub output: Vec<String>,
    /// An expression that tells whether there is more; none = whether there are tokens.
    pub more: Option<String>,
    /// A page size to send, for services that page only when asked to.
    #[serde(default)]
    pub size: BTreeMap<String, u64>,
    /// Whether the tokens were guessed from their names, for want of a paginator.
    #[serde(default)]
    pub inferred: bool,
}

/// Where a member of an input or output sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Location {
    /// In the path.
    #[serde(rename = "uri")]
    Uri,
    /// In the query string.
    #[serde(rename = "querystring")]
    QueryString,
    /// In a header.
    #[serde(rename = "header")]
    Header,
    /// In all headers with a prefix.
    #[serde(rename = "headers")]
    Headers,
    /// It is the status.
    #[serde(rename = "statusCode")]
    StatusCode,
}

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TimeFormat {
    /// `2023-03-29T13:53:08Z`
    #[serde(rename = "iso8601")]
    Iso8601,
    /// `Wed, 29 Mar 2023 13:53:08 GMT`
    #[serde(rename = "rfc822")]
    Rfc822,
    /// `1680097988`
    #[serde(rename = "unixTimestamp", alias = "unixtimestamp")]
    Unix,
}

/// A use of a shape, with the traits of use and shape together.
#[derive(Clone, Debug)]
pub struct Reference {
    shape: usize,
    /// Its name on the wire.
    pub name: Option<Box<str>>,
    /// Where it sits; none = in the body.
    pub location: Option<Location>,
    /// Its name in EC2's requests.
    pub query_name: Option<Box<str>>,
    /// How it is written if it is a timestamp.
    pub time: Option<TimeFormat>,
    /// Whether a list or map has no element around its items.
    pub flattened: bool,
    /// Whether it is an XML attribute.
    pub attribute: bool,
    /// Whether it is a part of the host.
    pub host_label: bool,
    /// Whether it is a token that makes a request safe to repeat, filled in when missing.
    pub token: bool,
    /// Whether it is JSON, base64-coded, in a header.
    pub json: bool,
    /// Whether only what follows the last `/` is sent.
    pub last_segment: bool,
    /// The XML namespace of its element.
    pub namespace: Option<Box<str>>,
}

/// What a value is.
#[derive(Debug)]
pub enum Shape {
    /// Named members.
    Structure(Structure),
    /// Items.
    List(Reference),
    /// Keys and values.
    Map(Reference, Reference),
    /// Text.
    Text,
    /// URL-coded JSON in text (IAM's policies).
    Policy,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// True or false.
    Boolean,
    /// A moment.
    Timestamp,
    /// Bytes.
    Blob,
}

/// A shape with named members.
#[derive(Debug, Default)]
pub struct Structure {
    /// The members.
    pub members: BTreeMap<Box<str>, Reference>,
    /// Members that an input must have.
    pub required: Vec<Box<str>>,
    /// The member that is the whole body.
    pub payload: Option<Box<str>>,
    /// Whether exactly one member is set.
    pub union: bool,
    /// Whether it is any JSON.
    pub document: bool,
}

impl Model {
    /// The embedded model. An error means that the binary was built with a broken file, which a test rules out.
    pub fn embedded() -> Result<&'static Self, &'static str> {
        MODEL.as_ref().map_err(String::as_str)
    }

    /// Reads a model.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let raw: RawModel =
            serde_json::from_slice(bytes).map_err(|error| format!("cannot read the AWS model: {error}"))?;
        let services = raw
            .services
            .into_iter()
            .map(|(name, service)| {
                let built = service.build(name.clone()).map_err(|error| format!("AWS model, {name}: {error}"))?;
                Ok((name, built))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { source: raw.source, partitions: raw.partitions, services })
    }

    /// A service by boto3's name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }

    /// All services.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// The partition of a region: the one that lists it, else the one whose regions are named alike.
    pub fn partition(&self, region: &str) -> &str {
        let listed =
            self.partitions.iter().find(|(_, partition)| partition.regions.iter().any(|known| known == region));
        if let Some((name, _)) = listed {
            return name;
        }
        match region {
            _ if region.starts_with("cn-") => "aws-cn",
            _ if region.starts_with("us-gov-") => "aws-us-gov",
            _ if region.starts_with("eusc-") => "aws-eusc",
            _ => "aws",
        }
    }
}

impl Service {
    /// An operation by name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// All operations.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }

    /// The shape that a reference of this service means.
    pub fn shape(&self, reference: &Reference) -> &Shape {
        // Every index was checked when the model was read.
        self.shapes.get(reference.shape).unwrap_or(&Shape::Text)
    }

    /// The structure that a reference means, if it is one.
    pub fn structure(&self, reference: &Reference) -> Option<&Structure> {
        match self.shape(reference) {
            Shape::Structure(structure) => Some(structure),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct RawModel {
    source: String,
    partitions: BTreeMap<String, Partition>,
    services: BTreeMap<String, RawService>,
}

#[derive(Deserialize)]
struct RawService {
    protocol: Protocol,
    api_version: String,
    signing_name: String,
    target: Option<String>,
    json_version: Option<String>,
    #[serde(default)]
    query_compatible: bool,
    hosts: BTreeMap<String, Hosts>,
    namespace: Option<String>,
    operations: BTreeMap<String, RawOperation>,
    shapes: BTreeMap<String, RawShape>,
}

#[derive(Deserialize)]
struct RawOperation {
    method: String,
    uri: String,
    input: Option<RawReference>,
    output: Option<RawReference>,
    wrapper: Option<String>,
    host_prefix: Option<String>,
    #[serde(default)]
    unsigned: bool,
    pages: Option<Paging>,
}

#[derive(Deserialize)]
struct RawReference {
    shape: String,
    name: Option<Box<str>>,
    location: Option<Location>,
    query_name: Option<Box<str>>,
    time: Option<TimeFormat>,
    #[serde(default)]
    flattened: bool,
    #[serde(default)]
    attribute: bool,
    #[serde(default)]
    host_label: bool,
    #[serde(default)]
    token: bool,
    #[serde(default)]
    json: bool,
    #[serde(default)]
    last_segment: bool,
    namespace: Option<Box<str>>,
}

#[derive(Deserialize)]
struct RawShape {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    members: BTreeMap<Box<str>, RawReference>,
    #[serde(default)]
    required: Vec<Box<str>>,
    payload: Option<Box<str>>,
    #[serde(default)]
    union: bool,
    #[serde(default)]
    document: bool,
    member: Option<RawReference>,
    key: Option<RawReference>,
    value: Option<RawReference>,
}

type Indices = HashMap<String, usize>;

impl RawService {
    fn build(self, name: String) -> Result<Service, String> {
        let indices: Indices = self.shapes.keys().cloned().zip(0..).collect();
        let operations = self
            .operations
            .into_iter()
            .map(|(name, operation)| Ok((name.clone(), operation.build(name, &indices)?)))
            .collect::<Result<_, String>>()?;
        // In the order of the indices: both follow the sorted names.
        let shapes = self.shapes.into_values().map(|shape| shape.build(&indices)).collect::<Result<_, String>>()?;
        Ok(Service {
            name,
            protocol: self.protocol,
            api_version: self.api_version,
            signing_name: self.signing_name,
            target: self.target,
            json_version: self.json_version,
            query_compatible: self.query_compatible,
            hosts: self.hosts,
            namespace: self.namespace,
            operations,
            shapes,
        })
    }
}

impl RawOperation {
    fn build(self, name: String, indices: &Indices) -> Result<Operation, String> {
        Ok(Operation {
            name,
            method: self.method,
            uri: self.uri,
            input: self.input.map(|reference| reference.build(indices)).transpose()?,
            output: self.output.map(|reference| reference.build(indices)).transpose()?,
            wrapper: self.wrapper,
            host_prefix: self.host_prefix,
            unsigned: self.unsigned,
            pages: self.pages,
        })
    }
}

impl RawReference {
    fn build(self, indices: &Indices) -> Result<Reference, String> {
        let shape = *indices.get(&self.shape).ok_or_else(|| format!("no shape is called {}", self.shape))?;
        Ok(Reference {
            shape,
            name: self.name,
            location: self.location,
            query_name: self.query_name,
            time: self.time,
            flattened: self.flattened,
            attribute: self.attribute,
            host_label: self.host_label,
            token: self.token,
            json: self.json,
            last_segment: self.last_segment,
            namespace: self.namespace,
        })
    }
}

impl RawShape {
    fn build(self, indices: &Indices) -> Result<Shape, String> {
        let part = |reference: Option<RawReference>, what: &str| {
            reference.ok_or_else(|| format!("a {} without {what}", self.kind))?.build(indices)
        };
        Ok(match self.kind.as_str() {
            "structure" => Shape::Structure(Structure {
                members: self
                    .members
                    .into_iter()
                    .map(|(name, reference)| Ok((name, reference.build(indices)?)))
                    .collect::<Result<_, String>>()?,
                required: self.required,
                payload: self.payload,
                union: self.union,
                document: self.document,
            }),
            "list" => Shape::List(part(self.member, "member")?),
            "map" => Shape::Map(part(self.key, "key")?, part(self.value, "value")?),
            "string" | "character" => Shape::Text,
            "policy" => Shape::Policy,
            "integer" | "long" => Shape::Integer,
            "float" | "double" => Shape::Float,
            "boolean" => Shape::Boolean,
            "timestamp" => Shape::Timestamp,
            "blob" => Shape::Blob,
            other => return Err(format!("unknown type {other}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_model_is_whole() {
        let model = Model::embedded().unwrap();
        assert!(model.source.starts_with("botocore "));
        assert!(model.services().count() >= 49);
        for service in model.services() {
            for operation in service.operations() {
                let name = format!("{}:{}", service.name, operation.name);
                for reference in operation.input.iter().chain(&operation.output) {
                    assert!(service.structure(reference).is_some(), "{name}");
                }
                if service.protocol == Protocol::Json {
                    assert!(service.target.is_some() && service.json_version.is_some(), "{name}");
                }
                let pages = operation.pages.clone().unwrap_or_default();
                assert_eq!(pages.input.len(), pages.output.len(), "{name}");
                let taken = operation.input.as_ref().and_then(|input| service.structure(input));
                for token in pages.input.iter().chain(pages.size.keys()) {
                    assert!(taken.unwrap().members.contains_key(token.as_str()), "{name} {token}");
                }
            }
            for partition in ["aws", "aws-cn", "aws-us-gov"] {
                assert!(service.hosts.contains_key(partition), "{} {partition}", service.name);
            }
        }
    }

    #[test]
    fn traits_of_shape_and_use_are_together() {
        let model = Model::embedded().unwrap();
        let ec2 = model.service("ec2").unwrap();
        let operation = ec2.operation("DescribeInstances").unwrap();
        let output = ec2.structure(operation.output.as_ref().unwrap()).unwrap();
        let reservations = output.members.get("Reservations").unwrap();
        assert_eq!(reservations.name.as_deref(), Some("reservationSet"));
        let Shape::List(member) = ec2.shape(reservations) else { unreachable!() };
        assert_eq!(member.name.as_deref(), Some("item"));
        let s3 = model.service("s3").unwrap();
        let location = s3.operation("GetBucketLocation").unwrap();
        let input = s3.structure(location.input.as_ref().unwrap()).unwrap();
        assert_eq!(input.members.get("Bucket").unwrap().location, Some(Location::Uri));
        assert_eq!(input.required, [Box::<str>::from("Bucket")]);
    }

    #[test]
    fn partitions_follow_regions() {
        let model = Model::embedded().unwrap();
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("cn-future-9", "aws-cn"),
            ("us-gov-future-9", "aws-us-gov"),
            ("xx-future-9", "aws"),
        ] {
            assert_eq!(model.partition(region), partition, "{region}");
        }
    }

    #[test]
    fn broken_models_are_refused() {
        let with = |shapes: &str| {
            format!(
                r#"{{"source":"s","partitions":{{}},"services":{{"x":{{"protocol":"query","api_version":"1","signing_name":"x","hosts":{{}},"operations":{{}},"shapes":{shapes}}}}}}}"#
            )
        };
        assert!(Model::read(with("{}").as_bytes()).is_ok());
        for (shapes, wanted) in [
            (r#"{"A":{"type":"list","member":{"shape":"B"}}}"#, "no shape is called B"),
            (r#"{"A":{"type":"list"}}"#, "a list without member"),
            (r#"{"A":{"type":"colour"}}"#, "unknown type colour"),
        ] {
            let error = Model::read(with(shapes).as_bytes()).unwrap_err();
            assert!(error.contains(wanted) && error.contains('x'), "{error}");
        }
    }
}

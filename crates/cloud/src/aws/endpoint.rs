//! Which host answers a call, and which region its signature carries.
//!
//! Hosts come from the model (botocore's endpoint rules, asked region by region). S3 addresses buckets by host where
//! their names allow it and by path otherwise ("Virtual hosting of buckets" in its user guide).

use super::model::{Hosts, Model, Service};
use super::protocol::WireRequest;
use crate::call::FailureKind;
use crate::retry::Trouble;

/// Where to send a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL.
    pub url: String,
    /// The region of the signature.
    pub region: String,
}

/// Finds endpoints.
#[derive(Debug)]
pub struct Endpoints {
    model: &'static Model,
    home: String,
    fixed: Option<String>,
}

impl Endpoints {
    /// `home` is the region of calls without one; `fixed` is one URL for all services, for tests and emulators.
    pub fn new(model: &'static Model, home: impl Into<String>, fixed: Option<&str>) -> Self {
        Self { model, home: home.into(), fixed: fixed.map(|url| url.trim_end_matches('/').to_owned()) }
    }

    /// The region of calls without one.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// The endpoint of a request. Regions and bucket names that would make another host of it are refused.
    pub fn locate(&self, service: &Service, request: &WireRequest, region: Option<&str>) -> Result<Endpoint, Trouble> {
        let region = region.unwrap_or(&self.home);
        let is_region = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !is_region(region) {
            return Err(refused("a region is lower-case letters, digits and hyphens"));
        }
        let partition = self.model.partition(region);
        let Some(hosts) = service.hosts.get(partition) else {
            let message = format!("{} is not known to be offered in {partition}", service.name);
            return Err(Trouble::lasting(FailureKind::NotOffered, "NotOffered", message));
        };
        let (host, signing) = host_of(hosts, region);
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let url = match (&self.fixed, &request.bucket) {
            (Some(base), _) => format!("{base}{}{query}", request.path),
            (None, Some(bucket)) if is_host_label(bucket) => {
                let path = request.path.strip_prefix(&format!("/{bucket}")).unwrap_or(&request.path);
                let slash = if path.starts_with('/') { "" } else { "/" };
                format!("https://{bucket}.{host}{slash}{path}{query}")
            }
            (None, _) => format!("https://{}{host}{}{query}", request.host_prefix, request.path),
        };
        Ok(Endpoint { url, region: signing })
    }
}

fn refused(message: &str) -> Trouble {
    Trouble::lasting(FailureKind::Refused, "Refused", message)
}

fn host_of(hosts: &Hosts, region: &str) -> (String, String) {
    if let Some(exception) = hosts.exceptions.get(region) {
        return (exception.host.clone(), exception.region.clone());
    }
    let signing = hosts.region.as_deref().unwrap_or(region);
    (hosts.host.replace("{region}", region), signing.to_owned())
}

/// Whether a bucket can be one label of a host: then the wildcard certificate of S3 covers it.
fn is_host_label(bucket: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let bytes = bucket.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
    (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(inner)
        && ends_well(bytes.first())
        && ends_well(bytes.last())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::protocol::serialise;
    use super::*;

    fn locate(
        call: (&str, &str),
        params: Json,
        region: Option<&str>,
        fixed: Option<&str>,
    ) -> Result<Endpoint, Trouble> {
        let model = Model::embedded().unwrap();
        let service = model.service(call.0).unwrap();
        let request = serialise(service, service.operation(call.1).unwrap(), params.as_object().unwrap()).unwrap();
        Endpoints::new(model, "us-east-1", fixed).locate(service, &request, region)
    }

    fn at(call: (&str, &str), params: Json, region: &str) -> (String, String) {
        let endpoint = locate(call, params, Some(region), None).unwrap();
        (endpoint.url, endpoint.region)
    }

    #[test]
    fn services_are_found_in_their_regions() {
        let instances = ("ec2", "DescribeInstances");
        for (call, region, url, signing) in [
            (instances, "eu-west-1", "https://ec2.eu-west-1.amazonaws.com/", "eu-west-1"),
            (instances, "cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
            (instances, "us-gov-west-1", "https://ec2.us-gov-west-1.amazonaws.com/", "us-gov-west-1"),
            (("iam", "ListUsers"), "eu-west-1", "https://iam.amazonaws.com/", "us-east-1"),
            (("iam", "ListUsers"), "cn-north-1", "https://iam.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
            (("iam", "ListUsers"), "us-gov-east-1", "https://iam.us-gov.amazonaws.com/", "us-gov-west-1"),
            (
                ("organizations", "ListAccounts"),
                "eu-west-1",
                "https://organizations.us-east-1.amazonaws.com/",
                "us-east-1",
            ),
            (("sts", "GetCallerIdentity"), "eu-west-1", "https://sts.eu-west-1.amazonaws.com/", "eu-west-1"),
            (
                ("route53", "ListHostedZones"),
                "eu-west-1",
                "https://route53.amazonaws.com/2013-04-01/hostedzone",
                "us-east-1",
            ),
            (
                ("cloudfront", "ListDistributions"),
                "eu-west-1",
                "https://cloudfront.amazonaws.com/2020-05-31/distribution",
                "us-east-1",
            ),
            (("ecr", "DescribeRepositories"), "eu-west-1", "https://api.ecr.eu-west-1.amazonaws.com/", "eu-west-1"),
            (("cloudwatch", "DescribeAlarms"), "eu-west-1", "https://monitoring.eu-west-1.amazonaws.com/", "eu-west-1"),
        ] {
            assert_eq!(at(call, json!({}), region), (url.to_owned(), signing.to_owned()));
        }
    }

    #[test]
    fn buckets_are_addressed_by_host_where_possible() {
        let policy = |bucket: &str| at(("s3", "GetBucketPolicy"), json!({ "Bucket": bucket }), "eu-west-1").0;
        assert_eq!(policy("my-bucket"), "https://my-bucket.s3.eu-west-1.amazonaws.com/?policy");
        assert_eq!(policy("my.bucket"), "https://s3.eu-west-1.amazonaws.com/my.bucket?policy");
        assert_eq!(policy("My_Bucket"), "https://s3.eu-west-1.amazonaws.com/My_Bucket?policy");
        assert_eq!(policy("evil.example/"), "https://s3.eu-west-1.amazonaws.com/evil.example%2F?policy");
        let block = at(("s3control", "GetPublicAccessBlock"), json!({"AccountId": "123456789012"}), "eu-west-1").0;
        let wanted =
            "https://123456789012.s3-control.eu-west-1.amazonaws.com/v20180820/configuration/publicAccessBlock";
        assert_eq!(block, wanted);
    }

    #[test]
    fn one_url_serves_all_in_tests() {
        let local = |call, params| locate(call, params, None, Some("http://127.0.0.1:5000/")).unwrap();
        let bucket = local(("s3", "GetBucketPolicy"), json!({"Bucket": "my-bucket"}));
        assert_eq!(bucket.url, "http://127.0.0.1:5000/my-bucket?policy");
        let users = local(("iam", "ListUsers"), json!({}));
        assert_eq!((users.url.as_str(), users.region.as_str()), ("http://127.0.0.1:5000/", "us-east-1"));
    }

    #[test]
    fn regions_that_are_none_are_refused() {
        for region in ["", "evil.example/#", "EU", "eu_west", "a.b"] {
            let trouble = locate(("ec2", "DescribeInstances"), json!({}), Some(region), None).unwrap_err();
            assert_eq!(trouble.failure.kind, FailureKind::Refused, "{region}");
        }
    }
}

//! The fake cloud over HTTP, plain and with TLS, by a client of our own.

mod arm;
mod others;
mod query;

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::Value as Json;
use yagura_fakecloud::{FakeCloud, Options, Running};

const SUBSCRIPTION: &str = "/subscriptions/22222222-2222-2222-2222-222222222222";
const ARM: &str = "https://management.azure.com";

/// A client that trusts one authority and no other.
fn client(ca_pem: &str) -> reqwest::Client {
    builder(ca_pem).build().unwrap()
}

fn builder(ca_pem: &str) -> reqwest::ClientBuilder {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy()
}

/// An answer in parts.
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Json,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    fn outcome(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    fn value(&self) -> &[Json] {
        self.body["value"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// A cloud with a client that has a token.
struct World {
    cloud: Running,
    client: reqwest::Client,
    token: String,
}

impl World {
    fn new(options: Options) -> Self {
        let cloud = FakeCloud::start(options).unwrap();
        let (client, token) = (client(&cloud.ca_pem), cloud.token(ARM));
        Self { cloud, client, token }
    }

    /// A cloud with one resource group, `g`.
    fn with_group(options: Options) -> Self {
        let world = Self::new(options);
        world.cloud.put(&format!("{SUBSCRIPTION}/resourceGroups/g"), serde_json::json!({ "location": "japaneast" }));
        world
    }

    /// The id of something in the group.
    fn id(&self, rest: &str) -> String {
        format!("{SUBSCRIPTION}/resourceGroups/g/providers/{rest}")
    }

    /// Sends to a path (an api-version is added) or to a whole address.
    async fn send(&self, method: &str, to: &str, body: Option<Json>) -> Answer {
        let own = match to.strip_prefix('/') {
            Some(_) if to.contains('?') => format!("{}{to}", self.cloud.base_url),
            Some(_) => format!("{}{to}?api-version=2024-01-01", self.cloud.base_url),
            None => to.to_owned(),
        };
        let request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), own);
        let request = request.bearer_auth(&self.token);
        answer(match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        })
        .await
    }

    async fn get(&self, to: &str) -> Answer {
        self.send("GET", to, None).await
    }

    async fn put(&self, to: &str, body: Json) -> Answer {
        self.send("PUT", to, Some(body)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body = if bytes.is_empty() { Json::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Answer { status: StatusCode::as_u16(&status), headers, body }
}

//! What is asked and what is answered, free of the web server.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json};
use url::form_urlencoded;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: Method,
    /// `https://127.0.0.1:1234`: where the client believes to talk to; links in answers lead back there.
    pub(crate) base: String,
    /// The decoded path without empty segments. `%2F` is a separator too: `az security va sql` sends whole ids in one
    /// segment (az-cli-recipe.md, 7.2).
    pub(crate) path: String,
    /// The parameters of the address, decoded.
    pub(crate) query: Vec<(String, String)>,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

impl Request {
    /// Takes a request apart.
    pub(crate) fn new(method: Method, scheme: &str, uri: &Uri, headers: HeaderMap, body: Bytes) -> Self {
        let authority = uri.authority().map(|authority| authority.as_str().to_owned());
        let host = headers.get("host").and_then(|host| host.to_str().ok()).map(str::to_owned);
        let host = authority.or(host).unwrap_or_else(|| "127.0.0.1".to_owned());
        let decoded = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
        let segments: Vec<&str> = decoded.split('/').filter(|segment| !segment.is_empty()).collect();
        let query = uri.query().map(|query| pairs(query.as_bytes())).unwrap_or_default();
        Self {
            method,
            base: format!("{scheme}://{host}"),
            path: format!("/{}", segments.join("/")),
            query,
            headers,
            body,
        }
    }

    /// A GET with some token, for tests of single services.
    #[cfg(test)]
    pub(crate) fn of_anybody(uri: &str) -> Self {
        let token = axum::http::HeaderValue::from_static("Bearer any");
        let headers = HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, token)]);
        Self::new(Method::GET, "https", &uri.parse().unwrap_or_default(), headers, Bytes::new())
    }

    /// A parameter of the address; Azure compares their names without case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The fields of a form in the body.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        pairs(&self.body)
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(crate) fn object(&self) -> Result<Map<String, Json>, String> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_slice(&self.body) {
            Ok(Json::Object(members)) => Ok(members),
            Ok(_) => Err("an object was expected".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// This address with one parameter laid over, for links to next pages.
    pub(crate) fn link_with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (own, value) in self.query.iter().filter(|(own, _)| !own.eq_ignore_ascii_case(name)) {
            query.append_pair(own, value);
        }
        query.append_pair(name, value);
        // `$` is allowed as it is in a query, and that is how Azure writes it.
        let query = query.finish().replace("%24", "$");
        format!("{}{}?{query}", self.base, self.path.replace(' ', "%20"))
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// Headers besides the usual ones.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body; none = an empty one.
    pub(crate) body: Option<Json>,
    /// The connection ends in the middle of the body.
    pub(crate) cut_off: bool,
}

impl Reply {
    /// An answer with a body.
    pub(crate) fn new(status: u16, body: Json) -> Self {
        Self { status, headers: Vec::new(), body: Some(body), cut_off: false }
    }

    /// 200 with a body.
    pub(crate) fn ok(body: Json) -> Self {
        Self::new(200, body)
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, cut_off: false }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// Cuts one page out of all items; the second part is where the next page starts.
pub(crate) fn page<T>(items: Vec<T>, from: usize, size: usize) -> (Vec<T>, Option<usize>) {
    let end = from.saturating_add(size.max(1));
    let next = (end < items.len()).then_some(end);
    (items.into_iter().skip(from).take(size.max(1)).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> Request {
        Request::new(Method::GET, "https", &uri.parse().unwrap(), HeaderMap::new(), Bytes::new())
    }

    #[test]
    fn whole_ids_in_one_segment_are_paths() {
        let request = request("/%2Fsubscriptions%2FS//providers/Microsoft.Security/a%20b?Api-Version=1&x=%2F");
        assert_eq!(request.path, "/subscriptions/S/providers/Microsoft.Security/a b");
        assert_eq!((request.parameter("api-version"), request.parameter("x")), (Some("1"), Some("/")));
    }

    #[test]
    fn links_keep_the_parameters_and_replace_the_token() {
        let request = request("https://h:1/a?api-version=1&$skiptoken=old&$filter=a%20eq%20'b'");
        let link = request.link_with("$skiptoken", "n w");
        assert_eq!(link, "https://h:1/a?api-version=1&$filter=a+eq+%27b%27&$skiptoken=n+w");
    }

    #[test]
    fn pages_end() {
        assert_eq!(page(vec![1, 2, 3], 0, 2), (vec![1, 2], Some(2)));
        assert_eq!(page(vec![1, 2, 3], 2, 2), (vec![3], None));
        assert_eq!(page(vec![1, 2], 0, 2), (vec![1, 2], None));
        assert_eq!(page(Vec::<u8>::new(), 5, 2), (vec![], None));
    }
}

//! Values of the command line that must have the clouds' own forms.

use url::Url;

/// An AWS account number: 12 digits.
pub fn account(text: &str) -> Result<String, String> {
    let right = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    checked(text, right, "an account number has 12 digits")
}

/// A region: `eu-west-1`.
pub fn region(text: &str) -> Result<String, String> {
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let right = letters && (4..=32).contains(&text.len()) && text.contains('-');
    checked(text, right, "a region looks like eu-west-1")
}

/// The GUID of a tenant, subscription or application.
pub fn guid(text: &str) -> Result<String, String> {
    let dashes = [8, 13, 18, 23];
    let fits = |(place, byte): (usize, u8)| match dashes.contains(&place) {
        true => byte == b'-',
        false => byte.is_ascii_hexdigit(),
    };
    let right = text.len() == 36 && text.bytes().enumerate().all(fits);
    checked(text, right, "a GUID looks like 12345678-1234-1234-1234-123456789012").map(|text| text.to_lowercase())
}

/// `projects/x`, `folders/1`, `organizations/1`.
pub fn gcp_scope(text: &str) -> Result<String, String> {
    let digits = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let project = |id: &str| {
        // Ids of projects may carry the domain of a legacy organization: `example.com:project`.
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':');
        !id.is_empty() && id.len() <= 100 && id.bytes().all(known)
    };
    let right = match text.split_once('/') {
        Some(("projects", id)) => project(id),
        Some(("folders" | "organizations", id)) => digits(id),
        _ => false,
    };
    checked(text, right, "a scope is projects/ID, folders/NUMBER or organizations/NUMBER")
}

/// An address of services: `https://`, or `http://` on this machine or a private network.
pub fn endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is no URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with a user name or password is refused: credentials go into --credential-file".to_owned());
    }
    let right = matches!(url.scheme(), "https" | "http") && url.has_host();
    checked(text, right, "an endpoint starts with https:// or http://")
}

/// A name of a connector, which is the name of a file of recordings too.
pub fn connector_name(text: &str) -> Result<String, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let right = (1..=64).contains(&text.len()) && text.bytes().all(known) && !text.starts_with(['-', '.']);
    checked(text, right, "a name has up to 64 letters, digits, `-`, `_` or `.`, and starts with a letter or digit")
}

fn checked(text: &str, right: bool, rule: &str) -> Result<String, String> {
    if right { Ok(text.to_owned()) } else { Err(format!("`{text}`: {rule}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_forms_of_their_clouds() {
        type Parse = fn(&str) -> Result<String, String>;
        let rows: [(Parse, &str, bool); 26] = [
            (account, "123456789012", true),
            (account, "12345678901", false),
            (account, "arn:aws:iam::1", false),
            (region, "us-gov-west-1", true),
            (region, "mx-central-1", true),
            (region, "eu west", false),
            (region, "../../x", false),
            (guid, "11111111-1111-1111-1111-111111111111", true),
            (guid, "11111111111111111111111111111111", false),
            (guid, "g1111111-1111-1111-1111-111111111111", false),
            (gcp_scope, "projects/example.com:p-1", true),
            (gcp_scope, "organizations/12", true),
            (gcp_scope, "organizations/acme", false),
            (gcp_scope, "projects/", false),
            (gcp_scope, "projects/a/b", false),
            (gcp_scope, "p", false),
            (endpoint, "http://127.0.0.1:5000", true),
            (endpoint, "https://user:pw@example.com", false),
            (endpoint, "file:///etc/passwd", false),
            (endpoint, "127.0.0.1:5000", false),
            (connector_name, "prod", true),
            (connector_name, "Prod_1.eu", true),
            (connector_name, "../x", false),
            (connector_name, ".hidden", false),
            (connector_name, "", false),
            (connector_name, "a b", false),
        ];
        for (parse, text, right) in rows {
            assert_eq!(parse(text).is_ok(), right, "{text}");
        }
    }
}

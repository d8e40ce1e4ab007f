//! Google's token endpoints: for service accounts and people, for foreign identities, and what a token says of itself.
//!
//! Sources: Google, "Using OAuth 2.0 for Server to Server Applications" (the JWT grant and its refusals), "Using OAuth 2.0
//! for Web Server Applications" (refresh tokens), "Method: token" of the Security Token Service API, "Authenticate with a
//! backend server" (tokeninfo).

use serde_json::{Value as Json, json};

use crate::google::Given;
use crate::http::{Reply, Request};
use crate::jwt;
use crate::service::{Service, error};
use crate::state::State;

/// At most an hour long, and now.
pub(crate) fn in_time(state: &State, claims: &Json) -> bool {
    let moment = |name: &str| jwt::moment(claims, name).unwrap_or_default();
    let (issued, expires, now) = (moment("iat"), moment("exp"), state.clock.seconds());
    expires > now && expires - issued <= 3600 && issued <= now + 300
}

/// Gives out a token, as token endpoints and the metadata server say it.
pub(crate) fn granted(state: &mut State, email: Option<&str>) -> Json {
    let lifetime = state.options.token_lifetime.as_secs() as i64;
    let token = format!("ya29.c.{}", state.guid());
    let given = Given { ends: state.clock.seconds() + lifetime, email: email.map(str::to_owned) };
    state.google.tokens.insert(token.clone(), given);
    json!({ "access_token": token, "expires_in": lifetime, "token_type": "Bearer" })
}

/// The fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

fn refused(code: &str, message: &str) -> Result<Reply, Reply> {
    Err(error(Service::Login, 400, code, message))
}

/// `POST /token`: a service account's JWT, or a person's refresh token, for an access token.
pub(crate) fn token(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    let form = Form(request.form());
    match form.get("grant_type") {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => of_account(state, form.get("assertion")),
        "refresh_token" => of_person(state, &form),
        _ => refused("unsupported_grant_type", "Invalid grant_type"),
    }
}

fn of_account(state: &mut State, assertion: &str) -> Result<Reply, Reply> {
    let Some((header, claims)) = jwt::read(assertion) else {
        return refused("invalid_grant", "Bad Request");
    };
    if !in_time(state, &claims) {
        let message = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";
        return refused("invalid_grant", message);
    }
    let issuer = claims["iss"].as_str().unwrap_or_default();
    if header["alg"].as_str() != Some("RS256") || !issuer.contains('@') {
        return refused("invalid_grant", "Invalid JWT: it must be signed with RS256 by a service account.");
    }
    if !claims["aud"].as_str().is_some_and(|audience| audience.ends_with("/token")) {
        return refused("invalid_grant", "Invalid JWT: Failed audience check.");
    }
    if claims["scope"].as_str().is_none_or(str::is_empty) {
        return refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.");
    }
    if let Some(key) = state.options.keys.get(issuer)
        && !jwt::verifies(assertion, key)
    {
        return refused("invalid_grant", "Invalid JWT Signature.");
    }
    Ok(Reply::ok(granted(state, Some(issuer))))
}

fn of_person(state: &mut State, form: &Form) -> Result<Reply, Reply> {
    if form.get("client_id").is_empty() || form.get("client_secret").is_empty() {
        return Err(error(Service::Login, 401, "invalid_client", "The OAuth client was not found."));
    }
    let Some(email) = state.options.refresh_tokens.get(form.get("refresh_token")).cloned() else {
        return refused("invalid_grant", "Token has been expired or revoked.");
    };
    Ok(Reply::ok(granted(state, Some(&email))))
}

/// `POST /v1/token`: the token of a foreign identity for a federated one.
pub(crate) fn exchange(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    let form = Form(request.form());
    if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" {
        return refused("unsupported_grant_type", "Grant type is not supported.");
    }
    if !form.get("audience").starts_with("//iam.googleapis.com/") {
        return refused("invalid_target", "The target service indicated by the \"audience\" parameters is invalid.");
    }
    if form.get("subject_token_type").is_empty() || form.get("scope").is_empty() {
        return refused("invalid_request", "Missing required field.");
    }
    if !state.options.subject_tokens.contains(form.get("subject_token")) {
        return refused("invalid_grant", "The given credential is rejected by the attribute condition.");
    }
    let mut answer = granted(state, None);
    answer["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token".into();
    Ok(Reply::ok(answer))
}

/// `POST /tokeninfo`.
pub(crate) fn info(state: &State, request: &Request) -> Result<Reply, Reply> {
    let form = Form(request.form());
    let now = state.clock.seconds();
    let Some(given) = state.google.tokens.get(form.get("access_token")).filter(|given| given.ends > now) else {
        return refused("invalid_token", "Invalid Value");
    };
    let mut answer = json!({
        "azp": "fake.apps.googleusercontent.com", "aud": "fake.apps.googleusercontent.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform", "expires_in": (given.ends - now).to_string(),
    });
    if let Some(email) = &given.email {
        answer["email"] = email.as_str().into();
        answer["email_verified"] = "true".into();
    }
    Ok(Reply::ok(answer))
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, Method};

    use super::*;
    use crate::options::Options;

    fn cloud() -> State {
        State::new(Options {
            refresh_tokens: [("known".to_owned(), "someone@example.com".to_owned())].into(),
            subject_tokens: ["subject".to_owned()].into(),
            ..Options::default()
        })
    }

    /// The token, or the code of the refusal.
    fn check(path: &str, form: &str, expected: Result<(), &str>) {
        let body = Bytes::from(form.to_owned());
        let request = Request::new(Method::POST, "https", &path.parse().unwrap(), HeaderMap::new(), body);
        let mut state = cloud();
        let answered = if path == "/token" { token(&mut state, &request) } else { exchange(&mut state, &request) };
        let body = answered.unwrap_or_else(|refused| refused).body.unwrap();
        match expected {
            Ok(()) => assert!(body["access_token"].is_string(), "{form}: {body}"),
            Err(code) => assert_eq!(body["error"], code, "{form}"),
        }
    }

    #[test]
    fn people_show_refresh_tokens() {
        let of = |client: &str, token: &str| {
            format!("grant_type=refresh_token&client_id={client}&client_secret=s&refresh_token={token}")
        };
        check("/token", &of("c", "known"), Ok(()));
        check("/token", &of("c", "revoked"), Err("invalid_grant"));
        check("/token", &of("", "known"), Err("invalid_client"));
        check("/token", "grant_type=password", Err("unsupported_grant_type"));
    }

    #[test]
    fn foreign_tokens_are_exchanged() {
        let of = |audience: &str, token: &str| {
            format!(
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience={audience}&scope=s\
                 &subject_token_type=t&subject_token={token}"
            )
        };
        check("/v1/token", &of("//iam.googleapis.com/pool", "subject"), Ok(()));
        check("/v1/token", &of("//iam.googleapis.com/pool", "other"), Err("invalid_grant"));
        check("/v1/token", &of("pool", "subject"), Err("invalid_target"));
    }
}

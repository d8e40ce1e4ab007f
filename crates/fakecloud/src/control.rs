//! What clients in other processes may ask about the fake itself, below `/_fake`.

use serde_json::json;

use crate::http::{Reply, Request};
use crate::running::counts;
use crate::service::{Service, error};
use crate::state::State;

/// `counts`: requests per method and path; `requests`: all of them, in order.
pub(crate) fn answer(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    match request.path.as_str() {
        "/_fake/counts" => Ok(Reply::ok(json!(counts(&state.log)))),
        "/_fake/requests" => {
            let line = |logged: &crate::Logged| {
                json!({ "method": logged.method, "path": logged.path,
                "status": logged.status })
            };
            Ok(Reply::ok(state.log.iter().map(line).collect()))
        }
        _ => Err(error(Service::Control, 404, "NotFound", "The fake is asked for counts and requests.")),
    }
}

//! Health and metrics over HTTP, for whoever is on this machine.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tiny_http::{Header, Method, Response, Server};

use super::control::Clock;
use super::metrics::{Condition, Status};

/// How long a look for the end takes at most.
const LOOK: Duration = Duration::from_millis(100);

/// Answers until `over`. Where the listener cannot be used any more, nothing is told and the node goes on.
pub(super) fn serve(listener: TcpListener, status: &Arc<Status>, clock: &Clock, over: &AtomicBool) {
    let Ok(server) = Server::from_listener(listener, None) else { return };
    while !over.load(Ordering::Acquire) {
        // Taken down by the clock, whether or not somebody asks.
        status.publish(clock());
        let request = match server.recv_timeout(LOOK) {
            Ok(Some(request)) => request,
            Ok(None) => continue,
            Err(_) => return,
        };
        status.publish(clock());
        let (code, kind, body) = match (request.method(), request.url()) {
            (Method::Get, "/healthz") => (200, JSON, health(status)),
            (Method::Get, "/readyz") => {
                let ready = status.health().condition == Condition::Running;
                (if ready { 200 } else { 503 }, JSON, health(status))
            }
            (Method::Get, "/metrics") => (200, "text/plain; version=0.0.4", status.told_metrics()),
            (Method::Get, _) => (404, "text/plain", "one of /healthz, /readyz, /metrics\n".to_owned()),
            _ => (405, "text/plain", "only to be read\n".to_owned()),
        };
        let mut response = Response::from_string(body).with_status_code(code);
        if let Ok(header) = Header::from_bytes("Content-Type", kind) {
            response = response.with_header(header);
        }
        // Whoever asked and went away misses the answer.
        let _ = request.respond(response);
    }
}

const JSON: &str = "application/json";

fn health(status: &Status) -> String {
    serde_json::to_string_pretty(&status.told_health()).unwrap_or_default()
}

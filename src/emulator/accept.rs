//! How the world takes a request: the signature, the endpoint, the envelope of its answer.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::auth;
use super::handler::HandlerResult;
use super::quirk::{AuthFailure, ErrorsMember, RefusalForm, Switch};
use super::routes;
use super::world::{Reply, World};
use crate::exchange::Request;

impl World {
    /// Answers one request at the time `now`.
    ///
    /// The signature is checked against `now`; a refused request changes nothing.
    pub fn accept(&mut self, now: Timestamp, request: &Request) -> Reply {
        self.advance(now);
        match auth::check(now, request.signature.as_ref()) {
            Ok(()) => self.answer(&request.path, &request.body),
            Err(text) => self.refuse_stranger(&text),
        }
    }

    /// Answers one request as if it took effect, which uses up ids and changes nothing else.
    pub(super) fn pretend(&mut self, now: Timestamp, request: &Request) -> Reply {
        let mut pretended = self.clone();
        let reply = pretended.accept(now, request);
        self.use_up_ids(&pretended);
        reply
    }

    /// Takes a request whose effect happens only at `due`, and whose answer nobody waits for.
    ///
    /// The effect is in the world's own queue, so it happens although the client has left.
    pub fn postpone(&mut self, now: Timestamp, due: Timestamp, request: &Request) {
        self.advance(now);
        if auth::check(now, request.signature.as_ref()).is_ok() {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            self.put_off(due.as_millisecond(), &request.path, body);
        }
    }

    /// Answers a request whose sender is known.
    pub(super) fn answer(&mut self, path: &str, body: &[u8]) -> Reply {
        let Some(route) = routes::find(path) else {
            // No source says what an unknown path gets; this is what web servers do.
            return Reply::json(404, &json!({"success": false, "errors": ["Not found."]}));
        };
        let answer = routes::answer(self, route, body);
        Reply::json(200, &self.envelope(answer))
    }

    fn envelope(&self, answer: HandlerResult) -> Value {
        match answer {
            Ok(mut payload) => {
                if self.quirks.extra_fields == Switch::On {
                    payload.insert("requestId".to_owned(), json!({"value": self.last_order}));
                }
                payload.insert("success".to_owned(), true.into());
                match self.quirks.errors_member {
                    ErrorsMember::Present => payload.insert("errors".to_owned(), json!([])),
                    ErrorsMember::Null => payload.insert("errors".to_owned(), Value::Null),
                    ErrorsMember::Missing => None,
                };
                Value::Object(payload)
            }
            Err(text) => match self.quirks.refusal_form {
                RefusalForm::Errors => json!({"success": false, "errors": [text]}),
                RefusalForm::String => json!({"success": false, "errors": text}),
                RefusalForm::Messages => json!({"success": false, "messages": [text]}),
                RefusalForm::Message => json!({"success": false, "Message": text}),
                RefusalForm::Silent => json!({"success": false}),
            },
        }
    }

    fn refuse_stranger(&self, text: &str) -> Reply {
        match self.quirks.auth_failure {
            AuthFailure::Unauthorized => Reply::unauthorized(text),
            AuthFailure::Text => Reply::json(200, &json!({"success": false, "errors": [text]})),
            AuthFailure::ServerError => Reply { status: 500, ..Reply::default() },
        }
    }
}

//! What faults do to replies that were made soundly.

use serde_json::{Value, json};

use super::fault::Fault;
use super::world::Reply;

/// What the client gets to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The whole reply.
    Answered(Reply),
    /// The beginning of the reply, and then a broken connection.
    Cut(Reply),
    /// A broken connection.
    Lost,
    /// No connection.
    NotConnected,
}

/// What a fault does to the effect of a request.
pub(super) enum ResponsePlan {
    /// The request never takes effect; this is what the client sees.
    Never(Delivery),
    /// It takes effect later, unseen.
    Later(std::time::Duration),
    /// It never takes effect, and its reply says that it did.
    Pretended,
    /// It takes effect now, and its reply is spoiled afterwards.
    Now,
}

/// Returns what becomes of a request that a fault strikes.
pub(super) fn plan(fault: Fault) -> ResponsePlan {
    let answered = |reply| ResponsePlan::Never(Delivery::Answered(reply));
    match fault {
        Fault::NotConnected => ResponsePlan::Never(Delivery::NotConnected),
        Fault::LostBefore => ResponsePlan::Never(Delivery::Lost),
        Fault::Late(delay) => ResponsePlan::Later(delay),
        Fault::Unauthorized => answered(Reply::unauthorized("Hash doesn't match.")),
        Fault::TooMany(seconds) => {
            let retry_after = seconds.map(|seconds| seconds.to_string());
            answered(Reply { status: 429, retry_after, ..Reply::default() })
        }
        Fault::Unavailable => answered(Reply { status: 503, ..Reply::default() }),
        Fault::RateText => {
            let text = "Too many requests; please slow down.";
            answered(Reply::json(200, &json!({"success": false, "errors": [text]})))
        }
        Fault::EmptyBefore => answered(Reply { status: 500, ..Reply::default() }),
        Fault::HtmlBefore => answered(page()),
        Fault::NoEffect => ResponsePlan::Pretended,
        Fault::LostAfter
        | Fault::CutAnswer
        | Fault::EmptyAfter
        | Fault::HtmlAfter
        | Fault::BrokenJson
        | Fault::ListLags
        | Fault::ListEmpty
        | Fault::ListShort
        | Fault::NoId => ResponsePlan::Now,
    }
}

/// Returns what the client sees of a reply whose effect has happened.
pub(super) fn corrupt(reply: Reply, fault: Option<Fault>) -> Delivery {
    let whole = Delivery::Answered;
    match fault {
        Some(Fault::LostAfter) => Delivery::Lost,
        Some(Fault::CutAnswer) => Delivery::Cut(reply),
        Some(Fault::EmptyAfter) => whole(Reply { status: 500, ..Reply::default() }),
        Some(Fault::HtmlAfter) => whole(page()),
        Some(Fault::BrokenJson) => {
            let half = reply.body.len() / 2;
            whole(Reply { body: reply.body[..half].to_vec(), ..reply })
        }
        Some(Fault::ListLags) => whole(with_list(reply, |rows| {
            // The highest id is the newest, in whatever order the list is.
            let number = |row: &Value| row["id"].as_u64();
            let newest = (0..rows.len()).max_by_key(|place| {
                (number(&rows[*place]), rows[*place]["created"].as_str().map(str::to_owned))
            });
            if let Some(newest) = newest {
                rows.remove(newest);
            }
        })),
        Some(Fault::ListEmpty) => whole(with_list(reply, Vec::clear)),
        Some(Fault::ListShort) => whole(with_list(reply, |rows| rows.truncate(rows.len() / 2))),
        Some(Fault::NoId) => whole(without_ids(reply)),
        _ => whole(reply),
    }
}

fn page() -> Reply {
    let body = b"<html><head><title>502 Bad Gateway</title></head></html>".to_vec();
    Reply { status: 502, content_type: "text/html", body, ..Reply::default() }
}

fn with_list(reply: Reply, change: impl FnOnce(&mut Vec<Value>)) -> Reply {
    with_json(reply, |body| {
        for name in ["agents", "tasks", "deployments"] {
            if let Some(rows) = body.get_mut(name).and_then(Value::as_array_mut) {
                return change(rows);
            }
        }
    })
}

fn without_ids(reply: Reply) -> Reply {
    with_json(reply, |body| {
        for name in ["agent", "task", "deployment", "debug"] {
            if let Some(object) = body.get_mut(name).and_then(Value::as_object_mut) {
                object.retain(|name, _| name != "id" && name != "deploymentId");
            }
        }
    })
}

fn with_json(reply: Reply, change: impl FnOnce(&mut Value)) -> Reply {
    let Ok(mut body) = serde_json::from_slice(&reply.body) else { return reply };
    change(&mut body);
    Reply { body: body.to_string().into_bytes(), ..reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fault: Fault, before: &Value, after: &Value) {
        let spoiled = corrupt(Reply::json(200, before), Some(fault));
        assert_eq!(spoiled, Delivery::Answered(Reply::json(200, after)), "{fault}");
    }

    #[test]
    fn lists_lie_in_three_ways() {
        let whole = json!({"tasks": [{"id": 3}, {"id": 5}, {"id": 4}], "success": true});
        let lagging = json!({"tasks": [{"id": 3}, {"id": 4}], "success": true});
        check(Fault::ListLags, &whole, &lagging);
        check(Fault::ListEmpty, &whole, &json!({"tasks": [], "success": true}));
        check(Fault::ListShort, &whole, &json!({"tasks": [{"id": 3}], "success": true}));
    }

    #[test]
    fn a_success_without_an_id_has_none_in_either_place() {
        let whole =
            json!({"deployment": {"deploymentId": "A-1", "taskId": 2}, "debug": {"id": "A-1"}});
        check(Fault::NoId, &whole, &json!({"deployment": {"taskId": 2}, "debug": {}}));
    }
}

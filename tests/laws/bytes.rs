//! Whatever bytes come, from the service or from a file: an error is said, and nothing panics.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use qcops::emulator;
use qcops::evidence::Evidence;
use qcops::exchange::{QueueDeadline, Request, Response};
use qcops::files::{Files, Memory};
use qcops::saved;
use serde_json::Value;

use crate::laws::cases;
use crate::support::world::World;

/// What a hostile text may hold in any place.
const WORDS: &[&str] = &[
    "null",
    "-1",
    "0",
    "18446744073709551615",
    "1e400",
    "true",
    "\"\"",
    "[]",
    "{}",
    "[[[]]]",
    "\"\\u0000\"",
    "\"9999-99-99 99:99:99\"",
    "\"A-\"",
    "[null]",
    "{\"id\":{}}",
];

/// Something done to a text: a place in it, and what is done there.
type Harm = (usize, usize);

fn harms() -> impl Strategy<Value = Vec<Harm>> {
    prop::collection::vec((any::<usize>(), any::<usize>()), 1..4)
}

/// Damages a JSON text: a value is replaced or left out, or bytes are cut or turned.
fn harmed(bytes: &[u8], (place, kind): Harm) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = if bytes.is_empty() { 0 } else { place % bytes.len() };
    match (kind % 8, serde_json::from_slice::<Value>(&bytes)) {
        (0, _) => bytes.truncate(at),
        (1, _) if !bytes.is_empty() => bytes[at] ^= 1 << (kind / 8 % 8),
        (_, Ok(mut value)) => {
            let word = WORDS[kind / 8 % WORDS.len()];
            let mut left = place % count(&value);
            replace(&mut value, &mut left, &serde_json::from_str(word).unwrap_or(Value::Null));
            bytes = serde_json::to_vec(&value).unwrap();
        }
        _ => bytes.insert(at, u8::try_from(kind % 256).unwrap()),
    }
    bytes
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// Puts `new` in place of the value that comes after `left` others.
fn replace(value: &mut Value, left: &mut usize, new: &Value) {
    if *left == 0 {
        *value = new.clone();
    }
    *left = left.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, left, new)),
        Value::Object(members) => members.values_mut().for_each(|item| replace(item, left, new)),
        _ => {}
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

const TASKS: &str = "a: {prompt: Buy SPY, deployments: {first: {followUps: [Now QQQ]}}}
b: {prompt: Buy GLD, deployments: {second: {}}}";

proptest! {
    #![proptest_config(cases(60))]

    /// Every endpoint of a whole story answers with something that was damaged on the way.
    #[test]
    fn no_answer_makes_an_apply_panic(
        harms in prop::collection::vec((harms(), any::<u16>()), 1..40),
        every in 1_usize..6,
    ) {
        runtime().block_on(async {
            let mut world = World::new(TASKS);
            world.commit().apply().await;
            tokio::time::sleep(std::time::Duration::from_secs(600)).await;
            world.edit("a: {prompt: Buy SPY, deployments: {first: {followUps: [Now QQQ]}}}\nb: {prompt: Sell}");
            let answers = std::sync::atomic::AtomicUsize::new(0);
            world.corrupt = Some(Arc::new(move |mut response: Response| {
                let number = answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let (harm, status) = &harms[number % harms.len()];
                if number.is_multiple_of(every) {
                    for harm in harm {
                        response.body = harmed(&response.body, *harm);
                    }
                    if status.is_multiple_of(8) {
                        response.status = *status;
                        response.retry_after = Some(status.to_string());
                    }
                }
                response
            }));
            for _ in 0..3 {
                if let Some(plan) = world.try_plan().await {
                    world.carry_out(&plan).await;
                }
            }
        });
    }

    #[test]
    fn no_ledger_makes_a_plan_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        harms in harms(),
    ) {
        let files = Memory::default();
        runtime().block_on(async {
            let mut world = World::new(TASKS);
            world.files = files.clone();
            world.apply().await;
        });
        let path = Path::new("ledger.jsonl");
        let mut text = files.read(path).unwrap().unwrap();
        for harm in harms {
            let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            let struck = harm.0 % lines.len();
            let line = |(number, line): (usize, &&[u8])| {
                if number == struck { harmed(line, harm) } else { line.to_vec() }
            };
            text = lines.iter().enumerate().map(line).collect::<Vec<_>>().join(&b'\n');
        }
        for text in [text, bytes] {
            files.write(path, &text).unwrap();
            let mut world = World::new(TASKS);
            world.files = files.clone();
            let mut evidence = Evidence::default();
            world.ledger().add_to(&mut evidence).unwrap();
            world.ledger().unfinished().unwrap();
            runtime().block_on(world.plan());
        }
    }

    #[test]
    fn no_saved_plan_makes_the_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        number in any::<u64>(),
    ) {
        let version = format!("{{\"format_version\":{number},\"digest\":[]}}");
        for bytes in [bytes, version.into_bytes()] {
            prop_assert!(saved::open_plan("plan.json", Some(&bytes)).is_err());
        }
    }

    /// What can be read of a damaged emulator's file answers every call.
    #[test]
    fn no_kept_world_makes_the_emulator_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        harms in harms(),
    ) {
        let (kept, clock) = runtime().block_on(async {
            let world = World::new(TASKS);
            world.apply().await;
            (world.edit_service(|service| service.to_json()).await, world.clock)
        });
        let mut harm = kept;
        for place in harms {
            harm = harmed(&harm, place);
        }
        for stored in [bytes, harm] {
            let Ok(mut world) = emulator::World::from_json(&stored) else { continue };
            for path in ["/agents/tasks/list", "/agents/tasks/read", "/agents/deployments/list", "/agents/tasks/create"] {
                let body = br#"{"organizationId":"x","taskId":332,"name":"n","prompt":"p","agentId":47}"#;
                let request = Request { path: path.to_owned(), body: body.to_vec(), signature: None, queue_deadline: QueueDeadline::Endless };
                world.accept(runtime().block_on(async { clock.now() }), &request);
            }
        }
    }
}

//! What the endpoints of every kind of object share.

use serde_json::{Map, Value};

use super::quirk::ListOrder;
use super::world::World;

/// The payload of a success, or the text of a refusal.
pub(super) type HandlerResult = Result<Map<String, Value>, String>;

/// Returns the payload of one member.
pub(super) fn payload(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

/// Puts a list into the order and the length that the quirks say.
///
/// The rows come oldest first, each with its id and name.
pub(super) fn listed<T>(
    world: &World,
    mut rows: Vec<(u64, String, T)>,
    shape: impl Fn(T) -> Value,
) -> Value {
    match world.quirks.list_order {
        ListOrder::OldestFirst => {}
        ListOrder::NewestFirst => rows.reverse(),
        ListOrder::ByName => rows.sort_by(|a, b| a.1.cmp(&b.1)),
        // Knuth's multiplicative hash: no order a person would find, and the same each time.
        ListOrder::Shuffled => {
            rows.sort_by_key(|row| row.0.wrapping_mul(2_654_435_761) % (1 << 32));
        }
    }
    match usize::try_from(world.quirks.list_cap) {
        Ok(0) | Err(_) => {}
        Ok(cap) => rows.truncate(cap),
    }
    rows.into_iter().map(|row| shape(row.2)).collect()
}

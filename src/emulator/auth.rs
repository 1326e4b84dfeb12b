//! Who asks: the check of the two headers of contract 5, computed apart from the client's signing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{API_TOKEN, USER_ID};
use crate::exchange::Signature;

/// How old a signature may be, in seconds: the figure of LEAN's client since 2023 (contract 5).
const OLDEST: i64 = 7_200;
/// How far ahead a signature may be, in seconds.
///
/// No source says it. Five minutes is what most services with signed requests allow.
const AHEAD: i64 = 300;

/// Checks the signature of a request; the error is the text a client gets to see.
pub(super) fn check(now: Timestamp, signature: Option<&Signature>) -> Result<(), String> {
    let Some(signature) = signature else {
        return Err(
            "Hash doesn't match. The headers Authorization and Timestamp are required.".into()
        );
    };
    let (user, hash) = credentials(&signature.authorization)
        .ok_or("Hash doesn't match. The Authorization header is not Basic userId:hash.")?;
    if user != USER_ID.to_string() {
        return Err(format!("UserID not valid: {user}."));
    }
    let is_decimal = signature.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let stamp: i64 = signature
        .timestamp
        .parse()
        .ok()
        .filter(|_| is_decimal)
        .ok_or("Hash doesn't match. The Timestamp header is not a number of seconds.")?;
    if hash != hash_of(API_TOKEN, &signature.timestamp) {
        return Err("Hash doesn't match. Is the API token right?".into());
    }
    let age = now.as_second() - stamp;
    if !(-AHEAD..=OLDEST).contains(&age) {
        return Err(format!("Hash doesn't match. The time stamp is off by {age} seconds."));
    }
    Ok(())
}

fn credentials(authorization: &str) -> Option<(String, String)> {
    let encoded = authorization.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, hash) = decoded.split_once(':')?;
    Some((user.to_owned(), hash.to_owned()))
}

fn hash_of(token: &str, timestamp: &str) -> String {
    hex(&Sha256::digest(format!("{token}:{timestamp}")))
}

/// Writes bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("four bits are a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(user: u64, token: &str, stamp: &str) -> Signature {
        let credentials = format!("{user}:{}", hash_of(token, stamp));
        let authorization = format!("Basic {}", STANDARD.encode(credentials));
        Signature { authorization, timestamp: stamp.to_owned() }
    }

    #[test]
    fn the_vector_of_the_contract_comes_out() {
        let expected = "Basic MTIzOjVkZjVlYzViMzJiM2EzZjhhYzZjZjM4NDZkMDQ3ZDhkYTc5YjI4NDg0ZWU4\
            YzYyOWFjOGEzOGEzNjA2MzU5NDU=";
        assert_eq!(signed(123, "456", "1700000000").authorization, expected);
    }

    #[test]
    fn only_a_fresh_signature_with_the_right_token_passes() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let cases = [
            (Some(signed(USER_ID, API_TOKEN, "1700000000")), ""),
            (Some(signed(USER_ID, API_TOKEN, "1699992800")), ""),
            (Some(signed(USER_ID, API_TOKEN, "1700000300")), ""),
            (Some(signed(USER_ID, API_TOKEN, "1699992799")), "off by 7201 seconds"),
            (Some(signed(USER_ID, API_TOKEN, "1700000301")), "off by -301 seconds"),
            (Some(signed(USER_ID, API_TOKEN, "+1700000000")), "not a number of seconds"),
            (Some(signed(USER_ID, "other", "1700000000")), "Is the API token right?"),
            (Some(signed(2, API_TOKEN, "1700000000")), "UserID not valid: 2."),
            (None, "are required"),
        ];
        for (signature, part) in cases {
            match check(now, signature.as_ref()) {
                Ok(()) => assert_eq!(part, ""),
                Err(text) => assert!(!part.is_empty() && text.contains(part), "{text}"),
            }
        }
    }
}

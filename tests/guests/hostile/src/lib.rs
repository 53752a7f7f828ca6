//! Handlers that attack: the host, the machine, other jobs, other tenants, and whoever reads what they say. One file each, which begins
//! with what it tries; `tests/tests/hostile` says what becomes of it.

#![allow(missing_docs, unreachable_pub)]

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Failure, http};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

mod ask_silent_names;
mod enqueue_itself_twice;
mod fail_at_once;
mod fill_the_store;
mod flood_clocks;
mod flood_logs;
mod flood_progress;
mod flood_random;
mod flood_requests;
mod flood_stdout;
mod grow_memory;
mod guess_randomness;
mod hoard_connections;
mod hoard_headers;
mod hoard_requests;
mod hoard_timers;
mod hold_memory;
mod html;
mod huge_error;
mod huge_output;
mod ignore_cancellation;
mod jobs_of_others;
mod kv_of_others;
mod leave_something;
mod one_long_line;
mod outputs_of_others;
mod panic_with_a_secret;
mod poll_thousands;
mod reach_inside_by_address;
mod reach_inside_by_name;
mod reach_inside_by_rebinding;
mod reach_inside_by_redirect;
mod read_endless_body;
mod read_endless_head;
mod read_environment;
mod read_files;
mod recurse;
mod return_a_secret;
mod say_a_secret;
mod secrets_of_others;
mod sleep_for_ever;
mod smuggle_bodies;
mod smuggle_headers;
mod smuggle_request_lines;
mod snooze_at_once;
mod sockets;
mod spin;
mod spin_in_copies;
mod take_a_bomb;
mod terminal_escapes;
mod trap;
mod upload_without_end;
mod use_what_is_not_granted;
mod wait_for_drops;
mod wait_for_silence;

/// Any object.
#[derive(Deserialize, JsonSchema)]
pub struct Anything {}

/// A host and a port.
#[derive(Deserialize, JsonSchema)]
pub struct To {
    to: String,
}

impl To {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.to)
    }
}

/// Where something may listen.
#[derive(Deserialize, JsonSchema)]
pub struct Ports {
    ports: Vec<u16>,
}

/// Which of these URLs anybody answered at.
fn answered(urls: impl IntoIterator<Item = String>) -> Vec<String> {
    urls.into_iter().filter(|url| http::get(url.clone()).send().is_ok()).collect()
}

/// How a request ended.
fn told(sent: Result<http::Response, http::Error>) -> String {
    match sent {
        Ok(response) => response.status().to_string(),
        Err(http::Error::Denied(_)) => "denied".to_owned(),
        Err(http::Error::Timeout(_)) => "timeout".to_owned(),
        Err(http::Error::TooLarge(_)) => "too large".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A request without the SDK.
fn outgoing(fields: Fields, authority: &str, path: &str) -> OutgoingRequest {
    let request = OutgoingRequest::new(fields);
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(path));
    request
}

/// Whether a request came to a response.
fn sent(request: OutgoingRequest) -> bool {
    let Ok(answer) = handle(request, None) else { return false };
    answer.subscribe().block();
    matches!(answer.get(), Some(Ok(Ok(_))))
}

/// Fails where not even a plain request is answered: then nothing else shows anything.
fn send_plain(authority: &str) -> Result<(), Failure> {
    let is_sent = sent(outgoing(Fields::new(), authority, "/"));
    if is_sent { Ok(()) } else { Err(Failure::fatal("a plain request got no response")) }
}

/// A text as programs write it.
fn spelled(text: &str) -> Vec<String> {
    let hex = text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let percent = text.chars().fold(String::new(), |mut percent, letter| {
        let _ = if letter.is_ascii_alphanumeric() || "-._~".contains(letter) {
            write!(percent, "{letter}")
        } else {
            write!(percent, "%{:02X}", u32::from(letter))
        };
        percent
    });
    let json = serde_json::to_string(text).unwrap_or_default();
    let basic = ["", "u", "u:", "us:"].map(|user| base64(format!("{user}{text}").as_bytes()));
    [vec![text.to_owned(), hex.to_uppercase(), hex, percent, json], basic.to_vec()].concat()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
        }
        text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    text
}

stoker_sdk::module!(
    ask_silent_names::ask_silent_names,
    enqueue_itself_twice::enqueue_itself_twice,
    fail_at_once::fail_at_once,
    fill_the_store::fill_the_store,
    flood_clocks::flood_clocks,
    flood_logs::flood_logs,
    flood_progress::flood_progress,
    flood_random::flood_random,
    flood_requests::flood_requests,
    flood_stdout::flood_stdout,
    grow_memory::grow_memory,
    guess_randomness::guess_randomness,
    hoard_connections::hoard_connections,
    hoard_headers::hoard_headers,
    hoard_requests::hoard_requests,
    hoard_timers::hoard_timers,
    hold_memory::hold_memory,
    html::html,
    huge_error::huge_error,
    huge_output::huge_output,
    ignore_cancellation::ignore_cancellation,
    jobs_of_others::jobs_of_others,
    kv_of_others::kv_of_others,
    leave_something::leave_something,
    one_long_line::one_long_line,
    outputs_of_others::outputs_of_others,
    panic_with_a_secret::panic_with_a_secret,
    poll_thousands::poll_thousands,
    reach_inside_by_address::reach_inside_by_address,
    reach_inside_by_name::reach_inside_by_name,
    reach_inside_by_rebinding::reach_inside_by_rebinding,
    reach_inside_by_redirect::reach_inside_by_redirect,
    read_endless_body::read_endless_body,
    read_endless_head::read_endless_head,
    read_environment::read_environment,
    read_files::read_files,
    recurse::recurse,
    return_a_secret::return_a_secret,
    say_a_secret::say_a_secret,
    secrets_of_others::secrets_of_others,
    sleep_for_ever::sleep_for_ever,
    smuggle_bodies::smuggle_bodies,
    smuggle_headers::smuggle_headers,
    smuggle_request_lines::smuggle_request_lines,
    snooze_at_once::snooze_at_once,
    sockets::sockets,
    spin::spin,
    spin_in_copies::spin_in_copies,
    take_a_bomb::take_a_bomb,
    terminal_escapes::terminal_escapes,
    trap::trap,
    upload_without_end::upload_without_end,
    use_what_is_not_granted::use_what_is_not_granted,
    wait_for_drops::wait_for_drops,
    wait_for_silence::wait_for_silence,
);

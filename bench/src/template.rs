//! Enqueue requests whose bytes are made once; before each sending only the digits of the job ids change.

use std::net::SocketAddr;

use crate::http;

/// Ids begin here so that all have ten digits and a request never changes its length.
pub(crate) const FIRST_ID: u64 = 1_000_000_000;
const ID_DIGITS: usize = 10;
/// Digits stand here until the first stamp. Occurs nowhere else in a request.
const PLACEHOLDER: &str = "1000000000";
/// Brings a payload to about 200 bytes.
const NOTE: &str = "please pack the blue one separately, leave it with the neighbour on the second floor if nobody \
                    opens, and ring twice";

/// One request, to be sent many times.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// For each job, where its id stands.
    ids: Vec<usize>,
}

/// The payload of a `noop` job as JSON text.
pub(crate) fn payload() -> String {
    format!(r#"{{"id":{PLACEHOLDER},"name":"Jo van der Berg, Delft (weekly)","note":"{NOTE}"}}"#)
}

/// One `noop` job as JSON text.
fn job() -> String {
    format!(r#"{{"kind":"noop","payload":{}}}"#, payload())
}

impl Template {
    /// `POST /v1/jobs` with one job.
    pub(crate) fn single(address: SocketAddr) -> Self {
        let headers = [("Content-Type", "application/json")];
        Self::over(http::request(address, "POST /v1/jobs", &headers, job().as_bytes()))
    }

    /// `POST /v1/jobs/batch` with so many lines.
    pub(crate) fn batch(address: SocketAddr, jobs: usize) -> Self {
        let body = format!("{}\n", job()).repeat(jobs);
        let headers = [("Content-Type", "application/x-ndjson")];
        Self::over(http::request(address, "POST /v1/jobs/batch", &headers, body.as_bytes()))
    }

    fn over(bytes: Vec<u8>) -> Self {
        let mut ids = Vec::new();
        let mut at = 0;
        while let Some(window) = bytes.get(at..at + ID_DIGITS) {
            if window == PLACEHOLDER.as_bytes() {
                ids.push(at);
                at += ID_DIGITS;
            } else {
                at += 1;
            }
        }
        Self { bytes, ids }
    }

    /// Jobs in the request.
    pub(crate) fn jobs(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Gives the jobs the ids from `first` on.
    pub(crate) fn stamp(&mut self, first: u64) {
        for (id, at) in (first..).zip(&self.ids) {
            let mut rest = id;
            for digit in self.bytes[*at..*at + ID_DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }

    /// The request.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_about_200_bytes() {
        let payload = payload();
        assert!((180..=220).contains(&payload.len()), "{}", payload.len());
        let job: serde_json::Value = serde_json::from_str(&job()).unwrap();
        assert_eq!(job["payload"], serde_json::from_str::<serde_json::Value>(&payload).unwrap());
    }

    #[test]
    fn stamping_numbers_the_jobs_and_keeps_the_length() {
        let mut template = Template::batch(([127, 0, 0, 1], 80).into(), 3);
        let length = template.bytes().len();
        template.stamp(FIRST_ID + 8);
        template.stamp(FIRST_ID + 98);
        assert_eq!((template.bytes().len(), template.jobs()), (length, 3));
        let text = String::from_utf8(template.bytes().to_vec()).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let ids: Vec<u64> = body
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["payload"]["id"].as_u64().unwrap())
            .collect();
        assert_eq!(ids, [1_000_000_098, 1_000_000_099, 1_000_000_100]);
    }
}

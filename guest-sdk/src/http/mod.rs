//! Requests of a handler, to hosts that its kind is granted.
//!
//! Nothing is granted by itself: an operator says `stoker kinds KIND --set 'grants={"http":["api.example.com"]}'`. A handler
//! asks for it with `grants(http = ["api.example.com"])`, which tells the operator and grants nothing.
//!
//! ```
//! use stoker_sdk::testing::FakeHost;
//! use stoker_sdk::{Context, Failure, handler, http};
//!
//! #[handler(kind = "rate", grants(http = ["api.example.com"]))]
//! fn rate(_context: &Context, currency: String) -> Result<f64, Failure> {
//!     let response = http::get(format!("https://api.example.com/rates/{currency}")).send()?;
//!     if response.status() == 404 {
//!         return Err(Failure::fatal("no such currency"));
//!     }
//!     Ok(response.success()?.json()?)
//! }
//!
//! // Natively, a fake host answers.
//! let host = FakeHost::new().answers("GET", "https://api.example.com/rates/EUR", http::Response::new(200).with_body("1.08"));
//! assert_eq!(host.run::<rate>("EUR".to_owned())?, 1.08);
//! assert_eq!(host.requests()[0].url(), "https://api.example.com/rates/EUR");
//! # Ok::<(), Failure>(())
//! ```
//!
//! A request ends with the attempt at the latest. Redirects are not followed: a response that is one says where to in its
//! header `location`, and a request to there needs a grant as any other. One request, one connection: there is nothing to
//! close and nothing to keep.

mod error;
mod request;
mod response;
mod url;
#[cfg(target_family = "wasm")]
mod wire;

pub use error::Error;
pub use request::{Request, get, post, request};
pub use response::Response;

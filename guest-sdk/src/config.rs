//! Values an operator gives to a kind.
//!
//! An operator says `stoker kinds KIND --set 'grants={"config":{"greeting":"Hello"}}'`; a handler asks for one, and suggests
//! a value, with `grants(config(greeting = "Hello"))`.
//!
//! ```
//! use stoker_sdk::testing::FakeHost;
//! use stoker_sdk::config;
//!
//! let host = FakeHost::new().config("greeting", "Hi");
//! assert_eq!(config::get("greeting").as_deref(), Some("Hi"));
//! assert_eq!(config::get("colour"), None);
//! ```

use std::collections::BTreeMap;

/// The value of this name; `None` where the operator gave none.
pub fn get(name: &str) -> Option<String> {
    #[cfg(target_family = "wasm")]
    return crate::granted::wasi::config::store::get(name).ok().flatten();
    #[cfg(not(target_family = "wasm"))]
    return all().remove(name);
}

/// All of them.
pub fn all() -> BTreeMap<String, String> {
    #[cfg(target_family = "wasm")]
    return crate::granted::wasi::config::store::get_all().unwrap_or_default().into_iter().collect();
    #[cfg(not(target_family = "wasm"))]
    return crate::testing::current().map(|recorder| recorder.lock().config.clone()).unwrap_or_default();
}

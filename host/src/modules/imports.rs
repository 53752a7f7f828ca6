//! Which of a module's imports the host does not offer, by name. What a known interface lacks in detail is found
//! when the module is linked.

use super::inspect::Import;

/// Interfaces of components, with the versions that are offered: the same major, or, below 1.0, the same minor.
const INTERFACES: &[(&str, &str)] = &[
    ("stoker:handler/types", "1"),
    ("stoker:handler/logging", "1"),
    ("stoker:handler/progress", "1"),
    ("stoker:handler/attempt", "1"),
    ("stoker:handler/parents", "1"),
    ("stoker:handler/secrets", "1"),
    ("stoker:handler/kv", "1"),
    ("stoker:handler/steps", "1"),
    ("stoker:handler/jobs", "1"),
    ("stoker:handler/events", "1"),
    ("stoker:handler/notifications", "1"),
    ("stoker:handler/mail", "1"),
    ("stoker:handler/database", "1"),
    ("wasi:cli/environment", "0.2"),
    ("wasi:cli/exit", "0.2"),
    ("wasi:cli/stderr", "0.2"),
    ("wasi:cli/stdin", "0.2"),
    ("wasi:cli/stdout", "0.2"),
    ("wasi:cli/terminal-input", "0.2"),
    ("wasi:cli/terminal-output", "0.2"),
    ("wasi:cli/terminal-stderr", "0.2"),
    ("wasi:cli/terminal-stdin", "0.2"),
    ("wasi:cli/terminal-stdout", "0.2"),
    ("wasi:clocks/monotonic-clock", "0.2"),
    ("wasi:clocks/wall-clock", "0.2"),
    ("wasi:config/store", "0.2.0-rc.1"),
    ("wasi:filesystem/preopens", "0.2"),
    ("wasi:filesystem/types", "0.2"),
    ("wasi:http/outgoing-handler", "0.2"),
    ("wasi:http/types", "0.2"),
    ("wasi:io/error", "0.2"),
    ("wasi:io/poll", "0.2"),
    ("wasi:io/streams", "0.2"),
    ("wasi:keyvalue/atomics", "0.2.0-draft2"),
    ("wasi:keyvalue/batch", "0.2.0-draft2"),
    ("wasi:keyvalue/store", "0.2.0-draft2"),
    ("wasi:random/insecure", "0.2"),
    ("wasi:random/insecure-seed", "0.2"),
    ("wasi:random/random", "0.2"),
    ("wasi:sockets/instance-network", "0.2"),
    ("wasi:sockets/ip-name-lookup", "0.2"),
    ("wasi:sockets/network", "0.2"),
    ("wasi:sockets/tcp", "0.2"),
    ("wasi:sockets/tcp-create-socket", "0.2"),
    ("wasi:sockets/udp", "0.2"),
    ("wasi:sockets/udp-create-socket", "0.2"),
];

/// The imports this host lacks; `offers_core` knows the functions core modules may import.
pub(super) fn unknown(imports: &[Import], offers_core: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let is_unknown = |import: &&Import| match import {
        Import::Interface(name) => !is_offered(name),
        Import::Core(module, name) => !offers_core(module, name),
    };
    imports.iter().filter(is_unknown).map(ToString::to_string).collect()
}

fn is_offered(name: &str) -> bool {
    let Some((interface, version)) = name.split_once('@') else { return false };
    INTERFACES.iter().any(|(offered, track)| {
        let rest = version.strip_prefix(track);
        *offered == interface && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_track() {
        for name in [
            "wasi:cli/stdout@0.2.0",
            "wasi:cli/stdout@0.2.12",
            "wasi:config/store@0.2.0-rc.1",
            "stoker:handler/logging@1.3.0",
        ] {
            assert!(is_offered(name), "{name}");
        }
        for name in [
            "wasi:cli/stdout@0.3.0",
            "wasi:cli/stdout@0.20.0",
            "wasi:cli/stdout",
            "wasi:config/store@0.2.0-draft",
            "wasi:config/store@0.2.0-rc.10",
            "wasi:keyvalue/store@0.2.0",
            "stoker:handler/logging@2.0.0",
            "stoker:handler/logging@10.0.0",
            "log",
        ] {
            assert!(!is_offered(name), "{name}");
        }
    }

    #[test]
    fn the_unknown_are_named() {
        let imports = [
            Import::Interface("wasi:io/poll@0.2.1".to_owned()),
            Import::Interface("acme:db/query@1.0.0".to_owned()),
            Import::Core("env".to_owned(), "now".to_owned()),
        ];
        assert_eq!(unknown(&imports, |_, _| false), ["acme:db/query@1.0.0", "env.now"]);
        assert_eq!(unknown(&imports, |module, _| module == "env"), ["acme:db/query@1.0.0"]);
    }
}

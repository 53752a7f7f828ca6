//! What each route needs at least: said by the group it stands in (`router.rs`), written into the `OpenAPI` document,
//! and read back from there, so that what is shown is what is enforced.

use http::Method;
use rustc_hash::FxHashMap;
use serde_json::Value;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::OpenApiRouter;

use crate::job::Role;

/// The member of each operation that says what it needs.
pub(in crate::api) const ROLE_EXTENSION: &str = "x-stoker-role";
/// Its value where no credential is needed.
const ANYBODY: &str = "anybody";

/// Routes that have said what they need. There is no other way into the router.
pub(in crate::api) struct Grouped<S>(OpenApiRouter<S>);

impl<S: Clone + Send + Sync + 'static> Grouped<S> {
    /// Routes that need no credential.
    pub(in crate::api) fn anybody(routes: OpenApiRouter<S>) -> Self {
        Self(marked(routes, ANYBODY))
    }

    /// And routes that need this role, or a greater one.
    pub(in crate::api) fn least(self, role: Role, routes: OpenApiRouter<S>) -> Self {
        Self(self.0.merge(marked(routes, role.as_str())))
    }

    /// As axum's router and its description.
    pub(in crate::api) fn into_parts(self) -> (axum::Router<S>, utoipa::openapi::OpenApi) {
        self.0.split_for_parts()
    }
}

fn marked<S: Clone + Send + Sync + 'static>(mut routes: OpenApiRouter<S>, word: &str) -> OpenApiRouter<S> {
    for operation in routes.get_openapi_mut().paths.paths.values_mut().flat_map(operations) {
        operation.extensions = Some(ExtensionsBuilder::new().add(ROLE_EXTENSION, word).build());
    }
    routes
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [get, put, post, delete, options, head, patch, trace].into_iter().flatten()
}

/// What one route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Needed {
    /// No credential.
    Nothing,
    /// A credential of at least this role.
    Role(Role),
    /// A credential of any kind: nothing is done.
    Known,
}

/// Methods routes have. `HEAD` is a `GET` without a body.
const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

/// What every route needs.
pub(in crate::api) struct Access(FxHashMap<String, [Option<Needed>; METHODS.len()]>);

impl Access {
    /// Of the document the grouped routes described themselves in.
    pub(in crate::api) fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let of_path = |(path, methods): (&String, &Value)| {
            (
                path.clone(),
                METHODS.map(|method| methods.get(method).map(|operation| needed(&operation[ROLE_EXTENSION]))),
            )
        };
        Self(paths.map(of_path).collect())
    }

    /// What a request needs whose path matched this route's, if any.
    pub(in crate::api) fn needed(&self, path: Option<&str>, method: &Method) -> Needed {
        // What nobody has described is for those who may do everything; no path at all is answered 404.
        let Some(path) = path else { return Needed::Known };
        let Some(methods) = self.0.get(path) else { return Needed::Role(Role::Admin) };
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let index = METHODS.iter().position(|known| known.eq_ignore_ascii_case(method.as_str()));
        // A method the path has not is answered 405.
        index.and_then(|index| methods[index]).unwrap_or(Needed::Known)
    }
}

fn needed(word: &Value) -> Needed {
    match word.as_str() {
        Some(ANYBODY) => Needed::Nothing,
        word => Needed::Role(word.and_then(|word| word.parse().ok()).unwrap_or(Role::Admin)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_described_is_the_admins() {
        let access = Access::of(&json!({"paths": {
            "/open": {"get": {"x-stoker-role": "anybody"}},
            "/jobs": {"get": {"x-stoker-role": "viewer"}, "post": {"x-stoker-role": "producer"}, "put": {}, "patch": {"x-stoker-role": "no role"}},
        }}));
        for (path, method, expected) in [
            (Some("/open"), Method::GET, Needed::Nothing),
            (Some("/open"), Method::HEAD, Needed::Nothing),
            (Some("/open"), Method::POST, Needed::Known),
            (Some("/jobs"), Method::HEAD, Needed::Role(Role::Viewer)),
            (Some("/jobs"), Method::GET, Needed::Role(Role::Viewer)),
            (Some("/jobs"), Method::POST, Needed::Role(Role::Producer)),
            (Some("/jobs"), Method::PUT, Needed::Role(Role::Admin)),
            (Some("/jobs"), Method::PATCH, Needed::Role(Role::Admin)),
            (Some("/jobs"), Method::DELETE, Needed::Known),
            (Some("/new"), Method::GET, Needed::Role(Role::Admin)),
            (None, Method::GET, Needed::Known),
        ] {
            assert_eq!(access.needed(path, &method), expected, "{method} {path:?}");
        }
    }
}

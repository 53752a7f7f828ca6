//! What SQL of a handler may do, asked by `SQLite` for every part of a statement before it runs: the rules of a real host, in its words
//! (its file is `store/databases/rules.rs`, and a test of the workspace finds any difference). A refusal is the name of the rule, in a
//! sentence. The fake host's own statements are not asked about.

use rusqlite::hooks::{AuthAction, AuthContext};

/// What the names of the host's own tables begin with.
pub(super) const HOST_PREFIX: &str = "_stoker_";
/// Pragmas that only tell something, with or without a table's name.
const PRAGMAS_READ: [&str; 11] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "integrity_check",
    "quick_check",
    // Full-text search asks for it.
    "data_version",
];
/// Pragmas that tell something where they are given nothing, and would set it else.
const PRAGMAS_ASKED: [&str; 7] =
    ["foreign_keys", "user_version", "page_count", "page_size", "freelist_count", "encoding", "max_page_count"];
/// Pragmas that act on the transaction alone.
const PRAGMAS_SET: [&str; 1] = ["defer_foreign_keys"];
/// Modules of virtual tables that keep to the database.
const MODULES: [&str; 3] = ["fts5", "rtree", "rtree_i32"];

/// Functions that reach beyond the database: addresses of code, files.
const FUNCTIONS_REFUSED: [&str; 2] = ["load_extension", "fts3_tokenizer"];
/// Tables that are there without being made, and tell of the host's process or file, or call what `fts3_tokenizer` set.
const TABLES_REFUSED: [&str; 7] =
    ["fts3tokenize", "dbstat", "sqlite_dbpage", "sqlite_dbdata", "sqlite_stmt", "bytecode", "tables_used"];
const TEMPORARY: &str = "rule `temporary`: nothing temporary is made: connections are shared; use WITH, or a table";
/// How tables begin that are pragmas.
const PRAGMA_TABLES: &str = "pragma_";

/// Why it may not be done; `None`: it may.
pub(super) fn refusal(context: &AuthContext<'_>) -> Option<String> {
    let host_table = |name: &str, what: &str| {
        let is_hosts = name.get(..HOST_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(HOST_PREFIX));
        is_hosts.then(|| {
            format!("rule `host tables`: tables whose names begin with `{HOST_PREFIX}` are the host's; {what}")
        })
    };
    if context.database_name.is_some_and(|database| !matches!(database, "main" | "temp" | "")) {
        return Some("rule `attach`: there is no other database on this connection".to_owned());
    }
    let is_temporary = context.database_name.is_some_and(|database| database == "temp");
    // A change of a table's name looks through the temporary schema, which is empty.
    if is_temporary
        && !matches!(
            context.action,
            AuthAction::Read { .. } | AuthAction::Select | AuthAction::Function { .. } | AuthAction::Update { .. }
        )
    {
        return Some(TEMPORARY.to_owned());
    }
    match &context.action {
        AuthAction::Read { table_name, .. } => read(table_name),
        AuthAction::Select | AuthAction::Recursive | AuthAction::Analyze { .. } | AuthAction::Reindex { .. } => None,
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => host_table(table_name, "they can be read, not written"),
        AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. } => {
            host_table(table_name, "they are neither made, changed nor dropped")
        }
        AuthAction::CreateIndex { index_name: name, table_name }
        | AuthAction::DropIndex { index_name: name, table_name }
        | AuthAction::CreateTrigger { trigger_name: name, table_name }
        | AuthAction::DropTrigger { trigger_name: name, table_name } => {
            let what = "they are neither made, changed nor dropped";
            host_table(table_name, what).or_else(|| host_table(name, what))
        }
        AuthAction::CreateView { view_name } | AuthAction::DropView { view_name } => {
            host_table(view_name, "they are neither made, changed nor dropped")
        }
        AuthAction::CreateVtable { table_name, module_name } | AuthAction::DropVtable { table_name, module_name } => {
            if !MODULES.iter().any(|module| module.eq_ignore_ascii_case(module_name)) {
                return Some(format!(
                    "rule `virtual tables`: `{module_name}` is not allowed; there are {}",
                    MODULES.join(", ")
                ));
            }
            host_table(table_name, "they are neither made, changed nor dropped")
        }
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::DropTempTable { .. }
        | AuthAction::DropTempIndex { .. }
        | AuthAction::DropTempTrigger { .. }
        | AuthAction::DropTempView { .. } => Some(TEMPORARY.to_owned()),
        AuthAction::Pragma { pragma_name, pragma_value } => pragma(pragma_name, pragma_value.is_some()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Some(
            "rule `transactions`: they are begun, committed and rolled back by calls (`transaction`), not by SQL"
                .to_owned(),
        ),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some(
            "rule `attach`: a database is one database; `ATTACH`, `DETACH` and `VACUUM` are not allowed".to_owned(),
        ),
        AuthAction::Function { function_name } => FUNCTIONS_REFUSED
            .iter()
            .find(|refused| refused.eq_ignore_ascii_case(function_name))
            .map(|refused| format!("rule `extensions`: `{refused}` is not allowed")),
        other => Some(format!("rule `unknown`: {other:?} is not allowed")),
    }
}

/// Whether a table gets a name, or refers to another, by what is asked about.
pub(super) fn alters(context: &AuthContext<'_>) -> bool {
    matches!(
        context.action,
        AuthAction::CreateTable { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::CreateVtable { .. }
            | AuthAction::AlterTable { .. }
    )
}

fn read(table: &str) -> Option<String> {
    if table.get(..PRAGMA_TABLES.len()).is_some_and(|start| start.eq_ignore_ascii_case(PRAGMA_TABLES)) {
        return Some("rule `pragmas`: a pragma is no table here; write `PRAGMA table_info(…)`".to_owned());
    }
    let refused = TABLES_REFUSED.iter().find(|refused| refused.eq_ignore_ascii_case(table))?;
    Some(format!("rule `virtual tables`: `{refused}` is not allowed"))
}

fn pragma(name: &str, is_given: bool) -> Option<String> {
    let is_in = |list: &[&str]| list.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
    if is_in(&PRAGMAS_READ) || is_in(&PRAGMAS_SET) || (is_in(&PRAGMAS_ASKED) && !is_given) {
        return None;
    }
    let what = if is_in(&PRAGMAS_ASKED) { "can be asked, not set" } else { "is not allowed" };
    Some(format!("rule `pragmas`: `PRAGMA {name}` {what}"))
}

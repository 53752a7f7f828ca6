//! Puts scripts into everything that a page could show: log, progress, error.

use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "html")]
pub fn html(context: &Context, _input: Anything) -> Result<(), Failure> {
    let html = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`${7*7}{{7*7}}<!--";
    stoker_sdk::error!("{html}");
    context.progress(1, 2, Some(html));
    Err(Failure::fatal(html))
}

//! The HTTP API. `router.rs` shows every route on one page; one file per action.

mod state;

pub use state::ApiState;

/// placeholder
pub async fn serve(
    _l: tokio::net::TcpListener,
    _s: ApiState,
    _c: tokio_util::sync::CancellationToken,
) -> std::io::Result<()> {
    todo!()
}

//! `/hubs/notifications`: notifications for clients of ASP.NET Core SignalR, as `@microsoft/signalr` connects unchanged: negotiation,
//! WebSocket or server-sent events, the JSON protocol (version 1 of both).
//!
//! Guarantees: a connection is one user's and is told that user's alone; how many there are, what each may send and how long it may be
//! silent is bounded, and nothing gathers for who does not read; each ends when its credential does, and when the host stops, with
//! the word that the client may come again. Calls of clients are answered: the hub has no methods.

mod connect;
mod connections;
mod conversation;
mod negotiate;
mod parameters;
mod protocol;
mod send;
mod server_sent_events;
mod web_socket;

pub(super) use connect::*;
pub(super) use connections::Connections;
pub(super) use negotiate::*;
pub(super) use send::*;

//! Guests that each do one thing, and the outcome each must get.

mod cache;
mod commands;
mod handlers;

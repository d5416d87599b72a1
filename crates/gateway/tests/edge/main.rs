//! The edge over real sockets: what a well-behaved client gets, and what the others do.

mod bounds;
mod client;
mod http2;
mod requests;
mod shutdown;
mod subject;
mod unreadable;

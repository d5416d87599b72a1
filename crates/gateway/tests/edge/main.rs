//! The edge over real sockets: what a well-behaved client gets, and what the others do.

mod bounds;
mod client;
mod requests;
mod shutdown;
mod subject;

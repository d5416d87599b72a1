//! What can only be seen from outside: over sockets, and with the real binary.

mod accounts;
mod durability;
mod leak;
mod routes;

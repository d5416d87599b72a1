//! What can only be seen from outside: over sockets, and with the real binary.

mod accounts;
mod bad_input;
mod durability;
mod injections;
mod leak;
mod routes;

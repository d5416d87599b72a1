//! `--name value` arguments; these programs are started by a script, not by people.

use std::{env, str::FromStr};

/// The value after `--name`, if it was given.
pub fn optional<T: FromStr>(name: &str) -> Option<T> {
    let flag = format!("--{name}");
    let mut args = env::args().skip_while(|arg| *arg != flag);
    args.next()?;
    let value = args
        .next()
        .unwrap_or_else(|| panic!("{flag} wants a value"));
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{flag} {value}: not understood")),
    )
}

/// The value after `--name`, or `default`.
pub fn or<T: FromStr>(name: &str, default: T) -> T {
    optional(name).unwrap_or(default)
}

/// The value after `--name`; ends the program where there is none.
pub fn required<T: FromStr>(name: &str) -> T {
    optional(name).unwrap_or_else(|| panic!("--{name} is missing"))
}

/// Whether `--name` was given.
pub fn flag(name: &str) -> bool {
    let flag = format!("--{name}");
    env::args().any(|arg| arg == flag)
}

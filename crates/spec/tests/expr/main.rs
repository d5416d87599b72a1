//! The expression language against others: the `cel` crate's parser, and itself read backwards.

mod generate;
mod oracle;
mod properties;

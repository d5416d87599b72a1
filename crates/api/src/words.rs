//! Words and bounds of addresses that more than one wire format spells: `rest` reads them, `openapi` describes them.

use engine::operation::PlainOp;

/// What steers a list. A field of such a name is filtered as `limit[eq]=…`.
pub const CONTROLS: &[&str] = &[
    "filter", "sort", "limit", "cursor", "fields", "expand", "count", "search", "snippets",
];
/// What steers an aggregate. A field of such a name is filtered as `sum[eq]=…`.
pub const AGGREGATE_CONTROLS: &[&str] = &[
    "filter", "group_by", "count", "sum", "avg", "min", "max", "having", "sort", "limit",
];
/// What steers a list, and has no meaning for groups.
pub const OF_LISTS: &[&str] = &["cursor", "fields", "expand", "search", "snippets"];
/// What steers an answer that is one record.
pub const SELECTS: &[&str] = &["fields", "expand"];
/// Comparisons of plain filters: `price[lte]=100`.
pub const OPS: &[(&str, PlainOp)] = &[
    ("eq", PlainOp::Eq),
    ("ne", PlainOp::Ne),
    ("lt", PlainOp::Lt),
    ("lte", PlainOp::Lte),
    ("gt", PlainOp::Gt),
    ("gte", PlainOp::Gte),
    ("in", PlainOp::In),
];
pub const MOST_FIELDS: usize = 256;
pub const MOST_SORTS: usize = 8;
/// Values of one `[in]`.
pub const MOST_VALUES: usize = 100;

//! The private tables. No model shows them, and they are not in the change log.

use spec::ColumnType;
use spec::schema::{Column, Table, TableIndex, TableName};

/// What this room wants of the database, beside the tables of the models.
///
/// There are no foreign keys to `auth.users`: rows outlive records that went another way. Whoever reads a row
/// asks whether its user is still there.
pub fn tables() -> Vec<Table> {
    vec![passwords(), sessions(), roles(), keys()]
}

fn passwords() -> Table {
    table(
        "passwords",
        &["user"],
        vec![
            required("user", ColumnType::Uuid),
            // In PHC's form, parameters and salt included.
            required("hash", ColumnType::Text),
            required("changed_at", ColumnType::Timestamp),
        ],
        vec![],
    )
}

/// One row is one sign-in and all the refresh tokens that follow from it (its family).
fn sessions() -> Table {
    table(
        "sessions",
        &["id"],
        vec![
            required("id", ColumnType::Uuid),
            required("user", ColumnType::Uuid),
            // Random; refresh tokens derive from it and the server's secret. See `refresh_token`.
            required("seed", ColumnType::Text),
            // How often it was refreshed: which refresh token is the one in force.
            required("generation", ColumnType::Int),
            required("created_at", ColumnType::Timestamp),
            // When the token in force took over from the one before.
            required("refreshed_at", ColumnType::Timestamp),
            // A revoked session expires at once, so this alone tells what can be swept away.
            required("expires_at", ColumnType::Timestamp),
            optional("revoked_at", ColumnType::Timestamp),
            optional("agent", ColumnType::Text),
        ],
        vec![
            index("sessions_user", &["user", "id"]),
            index("sessions_expires_at", &["expires_at", "id"]),
        ],
    )
}

fn roles() -> Table {
    table(
        "roles",
        &["user", "role"],
        vec![
            required("user", ColumnType::Uuid),
            required("role", ColumnType::Text),
            required("granted_at", ColumnType::Timestamp),
            // Null: the command line.
            optional("granted_by", ColumnType::Uuid),
        ],
        vec![TableIndex {
            name: "roles_role".to_owned(),
            columns: vec!["role".to_owned(), "user".to_owned()],
            unique: true,
        }],
    )
}

fn keys() -> Table {
    table(
        "keys",
        &["kid"],
        vec![
            required("kid", ColumnType::Text),
            // Sealed under the server's secret.
            required("private", ColumnType::Text),
            required("public", ColumnType::Text),
            required("created_at", ColumnType::Timestamp),
            // It signs no more, but what it signed before is good until it expires.
            optional("retired_at", ColumnType::Timestamp),
        ],
        vec![],
    )
}

fn table(name: &str, key: &[&str], columns: Vec<Column>, indexes: Vec<TableIndex>) -> Table {
    Table {
        name: TableName::own(name),
        columns,
        key: key.iter().map(|&name| name.to_owned()).collect(),
        assigned_key: false,
        indexes,
        foreign_keys: Vec::new(),
        renamed_from: None,
        search: Vec::new(),
    }
}

fn required(name: &str, ty: ColumnType) -> Column {
    Column::new(name, ty, false)
}

fn optional(name: &str, ty: ColumnType) -> Column {
    Column::new(name, ty, true)
}

fn index(name: &str, columns: &[&str]) -> TableIndex {
    TableIndex {
        name: name.to_owned(),
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
        unique: false,
    }
}

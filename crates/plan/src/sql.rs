//! The SQL writer: a dialect, a text and a bind list. Literals are bound, never printed.

use spec::schema::quoted;
use spec::statement::{Lane, Shape, Statement};
use spec::types::ColumnType;
use spec::{Dialect, Model, Value};
use std::sync::Arc;

/// A statement under construction. Parameters are numbered, so parts may be written out of order.
#[derive(Debug, Clone)]
pub struct Sql {
    pub dialect: Dialect,
    pub text: String,
    pub params: Vec<Value>,
    aliases: u32,
}

impl Sql {
    pub fn new(dialect: Dialect) -> Sql {
        Sql {
            dialect,
            text: String::with_capacity(384),
            params: Vec::with_capacity(8),
            aliases: 0,
        }
    }

    pub fn push(&mut self, text: &str) -> &mut Sql {
        self.text.push_str(text);
        self
    }

    pub fn number(&mut self, n: impl itoa::Integer) -> &mut Sql {
        self.push(itoa::Buffer::new().format(n))
    }

    /// `alias."column"`.
    pub fn column(&mut self, alias: &str, column: &str) -> &mut Sql {
        self.push(alias).push(".\"").push(column).push("\"")
    }

    /// A name of somebody else's, quoted.
    pub fn foreign(&mut self, name: &str) -> &mut Sql {
        self.push(&quoted(name))
    }

    /// A quoted name. Names are checked at load (`[a-z_][a-z0-9_]*`), so quoting needs no escaping.
    pub fn ident(&mut self, name: &str) -> &mut Sql {
        self.push("\"").push(name).push("\"")
    }

    /// What stands behind `FROM` for a model's records: its table, as the dialect names it, or a view of an existing one.
    pub fn table(&mut self, model: &Model) -> &mut Sql {
        if self.dialect == Dialect::Postgres
            && let Some(existing) = &model.existing
        {
            return self.view(model, existing);
        }
        let between = if self.dialect == Dialect::Postgres {
            "\".\""
        } else {
            "__"
        };
        self.push("\"")
            .push(&model.module_name)
            .push(between)
            .push(&model.name)
            .push("\"")
    }

    /// Binds a value and writes its placeholder, with its type where the dialect infers types.
    pub fn bind(&mut self, value: Value, ty: ColumnType) -> &mut Sql {
        self.params.push(value);
        let n = self.params.len();
        match self.dialect {
            Dialect::Sqlite => {
                self.push("?").number(n);
            }
            Dialect::Postgres => {
                self.push("$").number(n).push("::").push(pg_type(ty));
            }
        }
        self
    }

    /// Binds a list for `= any(…)`; PostgreSQL only.
    pub fn bind_array(&mut self, values: Arc<[Value]>, ty: ColumnType) -> &mut Sql {
        self.params.push(Value::List(values));
        let n = self.params.len();
        self.push("$")
            .number(n)
            .push("::")
            .push(pg_type(ty))
            .push("[]")
    }

    /// An alias that no other part of this statement uses.
    pub fn alias(&mut self, prefix: &str) -> String {
        self.aliases += 1;
        format!("{prefix}{}", self.aliases)
    }

    pub fn statement(self, shape: Shape, lane: Lane) -> Statement {
        Statement {
            text: self.text,
            params: self.params,
            shape: Arc::new(shape),
            lane,
        }
    }

    /// Moves what `part` writes out of the text, for parts that are known before their place is.
    pub fn aside<T>(&mut self, part: impl FnOnce(&mut Sql) -> T) -> (String, T) {
        let outer = std::mem::take(&mut self.text);
        let result = part(self);
        (std::mem::replace(&mut self.text, outer), result)
    }
}

/// PostgreSQL's name of a column's type.
pub fn pg_type(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Text => "text",
        ColumnType::Int => "bigint",
        ColumnType::Float => "double precision",
        ColumnType::Decimal { .. } => "numeric",
        ColumnType::Bool => "boolean",
        ColumnType::Timestamp => "timestamptz",
        ColumnType::Date => "date",
        ColumnType::Uuid => "uuid",
        ColumnType::Json => "jsonb",
    }
}

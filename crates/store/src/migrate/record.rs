//! What the bookkeeping keeps, as text that is the same on both stores.

use super::PlanStep;
use spec::ColumnType;
use spec::json::write_string;
use spec::schema::Schema;

/// `text`, `decimal(2)`, …: how `_mainstay_schema` names a column's type.
pub fn type_name(ty: ColumnType) -> String {
    match ty {
        ColumnType::Text => "text".to_owned(),
        ColumnType::Int => "int".to_owned(),
        ColumnType::Float => "float".to_owned(),
        ColumnType::Decimal { scale } => format!("decimal({scale})"),
        ColumnType::Bool => "bool".to_owned(),
        ColumnType::Timestamp => "timestamp".to_owned(),
        ColumnType::Date => "date".to_owned(),
        ColumnType::Uuid => "uuid".to_owned(),
        ColumnType::Json => "json".to_owned(),
    }
}

/// The other way; `None` for a name of a later version.
pub fn parse_type(name: &str) -> Option<ColumnType> {
    Some(match name {
        "text" => ColumnType::Text,
        "int" => ColumnType::Int,
        "float" => ColumnType::Float,
        "bool" => ColumnType::Bool,
        "timestamp" => ColumnType::Timestamp,
        "date" => ColumnType::Date,
        "uuid" => ColumnType::Uuid,
        "json" => ColumnType::Json,
        other => ColumnType::Decimal {
            scale: other
                .strip_prefix("decimal(")?
                .strip_suffix(')')?
                .parse()
                .ok()?,
        },
    })
}

/// `[{"label":"safe","summary":"…","sql":["…"]},…]`.
pub fn plan_json(steps: &[PlanStep]) -> String {
    let mut out = vec![b'['];
    list(&mut out, steps, |out, step| {
        out.extend_from_slice(b"{\"label\":");
        write_string(out, step.label.name());
        out.extend_from_slice(b",\"summary\":");
        write_string(out, &step.summary);
        out.extend_from_slice(b",\"sql\":[");
        list(out, &step.sql, |out, sql| write_string(out, sql));
        out.extend_from_slice(b"]}");
    });
    out.push(b']');
    text(out)
}

/// `[{"table":"catalog.products","columns":[{"name":"id","type":"uuid"},…],"key":["id"],"indexes":[…]},…]`.
pub fn schema_json(schema: &Schema) -> String {
    let mut out = vec![b'['];
    list(&mut out, &schema.tables, |out, table| {
        out.extend_from_slice(b"{\"table\":");
        write_string(
            out,
            &format!("{}.{}", table.name.namespace, table.name.name),
        );
        out.extend_from_slice(b",\"columns\":[");
        list(out, &table.columns, |out, column| {
            out.extend_from_slice(b"{\"name\":");
            write_string(out, &column.name);
            out.extend_from_slice(b",\"type\":");
            write_string(out, &type_name(column.ty));
            out.extend_from_slice(if column.nullable {
                b",\"nullable\":true}"
            } else {
                b"}"
            });
        });
        out.extend_from_slice(b"],\"key\":[");
        list(out, &table.key, |out, name| write_string(out, name));
        out.extend_from_slice(b"],\"indexes\":[");
        list(out, &table.indexes, |out, index| {
            out.extend_from_slice(b"{\"name\":");
            write_string(out, &index.name);
            out.extend_from_slice(b",\"columns\":[");
            list(out, &index.columns, |out, name| write_string(out, name));
            out.extend_from_slice(if index.unique {
                b"],\"unique\":true}"
            } else {
                b"]}"
            });
        });
        out.extend_from_slice(b"],\"foreign_keys\":[");
        list(out, &table.foreign_keys, |out, key| {
            out.extend_from_slice(b"{\"column\":");
            write_string(out, &key.column);
            out.extend_from_slice(b",\"to\":");
            write_string(out, &format!("{}.{}", key.to.namespace, key.to.name));
            out.push(b'}');
        });
        out.extend_from_slice(b"]}");
    });
    out.push(b']');
    text(out)
}

fn list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8_lossy(&out).into_owned()
}

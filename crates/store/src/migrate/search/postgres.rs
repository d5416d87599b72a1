//! PostgreSQL's index of words: a table of `tsvector`s beside the records, with a GIN index.
//!
//! The words are made by a function of the database, so that whoever writes to the table keeps the index true. It does
//! what `spec::search::plain` does, by the same tables of characters and not by the database's locale, and marks the
//! first word of a field as `A`, its last one as `B` and its only one as `C`.

use super::{fingerprint, summary};
use crate::migrate::postgres::{physical, quoted};
use crate::migrate::{Label, PlanStep, Size};
use spec::Dialect;
use spec::schema::{Table, TableName, words_of};
use spec::search::letters::{DROPPED, FOLDED, IN_A_ROW, MARKS, SEPARATORS, SINGLE, UNFOLDED};
use spec::search::{CHARACTERS, LONGEST, VERSION, WORDS};

/// Indexes of words that are there, what they were made of, whether they still work, and their columns.
pub const SEARCHES: &str = "
select n.nspname::text, c.relname::text, coalesce(obj_description(c.oid, 'pg_class'), ''),
  exists (
    select 1 from pg_index x join pg_class i on i.oid = x.indexrelid join pg_am m on m.oid = i.relam
    where x.indrelid = c.oid and x.indisvalid and m.amname = 'gin')
  and exists (
    select 1 from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where p.proname = c.relname and p.pronamespace = c.relnamespace and t.tgenabled in ('O', 'A')),
  array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped order by attnum)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1::text[]) and c.relkind = 'r' and c.relname like '\\_%\\_search'
order by n.nspname, c.relname";

pub fn made(table: &Table) -> String {
    let mut sql = make(table);
    sql.push(index(table, ""));
    fingerprint(&sql)
}

/// Of a table that is not small, filled and indexed while others go on writing: the trigger is there before the first
/// record is read, and what it wrote stands.
pub fn create(table: &Table, size: Size) -> Vec<PlanStep> {
    let what = summary(table);
    // It says that the index is complete.
    let done = format!(
        "COMMENT ON TABLE {} IS '{}'",
        table.name.searched().sql(Dialect::Postgres),
        made(table)
    );
    let mut sql = make(table);
    if size < Size::Large {
        if size > Size::Empty {
            sql.push(fill(table));
        }
        sql.extend([index(table, ""), analyze(table), done]);
        return vec![PlanStep::new(size.label(), what, sql)];
    }
    let step = |summary: String, sql| PlanStep::new(Label::Slow, summary, sql).alone(Vec::new());
    vec![
        PlanStep::new(
            Label::Safe,
            format!("{what}, for what is written from now on"),
            sql,
        ),
        step(format!("{what}: read the records"), vec![fill(table)]),
        step(
            format!("{what}: index the words"),
            vec![index(table, "CONCURRENTLY "), analyze(table), done],
        ),
    ]
}

pub fn drop(table: &TableName) -> Vec<String> {
    let name = table.searched().sql(Dialect::Postgres);
    // With its trigger.
    vec![
        format!("DROP FUNCTION IF EXISTS {name}() CASCADE"),
        format!("DROP TABLE IF EXISTS {name}"),
    ]
}

fn make(table: &Table) -> Vec<String> {
    let searched = table.name.searched();
    let name = searched.sql(Dialect::Postgres);
    let key = table
        .columns
        .iter()
        .find(|one| table.key.contains(&one.name));
    let key = key.map_or("text", |column| physical(column.ty));
    let lines: Vec<String> = columns(table)
        .iter()
        .map(|one| format!("{one} tsvector NOT NULL"))
        .collect();
    let fields: Vec<String> = table.search.iter().map(|one| quoted(one)).collect();
    vec![
        words(),
        // Where it cannot run, nothing is to depend on it.
        format!("SELECT \"mainstay\".words_{VERSION}('É')"),
        format!(
            "CREATE TABLE {name} (\n  \"doc\" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n  \"id\" {key} NOT NULL \
             UNIQUE,\n  {}\n)",
            lines.join(",\n  ")
        ),
        trigger(table, &fields),
        format!(
            "CREATE TRIGGER {} AFTER INSERT OR UPDATE OF {} OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION {name}()",
            quoted(&searched.name),
            fields.join(", "),
            table.name.sql(Dialect::Postgres)
        ),
    ]
}

/// What the trigger does.
fn trigger(table: &Table, fields: &[String]) -> String {
    let name = table.name.searched().sql(Dialect::Postgres);
    let columns = columns(table);
    let of_row = |row: &str| {
        let values: Vec<String> = fields.iter().map(|one| format!("{row}.{one}")).collect();
        values.join(", ")
    };
    let set: Vec<String> = columns
        .iter()
        .map(|one| format!("{one} = excluded.{one}"))
        .collect();
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $trigger$
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM {name} WHERE \"id\" = OLD.\"id\";
    RETURN NULL;
  END IF;
  IF TG_OP = 'UPDATE' AND ROW({}) IS NOT DISTINCT FROM ROW({}) THEN
    RETURN NULL;
  END IF;
  INSERT INTO {name} (\"id\", {}) VALUES (NEW.\"id\", {})
    ON CONFLICT (\"id\") DO UPDATE SET {};
  RETURN NULL;
END $trigger$",
        of_row("OLD"),
        of_row("NEW"),
        columns.join(", "),
        values(table, "NEW"),
        set.join(", ")
    )
}

fn columns(table: &Table) -> Vec<String> {
    let column = |field: &String| quoted(&words_of(field));
    table.search.iter().map(column).collect()
}

fn values(table: &Table, row: &str) -> String {
    let value = |column: &String| format!("\"mainstay\".words_{VERSION}({row}.{})", quoted(column));
    let values: Vec<String> = table.search.iter().map(value).collect();
    values.join(", ")
}

fn fill(table: &Table) -> String {
    let order = match table.columns.iter().any(|one| one.name == "created_at") {
        true => "t.\"created_at\", t.\"id\"",
        false => "t.\"id\"",
    };
    format!(
        "INSERT INTO {} (\"id\", {}) SELECT t.\"id\", {} FROM {} t ORDER BY {order} ON CONFLICT (\"id\") DO NOTHING",
        table.name.searched().sql(Dialect::Postgres),
        columns(table).join(", "),
        values(table, "t"),
        table.name.sql(Dialect::Postgres)
    )
}

/// What is written waits in a list that each search reads, so the list is short.
fn index(table: &Table, how: &str) -> String {
    let searched = table.name.searched();
    format!(
        "CREATE INDEX {how}{} ON {} USING gin ({}) WITH (gin_pending_list_limit = 256)",
        quoted(&format!("{}_idx", searched.name)),
        searched.sql(Dialect::Postgres),
        columns(table).join(", ")
    )
}

/// Which words are common decides how a search is run.
fn analyze(table: &Table) -> String {
    format!("ANALYZE {}", table.name.searched().sql(Dialect::Postgres))
}

/// The function that makes words of a text.
fn words() -> String {
    let (dropped, single, separators) = (class(DROPPED), class(SINGLE), class(SEPARATORS));
    let marks = class(MARKS);
    let (from, to): (String, String) = FOLDED.iter().copied().unzip();
    let unfold: String = UNFOLDED
        .iter()
        .map(|(one, two)| format!("    plain := replace(plain, '{one}', '{two}');\n"))
        .collect();
    format!(
        "CREATE OR REPLACE FUNCTION \"mainstay\".words_{VERSION}(field text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $words$
DECLARE
  plain text := coalesce(field, '');
  list text[];
  last integer;
BEGIN
  IF octet_length(plain) = length(plain) THEN
    plain := regexp_replace(lower(plain COLLATE \"C\"), '[^a-z0-9]+', ' ', 'g');
  ELSE
    plain := regexp_replace(plain, '[{dropped}]+', '', 'g');
    plain := regexp_replace(plain, '([{marks}]{{{IN_A_ROW}}})[{marks}]+', '\\1', 'g');
    plain := normalize(regexp_replace(normalize(plain, NFKD), '[{dropped}]+', '', 'g'), NFC);
    plain := translate(lower(plain COLLATE \"und-x-icu\"), '{from}', '{to}');
{unfold}    plain := regexp_replace(plain, '([{single}])', ' \\1 ', 'g');
    plain := regexp_replace(plain, '[{separators}]+', ' ', 'g');
  END IF;
  list := (string_to_array(trim(left(ltrim(plain), {CHARACTERS})), ' '))[1:{WORDS}];
  last := coalesce(array_length(list, 1), 0);
  RETURN coalesce((
    SELECT string_agg('''' || left(word, {LONGEST}) || ''':' || at || CASE
      WHEN last = 1 THEN 'C' WHEN at = 1 THEN 'A' WHEN at = last THEN 'B' ELSE '' END, ' ')
    FROM unnest(list) WITH ORDINALITY one (word, at)), '')::tsvector;
END $words$"
    )
}

/// The inside of a bracket expression.
fn class(ranges: &[(u32, u32)]) -> String {
    let range = |(first, last): &(u32, u32)| {
        // No text has the character of the number 0.
        format!("\\U{:08X}-\\U{last:08X}", (*first).max(1))
    };
    ranges.iter().map(range).collect()
}

//! The log on PostgreSQL, where numbers are drawn in one order and committed in another.
//!
//! An offset is a snapshot: which transactions were visible to its reader. What came after it is what is visible
//! now and was not then, in the order of `seq`, which each write draws while it holds its record's lock. Nothing
//! is missed and nothing waits for transactions that are still open, in whichever database of the cluster.
//!
//! A gap larger than a batch is read against the snapshot at its beginning and the one at its end, and `seq`
//! says how far one has come. Snapshots mean nothing on another cluster, nor where a standby took over that had
//! not received everything: an offset names its cluster, its timeline and its database, and is lost elsewhere.

use super::{Change, ChangeBatch, ChangeKind, Mark, Offset};
use crate::postgres::Postgres;
use crate::{Result, StoreError};
use spec::statement::{Capture, Expect, Lane, Output, Shape, Statement, Step, Written};
use spec::types::ColumnType;
use spec::{Uuid, Value};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

const READ: Duration = Duration::from_secs(10);

/// How many changes are forgotten in one statement.
const SLICE: i64 = 1_000;

/// Cluster, timeline (a standby that takes over begins a new one) and database, in one word.
const HOME: &str = "(select system_identifier::text from pg_control_system()) || '.' || \
    left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.' || \
    (select oid::text from pg_database where datname = current_database())";

const COLUMNS: &str = "c.seq, c.module, c.model, c.record_id, c.version, c.kind, c.by_kind, c.by_id, c.at, c.record, c.previous";

/// Whether changes behind the snapshot `$1` are forgotten: the youngest forgotten transaction may
/// be one it did not see, and the snapshot is not from after the forgetting (which saw all of them committed). That it
/// is from after shows by its seeing everything that the forgetting saw.
const FORGOTTEN: &str = "exists (select 1 from mainstay.forgotten f \
    where f.log = 'changes' and f.xid >= pg_snapshot_xmin($1::text::pg_snapshot) \
      and not (pg_snapshot_xmax($1::text::pg_snapshot) >= pg_snapshot_xmax(f.seen) \
        and not exists (select 1 from pg_snapshot_xip($1::text::pg_snapshot) x where pg_visible_in_snapshot(x, f.seen))))";

/// Offsets and their parts as text; `from` is the snapshot behind which changes are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// Empty before the first change there ever was, which is at home everywhere.
    home: String,
    from: String,
    /// In the middle of a gap: the snapshot at its end, and the last number read.
    within: Option<(String, i64)>,
}

impl Place {
    fn parse(offset: &Offset) -> Result<Place> {
        let text = offset.as_text();
        if text.is_empty() {
            return Ok(Place {
                home: String::new(),
                // Sees nothing at all.
                from: "1:1:".to_owned(),
                within: None,
            });
        }
        let refused = || StoreError::Other {
            cause: format!("{text:?} is no offset of this store"),
        };
        let mut parts = text.split('/');
        let home = parts.next().unwrap_or_default();
        let from = parts.next().filter(|text| is_snapshot(text));
        let within = match (parts.next(), parts.next(), parts.next()) {
            (None, None, None) => None,
            (Some(to), Some(seq), None) if is_snapshot(to) => {
                Some((to.to_owned(), seq.parse().map_err(|_| refused())?))
            }
            _ => return Err(refused()),
        };
        Ok(Place {
            home: home.to_owned(),
            from: from.ok_or_else(refused)?.to_owned(),
            within,
        })
    }

    fn offset(home: &str, from: &str, within: Option<(&str, i64)>) -> Offset {
        Offset::from_text(&match within {
            None => format!("{home}/{from}"),
            Some((to, seq)) => format!("{home}/{from}/{to}/{seq}"),
        })
    }
}

/// `xmin:xmax:in progress`, as `pg_snapshot` prints it.
fn is_snapshot(text: &str) -> bool {
    let mut parts = text.split(':');
    let number =
        |part: Option<&str>| part.is_some_and(|part| part.parse::<u64>().is_ok_and(|n| n > 0));
    number(parts.next())
        && number(parts.next())
        && parts
            .next()
            .is_some_and(|list| list.is_empty() || list.split(',').all(|one| number(Some(one))))
        && parts.next().is_none()
}

/// The statement for a place. Its rows: home, the snapshot now, whether the place's snapshot is from the future,
/// whether something behind it is forgotten, and a change (all null where there is none).
fn statement(place: &Place, limit: i64) -> Statement {
    // `seq + 0`: sorted after the search by `xid`, which finds few, and not walked from the log's beginning.
    // In the middle of a gap it is the other way round: most of what follows is in it.
    let (wanted, mut params) = match &place.within {
        None => (
            "pg_visible_in_snapshot(c.xid, s.cur) order by c.seq + 0",
            Vec::new(),
        ),
        Some((to, seq)) => (
            "pg_visible_in_snapshot(c.xid, $3::text::pg_snapshot) and c.seq > $4 order by c.seq",
            vec![Value::text(to), Value::Int(*seq)],
        ),
    };
    let text = format!(
        "with s as materialized (select pg_current_snapshot() as cur) \
         select {HOME}, s.cur::text, \
           pg_snapshot_xmax($1::text::pg_snapshot) > pg_snapshot_xmax(s.cur), \
           {FORGOTTEN}, \
           c.* \
         from s left join lateral ( \
           select {COLUMNS} from mainstay.changes c \
           where c.xid >= pg_snapshot_xmin($1::text::pg_snapshot) \
             and not pg_visible_in_snapshot(c.xid, $1::text::pg_snapshot) \
             and {wanted} limit $2) c on true \
         order by c.seq"
    );
    let mut all = vec![Value::text(&place.from), Value::Int(limit)];
    all.append(&mut params);
    Statement {
        text,
        params: all,
        shape: captured(&[
            ColumnType::Text,
            ColumnType::Text,
            ColumnType::Bool,
            ColumnType::Bool,
            ColumnType::Int,
            ColumnType::Text,
            ColumnType::Text,
            ColumnType::Text,
            ColumnType::Int,
            ColumnType::Text,
            ColumnType::Text,
            ColumnType::Uuid,
            ColumnType::Timestamp,
            ColumnType::Text,
            ColumnType::Text,
        ]),
        lane: Lane::Unbounded,
    }
}

fn captured(types: &[ColumnType]) -> Arc<Shape> {
    Arc::new(Shape {
        columns: types
            .iter()
            .map(|ty| Output::Captured { ty: *ty })
            .collect(),
        capture: Capture::Every,
    })
}

impl Postgres {
    /// At most `limit` changes after an offset.
    pub async fn changes(&self, after: &Offset, limit: u32) -> Result<ChangeBatch> {
        let place = Place::parse(after)?;
        let statement = statement(&place, i64::from(limit) + 1);
        let rows = self.captured(&statement, Instant::now() + READ).await?;
        let [
            Value::Text(home),
            Value::Text(now),
            Value::Bool(future),
            Value::Bool(forgotten),
            ..,
        ] = rows.as_slice()
        else {
            return Err(malformed());
        };
        if *future || !(place.home.is_empty() || place.home == **home) {
            return Ok(ChangeBatch {
                changes: Vec::new(),
                next: Place::offset(home, now, None),
                more: false,
                lost: true,
            });
        }
        let mut changes = Vec::new();
        for row in rows.chunks(15) {
            changes.extend(change(row)?);
        }
        let more = changes.len() > limit as usize;
        changes.truncate(limit as usize);
        let next = match (more, &place.within, changes.last()) {
            (true, within, last) => {
                let to = within.as_ref().map_or(&**now, |(to, _)| to);
                // Asked for nothing, one stays where one is.
                let seq = last.map_or_else(
                    || within.as_ref().map_or(i64::MIN, |(_, seq)| *seq),
                    |last| last.seq,
                );
                Place::offset(home, &place.from, Some((to, seq)))
            }
            (false, Some((to, _)), _) => Place::offset(home, to, None),
            (false, None, _) => Place::offset(home, now, None),
        };
        Ok(ChangeBatch {
            changes,
            next,
            // At the end of a gap there may be what came while it was read.
            more: more || place.within.is_some(),
            lost: *forgotten,
        })
    }

    /// Behind everything that is committed now.
    pub async fn changes_head(&self) -> Result<Offset> {
        let statement = Statement {
            text: format!("select {HOME}, pg_current_snapshot()::text"),
            params: Vec::new(),
            shape: captured(&[ColumnType::Text, ColumnType::Text]),
            lane: Lane::Bounded,
        };
        match self
            .captured(&statement, Instant::now() + READ)
            .await?
            .as_slice()
        {
            [Value::Text(home), Value::Text(now)] => Ok(Place::offset(home, now, None)),
            _ => Err(malformed()),
        }
    }

    /// Differs from the last answer when something may have been written since: the snapshot does, also when an
    /// old transaction commits behind younger ones.
    pub async fn changes_mark(&self) -> Result<Mark> {
        let statement = Statement {
            text: "select pg_current_snapshot()::text".to_owned(),
            params: Vec::new(),
            shape: captured(&[ColumnType::Text]),
            lane: Lane::Bounded,
        };
        match self
            .captured(&statement, Instant::now() + READ)
            .await?
            .as_slice()
        {
            [Value::Text(now)] => {
                let mut hasher = DefaultHasher::new();
                now.hash(&mut hasher);
                let xmax = now.split(':').nth(1).and_then(|text| text.parse().ok());
                Ok(Mark(xmax.unwrap_or(0), hasher.finish() as i64))
            }
            _ => Err(malformed()),
        }
    }

    /// Forgets changes from before a moment, from the log's oldest end on; returns how many.
    pub async fn forget_changes(&self, older_than: i64) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let step = Step {
                statement: Statement {
                    text: FORGET.to_owned(),
                    params: vec![Value::Timestamp(older_than), Value::Int(SLICE)],
                    shape: captured(&[ColumnType::Int]),
                    lane: Lane::Unbounded,
                },
                expect: Expect::One,
            };
            let slice = match self.write(vec![step], Instant::now() + READ).await? {
                Written::Done(done) => match done.first().map(Vec::as_slice) {
                    Some([Value::Int(count)]) => *count,
                    _ => return Err(malformed()),
                },
                Written::Missed { .. } => 0,
            };
            forgotten += slice as u64;
            if slice < SLICE {
                return Ok(forgotten);
            }
        }
    }
}

/// The log has no index on `at`: it is looked through from its oldest end, one slice far. The youngest
/// transaction among the forgotten is kept, so that an offset from before it shows as lost ([`FORGOTTEN`]).
const FORGET: &str = "
with oldest as materialized (select seq, at from mainstay.changes order by seq limit $2),
gone as (
  delete from mainstay.changes where seq < coalesce(
    (select min(seq) from oldest where at >= $1),
    (select max(seq) + 1 from oldest))
  returning xid),
kept as (
  insert into mainstay.forgotten (log, xid, seen)
  select 'changes', xid, pg_current_snapshot() from gone order by xid desc limit 1
  on conflict (log) do update set xid = greatest(mainstay.forgotten.xid, excluded.xid), seen = excluded.seen)
select count(*) from gone";

fn malformed() -> StoreError {
    StoreError::Other {
        cause: "the change log answered in another shape".to_owned(),
    }
}

/// A row's change, if it has one.
fn change(row: &[Value]) -> Result<Option<Change>> {
    let [
        _,
        _,
        _,
        _,
        Value::Int(seq),
        Value::Text(module),
        Value::Text(model),
        Value::Text(record_id),
        Value::Int(version),
        Value::Text(kind),
        Value::Text(by_kind),
        by_id,
        Value::Timestamp(at),
        record,
        previous,
    ] = row
    else {
        return match row.get(4) {
            Some(Value::Null) => Ok(None),
            _ => Err(malformed()),
        };
    };
    let text = |value: &Value| value.as_text().map(str::to_owned);
    Ok(Some(Change {
        seq: *seq,
        module: module.to_string(),
        model: model.to_string(),
        record_id: record_id.to_string(),
        version: *version,
        kind: ChangeKind::from_name(kind).ok_or_else(malformed)?,
        by_kind: by_kind.to_string(),
        by_id: match by_id {
            Value::Uuid(id) => Some(Uuid::from_bytes(*id.as_bytes())),
            _ => None,
        },
        at: *at,
        record: text(record),
        previous: text(previous),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_there_and_back_and_others_are_refused() {
        for text in [
            "7.00000001.5/10:20:10,15",
            "7.00000001.5/10:20:/10:30:/99",
            "7.00000001.5/1:1:",
        ] {
            let place = Place::parse(&Offset::from_text(text)).unwrap();
            let within = place.within.as_ref().map(|(to, seq)| (to.as_str(), *seq));
            assert_eq!(
                Place::offset(&place.home, &place.from, within).as_text(),
                text
            );
        }
        for text in [
            "12",
            "a/b",
            "a/1:2",
            "a/1:2:x",
            "a/1:2:3,",
            "a/0:1:",
            "a/1:2:/1:2:",
            "a/1:2:/1:2:/x",
            "a/1:2:/1:2:/1/2",
        ] {
            assert!(Place::parse(&Offset::from_text(text)).is_err(), "{text}");
        }
        assert_eq!(Place::parse(&Offset::start()).unwrap().from, "1:1:");
    }
}

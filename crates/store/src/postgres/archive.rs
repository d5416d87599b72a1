//! What PostgreSQL says of its own backups: whether its log is archived.

use super::Postgres;
use super::connection::query;
use super::load::failed;
use crate::Result;

/// The state of the archive, as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// `16.4`
    pub server: String,
    /// `off`, `on` or `always`.
    pub mode: String,
    /// `minimal` keeps too little in the log to archive it.
    pub wal_level: String,
    /// A command or library that archives is set.
    pub configured: bool,
    /// The last segment that was archived, and how many seconds ago.
    pub last: Option<(String, i64)>,
    /// The last that failed, and how many seconds ago, where that is younger.
    pub failing: Option<(String, i64)>,
    /// Segments of the log behind the last archived one, with the one that is being written.
    pub behind: Option<i64>,
}

impl Postgres {
    pub async fn archive(&self) -> Result<Archive> {
        let own = self.own().await?;
        let text = "select current_setting('server_version'), current_setting('archive_mode'), \
              current_setting('wal_level'), \
              coalesce(current_setting('archive_command', true), '') not in ('', '(disabled)') \
                or coalesce(current_setting('archive_library', true), '') <> '', \
              last_archived_wal, extract(epoch from now() - last_archived_time)::int8, \
              case when last_failed_time > coalesce(last_archived_time, '-infinity') then last_failed_wal end, \
              extract(epoch from now() - last_failed_time)::int8, \
              case when not pg_is_in_recovery() then pg_walfile_name(pg_current_wal_lsn()) end, \
              (select setting::int8 from pg_settings where name = 'wal_segment_size') \
            from pg_stat_archiver";
        let rows = query(own.client(), text, &[]).await.map_err(failed)?;
        let row = rows.first().ok_or_else(|| crate::StoreError::Other {
            cause: "the server tells nothing of its archive".to_owned(),
        })?;
        let number = |name: Option<String>| segment(&name?, row.get(9));
        let behind = number(row.get(8))
            .zip(number(row.get(4)))
            .map(|(now, archived)| now - archived);
        let both = |wal: Option<String>, ago: Option<i64>| wal.zip(ago);
        Ok(Archive {
            server: row.get(0),
            mode: row.get(1),
            wal_level: row.get(2),
            configured: row.get(3),
            last: both(row.get(4), row.get(5)),
            failing: both(row.get(6), row.get(7)),
            behind,
        })
    }
}

/// The number of a segment of the log, by its file's name: eight digits each of the timeline, of 4 GiB, and of the segment
/// in those.
fn segment(name: &str, bytes: i64) -> Option<i64> {
    let digits = |from: usize| i64::from_str_radix(name.get(from..from + 8)?, 16).ok();
    Some(digits(8)? * ((1 << 32) / bytes.max(1)) + digits(16)?)
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn segments_are_numbered_through() {
        let number = |name: &str| segment(name, 16 << 20);
        assert_eq!(number("0000000100000000000000FF"), Some(255));
        assert_eq!(number("000000010000000100000000"), Some(256));
        assert_eq!(number("00000002000000020000000A.partial"), Some(522));
        assert_eq!(number("00000001.history"), None);
        assert_eq!(number(""), None);
    }
}

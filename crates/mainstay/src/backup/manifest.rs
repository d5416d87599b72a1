//! What a backup holds, as text beside it.

use crate::backend;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use spec::App;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use store::migrate::record::schema_json;
use store::sqlite::backup::Facts;

/// What the file says it is. Another number is of another version, which may mean something else.
const FORMAT: u64 = 1;

#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The app's name.
    pub app: String,
    /// The name of the database's file: one app may have several. None in manifests of the first versions.
    pub database: Option<String>,
    /// Microseconds since 1970.
    pub made_at: i64,
    /// The version of Mainstay that made it.
    pub version: String,
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal, as `sha256sum` prints it.
    pub digest: String,
    /// The same of the tables that the app wanted then.
    pub schema: String,
    /// Rows by table.
    pub rows: Vec<(String, u64)>,
    /// The last change in its log.
    pub changes: i64,
    pub changed_at: Option<i64>,
}

/// The digest of the tables that an app wants.
pub fn schema_digest(app: &App) -> String {
    hexadecimal(&Sha256::digest(schema_json(&backend::schema(app))))
}

/// Makes the digest of bytes as they come.
#[derive(Default)]
pub struct Digester {
    hasher: Sha256,
    bytes: u64,
}

impl Digester {
    /// Answers how many bytes there were so far.
    pub fn update(&mut self, bytes: &[u8]) -> u64 {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.bytes
    }

    pub fn finish(self) -> String {
        hexadecimal(&self.hasher.finalize())
    }
}

/// The digest of a file. `progress` is told the bytes read.
pub fn digest(path: &Path, progress: &mut dyn FnMut(u64)) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Digester::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finish()),
            read => progress(digest.update(&buffer[..read])),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Manifest {
    /// Of a database file that was just made.
    pub fn of(
        app: &App,
        database: &Path,
        made_at: i64,
        path: &Path,
        facts: Facts,
    ) -> std::io::Result<Manifest> {
        Ok(Manifest {
            app: app.settings.name.clone(),
            database: Some(super::file_name(database)),
            made_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bytes: std::fs::metadata(path)?.len(),
            digest: digest(path, &mut |_| {})?,
            schema: schema_digest(app),
            rows: rows(&facts),
            changes: facts.changes,
            changed_at: facts.changed_at,
        })
    }

    /// What is in the database beside what this says; none where it is the same.
    pub fn against(&self, facts: &Facts) -> Option<String> {
        let there = rows(facts);
        let differs = self.rows.iter().zip(&there).find(|(said, is)| said != is);
        match differs {
            Some(((table, said), (_, is))) => Some(format!(
                "{table}: the manifest says {said} rows, there are {is}"
            )),
            None if self.rows.len() != there.len() || self.changes != facts.changes => {
                Some("the manifest is of another database".to_owned())
            }
            None => None,
        }
    }

    pub fn text(&self) -> String {
        let rows: Map<String, Json> = self
            .rows
            .iter()
            .map(|(table, rows)| (table.clone(), Json::from(*rows)))
            .collect();
        let time = |at: i64| spec::time::timestamp_text(at);
        let manifest = json!({
            "mainstay_backup": FORMAT,
            "app": self.app,
            "database": self.database,
            "made_at": time(self.made_at),
            "version": self.version,
            "bytes": self.bytes,
            "sha256": self.digest,
            "schema_sha256": self.schema,
            "rows": rows,
            "changes": {"last": self.changes, "at": self.changed_at.map(time)},
        });
        format!("{manifest:#}\n")
    }

    pub fn read(text: &str) -> Result<Manifest, String> {
        let json: Json = serde_json::from_str(text).map_err(|_| no_manifest())?;
        match json["mainstay_backup"].as_u64() {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(format!(
                    "its format is {other}, which this version of Mainstay does not know"
                ));
            }
            None => return Err(no_manifest()),
        }
        let text = |value: &Json| value.as_str().map(str::to_owned).ok_or_else(no_manifest);
        let time = |value: &Json| {
            let text = value.as_str().ok_or_else(no_manifest)?;
            spec::time::parse_timestamp(text).map_err(|_| no_manifest())
        };
        let row = |(table, rows): (&String, &Json)| {
            let rows = rows.as_u64().ok_or_else(no_manifest)?;
            Ok((table.clone(), rows))
        };
        let rows = json["rows"].as_object().ok_or_else(no_manifest)?;
        let changes = &json["changes"];
        let mut rows: Vec<(String, u64)> = rows.iter().map(row).collect::<Result<_, String>>()?;
        rows.sort();
        Ok(Manifest {
            app: text(&json["app"])?,
            database: json["database"].as_str().map(str::to_owned),
            made_at: time(&json["made_at"])?,
            version: text(&json["version"])?,
            bytes: json["bytes"].as_u64().ok_or_else(no_manifest)?,
            digest: text(&json["sha256"])?,
            schema: text(&json["schema_sha256"])?,
            rows,
            changes: changes["last"].as_i64().ok_or_else(no_manifest)?,
            changed_at: match &changes["at"] {
                Json::Null => None,
                at => Some(time(at)?),
            },
        })
    }
}

fn rows(facts: &Facts) -> Vec<(String, u64)> {
    let row = |(name, rows): &(spec::schema::TableName, u64)| {
        (format!("{}.{}", name.namespace, name.name), *rows)
    };
    let mut rows: Vec<(String, u64)> = facts.tables.iter().map(row).collect();
    rows.sort();
    rows
}

fn no_manifest() -> String {
    "this is no manifest of a backup".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let manifest = Manifest {
            app: "shop".to_owned(),
            database: Some("data.db".to_owned()),
            made_at: 1_700_000_000_000_000,
            version: "0.1.0".to_owned(),
            bytes: 4096,
            digest: "ab".repeat(32),
            schema: "cd".repeat(32),
            rows: vec![("a.b".to_owned(), 3), ("mainstay.changes".to_owned(), 7)],
            changes: 9,
            changed_at: None,
        };
        let text = manifest.text();
        assert_eq!(Manifest::read(&text), Ok(manifest));
        assert!(
            Manifest::read(&text.replace("\"mainstay_backup\": 1", "\"mainstay_backup\": 2"))
                .is_err_and(|why| why.contains("format is 2"))
        );
        for other in ["", "{}", "[]", "{\"mainstay_backup\":1}", "nonsense"] {
            assert!(Manifest::read(other).is_err(), "{other}");
        }
    }
}

//! Which settings are in force, and where each came from: a flag, the environment, `mainstay.toml`, a default.

use crate::database::Database;
use serde_json::Value as Json;
use spec::Settings;
use spec::settings::is_address;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a setting came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Environment(&'static str),
    File,
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Environment(name) => write!(f, "environment: {name}"),
            Origin::File => f.write_str("mainstay.toml"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub database: Option<String>,
    pub listen: Option<String>,
}

/// One line of `mainstay config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub key: &'static str,
    /// As it is written in the file: a number, a flag, or text.
    pub value: Json,
    pub origin: Origin,
}

/// The settings of an app in this process.
#[derive(Debug, Clone)]
pub struct Config {
    pub folder: PathBuf,
    pub database: Database,
    pub settings: Settings,
    pub lines: Vec<Line>,
}

impl Config {
    /// `settings` are the file's and the defaults; what stands above them is laid over.
    pub fn resolve(folder: &Path, settings: &Settings, flags: &Flags) -> Result<Config, String> {
        let mut settings = settings.clone();
        let file = std::fs::read_to_string(folder.join("mainstay.toml")).unwrap_or_default();
        let given = Given::read(&file);
        let mut origins: Vec<(&'static str, Origin)> = Vec::new();
        let mut over = |key: &'static str,
                        flag: &Option<String>,
                        variables: &[&'static str],
                        slot: &mut String| {
            let from_environment = variables.iter().find_map(|v| {
                std::env::var(v)
                    .ok()
                    .filter(|t| !t.is_empty())
                    .map(|t| (*v, t))
            });
            match (flag, from_environment) {
                (Some(value), _) => {
                    value.clone_into(slot);
                    origins.push((key, Origin::Flag));
                }
                (None, Some((variable, value))) => {
                    *slot = value;
                    origins.push((key, Origin::Environment(variable)));
                }
                (None, None) => {}
            }
        };
        over(
            "database.url",
            &flags.database,
            &["MAINSTAY_DATABASE_URL", "DATABASE_URL"],
            &mut settings.database.url,
        );
        over(
            "server.listen",
            &flags.listen,
            &["MAINSTAY_LISTEN"],
            &mut settings.server.listen,
        );
        let mut pool = settings.database.pool.to_string();
        over(
            "database.pool",
            &None,
            &["MAINSTAY_DATABASE_POOL"],
            &mut pool,
        );
        settings.database.pool = pool_of(&pool)
            .map_err(|bounds| format!("MAINSTAY_DATABASE_POOL={pool} is no number {bounds}"))?;
        if !is_address(&settings.server.listen) {
            let from = origins.iter().find(|(key, _)| *key == "server.listen");
            let from =
                from.map_or_else(|| "mainstay.toml".to_owned(), |(_, from)| from.to_string());
            return Err(format!(
                "server.listen is {} ({from}), which is not an address and a port up to 65535: write \
                 127.0.0.1:8080 for this machine alone, 0.0.0.0:8080 for all networks",
                settings.server.listen
            ));
        }
        let database =
            Database::parse(&settings.database.url, folder)?.with_pool(settings.database.pool);
        let lines = lines(&settings, &database)
            .into_iter()
            .map(|(key, value)| {
                let origin = origins
                    .iter()
                    .find(|(k, _)| *k == key)
                    .map(|(_, origin)| *origin);
                let origin = origin.unwrap_or(if given.has(key) {
                    Origin::File
                } else {
                    Origin::Default
                });
                Line { key, value, origin }
            })
            .collect();
        Ok(Config {
            folder: folder.to_path_buf(),
            database,
            settings,
            lines,
        })
    }
}

fn lines(s: &Settings, database: &Database) -> Vec<(&'static str, Json)> {
    let time = |d: Duration| Json::from(spelled(d));
    vec![
        ("name", s.name.clone().into()),
        ("server.listen", s.server.listen.clone().into()),
        ("server.drain", time(s.server.drain)),
        ("server.docs", s.server.docs.into()),
        ("database.url", database.shown().into()),
        ("database.pool", s.database.pool.into()),
        (
            "auth.registration",
            format!("{:?}", s.auth.registration).to_lowercase().into(),
        ),
        ("auth.access_token", time(s.auth.access_token)),
        ("auth.refresh_token", time(s.auth.refresh_token)),
        ("auth.verify_email", s.auth.verify_email.into()),
        ("auth.password_min", s.auth.password_min.into()),
        ("limits.page", s.limits.page.into()),
        ("limits.page_default", s.limits.page_default.into()),
        ("limits.nested_page", s.limits.nested_page.into()),
        ("limits.expand_depth", s.limits.expand_depth.into()),
        ("limits.expand", s.limits.expand.into()),
        ("limits.answer", s.limits.answer.into()),
        ("limits.search", s.limits.search.into()),
        ("limits.search_words", s.limits.search_words.into()),
        ("limits.search_ranked", s.limits.search_ranked.into()),
        ("limits.groups", s.limits.groups.into()),
        ("limits.aggregates", s.limits.aggregates.into()),
        ("limits.filter", s.limits.filter.into()),
        ("limits.filter_nodes", s.limits.filter_nodes.into()),
        ("limits.filter_depth", s.limits.filter_depth.into()),
        ("limits.body", s.limits.body.into()),
        ("limits.json_depth", s.limits.json_depth.into()),
        ("limits.members", s.limits.members.into()),
        ("limits.batch", s.limits.batch.into()),
        ("limits.batch_bytes", s.limits.batch_bytes.into()),
        ("limits.query_time", time(s.limits.query_time)),
        ("limits.address", s.limits.address.into()),
        ("limits.query", s.limits.query.into()),
        ("limits.headers", s.limits.headers.into()),
        ("limits.head_time", time(s.limits.head_time)),
        ("limits.body_time", time(s.limits.body_time)),
        ("changes.keep", time(s.changes.keep)),
        ("idempotency.keep", time(s.idempotency.keep)),
        ("backup.every", s.backup.every.map_or(Json::Null, time)),
        ("backup.keep", s.backup.keep.into()),
        ("backup.dir", s.backup.dir.clone().into()),
    ]
}

/// A pool's size within the bounds that the file is held to, or those bounds.
fn pool_of(text: &str) -> Result<u32, String> {
    let schema = spec::load::schema::app_schema();
    let pool = &schema["properties"]["database"]["properties"]["pool"];
    let bound = |name: &str| pool[name].as_u64().unwrap_or_default();
    let (least, most) = (bound("minimum"), bound("maximum"));
    let size = text.parse::<u32>().ok();
    size.filter(|size| (least..=most).contains(&u64::from(*size)))
        .ok_or_else(|| format!("from {least} to {most}"))
}

/// As the file has it: `15m`, not `900s`.
fn spelled(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    units
        .into_iter()
        .find(|(_, size)| millis > 0 && millis.is_multiple_of(*size))
        .map_or_else(
            || format!("{millis}ms"),
            |(unit, size)| format!("{}{unit}", millis / size),
        )
}

/// Every variable that is read, here or beside (`server`, `cli`).
const VARIABLES: [&str; 6] = [
    "MAINSTAY_DATABASE_URL",
    "MAINSTAY_DATABASE_POOL",
    "MAINSTAY_LISTEN",
    crate::secret::VARIABLE,
    "MAINSTAY_LOG",
    "MAINSTAY_TRACE",
];

/// What is set and read by nobody: most likely a slip, and the setting that was meant stays as it was.
pub fn unread() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unread: Vec<String> = names.filter(|name| nobody_reads(name)).collect();
    unread.sort();
    unread
        .into_iter()
        .map(|name| {
            // All begin alike, which says nothing of how near they are.
            let short = |name: &str| name.trim_start_matches("MAINSTAY_").to_lowercase();
            let known: Vec<String> = VARIABLES.iter().map(|known| short(known)).collect();
            let near = spec::nearest::nearest(&short(&name), known.iter().map(String::as_str));
            match near.map(|near| format!("MAINSTAY_{}", near.to_uppercase())) {
                Some(near) => format!("{name} is set, and nothing reads it; did you mean {near}?"),
                None => format!(
                    "{name} is set, and nothing reads it; there are {}",
                    VARIABLES.join(", ")
                ),
            }
        })
        .collect()
}

fn nobody_reads(name: &str) -> bool {
    // Those of the project's own tests are theirs.
    let tests = ["MAINSTAY_TEST_", "MAINSTAY_AGREEMENT_"];
    name.starts_with("MAINSTAY_")
        && !VARIABLES.contains(&name)
        && !tests.iter().any(|prefix| name.starts_with(prefix))
}

/// Which keys the file names; only to say where a value came from, so its mistakes are told elsewhere.
struct Given(toml::Table);

impl Given {
    fn read(text: &str) -> Given {
        Given(text.parse().unwrap_or_default())
    }

    fn has(&self, key: &str) -> bool {
        match key.split_once('.') {
            Some((table, key)) => self.0.get(table).and_then(|t| t.get(key)).is_some(),
            None => self.0.contains_key(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key that `mainstay.toml` takes, as `table.key`.
    fn keys() -> Vec<String> {
        let schema = spec::load::schema::app_schema();
        let mut keys = Vec::new();
        for (name, of) in schema["properties"].as_object().expect("keys") {
            match of["properties"].as_object() {
                Some(inner) => keys.extend(inner.keys().map(|key| format!("{name}.{key}"))),
                None => keys.push(name.clone()),
            }
        }
        keys
    }

    #[test]
    fn every_setting_is_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings::default();
        let database = Database::parse(&settings.database.url, folder.path()).expect("a database");
        let shown = lines(&settings, &database);
        let keys = keys();
        assert!(keys.len() > 40, "{keys:?}");
        for key in &keys {
            assert!(
                shown.iter().any(|(one, _)| one == key),
                "{key} is not shown"
            );
        }
        for (key, _) in shown {
            assert!(keys.iter().any(|one| one == key), "{key} is no setting");
        }
    }

    #[test]
    fn the_pages_name_every_variable() {
        let pages = [
            include_str!("../../../docs/app.md"),
            include_str!("../../../docs/operations.md"),
        ];
        for page in pages {
            for variable in VARIABLES {
                assert!(page.contains(&format!("`{variable}`")), "{variable}");
            }
        }
    }
}

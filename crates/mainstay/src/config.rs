//! Which settings are in force, and where each came from: a flag, the environment, `mainstay.toml`, a default.

use crate::database::Database;
use spec::Settings;
use std::path::{Path, PathBuf};

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
    pub value: String,
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
        settings.database.pool = pool
            .parse()
            .map_err(|_| format!("MAINSTAY_DATABASE_POOL={pool} is not a whole number"))?;
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

fn lines(s: &Settings, database: &Database) -> Vec<(&'static str, String)> {
    let time = |d: std::time::Duration| format!("{d:?}");
    vec![
        ("name", s.name.clone()),
        ("server.listen", s.server.listen.clone()),
        ("server.drain", time(s.server.drain)),
        ("database.url", database.shown()),
        ("database.pool", s.database.pool.to_string()),
        (
            "auth.registration",
            format!("{:?}", s.auth.registration).to_lowercase(),
        ),
        ("auth.access_token", time(s.auth.access_token)),
        ("auth.refresh_token", time(s.auth.refresh_token)),
        ("auth.verify_email", s.auth.verify_email.to_string()),
        ("auth.password_min", s.auth.password_min.to_string()),
        ("limits.page", s.limits.page.to_string()),
        ("limits.page_default", s.limits.page_default.to_string()),
        ("limits.nested_page", s.limits.nested_page.to_string()),
        ("limits.expand_depth", s.limits.expand_depth.to_string()),
        ("limits.expand", s.limits.expand.to_string()),
        ("limits.answer", s.limits.answer.to_string()),
        ("limits.filter", s.limits.filter.to_string()),
        ("limits.filter_nodes", s.limits.filter_nodes.to_string()),
        ("limits.filter_depth", s.limits.filter_depth.to_string()),
        ("limits.body", s.limits.body.to_string()),
        ("limits.json_depth", s.limits.json_depth.to_string()),
        ("limits.members", s.limits.members.to_string()),
        ("limits.query_time", time(s.limits.query_time)),
        ("limits.address", s.limits.address.to_string()),
        ("limits.query", s.limits.query.to_string()),
        ("limits.headers", s.limits.headers.to_string()),
        ("limits.head_time", time(s.limits.head_time)),
        ("limits.body_time", time(s.limits.body_time)),
        ("changes.keep", time(s.changes.keep)),
    ]
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

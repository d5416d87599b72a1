//! Checks that dependencies between the crates point one way, by the table below.
//!
//! `cargo run -q -p mainstay-edges` at the root of the checkout; exit 1 with one line for each forbidden edge.
//! It reads the manifests and, for `api`'s wire formats, the sources; it does not compile anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

mod siblings;

/// One row of the table: a crate of ours, the crates of ours it may use, and the foreign ones it must not.
struct Room {
    name: &'static str,
    uses: &'static [&'static str],
    must_not_use: &'static [&'static [&'static str]],
}

const DRIVERS: &[&str] = &[
    "rusqlite",
    "libsqlite3-sys",
    "tokio-postgres",
    "deadpool-postgres",
    "postgres-protocol",
];
const HTTP: &[&str] = &[
    "http",
    "http-body-util",
    "hyper",
    "hyper-util",
    "axum",
    "tower-http",
];
const RUNTIME: &[&str] = &["tokio"];

/// The table of `ARCHITECTURE.md`, bottom up. A new crate gets its row here and there in the same change.
///
/// `auth` and `engine` do not know each other: user records are written through a trait that the engine implements.
const ROOMS: &[Room] = &[
    Room {
        name: "spec",
        uses: &[],
        must_not_use: &[RUNTIME, DRIVERS, HTTP],
    },
    Room {
        name: "plan",
        uses: &["spec"],
        must_not_use: &[RUNTIME, DRIVERS, HTTP],
    },
    Room {
        name: "store",
        uses: &["spec"],
        must_not_use: &[HTTP],
    },
    Room {
        name: "auth",
        uses: &["spec", "store"],
        must_not_use: &[DRIVERS],
    },
    Room {
        name: "engine",
        uses: &["spec", "plan", "store"],
        must_not_use: &[DRIVERS, HTTP],
    },
    Room {
        name: "api",
        uses: &["spec", "engine", "auth"],
        must_not_use: &[DRIVERS],
    },
    Room {
        name: "gateway",
        uses: &["spec"],
        must_not_use: &[DRIVERS],
    },
    Room {
        name: "mainstay",
        uses: &["spec", "plan", "store", "auth", "engine", "api", "gateway"],
        must_not_use: &[],
    },
];

/// What a manifest asks for, by package name.
#[derive(Debug, Default, PartialEq)]
struct Uses {
    /// Of the library or binary, and of its build script.
    normal: BTreeSet<String>,
    /// Of its tests, benches and examples.
    dev: BTreeSet<String>,
}

fn main() -> ExitCode {
    let root = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let wrong = match check(&root) {
        Ok(wrong) => wrong,
        Err(error) => {
            eprintln!("edges: {error}");
            return ExitCode::from(2);
        }
    };
    for line in &wrong {
        eprintln!("edges: {line}");
    }
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "edges: the table is in tools/edges/src/main.rs, and ARCHITECTURE.md says why it is as it is"
        );
        ExitCode::FAILURE
    }
}

fn check(root: &Path) -> Result<Vec<String>, String> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let parse = |path: &Path| {
        read(path)?
            .parse::<toml::Table>()
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    let packages = workspace_packages(&parse(&root.join("Cargo.toml"))?);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for folder in folders(&root.join("crates")).map_err(|error| format!("crates: {error}"))? {
        let manifest = folder.join("Cargo.toml");
        if !manifest.exists() {
            continue;
        }
        seen += 1;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        wrong.extend(wrong_edges(
            ROOMS,
            &name,
            &uses(&parse(&manifest)?, &packages),
        ));
    }
    if seen == 0 {
        return Err(format!(
            "{} holds no crate: run it at the root of the checkout",
            root.join("crates").display()
        ));
    }
    let api = root.join("crates/api/src");
    for file in siblings::files(&api).map_err(|error| format!("{}: {error}", api.display()))? {
        for line in siblings::wrong_imports(&file, &read(&api.join(&file))?) {
            wrong.push(format!("crates/api/src/{line}"));
        }
    }
    Ok(wrong)
}

/// The pure core: what is wrong with the edges of one crate.
fn wrong_edges(rooms: &[Room], name: &str, uses: &Uses) -> Vec<String> {
    let Some(room) = rooms.iter().find(|room| room.name == name) else {
        return vec![format!("crates/{name} has no row in the table of crates")];
    };
    let mut wrong = Vec::new();
    for package in &uses.normal {
        if let Some(other) = room_of(package) {
            if !room.uses.contains(&other) {
                let may = if room.uses.is_empty() {
                    "no crate of ours".to_owned()
                } else {
                    room.uses.join(", ")
                };
                wrong.push(format!(
                    "{name} -> {other}: not allowed; {name} may use {may}"
                ));
            }
        } else if room
            .must_not_use
            .iter()
            .any(|group| group.contains(&package.as_str()))
        {
            wrong.push(format!(
                "{name} -> {package}: not allowed; this crate is foreign to what {name} is for"
            ));
        }
    }
    for package in &uses.dev {
        let Some(other) = room_of(package) else {
            continue;
        };
        if rooms.iter().all(|room| room.name != other) || reaches(rooms, other, name) {
            wrong.push(format!(
                "{name} -> {other} (in tests): not allowed; it points upwards"
            ));
        }
    }
    wrong
}

/// The room that a package of ours is, or nothing for a foreign one.
fn room_of(package: &str) -> Option<&str> {
    if package == "mainstay" {
        Some(package)
    } else {
        package.strip_prefix("mainstay-")
    }
}

/// Whether `from` may use `to`, directly or through others.
fn reaches(rooms: &[Room], from: &str, to: &str) -> bool {
    rooms
        .iter()
        .find(|room| room.name == from)
        .is_some_and(|room| {
            room.uses
                .iter()
                .any(|next| *next == to || reaches(rooms, next, to))
        })
}

/// The workspace's dependencies by the name that members use: `spec` stands for `mainstay-spec`.
fn workspace_packages(root: &toml::Table) -> BTreeMap<String, String> {
    let dependencies = root
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table);
    dependencies
        .into_iter()
        .flatten()
        .map(|(name, entry)| (name.clone(), package(name, entry, &BTreeMap::new())))
        .collect()
}

fn uses(manifest: &toml::Table, packages: &BTreeMap<String, String>) -> Uses {
    let mut uses = Uses::default();
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let platforms = platforms
        .into_iter()
        .flatten()
        .filter_map(|(_, table)| table.as_table());
    for table in std::iter::once(manifest).chain(platforms) {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let into = if section == "dev-dependencies" {
                &mut uses.dev
            } else {
                &mut uses.normal
            };
            let entries = table.get(section).and_then(toml::Value::as_table);
            into.extend(
                entries
                    .into_iter()
                    .flatten()
                    .map(|(name, entry)| package(name, entry, packages)),
            );
        }
    }
    uses
}

/// The package behind an entry, which may rename it here or in the workspace's table.
fn package(name: &str, entry: &toml::Value, packages: &BTreeMap<String, String>) -> String {
    if entry.get("workspace").and_then(toml::Value::as_bool) == Some(true) {
        packages
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    } else {
        entry
            .get("package")
            .and_then(toml::Value::as_str)
            .unwrap_or(name)
            .to_owned()
    }
}

fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Room] = &[
        Room {
            name: "low",
            uses: &[],
            must_not_use: &[RUNTIME, DRIVERS],
        },
        Room {
            name: "side",
            uses: &[],
            must_not_use: &[],
        },
        Room {
            name: "mid",
            uses: &["low"],
            must_not_use: &[],
        },
        Room {
            name: "top",
            uses: &["mid"],
            must_not_use: &[],
        },
    ];

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn edges_are_judged_by_the_table() {
        type Names = &'static [&'static str];
        // crate, what it uses, what its tests use, the edges that are named
        let cases: &[(&str, Names, Names, Names)] = &[
            ("low", &["serde"], &["proptest", "tokio"], &[]),
            ("mid", &["mainstay-low", "tokio"], &[], &[]),
            ("low", &["mainstay-mid"], &[], &["low -> mid"]),
            ("mid", &["mainstay-side"], &[], &["mid -> side"]),
            // What is allowed is the table's rows, not what they reach.
            ("top", &["mainstay-low"], &[], &["top -> low"]),
            (
                "low",
                &["tokio", "rusqlite"],
                &[],
                &["low -> rusqlite", "low -> tokio"],
            ),
            // Tests may look aside and down, but not up, however far.
            ("top", &[], &["mainstay-low", "mainstay-side"], &[]),
            ("low", &[], &["mainstay-top"], &["low -> top (in tests)"]),
            (
                "low",
                &[],
                &["mainstay-unheard-of"],
                &["low -> unheard-of (in tests)"],
            ),
            ("mid", &["mainstay"], &[], &["mid -> mainstay"]),
            ("jobs", &[], &[], &["crates/jobs has no row"]),
        ];
        for (name, normal, dev, expected) in cases {
            let wrong = wrong_edges(
                TABLE,
                name,
                &Uses {
                    normal: set(normal),
                    dev: set(dev),
                },
            );
            assert_eq!(
                wrong.len(),
                expected.len(),
                "{name} {normal:?} {dev:?}: {wrong:?}"
            );
            for (line, start) in wrong.iter().zip(*expected) {
                assert!(
                    line.starts_with(start),
                    "{line:?} does not start with {start:?}"
                );
            }
        }
    }

    #[test]
    fn manifests_are_read_through_renames_and_platforms() {
        let root = r#"
            [workspace.dependencies]
            spec = { package = "mainstay-spec", path = "crates/spec" }
            tokio = "1"
        "#;
        let manifest = r#"
            [dependencies]
            spec.workspace = true
            sql = { package = "rusqlite", version = "0" }
            [build-dependencies]
            cc = "1"
            [dev-dependencies]
            tokio = { workspace = true, features = ["full"] }
            [target.'cfg(unix)'.dependencies]
            nix = "1"
        "#;
        let packages = workspace_packages(&root.parse().unwrap());
        let found = uses(&manifest.parse().unwrap(), &packages);
        assert_eq!(
            found,
            Uses {
                normal: set(&["cc", "mainstay-spec", "nix", "rusqlite"]),
                dev: set(&["tokio"]),
            }
        );
    }

    #[test]
    fn the_table_points_one_way() {
        for (row, room) in ROOMS.iter().enumerate() {
            for used in room.uses {
                assert!(
                    ROOMS[..row].iter().any(|below| below.name == *used),
                    "{} -> {used}",
                    room.name
                );
            }
        }
    }
}

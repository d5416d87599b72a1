//! `mainstay.toml` → [`Settings`].

use super::keys;
use super::report::{At, Located, Report};
use super::walk::{Entries, not_built};
use crate::diagnostic::FileId;
use crate::settings::{Registration, Settings, is_address};
use std::time::Duration;
use toml::de::DeTable;

pub(super) fn read(table: &DeTable<'_>, file: FileId, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    let app = Entries::open(table, &keys::APP, file, report);
    if let Some(name) = app.text("name") {
        check_name(&name, report);
        settings.name = name.value;
    }
    let section = |name: &str, report: &mut Report| {
        let shape = match keys::APP.key(name)?.kind {
            keys::Kind::Table(shape) => shape,
            _ => return None,
        };
        Some(Entries::open(app.table(name)?.value, shape, file, report))
    };
    if let Some(server) = section("server", report) {
        if let Some(listen) = server.text("listen") {
            check_listen(&listen, report);
            settings.server.listen = listen.value;
        }
        set(&mut settings.server.drain, server.duration("drain"));
        if let Some(docs) = server.bool("docs") {
            settings.server.docs = docs.value;
        }
    }
    if let Some(database) = section("database", report) {
        if let Some(url) = database.text("url") {
            check_url(&url, report);
            settings.database.url = url.value;
        }
        set_u32(&mut settings.database.pool, database.int("pool"));
    }
    if let Some(auth) = section("auth", report) {
        read_auth(&auth, &mut settings, report);
    }
    if let Some(limits) = section("limits", report) {
        read_limits(&limits, &mut settings, report);
    }
    if let Some(changes) = section("changes", report) {
        set(&mut settings.changes.keep, changes.duration("keep"));
    }
    if let Some(idempotency) = section("idempotency", report) {
        set(&mut settings.idempotency.keep, idempotency.duration("keep"));
    }
    if let Some(backup) = section("backup", report) {
        settings.backup.every = backup.duration("every").map(|every| every.value);
        set_u32(&mut settings.backup.keep, backup.int("keep"));
        if let Some(dir) = backup.text("dir") {
            settings.backup.dir = dir.value;
        }
    }
    settings
}

fn read_auth(auth: &Entries<'_>, settings: &mut Settings, report: &mut Report) {
    if let Some(registration) = auth.text("registration") {
        settings.auth.registration = match registration.value.as_str() {
            "closed" => Registration::Closed,
            "invite" => {
                not_built(
                    report,
                    registration.at,
                    "`registration = \"invite\"`",
                    "invitations",
                );
                Registration::Invite
            }
            _ => Registration::Open,
        };
    }
    if let Some(verify) = auth.bool("verify_email") {
        if verify.value {
            not_built(report, verify.at, "`verify_email = true`", "sending mail");
        }
        settings.auth.verify_email = verify.value;
    }
    let refresh = auth.duration("refresh_token");
    let access_at = auth.duration("access_token").map(|access| access.at);
    let at = refresh.as_ref().map(|refresh| refresh.at).or(access_at);
    set(
        &mut settings.auth.access_token,
        auth.duration("access_token"),
    );
    set(&mut settings.auth.refresh_token, refresh);
    set_u32(&mut settings.auth.password_min, auth.int("password_min"));
    if let Some(at) = at
        && settings.auth.refresh_token < settings.auth.access_token
    {
        report
            .error(
                at,
                "contradiction",
                "a session would end before its access token does",
            )
            .help("make `refresh_token` at least as long as `access_token`");
    }
}

fn read_limits(entries: &Entries<'_>, settings: &mut Settings, report: &mut Report) {
    let limits = &mut settings.limits;
    for (name, to) in [
        ("page", &mut limits.page),
        ("page_default", &mut limits.page_default),
        ("nested_page", &mut limits.nested_page),
        ("expand_depth", &mut limits.expand_depth),
        ("expand", &mut limits.expand),
        ("answer", &mut limits.answer),
        ("search", &mut limits.search),
        ("search_words", &mut limits.search_words),
        ("search_ranked", &mut limits.search_ranked),
        ("groups", &mut limits.groups),
        ("aggregates", &mut limits.aggregates),
        ("filter", &mut limits.filter),
        ("filter_nodes", &mut limits.filter_nodes),
        ("filter_depth", &mut limits.filter_depth),
        ("json_depth", &mut limits.json_depth),
        ("members", &mut limits.members),
        ("batch", &mut limits.batch),
        ("address", &mut limits.address),
        ("headers", &mut limits.headers),
        ("query", &mut limits.query),
    ] {
        set_u32(to, entries.int(name));
    }
    for (name, to) in [
        ("body", &mut limits.body),
        ("batch_bytes", &mut limits.batch_bytes),
    ] {
        if let Some(bytes) = entries.int(name) {
            *to = bytes.value.unsigned_abs();
        }
    }
    for (name, to) in [
        ("query_time", &mut limits.query_time),
        ("head_time", &mut limits.head_time),
        ("body_time", &mut limits.body_time),
    ] {
        set(to, entries.duration(name));
    }
    if limits.page_default > limits.page {
        match (entries.int("page_default"), entries.int("page")) {
            (Some(default), _) => {
                report
                    .error(
                        default.at,
                        "contradiction",
                        format!(
                            "`page_default` is more than `page` allows ({})",
                            limits.page
                        ),
                    )
                    .help("lower `page_default` or raise `page`");
            }
            // Only `page` was said: a page of the default size would be refused, so it follows.
            (None, _) => limits.page_default = limits.page,
        }
    }
}

fn set(to: &mut Duration, given: Option<Located<Duration>>) {
    if let Some(given) = given {
        *to = given.value;
    }
}

fn set_u32(to: &mut u32, given: Option<Located<i64>>) {
    // The key tables bound every whole number well within `u32`.
    if let Some(given) = given.and_then(|given| u32::try_from(given.value).ok()) {
        *to = given;
    }
}

fn check_name(name: &Located<String>, report: &mut Report) {
    let fits = !name.value.trim().is_empty()
        && name.value.chars().count() <= 80
        && !name.value.chars().any(char::is_control);
    if !fits {
        report.error(
            name.at,
            "bad-name",
            "an app's name is 1 to 80 printable characters",
        );
    }
}

fn check_listen(listen: &Located<String>, report: &mut Report) {
    if !is_address(&listen.value) {
        report
            .error(listen.at, "bad-address", "this is not an address and a port")
            .help("write `\"127.0.0.1:7070\"` for this machine alone, `\"0.0.0.0:7070\"` for all networks");
    }
}

fn check_url(url: &Located<String>, report: &mut Report) {
    let text = url.value.as_str();
    if text
        .strip_prefix("sqlite:")
        .is_some_and(|path| !path.is_empty())
    {
        return;
    }
    if ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
    {
        return;
    }
    let at: At = url.at;
    report
        .error(
            at,
            "bad-url",
            "this is not the address of a database that Mainstay knows",
        )
        .help("write `\"sqlite:.mainstay/data.db\"` or `\"postgres://user@host/database\"`");
}

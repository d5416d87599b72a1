//! Every statement of this room, for both dialects.
//!
//! They are written once: `?1` becomes `$1::uuid` and the like on PostgreSQL, `@sessions` the table's name, and
//! `@locked` or `@shared` a lock on the rows found, which SQLite, where one writes at a time, has no need of.
//! `@users` is the one table that is not this room's own: the records of `auth.users`.

use spec::schema::TableName;
use spec::statement::{Capture, Expect, Lane, Output, Shape, Statement, Step};
use spec::{ColumnType, Dialect, Uuid, Value};
use std::sync::Arc;

use ColumnType::{Int, Text, Timestamp, Uuid as Id};

/// Writes statements in one dialect.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    dialect: Dialect,
}

type Param = (Value, ColumnType);

/// A session at its start.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub id: Uuid,
    pub user: Uuid,
    pub seed: String,
    pub now: i64,
    pub expires_at: i64,
    pub agent: Option<String>,
}

/// A signing key as it is kept.
#[derive(Debug, Clone)]
pub struct KeyRow {
    pub kid: String,
    pub private: String,
    pub public: String,
    pub created_at: i64,
}

fn id(id: Uuid) -> Param {
    (Value::Uuid(id), Id)
}

fn text(text: &str) -> Param {
    (Value::text(text), Text)
}

fn moment(micros: i64) -> Param {
    (Value::Timestamp(micros), Timestamp)
}

impl Sql {
    pub fn new(dialect: Dialect) -> Sql {
        Sql { dialect }
    }

    /// The hash.
    pub fn password(self, user: Uuid) -> Statement {
        let sql = r#"SELECT "hash" FROM @passwords WHERE "user" = ?1"#;
        self.statement(sql, &[id(user)], &[Text])
    }

    pub fn put_password(self, user: Uuid, hash: &str, now: i64) -> Step {
        let sql = r#"INSERT INTO @passwords ("user", "hash", "changed_at") VALUES (?1, ?2, ?3)
            ON CONFLICT ("user") DO UPDATE SET "hash" = excluded."hash", "changed_at" = excluded."changed_at""#;
        self.one(sql, &[id(user), text(hash), moment(now)])
    }

    /// Misses if the password is no longer `from`.
    pub fn change_password(self, user: Uuid, from: &str, to: &str, now: i64) -> Step {
        let sql = r#"UPDATE @passwords SET "hash" = ?3, "changed_at" = ?4 WHERE "user" = ?1 AND "hash" = ?2"#;
        self.one(sql, &[id(user), text(from), text(to), moment(now)])
    }

    pub fn start_session(self, new: &NewSession) -> Step {
        let sql = r#"INSERT INTO @sessions
            ("id", "user", "seed", "generation", "created_at", "refreshed_at", "expires_at", "agent")
            VALUES (?1, ?2, ?3, 0, ?4, ?4, ?5, ?6)"#;
        self.one(sql, &session_params(new))
    }

    /// Misses if the user's password is no longer `hash`: a session that began with the old password must not
    /// outlive the change that ends all such sessions, in whatever order the two arrive.
    pub fn start_session_with(self, new: &NewSession, hash: &str) -> Step {
        let sql = r#"INSERT INTO @sessions
            ("id", "user", "seed", "generation", "created_at", "refreshed_at", "expires_at", "agent")
            SELECT ?1, ?2, ?3, 0, ?4, ?4, ?5, ?6 FROM @passwords WHERE "user" = ?2 AND "hash" = ?7@shared"#;
        let mut params = session_params(new).to_vec();
        params.push(text(hash));
        self.one(sql, &params)
    }

    /// `user, expires_at, revoked_at, role`: a row for each role, or one without.
    pub fn session_state(self, session: Uuid) -> Statement {
        let sql = r#"SELECT s."user", s."expires_at", s."revoked_at", r."role"
            FROM @sessions s LEFT JOIN @roles r ON r."user" = s."user" WHERE s."id" = ?1"#;
        self.statement(sql, &[id(session)], &[Id, Timestamp, Timestamp, Text])
    }

    /// `user, seed, generation, refreshed_at, expires_at, revoked_at`.
    pub fn session(self, session: Uuid) -> Statement {
        let sql = r#"SELECT "user", "seed", "generation", "refreshed_at", "expires_at", "revoked_at"
            FROM @sessions WHERE "id" = ?1"#;
        let out = [Id, Text, Int, Timestamp, Timestamp, Timestamp];
        self.statement(sql, &[id(session)], &out)
    }

    /// The next refresh token takes over from that of generation `from`.
    pub fn rotate(self, session: Uuid, from: i64, now: i64, expires_at: i64) -> Step {
        let sql = r#"UPDATE @sessions SET "generation" = "generation" + 1, "refreshed_at" = ?3, "expires_at" = ?4
            WHERE "id" = ?1 AND "generation" = ?2 AND "revoked_at" IS NULL"#;
        let from = (Value::Int(from), Int);
        self.one(sql, &[id(session), from, moment(now), moment(expires_at)])
    }

    pub fn revoke(self, session: Uuid, now: i64) -> Step {
        let sql = r#"UPDATE @sessions SET "revoked_at" = ?2, "expires_at" = ?2
            WHERE "id" = ?1 AND "revoked_at" IS NULL"#;
        self.any(sql, &[id(session), moment(now)])
    }

    /// All sessions of a user, but for one.
    pub fn revoke_all(self, user: Uuid, but: Option<Uuid>, now: i64) -> Step {
        let sql = r#"UPDATE @sessions SET "revoked_at" = ?3, "expires_at" = ?3
            WHERE "user" = ?1 AND "id" <> ?2 AND "revoked_at" IS NULL"#;
        self.any(
            sql,
            &[id(user), id(but.unwrap_or(Uuid::nil())), moment(now)],
        )
    }

    /// Forgets sessions that expired before a moment, `most` at a time; returns their ids.
    pub fn sweep(self, before: i64, most: u32) -> Step {
        let sql = r#"DELETE FROM @sessions WHERE "id" IN
            (SELECT "id" FROM @sessions WHERE "expires_at" < ?1 ORDER BY "expires_at" LIMIT ?2) RETURNING "id""#;
        let most = (Value::Int(i64::from(most)), Int);
        self.step(sql, &[moment(before), most], &[Id], Expect::Any)
    }

    pub fn forget(self, user: Uuid) -> Vec<Step> {
        [
            r#"DELETE FROM @passwords WHERE "user" = ?1"#,
            r#"DELETE FROM @sessions WHERE "user" = ?1"#,
            r#"DELETE FROM @roles WHERE "user" = ?1"#,
        ]
        .map(|sql| self.any(sql, &[id(user)]))
        .into()
    }

    /// For a database that went back in time: what was ended since must not live again, and nobody knows here what that
    /// was. What is kept of users who are not there any more goes.
    pub fn restored(self, now: i64) -> Vec<Step> {
        let end = r#"UPDATE @sessions SET "revoked_at" = ?1, "expires_at" = ?1 WHERE "revoked_at" IS NULL"#;
        let gone = [
            r#"DELETE FROM @passwords WHERE "user" NOT IN (SELECT "id" FROM @users)"#,
            r#"DELETE FROM @sessions WHERE "user" NOT IN (SELECT "id" FROM @users)"#,
            r#"DELETE FROM @roles WHERE "user" NOT IN (SELECT "id" FROM @users)"#,
        ];
        let mut steps = vec![self.any(end, &[moment(now)])];
        steps.extend(gone.map(|sql| self.any(sql, &[])));
        for step in &mut steps {
            step.statement.lane = Lane::Unbounded;
        }
        steps
    }

    pub fn roles(self, user: Uuid) -> Statement {
        let sql = r#"SELECT "role" FROM @roles WHERE "user" = ?1 ORDER BY "role""#;
        self.statement(sql, &[id(user)], &[Text])
    }

    /// Who has a role.
    #[cfg(test)]
    pub fn holders(self, role: &str) -> Statement {
        let sql = r#"SELECT "user" FROM @roles WHERE "role" = ?1 ORDER BY "user""#;
        Statement {
            lane: Lane::Unbounded,
            ..self.statement(sql, &[text(role)], &[Id])
        }
    }

    /// `user, email, suspended, role`: everybody who has a role, or that one, with all of theirs; by address.
    pub fn people(self, role: Option<&str>) -> Statement {
        let sql = r#"SELECT u."id", u."email", u."suspended", r."role" FROM @roles r JOIN @users u ON u."id" = r."user"
            WHERE ?1 IS NULL OR EXISTS (SELECT 1 FROM @roles h WHERE h."user" = r."user" AND h."role" = ?1)
            ORDER BY u."email", u."id", r."role""#;
        let role = role.map_or(Value::Null, Value::text);
        let out = [Id, Text, ColumnType::Bool, Text];
        Statement {
            lane: Lane::Unbounded,
            ..self.statement(sql, &[(role, Text)], &out)
        }
    }

    pub fn grant(self, user: Uuid, role: &str, by: Option<Uuid>, now: i64) -> Step {
        let sql = r#"INSERT INTO @roles ("user", "role", "granted_at", "granted_by") VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT ("user", "role") DO NOTHING"#;
        let by = (by.into(), Id);
        self.any(sql, &[id(user), text(role), moment(now), by])
    }

    /// Misses if nobody who can sign in would have the role without this user, who has it. Whoever stays is held
    /// until the transaction ends, role and record: two cannot remove each other at once.
    pub fn another_holder(self, user: Uuid, role: &str) -> Step {
        let sql = r#"WITH stays AS (SELECT r."user" FROM @roles r JOIN @users u ON u."id" = r."user"
                WHERE r."role" = ?2 AND r."user" <> ?1 AND NOT u."suspended" ORDER BY r."user" LIMIT 1@locked)
            SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM @roles WHERE "user" = ?1 AND "role" = ?2)
                OR EXISTS (SELECT 1 FROM stays)"#;
        self.step(sql, &[id(user), text(role)], &[Int], Expect::One)
    }

    pub fn withdraw(self, user: Uuid, role: &str) -> Step {
        let sql = r#"DELETE FROM @roles WHERE "user" = ?1 AND "role" = ?2"#;
        self.any(sql, &[id(user), text(role)])
    }

    /// `kid, private, public, created_at, retired_at`, the oldest first.
    pub fn keys(self) -> Statement {
        let sql = r#"SELECT "kid", "private", "public", "created_at", "retired_at"
            FROM @keys ORDER BY "created_at", "kid""#;
        let out = [Text, Text, Text, Timestamp, Timestamp];
        self.statement(sql, &[], &out)
    }

    /// Does nothing if there is one of that name.
    pub fn put_key(self, key: &KeyRow) -> Step {
        let sql = r#"INSERT INTO @keys ("kid", "private", "public", "created_at") VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT ("kid") DO NOTHING"#;
        let params = [
            text(&key.kid),
            text(&key.private),
            text(&key.public),
            moment(key.created_at),
        ];
        self.any(sql, &params)
    }

    #[cfg(test)]
    pub fn drop_keys(self) -> Step {
        self.any("DELETE FROM @keys", &[])
    }

    #[cfg(test)]
    pub fn retire_key(self, kid: &str, at: i64) -> Step {
        let sql = r#"UPDATE @keys SET "retired_at" = ?2 WHERE "kid" = ?1"#;
        self.one(sql, &[text(kid), moment(at)])
    }

    #[cfg(test)]
    pub fn replace_public_key(self, kid: &str, public: &str) -> Step {
        let sql = r#"UPDATE @keys SET "public" = ?2 WHERE "kid" = ?1"#;
        self.one(sql, &[text(kid), text(public)])
    }

    fn one(self, sql: &str, params: &[Param]) -> Step {
        self.step(sql, params, &[], Expect::One)
    }

    fn any(self, sql: &str, params: &[Param]) -> Step {
        self.step(sql, params, &[], Expect::Any)
    }

    fn step(self, sql: &str, params: &[Param], out: &[ColumnType], expect: Expect) -> Step {
        Step {
            statement: self.statement(sql, params, out),
            expect,
        }
    }

    fn statement(self, sql: &str, params: &[Param], out: &[ColumnType]) -> Statement {
        let columns = out.iter().map(|ty| Output::Captured { ty: *ty }).collect();
        Statement {
            text: self.spell(sql, params),
            params: params.iter().map(|(value, _)| value.clone()).collect(),
            shape: Arc::new(Shape {
                columns,
                capture: Capture::Every,
            }),
            lane: Lane::Bounded,
        }
    }

    /// The texts are those of this file: a mark is always followed by its word or number.
    fn spell(self, sql: &str, params: &[Param]) -> String {
        let mut out = String::with_capacity(sql.len() + 64);
        let mut rest = sql;
        while let Some(at) = rest.find(['@', '?']) {
            out.push_str(&rest[..at]);
            let mark = rest.as_bytes()[at];
            let word = &rest[at + 1..];
            let end = word
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(word.len());
            let (word, behind) = word.split_at(end);
            match (mark, word, self.dialect) {
                (b'?', n, Dialect::Sqlite) => {
                    out.push('?');
                    out.push_str(n);
                }
                (b'?', n, Dialect::Postgres) => {
                    out.push('$');
                    out.push_str(n);
                    let param = n.parse::<usize>().ok().and_then(|n| params.get(n - 1));
                    if let Some((_, ty)) = param {
                        out.push_str("::");
                        out.push_str(pg_type(*ty));
                    }
                }
                (_, "locked", Dialect::Postgres) => out.push_str(" FOR UPDATE"),
                (_, "shared", Dialect::Postgres) => out.push_str(" FOR SHARE"),
                (_, "locked" | "shared", Dialect::Sqlite) => {}
                (_, "users", dialect) => {
                    out.push_str(&TableName::new("auth", "users").sql(dialect));
                }
                (_, table, dialect) => out.push_str(&TableName::own(table).sql(dialect)),
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }
}

fn session_params(new: &NewSession) -> [Param; 6] {
    let agent = new.agent.as_deref().map_or(Value::Null, Value::text);
    [
        id(new.id),
        id(new.user),
        text(&new.seed),
        moment(new.now),
        moment(new.expires_at),
        (agent, Text),
    ]
}

/// The types that stand in these tables.
fn pg_type(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Uuid => "uuid",
        ColumnType::Timestamp => "timestamptz",
        ColumnType::Int => "bigint",
        ColumnType::Text
        | ColumnType::Float
        | ColumnType::Decimal { .. }
        | ColumnType::Bool
        | ColumnType::Date
        | ColumnType::Json => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_spelled_for_both() {
        let user = Uuid::nil();
        let text = |dialect| {
            let from = Sql::new(dialect)
                .another_holder(user, "admin")
                .statement
                .text;
            from.split_once("LIMIT 1")
                .map(|(before, behind)| (before.to_owned(), behind.to_owned()))
        };
        let (before, behind) = text(Dialect::Sqlite).unwrap();
        assert!(
            before.contains(r#"FROM "_mainstay_roles" r JOIN "auth__users" u ON"#),
            "{before}"
        );
        assert!(
            before.contains(r#"r."role" = ?2 AND r."user" <> ?1"#),
            "{before}"
        );
        assert!(behind.starts_with(')'), "{behind}");
        let (before, behind) = text(Dialect::Postgres).unwrap();
        assert!(
            before.contains(r#"FROM "mainstay"."roles" r JOIN "auth"."users" u ON"#),
            "{before}"
        );
        assert!(
            before.contains(r#"r."role" = $2::text AND r."user" <> $1::uuid"#),
            "{before}"
        );
        assert!(behind.starts_with(" FOR UPDATE)"), "{behind}");
    }
}

//! The command line. Exit codes: 0 done, 1 it failed, 2 the command line is wrong, 3 the app has mistakes,
//! 4 the database is not as the app needs it.

mod accounts;
mod app;
mod backup;
mod describe;
mod explain;
mod introspect;
mod migrate;
mod moving;
mod next;
mod print;
mod serve;
mod template;
mod test;
mod typed;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use store::migrate::Allow;

pub use app::Opened;
pub use print::Failure;

/// A backend from a folder: data models, access rules and logic, served by one binary.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, about, long_about = None, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done · 1 failed · 2 wrong command line · 3 mistakes in the app · \
                        4 the database is not as the app needs it\n\
                        Settings: flag, then environment (MAINSTAY_*, DATABASE_URL), then mainstay.toml."
)]
struct Cli {
    #[command(flatten)]
    app: AppFolder,
    #[command(subcommand)]
    command: Command,
}

/// Which app a command is about.
#[derive(Debug, Clone, Args)]
struct AppFolder {
    /// The app's folder (the current one otherwise)
    #[arg(long = "app", value_name = "DIR", global = true)]
    app: Option<PathBuf>,
}

impl AppFolder {
    fn or(&self, positional: &Option<PathBuf>) -> PathBuf {
        positional
            .clone()
            .or_else(|| self.app.clone())
            .unwrap_or_else(|| PathBuf::from("."))
    }
}

#[derive(Debug, Clone, Args)]
struct DatabaseFlag {
    /// sqlite:PATH or postgres://… (DATABASE_URL, or [database] url in mainstay.toml otherwise)
    #[arg(long, value_name = "URL", global = true)]
    database: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new app
    #[command(after_help = "Example:\n  mainstay new shop --template marketplace")]
    New {
        /// The new app's folder, which also names it
        dir: PathBuf,
        #[arg(long, value_enum, default_value_t = Template::Blank)]
        template: Template,
    },
    /// Serve an app while you work on it: SQLite, tables and seeds by themselves, reload on save
    #[command(after_help = "Example:\n  mainstay dev shop")]
    Dev {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        /// Address to listen on
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// On reload, take steps that hold up writes without asking; on a database that was there before, make
        /// Mainstay's own tables
        #[arg(long)]
        apply: bool,
    },
    /// Serve an app in production
    #[command(
        after_help = "Example:\n  mainstay serve shop --database postgres://app@db/shop --listen 0.0.0.0:7070"
    )]
    Serve {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        /// Address to listen on
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// Do first what the app needs of its tables, as far as that is safe
        #[arg(long)]
        migrate: bool,
    },
    /// Find every mistake in an app
    #[command(after_help = "Example:\n  mainstay check shop --format json")]
    Check {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Run the app's own tests, each on a database that is thrown away
    #[command(
        after_help = "Examples:\n  mainstay test shop\n  mainstay test shop \"nobody sees\"\n  \
                      mainstay test shop --store both --database postgres://me@localhost/postgres\n\n\
                      Tests are in tests/*.toml. On PostgreSQL, each makes a database beside the one that is named."
    )]
    Test {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        /// Run only tests with these words in their names
        filter: Option<String>,
        /// On which store (SQLite otherwise; PostgreSQL where --database names one)
        #[arg(long, value_enum)]
        store: Option<TestStore>,
        #[command(flatten)]
        database: DatabaseFlag,
        #[arg(long, value_enum, default_value_t = Report::Human)]
        format: Report,
        /// Begin no other test after one has failed
        #[arg(long)]
        fail_fast: bool,
        /// How many run at once
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
        jobs: Option<u16>,
    },
    /// Write the app that an existing PostgreSQL database could have; changes nothing in the database
    #[command(
        after_help = "Example:\n  mainstay introspect postgres://me@localhost/shop --schema public,sales --out shop\n\n\
                      Every model is closed until you open it. What a model cannot say is listed, and stands at the end\n\
                      of each module.toml. Passwords are not written down."
    )]
    Introspect {
        /// postgres://… (DATABASE_URL otherwise)
        url: Option<String>,
        /// The schemas to look at; a module for each
        #[arg(long, value_delimiter = ',', default_value = "public")]
        schema: Vec<String>,
        /// The folder to write (the database's name otherwise)
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// What the app is called, and with it the module of the schema "public" (the database's name otherwise)
        #[arg(long)]
        name: Option<String>,
    },
    /// Compare the database with the app, and bring it up to date
    Migrate {
        #[command(subcommand)]
        what: Migrate,
    },
    /// Load records from a file, JSON lines or CSV: all of them or none
    #[command(
        after_help = "Examples:\n  mainstay import catalog.products products.jsonl --app shop\n  \
                      mainstay import --all exported --app shop"
    )]
    Import {
        /// module.model; with --all, the folder that an export wrote
        #[arg(value_name = "MODEL|DIR")]
        what: String,
        /// A .jsonl or .csv file; - for standard input
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        file: Option<PathBuf>,
        /// Load every file of a folder, each called by its model
        #[arg(long)]
        all: bool,
        /// Its format (by its name otherwise)
        #[arg(long, value_enum)]
        format: Option<FileFormat>,
        #[command(flatten)]
        database: DatabaseFlag,
    },
    /// Write records to a file, JSON lines or CSV, as `import` takes them
    #[command(
        after_help = "Examples:\n  mainstay export catalog.products --out products.csv --app shop\n  \
                      mainstay export --all --out exported --app shop",
        group(clap::ArgGroup::new("what").required(true).args(["model", "all"]))
    )]
    Export {
        /// module.model
        model: Option<String>,
        /// Export every model, in one state of the database, each to a file of its own
        #[arg(long)]
        all: bool,
        /// Where to: a file (standard output otherwise); with --all, a folder
        #[arg(long, value_name = "FILE|DIR", required_if_eq("all", "true"))]
        out: Option<PathBuf>,
        /// Its format (by its name otherwise)
        #[arg(long, value_enum)]
        format: Option<FileFormat>,
        /// Replace files that are there
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        database: DatabaseFlag,
    },
    /// Carry everything in one database over to another, empty one: records, accounts, sessions, the change log
    #[command(
        after_help = "Example:\n  mainstay copy shop --from sqlite:.mainstay/data.db --to postgres://app@db/shop"
    )]
    Copy {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        /// Where everything is, and stays: sqlite:PATH or postgres://…
        #[arg(long, value_name = "URL")]
        from: String,
        /// Where it goes: a database without records
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Back up a SQLite database, look at backups, and restore them
    Backup {
        #[command(subcommand)]
        what: Backup,
    },
    /// Manage administrators, roles and passwords; also while the app's models and the database differ
    Admin {
        #[command(subcommand)]
        what: Admin,
        #[command(flatten)]
        database: DatabaseFlag,
    },
    /// Say which rule decides, on which values, and the SQL it becomes
    #[command(
        after_help = "Example:\n  mainstay explain read catalog.products --as ben@example.com --app shop"
    )]
    Explain {
        /// Who asks: a user's email, or "anonymous"
        #[arg(
            long = "as",
            value_name = "EMAIL|anonymous",
            default_value = "anonymous"
        )]
        who: String,
        /// What they want to do
        #[arg(value_enum)]
        verb: Verb,
        /// module.model
        model: String,
        /// A record's id; for create, the record as JSON
        #[arg(value_name = "ID|JSON")]
        about: Option<String>,
        /// For update: the change, a merge patch
        #[arg(value_name = "JSON")]
        change: Option<String>,
        #[command(flatten)]
        database: DatabaseFlag,
    },
    /// Try an expression: its type, its value, and the SQL it becomes
    #[command(
        after_help = "Example:\n  mainstay eval \"price < 5.0\" --model catalog.products --record '{\"price\":\"4.50\"}' --app shop"
    )]
    Eval {
        /// The expression, in quotes
        expr: String,
        /// The record that bare names mean, as JSON
        #[arg(long, value_name = "JSON", default_value = "{}")]
        record: String,
        /// Who asks: a user's email, a user's id, or "anonymous"
        #[arg(long = "as", value_name = "WHO", default_value = "anonymous")]
        who: String,
        /// Roles of whom --as names by id
        #[arg(long, value_delimiter = ',')]
        roles: Vec<String>,
        /// module.model, whose fields the names are
        #[arg(long)]
        model: Option<String>,
        #[command(flatten)]
        database: DatabaseFlag,
    },
    /// Show the settings in force, and where each comes from
    #[command(after_help = "Example:\n  mainstay config shop")]
    Config {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Print the API's description, OpenAPI 3.1 in JSON, as somebody would get it at /api/openapi.json
    #[command(after_help = "Examples:\n  mainstay openapi shop > openapi.json\n  \
                      mainstay openapi shop --as user --roles moderator")]
    Openapi {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        /// Who reads it: "anonymous", "user" (signed in, no roles), "admin", or a user's email
        #[arg(long = "as", value_name = "WHO", default_value = "anonymous")]
        who: String,
        /// Roles of the user
        #[arg(long, value_delimiter = ',')]
        roles: Vec<String>,
        #[command(flatten)]
        database: DatabaseFlag,
    },
    /// Write TypeScript types for the whole API
    #[command(after_help = "Example:\n  mainstay types shop --out web/src/api.ts")]
    Types {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        /// The file to write (standard output otherwise)
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Only what these could reach: "anonymous", "user", "admin", or a user's email
        #[arg(long = "as", value_name = "WHO")]
        who: Option<String>,
        /// Roles of the user
        #[arg(long, value_delimiter = ',')]
        roles: Vec<String>,
        #[command(flatten)]
        database: DatabaseFlag,
    },
    /// Print a JSON Schema of mainstay.toml, module.toml or the files in tests/, for editors
    #[command(after_help = "Example:\n  mainstay schema module > module.schema.json")]
    Schema {
        /// Of which file
        #[arg(value_enum)]
        file: SchemaFile,
    },
    /// Print the catalogue of error codes, as docs/errors.md
    #[command(after_help = "Example:\n  mainstay errors > errors.md")]
    Errors,
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Show what would be done; changes nothing
    #[command(after_help = "Example:\n  mainstay migrate plan shop --sql")]
    Plan {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        #[arg(long, value_enum, default_value_t = PlanFormat::Human)]
        format: PlanFormat,
        /// Show the SQL too
        #[arg(long)]
        sql: bool,
        /// Exit with 4 where there is something to do
        #[arg(long)]
        check: bool,
        /// Show also what `apply --drop` would drop
        #[arg(long)]
        drop: bool,
    },
    /// Do it; one process at a time
    #[command(after_help = "Example:\n  mainstay migrate apply shop --allow-slow")]
    Apply {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        /// Run steps that take as long as a table is large, too
        #[arg(long)]
        allow_slow: bool,
        /// Run steps that lose data, too; slow ones with them
        #[arg(long)]
        allow_destructive: bool,
        /// Drop also what no model has any more, with its data; all other steps with it
        #[arg(long)]
        drop: bool,
    },
    /// Show what was done to the database, when, and how long it took
    #[command(after_help = "Example:\n  mainstay migrate history shop --sql")]
    History {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
        /// Show the SQL that ran, too
        #[arg(long)]
        sql: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Backup {
    /// Make one, also beside a running server (on PostgreSQL: say what to use, and exit with 1)
    #[command(after_help = "Example:\n  mainstay backup create shop --keep 7")]
    Create {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        /// The folder of the backups ([backup] dir otherwise)
        #[arg(long)]
        dir: Option<PathBuf>,
        /// How many to keep; the oldest go ([backup] keep otherwise)
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
    },
    /// Show those that are there, oldest first
    #[command(after_help = "Example:\n  mainstay backup list shop")]
    List {
        /// The app's folder
        #[arg(value_name = "APP")]
        path: Option<PathBuf>,
        /// The folder of the backups ([backup] dir otherwise)
        #[arg(long)]
        dir: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Read one through: its checksum, the database in it, and what its manifest says (on PostgreSQL: the archive)
    #[command(after_help = "Example:\n  mainstay backup verify --app shop")]
    Verify {
        /// A backup (the newest otherwise)
        file: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        /// The folder of the backups ([backup] dir otherwise)
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Put the database back to where it was when one was made, or at a later moment
    #[command(
        after_help = "Examples:\n  mainstay backup restore --app shop --force\n  \
                      mainstay backup restore --app shop --at 2026-01-31T12:00:00Z --database sqlite:then.db --log shop/.mainstay/data.db"
    )]
    Restore {
        /// A backup (the newest otherwise, or with --at the newest before it)
        file: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseFlag,
        /// The folder of the backups ([backup] dir otherwise)
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Do the changes again that were made until then, in UTC
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// The database whose change log they are taken from, or a later backup (the database that is replaced otherwise)
        #[arg(long, value_name = "FILE", requires = "at")]
        log: Option<PathBuf>,
        /// Replace the database that is there; it is kept beside the new one
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Make a user an administrator who can sign in, and the user if there is none yet
    #[command(after_help = "Example:\n  mainstay admin create boss@example.com --app shop")]
    Create {
        /// Their address
        email: String,
        /// Read the password from standard input (a new user gets one that is made up otherwise)
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a user's password, and end their sessions
    #[command(after_help = "Example:\n  mainstay admin password ben@example.com --app shop")]
    Password {
        /// Their address
        email: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user a global role
    #[command(after_help = "Example:\n  mainstay admin grant ben@example.com moderator --app shop")]
    Grant {
        /// Their address
        email: String,
        /// A word in lower case, as rules have it in auth.roles
        role: String,
    },
    /// List who has global roles, and which
    #[command(after_help = "Example:\n  mainstay admin list --role admin --app shop")]
    List {
        /// Only those who have this role
        #[arg(long)]
        role: Option<String>,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Take a global role from a user
    #[command(
        after_help = "Example:\n  mainstay admin revoke ben@example.com moderator --app shop"
    )]
    Revoke {
        /// Their address
        email: String,
        /// A word in lower case, as rules have it in auth.roles
        role: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    Human,
    Json,
    Sql,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    Jsonl,
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    Blank,
    Marketplace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaFile {
    Mainstay,
    Module,
    Tests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TestStore {
    Sqlite,
    Postgres,
    Both,
}

/// How tests are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Report {
    Human,
    Json,
    Junit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verb {
    Read,
    Create,
    Update,
    Delete,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // Help and version go to standard output; a closed pipe there is nobody's mistake.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            print::error(&format!("the runtime cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let result = runtime.block_on(run(&cli.app, cli.command));
    // Threads that are stuck in a blocking call are not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                print::error(&failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

async fn run(app: &AppFolder, command: Command) -> Result<(), Failure> {
    match command {
        Command::New { dir, template } => template::new(&dir, template),
        Command::Dev {
            path,
            database,
            listen,
            apply,
        } => serve::dev(app.or(&path), database.database, listen, apply).await,
        Command::Serve {
            path,
            database,
            listen,
            migrate,
        } => serve::serve(app.or(&path), database.database, listen, migrate).await,
        Command::Check { path, format } => app::check(&app.or(&path), format),
        Command::Test {
            path,
            filter,
            store,
            database,
            format,
            fail_fast,
            jobs,
        } => {
            let (folder, filter) = test::folder(app.app.clone(), path, filter);
            let asked = test::Asked {
                filter,
                store,
                database: database.database,
                format,
                fail_fast,
                jobs: jobs.map(usize::from),
            };
            test::test(&folder, asked).await
        }
        Command::Introspect {
            url,
            schema,
            out,
            name,
        } => {
            let asked = introspect::Asked {
                url,
                schemas: schema,
                out,
                name,
            };
            introspect::introspect(asked).await
        }
        Command::Migrate { what } => match what {
            Migrate::Plan {
                path,
                database,
                format,
                sql,
                check,
                drop,
            } => {
                let how = migrate::Show {
                    format,
                    sql,
                    check,
                    drop,
                };
                migrate::plan(&app.or(&path), database.database, how).await
            }
            Migrate::Apply {
                path,
                database,
                allow_slow,
                allow_destructive,
                drop,
            } => {
                let allow = match (drop, allow_destructive, allow_slow) {
                    (true, ..) => Allow::EVERYTHING,
                    (false, true, _) => Allow::DESTRUCTIVE,
                    (false, false, true) => Allow::SLOW,
                    (false, false, false) => Allow::SAFE,
                };
                migrate::apply(&app.or(&path), database.database, allow).await
            }
            Migrate::History {
                path,
                database,
                format,
                sql,
            } => {
                let json = format == Format::Json;
                migrate::history(&app.or(&path), database.database, json, sql).await
            }
        },
        Command::Import {
            what,
            file,
            all: _,
            format,
            database,
        } => {
            let folder = app.or(&None);
            match file {
                Some(file) => moving::import(&folder, database.database, &what, file, format).await,
                None => moving::import_all(&folder, database.database, &PathBuf::from(what)).await,
            }
        }
        Command::Export {
            model,
            all: _,
            out,
            format,
            force,
            database,
        } => {
            let how = moving::Out { format, force };
            let folder = app.or(&None);
            match (model, out) {
                (Some(model), out) => {
                    moving::export(&folder, database.database, &model, out, how).await
                }
                (None, out) => {
                    let out = out.unwrap_or_default();
                    moving::export_all(&folder, database.database, &out, how).await
                }
            }
        }
        Command::Copy { path, from, to } => moving::copy(&app.or(&path), &from, &to).await,
        Command::Backup { what } => backup::backup(&|path| app.or(path), what).await,
        Command::Admin { what, database } => {
            accounts::admin(&app.or(&None), database.database, what).await
        }
        Command::Explain {
            who,
            verb,
            model,
            about,
            change,
            database,
        } => {
            explain::explain(
                &app.or(&None),
                database.database,
                &who,
                verb,
                &model,
                (about.as_deref(), change.as_deref()),
            )
            .await
        }
        Command::Eval {
            expr,
            record,
            who,
            roles,
            model,
            database,
        } => {
            let asked = explain::Asked {
                expr: &expr,
                record: &record,
                who: &who,
                roles: &roles,
                model: model.as_deref(),
            };
            explain::eval(&app.or(&None), database.database, asked).await
        }
        Command::Config {
            path,
            database,
            format,
        } => app::config(&app.or(&path), database.database, format),
        Command::Openapi {
            path,
            who,
            roles,
            database,
        } => {
            let asked = describe::Asked {
                who,
                roles,
                database: database.database,
            };
            describe::openapi(&app.or(&path), asked).await
        }
        Command::Types {
            path,
            out,
            who,
            roles,
            database,
        } => {
            // Roles alone would be of nobody.
            let who = who.or_else(|| (!roles.is_empty()).then(|| "user".to_owned()));
            let asked = who.map(|who| describe::Asked {
                who,
                roles,
                database: database.database,
            });
            describe::types(&app.or(&path), asked, out.as_deref()).await
        }
        Command::Schema { file } => app::schema(file),
        Command::Errors => app::errors(),
    }
}

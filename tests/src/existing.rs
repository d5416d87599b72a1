//! A database that was there before: tables made by SQL, and the app that introspection writes for them.

use crate::database::{self, Held, On};
use crate::fixture::{Fixture, load};
use spec::existing::catalogue::Catalogue;
use spec::existing::draft::{Draft, Named, draft};
use spec::schema::Schema;
use store::Store;
use store::migrate::{Extras, Plan};

/// A PostgreSQL database with tables of somebody else's.
pub struct Existing {
    pub client: tokio_postgres::Client,
    pub url: String,
    store: Store,
    held: Held,
}

impl Existing {
    pub async fn with(sql: &str) -> Existing {
        let (store, held) = database::open(On::Postgres).await;
        let url = held.url().expect("a URL");
        let client = database::connect(&url).await;
        client.batch_execute(sql).await.expect("the tables");
        Existing {
            client,
            url,
            store,
            held,
        }
    }

    pub async fn catalogue(&self, schemas: &[&str]) -> Catalogue {
        let schemas: Vec<String> = schemas.iter().map(|s| (*s).to_owned()).collect();
        match &self.store {
            Store::Postgres(store) => store.catalogue(&schemas).await.expect("a catalogue"),
            Store::Sqlite(_) => panic!("introspection is of PostgreSQL"),
        }
    }

    /// What an app would be told that wants this of the database.
    pub async fn plan(&self, wanted: &Schema) -> Plan {
        self.store
            .migration(wanted, Extras::Keep)
            .await
            .expect("a plan")
    }

    pub async fn draft(&self, schemas: &[&str]) -> Draft {
        let named = Named {
            app: "shop",
            url: None,
        };
        draft(&self.catalogue(schemas).await, &named).expect("an app")
    }

    /// The app of a draft on this database, with what stands behind its one module: rules.
    pub async fn serve(self, draft: &Draft, rules: &str) -> (Fixture, tokio_postgres::Client) {
        let app = load(&as_text(draft, rules));
        let fixture = Fixture::opened(On::Postgres, app, (self.store, self.held)).await;
        (fixture, self.client)
    }

    pub async fn remove(self) {
        self.store.close().await;
        drop(self.store);
        self.held.remove().await;
    }
}

/// As [`load`] takes an app.
pub fn as_text(draft: &Draft, rules: &str) -> String {
    let mut text = String::new();
    for (path, file) in &draft.files {
        if path.components().count() > 1 {
            text.push_str(&format!("## {}\n", path.display()));
        }
        text.push_str(file);
        text.push('\n');
    }
    text + rules
}

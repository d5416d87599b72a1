//! The harness of the behaviour tests: an app written inline, on a store of its own, and who calls it.
//!
//! A behaviour is written once and becomes two tests:
//!
//! ```ignore
//! each_store!(a_product_is_hidden_from_others, SHOP, async |fx| {
//!     let made = fx.create(&user(1), "shop.products", json!({"name": "a"})).await.ok();
//!     assert_eq!(fx.one(&user(2), "shop.products", &id(&made)).await.code(), "access.not_found");
//! });
//! ```
//!
//! At the end of each the invariants hold: every record agrees with the replay of the change log, and no
//! version is missing ([`Fixture::verify`]).

pub mod actor;
pub mod database;
pub mod existing;
pub mod fixture;
pub mod http;
pub mod place;
pub mod process;
pub mod query;
pub mod random;
pub mod reply;
pub mod served;
pub mod statements;
#[cfg(unix)]
pub mod terminal;
mod verify;

pub use actor::{admin, anonymous, system, uid, user, user_id, with_roles};
pub use database::On;
pub use fixture::Fixture;
pub use query::{Query, expand};
pub use random::Random;
pub use reply::{Reply, id};

/// Runs a behaviour against an app on one kind of store, then looks whether the invariants hold. The
/// database goes away with it, also where the behaviour failed.
pub fn run(on: On, app: &str, behaviour: impl AsyncFnOnce(&Fixture)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let fixture = runtime.block_on(Fixture::open(on, app));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            behaviour(&fixture).await;
            fixture.verify().await;
        });
    }));
    runtime.block_on(fixture.remove());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// What takes a store to run on, twice: `name::sqlite` and `name::postgres`.
#[macro_export]
macro_rules! on_each {
    ($name:ident, $run:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            #[test]
            fn sqlite() {
                ($run)($crate::On::Sqlite);
            }

            #[test]
            fn postgres() {
                ($run)($crate::On::Postgres);
            }
        }
    };
}

/// One behaviour of an app, as two tests.
#[macro_export]
macro_rules! each_store {
    ($name:ident, $app:expr, $behaviour:expr) => {
        $crate::on_each!($name, |on| $crate::run(on, $app, $behaviour));
    };
}

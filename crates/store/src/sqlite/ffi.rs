//! The one call that rusqlite has no safe name for.
#![allow(unsafe_code)]

use rusqlite::ffi;
use std::sync::Once;

static ONCE: Once = Once::new();

/// Switches off SQLite's global memory statistics, which every allocation would otherwise take a mutex for.
/// Without effect once any connection of the process has been opened (by other code, say).
pub fn without_memory_statistics() {
    ONCE.call_once(|| {
        // SAFETY: `SQLITE_CONFIG_MEMSTATUS` takes one int. SQLite wants no other thread of ours inside it
        // meanwhile: every connection of this crate is opened after this `Once`, and where another has been
        // opened before, the library is initialised and refuses with `SQLITE_MISUSE`, which is ignored.
        unsafe {
            ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0i32);
        }
    });
}

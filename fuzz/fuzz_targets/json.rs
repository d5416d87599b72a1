//! Any text: what is canonicalised stays as it is the second time, and `serde_json` reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spec::json;

const DEPTH: u32 = 64;

fuzz_target!(|text: &str| {
    // The readers must cope with what nobody canonicalised, too.
    let _ = json::node(text);
    let _ = json::member(text, "a");
    let _ = json::items(text).count();
    let theirs = serde_json::from_str::<serde_json::Value>(text);
    match json::canonical(text, DEPTH) {
        Ok(once) => {
            assert!(theirs.is_ok(), "we read it, they do not: {text}");
            assert_eq!(json::canonical(&once, DEPTH).as_ref(), Ok(&once));
            assert!(serde_json::from_str::<serde_json::Value>(&once).is_ok());
        }
        Err(error) => {
            assert!(error.offset <= text.len());
            let ours_alone = ["twice", "U+0000", "deep"];
            assert!(
                theirs.is_err() || ours_alone.iter().any(|w| error.message.contains(w)),
                "they read it, we do not: {text}: {error}"
            );
        }
    }
});

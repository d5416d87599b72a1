//! Descriptions that were written, by app and reach.

use super::Text;
use crate::openapi;
use crate::reader::Reader;
use parking_lot::Mutex;
use spec::App;
use std::sync::Arc;

/// Readers of different reach are few: the anonymous, users, and one for each set of roles that rules ask for.
const MOST: usize = 16;

#[derive(Default)]
pub struct Cache {
    /// The last one used stands last.
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    app: Arc<App>,
    reader: Reader,
    text: Text,
}

impl Cache {
    /// The description for a reader, written if need be.
    pub fn get(&self, app: &Arc<App>, reader: Reader) -> Text {
        if let Some(text) = self.find(app, &reader) {
            return text;
        }
        // Not under the lock: who has theirs should not wait for who has not.
        let text = Text::new(openapi::text(app, &reader));
        let mut entries = self.entries.lock();
        // Of an app that is not served any more, or written twice at the same time.
        entries.retain(|e| Arc::ptr_eq(&e.app, app) && e.reader != reader);
        if entries.len() == MOST {
            entries.remove(0);
        }
        entries.push(Entry {
            app: Arc::clone(app),
            reader,
            text: text.clone(),
        });
        text
    }

    fn find(&self, app: &Arc<App>, reader: &Reader) -> Option<Text> {
        let mut entries = self.entries.lock();
        let at = entries
            .iter()
            .position(|e| Arc::ptr_eq(&e.app, app) && e.reader == *reader)?;
        let entry = entries.remove(at);
        let text = entry.text.clone();
        entries.push(entry);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::Principal;
    use spec::load::load_sources;

    fn app(rule: &str) -> Arc<App> {
        let module = format!(
            "[models.notes.fields]\ntext = {{ type = \"string\" }}\n[models.notes.access]\nread = \"{rule}\"\n"
        );
        let files = vec![
            ("mainstay.toml".into(), String::new()),
            ("modules/m/module.toml".into(), module),
        ];
        Arc::new(load_sources(files).app.unwrap())
    }

    fn with_role(role: String) -> Principal {
        let roles: [Arc<str>; 1] = [role.into()];
        Principal::user(spec::Uuid::now_v7(), None, Arc::from(roles))
    }

    #[test]
    fn readers_of_one_reach_share_a_text_and_others_do_not() {
        let app = app("'boss' in auth.roles");
        let cache = Cache::default();
        let get = |principal: &Principal| cache.get(&app, Reader::of(&app, principal));
        let boss = get(&with_role("boss".to_owned()));
        assert_eq!(boss.etag, get(&with_role("boss".to_owned())).etag);
        assert_eq!(cache.entries.lock().len(), 1);
        let other = get(&with_role("other".to_owned()));
        assert_ne!(boss.etag, other.etag);
        assert_ne!(other.etag, get(&Principal::anonymous()).etag);
        assert!(!String::from_utf8_lossy(&other.body).contains("notes"));
        assert!(String::from_utf8_lossy(&boss.body).contains("/api/m/notes"));
    }

    #[test]
    fn a_few_are_kept_and_none_of_an_app_from_before() {
        let rule: Vec<String> = (0..MOST + 4)
            .map(|n| format!("auth.id != null && 'r{n}' in auth.roles"))
            .collect();
        let mut text = String::new();
        for (n, rule) in rule.iter().enumerate() {
            text.push_str(&format!("[models.m{n}s.fields]\nx = {{ type = \"string\" }}\n[models.m{n}s.access]\nread = \"{rule}\"\n"));
        }
        let files = vec![
            ("mainstay.toml".into(), String::new()),
            ("modules/m/module.toml".into(), text),
        ];
        let many = Arc::new(load_sources(files).app.unwrap());
        let cache = Cache::default();
        for n in 0..MOST + 4 {
            let principal = with_role(format!("r{n}"));
            let text = cache.get(&many, Reader::of(&many, &principal));
            assert!(String::from_utf8_lossy(&text.body).contains(&format!("/api/m/m{n}s\"")));
        }
        assert_eq!(cache.entries.lock().len(), MOST);
        let later = app("true");
        cache.get(&later, Reader::of(&later, &Principal::anonymous()));
        assert_eq!(cache.entries.lock().len(), 1);
    }
}

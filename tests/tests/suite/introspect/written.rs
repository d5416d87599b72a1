//! What introspection writes: all of a schema that a model can say, and a line about all else.

use super::{CHINOOK, RICH, on};
use mainstay_tests::existing::as_text;
use mainstay_tests::fixture::load;
use spec::existing::catalogue::Kind;
use spec::existing::draft::{Draft, What};
use std::path::Path;

fn golden(name: &str, draft: &Draft) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/suite/introspect")
        .join(name);
    let text = as_text(draft, "");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("the golden file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "{name} is not what is written; UPDATE_GOLDEN=1 writes it anew:\n{text}"
    );
}

#[test]
fn a_rich_schema() {
    on(RICH, async |old| {
        let draft = old.draft(&["public", "sales"]).await;
        golden("rich.toml", &draft);
        old.remove().await;
    });
}

#[test]
fn a_shop() {
    on(CHINOOK, async |old| {
        let draft = old.draft(&["public"]).await;
        golden("chinook.toml", &draft);
        old.remove().await;
    });
}

/// Every table, view and column is a model or field, or is named in the list; so is every index, reference, check and
/// trigger that no model has.
#[test]
fn nothing_is_dropped_in_silence() {
    on(RICH, async |old| {
        let catalogue = old.catalogue(&["public", "sales"]).await;
        let draft = old.draft(&["public", "sales"]).await;
        let app = load(&as_text(&draft, ""));
        let listed = |of: &str| draft.listed.iter().any(|one| one.of == of);
        let said = |name: &str| draft.listed.iter().any(|one| one.why.contains(name));
        let (mut tables, mut columns) = (0, 0);
        for relation in &catalogue.relations {
            let name = &relation.name;
            let of = format!("{}.{}", name.namespace, name.name);
            let used = |m: &&spec::Model| m.existing.as_ref().is_some_and(|e| e.table == *name);
            let Some(model) = app.models.iter().find(used) else {
                assert!(listed(&of) || relation.kind == Kind::Partition, "{of}");
                continue;
            };
            tables += 1;
            for column in &relation.columns {
                columns += 1;
                let of = format!("{of}.{}", column.name);
                assert!(
                    model.field_in(&column.name).is_some() || listed(&of),
                    "{of}"
                );
            }
            for index in &relation.indexes {
                let names: Option<Vec<&str>> = index.columns.iter().map(|c| c.as_deref()).collect();
                let has = names.is_some_and(|names| {
                    let mut names = names.clone();
                    if names.last() == Some(&model.key_column()) && names.len() > 1 {
                        names.pop();
                    }
                    let fields: Vec<_> = names
                        .iter()
                        .filter_map(|name| Some(model.field_in(name)?.id))
                        .collect();
                    // One that another begins with is that one.
                    model.indexes.iter().any(|one| match index.unique {
                        true => one.unique && one.fields == fields,
                        false => one.fields.starts_with(&fields),
                    })
                });
                assert!(has || said(&index.name), "{of}: {}", index.name);
            }
            for reference in &relation.references {
                let has = match reference.columns.as_slice() {
                    [column] => model
                        .field_in(column)
                        .and_then(spec::Field::relation)
                        .is_some_and(|r| {
                            app.model(r.to)
                                .existing
                                .as_ref()
                                .is_some_and(|e| e.table == reference.to)
                        }),
                    _ => false,
                };
                assert!(has || said(&reference.name), "{of}: {}", reference.name);
            }
            for check in &relation.checks {
                let has = match check.columns.as_slice() {
                    [column] => model.field_in(column).is_some_and(|field| {
                        field.check.is_some() || matches!(field.ty, spec::FieldType::Enum { .. })
                    }),
                    _ => false,
                };
                assert!(has || said(&check.name), "{of}: {}", check.name);
            }
            for trigger in &relation.triggers {
                assert!(said(trigger), "{of}: {trigger}");
            }
        }
        assert!(
            tables >= 17 && columns >= 90,
            "{tables} tables, {columns} columns"
        );
        assert!(
            draft
                .listed
                .iter()
                .filter(|one| one.what == What::LeftOut)
                .count()
                >= 7
        );
        old.remove().await;
    });
}

/// Closed by default, and without what a table of others cannot have.
#[test]
fn every_model_is_closed() {
    on(RICH, async |old| {
        let draft = old.draft(&["public", "sales"]).await;
        let app = load(&as_text(&draft, ""));
        let mut seen = 0;
        for model in app.models.iter().filter(|m| m.existing.is_some()) {
            seen += 1;
            let access = &model.access;
            for rule in [&access.read, &access.create, &access.update, &access.delete] {
                assert!(matches!(rule, spec::Rule::Deny), "{}", model.full_name());
            }
            assert!(!model.changes && !model.open, "{}", model.full_name());
        }
        assert!(seen >= 17);
        assert!(app.settings.auth.registration == spec::settings::Registration::Closed);
        old.remove().await;
    });
}

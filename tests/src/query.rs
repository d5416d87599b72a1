//! A list, as a caller asks for it, in few words.

use plan::operation::{Expand, List, PlainFilter, PlainOp, Select, SortTerm};
use spec::ModelId;

#[derive(Debug, Clone, Default)]
pub struct Query {
    pub filter: Option<String>,
    pub plain: Vec<PlainFilter>,
    pub sort: Vec<SortTerm>,
    pub limit: Option<u32>,
    pub cursor: Option<String>,
    pub select: Select,
    pub count: bool,
    pub search: Option<String>,
    pub snippets: bool,
}

impl Query {
    pub fn new() -> Query {
        Query::default()
    }

    pub fn filter(mut self, cel: &str) -> Query {
        self.filter = Some(cel.to_owned());
        self
    }

    /// `field[op]=value`
    pub fn plain(mut self, field: &str, op: PlainOp, values: &[&str]) -> Query {
        self.plain.push(PlainFilter {
            field: field.to_owned(),
            op,
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        });
        self
    }

    /// `-price,category.name`
    pub fn sort(mut self, terms: &str) -> Query {
        self.sort = sort(terms);
        self
    }

    pub fn limit(mut self, limit: u32) -> Query {
        self.limit = Some(limit);
        self
    }

    pub fn cursor(mut self, cursor: &str) -> Query {
        self.cursor = Some(cursor.to_owned());
        self
    }

    pub fn fields(mut self, names: &str) -> Query {
        self.select.fields = Some(names.split(',').map(str::to_owned).collect());
        self
    }

    pub fn expand(mut self, paths: &str) -> Query {
        self.select.expand = expand(paths);
        self
    }

    pub fn search(mut self, text: &str) -> Query {
        self.search = Some(text.to_owned());
        self
    }

    pub fn snippets(mut self) -> Query {
        self.snippets = true;
        self
    }

    pub fn count(mut self) -> Query {
        self.count = true;
        self
    }

    pub fn list(&self, model: ModelId) -> List {
        List {
            model,
            filter: self.filter.clone(),
            plain: self.plain.clone(),
            sort: self.sort.clone(),
            limit: self.limit,
            cursor: self.cursor.clone(),
            select: self.select.clone(),
            count: self.count,
            search: self.search.clone(),
            snippets: self.snippets,
        }
    }
}

/// `-price,category.name`
pub fn sort(terms: &str) -> Vec<SortTerm> {
    terms
        .split(',')
        .filter(|term| !term.is_empty())
        .map(|term| SortTerm {
            path: term
                .trim_start_matches('-')
                .split('.')
                .map(str::to_owned)
                .collect(),
            descending: term.starts_with('-'),
        })
        .collect()
}

/// `category,reviews.author`: each path a chain of nested relations.
pub fn expand(paths: &str) -> Vec<Expand> {
    let mut out: Vec<Expand> = Vec::new();
    for path in paths.split(',').filter(|path| !path.is_empty()) {
        let mut level = &mut out;
        for name in path.split('.') {
            let at = match level.iter().position(|e| e.name == name) {
                Some(at) => at,
                None => {
                    level.push(Expand {
                        name: name.to_owned(),
                        ..Expand::default()
                    });
                    level.len() - 1
                }
            };
            level = &mut level[at].nested;
        }
    }
    out
}

//! Random conditions, as text, from the typed grammar. Each kind of atom is asked for in turn, so that none is
//! left to chance; what surrounds it is random.

use super::world::INTS;
use mainstay_tests::Random;
use spec::types::ItemType;
use spec::{App, Field, FieldType, ModelId};

/// The kinds of atoms there are.
pub const ATOMS: &[&str] = &[
    "cmp string",
    "cmp text",
    "cmp email",
    "cmp url",
    "cmp enum",
    "cmp int",
    "cmp float",
    "cmp decimal",
    "cmp decimal",
    "cmp bool",
    "cmp datetime",
    "cmp date",
    "cmp uuid",
    "cmp relation",
    "cmp id",
    "cmp json",
    "cmp json",
    "cmp extra",
    "fields string",
    "fields int",
    "fields float",
    "fields int float",
    "fields decimal",
    "fields bool",
    "fields datetime",
    "fields date",
    "fields uuid",
    "fields relation",
    "null",
    "null",
    "null json",
    "null extra",
    "null size",
    "in literals",
    "in literals",
    "in literals json",
    "in fields",
    "in list",
    "in list",
    "in list field",
    "in json",
    "in roles",
    "in uuids",
    "text",
    "text",
    "text json",
    "text extra",
    "size text",
    "size list",
    "size json",
    "size field",
    "has",
    "has extra",
    "exists list",
    "all list",
    "exists list",
    "all list",
    "exists json",
    "all json",
    "exists roles",
    "all literals",
    "exists related",
    "all related",
    "exists related",
    "all related",
    "exists nested",
    "conditional scalar",
    "conditional bool",
    "equal bools",
    "bool field",
    "auth kind",
    "auth id",
    "auth email",
    "auth roles",
    "now",
    "date now",
    "arithmetic",
    "index list",
    "constant",
];

#[derive(Clone)]
enum Var {
    Record(String, ModelId),
    Element(String, Option<ItemType>),
}

pub struct Generator<'a> {
    pub app: &'a App,
    pub random: &'a mut Random,
    model: ModelId,
    vars: Vec<Var>,
}

impl<'a> Generator<'a> {
    pub fn new(app: &'a App, model: ModelId, random: &'a mut Random) -> Generator<'a> {
        Generator {
            app,
            random,
            model,
            vars: Vec::new(),
        }
    }

    /// A condition with an atom of this kind in it.
    pub fn condition(&mut self, atom: &str) -> String {
        let core = self.atom(atom);
        match self.random.below(9) {
            0..=2 => core,
            3 => format!("!({core})"),
            4 => format!("{core} && {}", self.operand(1)),
            5 => format!("{} || {core}", self.operand(1)),
            6 => format!("!({core} || {}) && {}", self.operand(0), self.operand(1)),
            7 => format!("({core}) ? {} : {}", self.operand(0), self.operand(0)),
            _ => format!(
                "({}) || !(({core}) && {})",
                self.operand(1),
                self.operand(0)
            ),
        }
    }

    fn operand(&mut self, depth: u32) -> String {
        let atom = *self.random.pick(ATOMS);
        match self.random.below(if depth == 0 { 2 } else { 6 }) {
            0 | 1 => format!("({})", self.atom(atom)),
            2 => format!("!({})", self.operand(depth - 1)),
            3 => format!(
                "({} && {})",
                self.operand(depth - 1),
                self.operand(depth - 1)
            ),
            4 => format!(
                "({} || {})",
                self.operand(depth - 1),
                self.operand(depth - 1)
            ),
            _ => format!(
                "({} ? {} : {})",
                self.operand(0),
                self.operand(0),
                self.operand(0)
            ),
        }
    }

    /// A way to a record: itself, a variable, or over relations of the module; as a prefix of a field's name.
    fn place(&mut self) -> (String, ModelId) {
        let records: Vec<(String, ModelId)> = self
            .vars
            .iter()
            .filter_map(|var| match var {
                Var::Record(name, model) => Some((format!("{name}."), *model)),
                Var::Element(..) => None,
            })
            .collect();
        let (mut prefix, mut model) = match records.last() {
            Some(record) if !self.random.one_in(4) => record.clone(),
            _ => (String::new(), self.model),
        };
        let mut hops = 0;
        while hops < 2 && self.random.one_in(4) {
            let relations: Vec<(String, ModelId)> = self
                .app
                .model(model)
                .fields
                .iter()
                .filter_map(|f| f.relation().map(|r| (f.name.clone(), r.to)))
                .filter(|(_, to)| self.app.model(*to).module == self.app.model(model).module)
                .collect();
            if relations.is_empty() {
                break;
            }
            let (name, to) = self.random.pick(&relations).clone();
            prefix.push_str(&name);
            prefix.push('.');
            model = to;
            hops += 1;
        }
        (prefix, model)
    }

    /// A field that fits, somewhere; the model itself has one of every type.
    fn field(&mut self, fits: &dyn Fn(&Field) -> bool) -> (String, &'a Field) {
        let app = self.app;
        let fields_of = |model| -> Vec<&'a Field> {
            app.model(model).fields.iter().filter(|f| fits(f)).collect()
        };
        for _ in 0..3 {
            let (prefix, model) = self.place();
            let fields = fields_of(model);
            if !fields.is_empty() {
                let field = *self.random.pick(&fields);
                return (format!("{prefix}{}", field.name), field);
            }
        }
        let field = *self.random.pick(&fields_of(self.model));
        (field.name.clone(), field)
    }

    /// A field that may stand beside another: the same one, where there is no other.
    fn beside(&mut self, other: &(String, &'a Field), fits: &dyn Fn(&Field) -> bool) -> String {
        for _ in 0..4 {
            let (prefix, model) = self.place();
            let app = self.app;
            let fields: Vec<&Field> = app.model(model).fields.iter().filter(|f| fits(f)).collect();
            if !fields.is_empty() {
                return format!("{prefix}{}", self.random.pick(&fields).name);
            }
        }
        other.0.clone()
    }

    fn of_kind(&mut self, kind: &str) -> (String, &'a Field) {
        let name = match kind {
            "id" => return self.field(&|f| f.id == spec::model::ID),
            other => other.to_owned(),
        };
        self.field(&|f| f.ty.name() == name && f.id != spec::model::ID)
    }

    fn json(&mut self) -> String {
        let (field, _) = self.of_kind("json");
        self.path(field)
    }

    fn undeclared(&mut self) -> String {
        let app = self.app;
        for _ in 0..4 {
            let (prefix, model) = self.place();
            if app.model(model).open {
                let name = self.random.word(&["x1", "x2", "nothing"]);
                return self.path(format!("{prefix}{name}"));
            }
        }
        self.json()
    }

    fn path(&mut self, base: String) -> String {
        let steps = [
            "",
            "",
            ".k",
            ".k",
            ".k",
            "['a b']",
            ".k.m",
            "[0]",
            "[1]",
            ".k[0]",
            ".k.m[0].n",
            "[1][0]",
            "['0']",
            ".zzz",
            ".k[1].k",
            "['']",
        ];
        format!("{base}{}", self.random.word(&steps))
    }

    fn operator(&mut self) -> &'static str {
        self.random.word(&["==", "!=", "<", "<=", ">", ">=", "=="])
    }

    fn equality(&mut self) -> &'static str {
        self.random.word(&["==", "!="])
    }

    fn compare(&mut self, left: String, right: String, ordered: bool) -> String {
        let op = if ordered {
            self.operator()
        } else {
            self.equality()
        };
        if self.random.one_in(4) {
            format!("{right} {op} {left}")
        } else {
            format!("{left} {op} {right}")
        }
    }

    fn any_ordered(&mut self, left: String) -> String {
        let right = self.any_literal();
        let ordered = !matches!(right.as_str(), "true" | "false");
        self.compare(left, right, ordered)
    }

    fn of_item(&mut self, items: Option<ItemType>) -> String {
        match items {
            Some(ItemType::String) => self.string(),
            Some(ItemType::Int) => self.random.pick(INTS).to_string(),
            Some(ItemType::Float) => self.float(),
            Some(ItemType::Bool) => self.random.word(&["true", "false"]).to_owned(),
            None => self.any_literal(),
        }
    }

    fn list(&mut self) -> (String, ItemType) {
        let (name, field) = self.of_kind("list");
        match field.ty {
            FieldType::List { items, .. } => (name, items),
            _ => (name, ItemType::String),
        }
    }

    fn atom(&mut self, kind: &str) -> String {
        let (word, rest) = kind.split_once(' ').unwrap_or((kind, ""));
        match word {
            "cmp" => self.compared(rest),
            "fields" => self.two_fields(rest),
            "null" => self.null(rest),
            "in" => self.member(rest),
            "text" => self.text_function(rest),
            "size" => self.size(rest),
            "has" => {
                let base = if rest == "extra" {
                    self.undeclared()
                } else {
                    self.of_kind("json").0
                };
                format!(
                    "has({base}{})",
                    self.random
                        .word(&[".k", ".k.m", "[0].k", "['a b']", "['']", "[0]"])
                )
            }
            "exists" | "all" => self.quantified(word, rest),
            "conditional" => self.conditional(rest),
            "equal" => {
                let (left, right) = (self.simple(), self.simple());
                format!("({left}) {} ({right})", self.equality())
            }
            "bool" => self.of_kind("bool").0,
            "auth" => self.auth(rest),
            "now" => {
                let (field, _) = self.of_kind("datetime");
                let moment = self.moment();
                self.compare(field, moment, true)
            }
            "date" => {
                let (field, _) = self.of_kind("date");
                self.compare(field, "date(now)".to_owned(), true)
            }
            "arithmetic" => self.arithmetic(),
            "index" => {
                let (list, items) = self.list();
                let literal = self.of_item(Some(items));
                let at = self.random.below(3);
                self.compare(format!("{list}[{at}]"), literal, items != ItemType::Bool)
            }
            _ => self
                .random
                .word(&[
                    "true",
                    "false",
                    "1 < 2.5",
                    "'é' > 'z'",
                    "null == null",
                    "[1, 2].exists(x, x == 2)",
                ])
                .to_owned(),
        }
    }

    fn simple(&mut self) -> String {
        let kind = self.random.word(&[
            "cmp string",
            "cmp int",
            "bool field",
            "null",
            "in literals",
            "cmp json",
            "text",
        ]);
        self.atom(kind)
    }

    fn compared(&mut self, kind: &str) -> String {
        let (left, right, ordered) = match kind {
            "json" | "extra" => {
                let left = if kind == "json" {
                    self.json()
                } else {
                    self.undeclared()
                };
                return self.any_ordered(left);
            }
            "id" => {
                let (name, field) = self.of_kind("id");
                let key = match field.ty.column() {
                    spec::ColumnType::Int => spec::KeyKind::Int,
                    spec::ColumnType::Text => spec::KeyKind::String,
                    _ => spec::KeyKind::Uuid,
                };
                (name, self.key(key), true)
            }
            kind => {
                let (name, field) = self.of_kind(kind);
                (name, self.literal(field), kind != "bool")
            }
        };
        self.compare(left, right, ordered)
    }

    fn two_fields(&mut self, kind: &str) -> String {
        if kind == "int float" {
            let (int, float) = (self.of_kind("int").0, self.of_kind("float").0);
            return self.compare(int, float, true);
        }
        let left = self.of_kind(kind);
        let ty = &left.1.ty;
        let right = self.beside(&left, &|f| match (&f.ty, ty) {
            (FieldType::Decimal { scale: a }, FieldType::Decimal { scale: b }) => a == b,
            (FieldType::Relation { key: a, .. }, FieldType::Relation { key: b, .. }) => a == b,
            (a, b) => a.name() == b.name(),
        });
        self.compare(left.0, right, kind != "bool")
    }

    fn null(&mut self, kind: &str) -> String {
        let tested = match kind {
            "json" => self.json(),
            "extra" => self.undeclared(),
            "size" => format!(
                "size({})",
                if self.random.one_in(2) {
                    self.list().0
                } else {
                    self.json()
                }
            ),
            _ => match self.random.below(6) {
                0 => {
                    let (a, b) = (self.of_kind("int").0, self.of_kind("int").0);
                    format!("({} ? {a} : {b})", self.simple())
                }
                1 => self.random.word(&["auth.id", "auth.email"]).to_owned(),
                _ => {
                    let kinds = [
                        "string", "int", "float", "decimal", "bool", "datetime", "date", "uuid",
                        "relation", "list",
                    ];
                    let kind = self.random.word(&kinds);
                    self.of_kind(kind).0
                }
            },
        };
        self.compare(tested, "null".to_owned(), false)
    }

    fn member(&mut self, kind: &str) -> String {
        match kind {
            "fields" => {
                let kind = self.random.word(&["string", "int", "date"]);
                let names: Vec<String> = (0..3).map(|_| self.of_kind(kind).0).collect();
                format!("{} in [{}, {}]", names[0], names[1], names[2])
            }
            "literals json" => {
                let (path, list) = (self.json(), self.written(None));
                format!("{path} in {list}")
            }
            "list" => {
                let (list, items) = self.list();
                format!("{} in {list}", self.of_item(Some(items)))
            }
            "list field" => {
                let (list, items) = self.list();
                let kind = match items {
                    ItemType::String => "string",
                    ItemType::Int => "int",
                    ItemType::Float => self.random.word(&["float", "int"]),
                    ItemType::Bool => "bool",
                };
                format!("{} in {list}", self.of_kind(kind).0)
            }
            "json" => {
                let item = self.any_literal();
                format!("{item} in {}", self.json())
            }
            "roles" => {
                let item = if self.random.one_in(2) {
                    self.of_kind("string").0
                } else {
                    self.string()
                };
                format!("{item} in auth.roles")
            }
            "uuids" => {
                let (field, _) = self.field(&|f| f.ty.column() == spec::ColumnType::Uuid);
                format!("{field} in [auth.id, {}]", self.uuid())
            }
            _ => {
                let (name, field) = self.field(&|f| {
                    !matches!(f.ty, FieldType::Json | FieldType::List { .. }) && !f.system
                });
                let count = self.random.below(4);
                let items: Vec<String> = (0..count).map(|_| self.literal(field)).collect();
                format!("{name} in [{}]", items.join(", "))
            }
        }
    }

    /// A list written out, of one type.
    fn written(&mut self, items: Option<ItemType>) -> String {
        let kinds = [
            ItemType::String,
            ItemType::Int,
            ItemType::Float,
            ItemType::Bool,
        ];
        let items = items.unwrap_or(*self.random.pick(&kinds));
        let count = 1 + self.random.below(3);
        let items: Vec<String> = (0..count).map(|_| self.of_item(Some(items))).collect();
        format!("[{}]", items.join(", "))
    }

    fn text_function(&mut self, kind: &str) -> String {
        let subject = match kind {
            "json" => self.json(),
            "extra" => self.undeclared(),
            _ => {
                let kind = self
                    .random
                    .word(&["string", "text", "email", "url", "enum"]);
                self.of_kind(kind).0
            }
        };
        let function = self.random.word(&["startsWith", "endsWith", "contains"]);
        format!("{subject}.{function}({})", self.string())
    }

    fn size(&mut self, kind: &str) -> String {
        let counted = match kind {
            "text" => self.of_kind("string").0,
            "list" => self.list().0,
            "field" => {
                let (int, text) = (self.of_kind("int").0, self.of_kind("text").0);
                return self.compare(format!("size({text})"), int, true);
            }
            _ => self.json(),
        };
        let n = self.random.below(4).to_string();
        self.compare(format!("size({counted})"), n, true)
    }

    fn quantified(&mut self, word: &str, kind: &str) -> String {
        let name = format!("v{}", self.vars.len());
        let (over, var) = match kind {
            "related" | "nested" => {
                let (prefix, model) = self.place();
                let inverses = &self.app.model(model).inverses;
                if inverses.is_empty() {
                    return self.quantified(word, "list");
                }
                let inverse = &inverses[self.random.below(inverses.len())];
                (
                    format!("{prefix}{}", inverse.name),
                    Var::Record(name.clone(), inverse.model),
                )
            }
            "json" => (self.json(), Var::Element(name.clone(), None)),
            "roles" => (
                "auth.roles".to_owned(),
                Var::Element(name.clone(), Some(ItemType::String)),
            ),
            "literals" => {
                let items = *self.random.pick(&[ItemType::String, ItemType::Int]);
                (
                    self.written(Some(items)),
                    Var::Element(name.clone(), Some(items)),
                )
            }
            _ => {
                let (list, items) = self.list();
                (list, Var::Element(name.clone(), Some(items)))
            }
        };
        let element = matches!(var, Var::Element(..));
        self.vars.push(var.clone());
        let mut body = match &var {
            Var::Element(name, items) => self.element(name, *items),
            Var::Record(..) => {
                let atom = *self.random.pick(ATOMS);
                // Quantifiers in quantifiers multiply; two levels show what there is to see.
                if self.vars.len() > 2 {
                    self.simple()
                } else {
                    self.atom(atom)
                }
            }
        };
        if kind == "nested" && self.vars.len() < 3 {
            body = format!("{body} || {}", self.quantified("exists", "list"));
        }
        if element && self.random.one_in(4) {
            body = format!("{body} && {}", self.simple());
        }
        if self.random.one_in(4) {
            body = format!("!({body})");
        }
        self.vars.pop();
        format!("{over}.{word}({name}, {body})")
    }

    fn element(&mut self, name: &str, items: Option<ItemType>) -> String {
        match (items, self.random.below(5)) {
            (Some(ItemType::Bool), _) => match self.random.below(3) {
                0 => name.to_owned(),
                1 => format!("{name} == {}", self.of_kind("bool").0),
                _ => format!("{name} != true"),
            },
            (Some(ItemType::String), 0) => {
                let function = self.random.word(&["startsWith", "endsWith", "contains"]);
                format!("{name}.{function}({})", self.string())
            }
            (Some(ItemType::String), 1) => format!("size({name}) > 1"),
            (Some(ItemType::String), 2) => {
                let (field, _) = self.of_kind("string");
                self.compare(name.to_owned(), field, true)
            }
            (Some(ItemType::Int), 0) => {
                let (field, _) = self.of_kind("int");
                self.compare(name.to_owned(), field, true)
            }
            (Some(ItemType::Float), 0) => {
                let (field, _) = self.of_kind("float");
                self.compare(name.to_owned(), field, true)
            }
            (Some(items), 3) => format!("{name} in {}", self.written(Some(items))),
            (None, 0) => format!("{name} == null"),
            (None, 1) => format!("has({name}.k)"),
            (None, 2) => {
                let path = self.path(name.to_owned());
                self.any_ordered(path)
            }
            (None, 3) => format!("{name}.contains({})", self.string()),
            _ => {
                let literal = self.of_item(items);
                let ordered = !matches!(literal.as_str(), "true" | "false");
                self.compare(name.to_owned(), literal, ordered)
            }
        }
    }

    fn conditional(&mut self, kind: &str) -> String {
        let test = self.simple();
        if kind == "bool" {
            return format!("({test}) ? ({}) : ({})", self.simple(), self.simple());
        }
        let kind = self
            .random
            .word(&["string", "int", "datetime", "float", "uuid", "decimal"]);
        let first = self.of_kind(kind);
        let right = self.beside(&first, &|f| f.ty == first.1.ty);
        let literal = self.literal(first.1);
        let left = first.0;
        let otherwise = if self.random.one_in(4) {
            "null".to_owned()
        } else {
            right
        };
        self.compare(format!("(({test}) ? {left} : {otherwise})"), literal, true)
    }

    fn auth(&mut self, kind: &str) -> String {
        match kind {
            "kind" => format!(
                "auth.kind {} '{}'",
                self.equality(),
                self.random.word(&["user", "anonymous", "key"])
            ),
            "id" => {
                let (field, _) = self.field(&|f| f.ty.column() == spec::ColumnType::Uuid);
                format!("{field} == auth.id")
            }
            "email" => {
                let (field, _) =
                    self.field(&|f| matches!(f.ty, FieldType::Email | FieldType::String { .. }));
                format!("{field} == auth.email")
            }
            _ => self
                .random
                .word(&[
                    "size(auth.roles) > 1",
                    "'editor' in auth.roles",
                    "auth.id != null",
                    "auth.email == null",
                ])
                .to_owned(),
        }
    }

    fn arithmetic(&mut self) -> String {
        match self.random.below(3) {
            0 => {
                let (field, _) = self.of_kind("int");
                self.compare(field, "40 + 2".to_owned(), true)
            }
            1 => {
                let (field, _) = self.of_kind("float");
                self.compare(field, "0.5 * 2.0".to_owned(), true)
            }
            _ => {
                let (field, _) = self.of_kind("string");
                self.compare(field, "'a' + 'b'".to_owned(), true)
            }
        }
    }
}

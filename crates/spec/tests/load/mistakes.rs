//! One mistake each: the TOML, and what is said about it and where. Nothing else may be said.

use crate::{APP, AUTH, SHOP, lines, load_texts};

struct Case {
    path: &'static str,
    text: &'static str,
    /// Code, line, column, a part of the message.
    said: &'static [(&'static str, usize, usize, &'static str)],
}

const fn shop(
    text: &'static str,
    said: &'static [(&'static str, usize, usize, &'static str)],
) -> Case {
    Case {
        path: SHOP,
        text,
        said,
    }
}

const fn app(
    text: &'static str,
    said: &'static [(&'static str, usize, usize, &'static str)],
) -> Case {
    Case {
        path: APP,
        text,
        said,
    }
}

const fn auth(
    text: &'static str,
    said: &'static [(&'static str, usize, usize, &'static str)],
) -> Case {
    Case {
        path: AUTH,
        text,
        said,
    }
}

const CASES: &[Case] = &[
    // TOML itself
    shop("[models.a\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a.fields]\nx = { type = \"int\" }\nx = { type = \"int\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = int }\n",
        &[("X", 0, 0, "")],
    ),
    shop("a = \"\u{0}\"\n", &[("X", 0, 0, "")]),
    // keys
    shop("[modles.a]\n", &[("X", 0, 0, "")]),
    shop("[models.a]\nopne = true\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a.fields]\nx = { type = \"int\", uniqe = true }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", colour = \"red\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop("[models.a.access]\nwrite = \"true\"\n", &[("X", 0, 0, "")]),
    shop(
        "[[models.a.indexes]]\nfield = [\"id\"]\n",
        &[("X", 0, 0, "")],
    ),
    // kinds
    shop("models = 3\n", &[("X", 0, 0, "")]),
    shop("[models]\na = \"x\"\n", &[("X", 0, 0, "")]),
    shop("[models.a]\nopen = \"yes\"\n", &[("X", 0, 0, "")]),
    shop("[models.a]\nid = \"uid\"\n", &[("X", 0, 0, "")]),
    shop("[models.a]\nid = 7\n", &[("X", 0, 0, "")]),
    shop("[models.a]\naccess = \"true\"\n", &[("X", 0, 0, "")]),
    shop("[models.a]\nindexes = [\"x\"]\n", &[("X", 0, 0, "")]),
    shop("[models.a.indexes]\nfields = [\"x\"]\n", &[("X", 0, 0, "")]),
    shop("[models.a.fields]\nx = \"string\"\n", &[("X", 0, 0, "")]),
    shop("[models.a.access]\nread = true\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a.access]\nread = [\"admin\"]\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"enum\", values = \"a,b\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"enum\", values = [\"a\", 2] }\n",
        &[("X", 0, 0, "")],
    ),
    shop("[models.a.fields]\nx = { type = 5 }\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a.fields]\nx = { type = \"decimal\", scale = 19 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"decimal\", scale = \"2\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", max = 99999999999999999999 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"float\", max = inf }\n",
        &[("X", 0, 0, "")],
    ),
    // types
    shop(
        "[models.a.fields]\nx = { optional = true }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"strng\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"varchar\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"quaternion\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"decimal\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"enum\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"enum\", values = [] }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"enum\", values = [\"a\", \"b\", \"a\"] }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"enum\", values = [\"\"] }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"list\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"list\", items = \"json\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"relation\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"bool\", max = 1 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"string\", min = 3 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", to = \"a\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"string\", max = 0 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"string\", max = 1.5 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", min = 1.5 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", max = 9007199254740992 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", min = 5, max = 4 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"float\", min = 0.5, max = 0 }\n",
        &[("X", 0, 0, "")],
    ),
    // names
    shop("[models.OrderItems]\n", &[("X", 0, 0, "")]),
    shop("[models.\"2nd\"]\n", &[("X", 0, 0, "")]),
    shop("[models.a__b]\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a_name_that_goes_on_and_on_and_on_and_on_still]\n",
        &[("X", 0, 0, "")],
    ),
    shop("[models.batch]\n", &[("X", 0, 0, "")]),
    shop("[models.actions]\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a.fields]\nfirst-name = { type = \"string\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\n\"größe\" = { type = \"string\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nid = { type = \"int\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nversion = { type = \"int\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nauth = { type = \"int\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nin = { type = \"int\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nxmin = { type = \"int\" }\n",
        &[("X", 0, 0, "")],
    ),
    Case {
        path: "modules/Shop/module.toml",
        text: "",
        said: &[("X", 0, 0, "")],
    },
    Case {
        path: "modules/mainstay/module.toml",
        text: "",
        said: &[("X", 0, 0, "")],
    },
    Case {
        path: "modules/docs/module.toml",
        text: "",
        said: &[("X", 0, 0, "")],
    },
    Case {
        path: "modules/public/module.toml",
        text: "",
        said: &[("X", 0, 0, "")],
    },
    Case {
        path: "modules/pg_shop/module.toml",
        text: "",
        said: &[("X", 0, 0, "")],
    },
    Case {
        path: "modules/sqlite_shop/module.toml",
        text: "",
        said: &[("X", 0, 0, "")],
    },
    // relations
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"poeple\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"users\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"auth.user\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"crm.customers\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"people\", on_delete = \"set_null\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"people\", on_delete = \"keep\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"people\", on_delete = \"cascde\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"auth.users\", on_delete = \"restrict\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"auth.users\", on_delete = \"cascade\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"auth.users\", optional = true, on_delete = \"set_null\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nx = { type = \"relation\", to = \"auth.users\", inverse = \"people\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nname = { type = \"string\" }\n[models.messages.fields]\nsender = { type = \"relation\", to = \"people\" }\nrecipient = { type = \"relation\", to = \"people\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nmessages = { type = \"int\" }\n[models.messages.fields]\nsender = { type = \"relation\", to = \"people\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nname = { type = \"string\" }\n[models.messages.fields]\nsender = { type = \"relation\", to = \"people\", inverse = \"name\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\n[models.now.fields]\nsender = { type = \"relation\", to = \"people\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.people.fields]\nsender = { type = \"relation\", to = \"people\", inverse = \"old\" }\n",
        &[("X", 0, 0, "")],
    ),
    // indexes
    shop("[[models.a.indexes]]\nunique = true\n", &[("X", 0, 0, "")]),
    shop("[[models.a.indexes]]\nfields = []\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a.fields]\nprice = { type = \"int\" }\n[[models.a.indexes]]\nfields = [\"prise\"]\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"json\" }\n[[models.a.indexes]]\nfields = [\"x\"]\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"text\", unique = true }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\" }\n[[models.a.indexes]]\nfields = [\"x\", \"x\"]\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[[models.a.indexes]]\nfields = [\"version\"]\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[[models.a.indexes]]\nfields = [\"created_at\", \"id\"]\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", unique = true }\n[[models.a.indexes]]\nfields = [\"x\"]\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"string\", max = 400 }\ny = { type = \"string\", max = 400 }\n[[models.a.indexes]]\nfields = [\"x\", \"y\"]\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a]\nopen = true\n[[models.a.indexes]]\nfields = [\"colour\"]\n",
        &[("X", 0, 0, "")],
    ),
    // rules
    shop(
        "[models.a.fields]\nstatus = { type = \"string\" }\n[models.a.access]\nread = \"statsu == 'active'\"\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nn = { type = \"int\" }\n[models.a.access]\nread = \"n == 'one'\"\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nn = { type = \"int\" }\n[models.a.access]\nread = \"n + 1\"\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nn = { type = \"int\" }\n[models.a.access]\nread = \"n ==\"\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nseller = { type = \"relation\", to = \"auth.users\" }\n[models.a.access]\nread = \"seller.name == 'Ada'\"\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nname = { type = \"string\" }\n[models.a.access]\nread = \"\"\"\nname == \\\"x\\\" &&\n  nmae == 'y'\"\"\"\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nowner = { type = \"uuid\" }\n[models.a.access]\nread = \"owner != auth.id\"\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nn = { type = \"int\", check = \"m > 0\" }\n",
        &[("X", 0, 0, "")],
    ),
    // defaults
    shop(
        "[models.a.fields]\nn = { type = \"int\", default = \"'x'\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nn = { type = \"int\", default = 3 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nn = { type = \"int\", max = 3, default = \"4\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nn = { type = \"int\", default = \"null\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nn = { type = \"string\", max = 3, default = \"'four'\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"enum\", values = [\"draft\", \"sold\"], default = \"'drafd'\" }\n",
        &[("X", 0, 0, "")],
    ),
    // uniqueness
    shop(
        "[models.a.fields]\nx = { type = \"int\", unique = true, read = \"x == 1\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", read = \"x == 1\" }\n[[models.a.indexes]]\nfields = [\"created_at\", \"x\"]\nunique = true\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"int\", disclose = true }\n",
        &[("X", 0, 0, "")],
    ),
    // cautions
    shop("[models.a.access]\nupdate = \"true\"\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a.access]\nread = \"true\"\ncreate = \"true\"\n[models.a.fields]\nx = { type = \"int\", write = \"false\" }\n",
        &[("X", 0, 0, "")],
    ),
    // designed, not built
    shop("[models.a]\ntenant = true\n", &[("X", 0, 0, "")]),
    shop("[models.a]\nsearch = [\"name\"]\n", &[("X", 0, 0, "")]),
    shop("[models.a]\nrenamed_from = \"b\"\n", &[("X", 0, 0, "")]),
    shop(
        "[models.a.fields]\nx = { type = \"int\", renamed_from = \"y\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"vector\", dimensions = 3 }\n",
        &[("X", 0, 0, "")],
    ),
    shop(
        "[models.a.fields]\nx = { type = \"file\" }\n",
        &[("X", 0, 0, "")],
    ),
    shop("[database]\nurl = \"sqlite:x\"\n", &[("X", 0, 0, "")]),
    Case {
        path: "modules/shop/functions/restock.ts",
        text: "",
        said: &[("X", 0, 0, "")],
    },
    Case {
        path: "modules/shop/seed/things.jsonl",
        text: "",
        said: &[("X", 0, 0, "")],
    },
    app("[gateway]\n", &[("X", 0, 0, "")]),
    app("[services]\norders = [\"orders\"]\n", &[("X", 0, 0, "")]),
    // mainstay.toml
    app("nmae = \"x\"\n", &[("X", 0, 0, "")]),
    app("name = \"\"\n", &[("X", 0, 0, "")]),
    app("server = 7070\n", &[("X", 0, 0, "")]),
    app("[server]\nlisten = \"7070\"\n", &[("X", 0, 0, "")]),
    app("[server]\nport = 7070\n", &[("X", 0, 0, "")]),
    app("[server]\ndrain = 10\n", &[("X", 0, 0, "")]),
    app("[server]\ndrain = \"10 seconds\"\n", &[("X", 0, 0, "")]),
    app(
        "[database]\nurl = \"mysql://localhost\"\n",
        &[("X", 0, 0, "")],
    ),
    app("[database]\npool = 0\n", &[("X", 0, 0, "")]),
    app("[auth]\nregistration = \"opne\"\n", &[("X", 0, 0, "")]),
    app("[auth]\nregistration = \"invite\"\n", &[("X", 0, 0, "")]),
    app("[auth]\nverify_email = true\n", &[("X", 0, 0, "")]),
    app("[auth]\npassword_min = 4\n", &[("X", 0, 0, "")]),
    app("[auth]\naccess_token = \"1s\"\n", &[("X", 0, 0, "")]),
    app(
        "[auth]\naccess_token = \"1h\"\nrefresh_token = \"30m\"\n",
        &[("X", 0, 0, "")],
    ),
    app(
        "[limits]\npage = 10\npage_default = 20\n",
        &[("X", 0, 0, "")],
    ),
    app("[limits]\npages = 10\n", &[("X", 0, 0, "")]),
    app(
        "[changes]\nkeep = \"99999999999999999999d\"\n",
        &[("X", 0, 0, "")],
    ),
    // the built-in module
    auth("[models.users]\nid = \"int\"\n", &[("X", 0, 0, "")]),
    auth(
        "[models.users.fields]\nemail = { type = \"string\" }\n",
        &[("X", 0, 0, "")],
    ),
    auth(
        "[models.users.fields]\npassword = { type = \"string\" }\n",
        &[("X", 0, 0, "")],
    ),
    auth(
        "[models.users.fields]\nroles = { type = \"list\", items = \"string\" }\n",
        &[("X", 0, 0, "")],
    ),
    auth(
        "[models.users.access]\ncreate = \"true\"\n",
        &[("X", 0, 0, "")],
    ),
    auth("[models.login]\n", &[("X", 0, 0, "")]),
    auth("[models.sessions]\n", &[("X", 0, 0, "")]),
];

#[test]
fn every_mistake_is_named_where_it_is() {
    let mut wrong = Vec::new();
    for case in CASES {
        let loaded = load_texts(&[(case.path, case.text)]);
        let said: Vec<_> = loaded
            .diagnostics
            .iter()
            // True of nearly every case, and a test of its own below.
            .filter(|d| d.code != "unreachable-model")
            .collect();
        let right = said.len() == case.said.len()
            && said
                .iter()
                .zip(case.said)
                .all(|(d, (code, line, column, part))| {
                    let at = loaded.sources.position(d.file, d.span.start);
                    d.code == *code
                        && (at.line, at.column) == (*line, *column)
                        && d.message.contains(part)
                        && loaded.sources.files[d.file.0 as usize].path.to_str() == Some(case.path)
                });
        if !right {
            let report = lines(&loaded.diagnostics, &loaded.sources).join("\n");
            wrong.push(format!(
                "--- {}\n{}\nsaid:\n{report}\n",
                case.path, case.text
            ));
        }
        let errors = loaded
            .diagnostics
            .iter()
            .any(spec::diagnostic::Diagnostic::is_error);
        assert_eq!(loaded.app.is_none(), errors, "{}", case.text);
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}

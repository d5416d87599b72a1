//! Query strings as tables: what each asks for, or how it is refused.

use crate::app::{app, products};
use api::rest::query::{parse_list, parse_nothing, parse_select};
use engine::operation::{Expand, List, PlainOp, SortTerm};
use spec::Code;
use std::fmt::Write as _;

/// A list in one line, in the order: filter, plain, sort, limit, cursor, fields, expand, count.
fn shown(list: &List) -> String {
    let mut out = Vec::new();
    if let Some(filter) = &list.filter {
        out.push(format!("filter {filter}"));
    }
    for plain in &list.plain {
        let op = match plain.op {
            PlainOp::Eq => "=",
            PlainOp::Ne => "!=",
            PlainOp::Lt => "<",
            PlainOp::Lte => "<=",
            PlainOp::Gt => ">",
            PlainOp::Gte => ">=",
            PlainOp::In => "in",
        };
        out.push(format!("{} {op} {}", plain.field, plain.values.join("|")));
    }
    if !list.sort.is_empty() {
        out.push(format!("sort {}", sorts(&list.sort)));
    }
    if let Some(limit) = list.limit {
        out.push(format!("limit {limit}"));
    }
    if let Some(cursor) = &list.cursor {
        out.push(format!("cursor {cursor}"));
    }
    if let Some(fields) = &list.select.fields {
        out.push(format!("fields {}", fields.join("|")));
    }
    if !list.select.expand.is_empty() {
        out.push(format!("expand {}", tree(&list.select.expand)));
    }
    if list.count {
        out.push("count".to_owned());
    }
    out.join("; ")
}

fn sorts(terms: &[SortTerm]) -> String {
    let term = |t: &SortTerm| {
        format!(
            "{}{}",
            if t.descending { "-" } else { "" },
            t.path.join(".")
        )
    };
    terms.iter().map(term).collect::<Vec<_>>().join(" ")
}

fn tree(level: &[Expand]) -> String {
    let mut out = String::new();
    for (at, node) in level.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        out.push_str(&node.name);
        if let Some(limit) = node.limit {
            write!(out, ":{limit}").unwrap();
        }
        if !node.sort.is_empty() {
            write!(out, "~{}", sorts(&node.sort)).unwrap();
        }
        if !node.nested.is_empty() {
            write!(out, "[{}]", tree(&node.nested)).unwrap();
        }
    }
    out
}

#[test]
fn what_is_asked_for_is_read() {
    let app = app();
    for (query, expected) in [
        ("", ""),
        ("&&", ""),
        ("limit=1", "limit 1"),
        ("limit=200", "limit 200"),
        ("limit=007", "limit 7"),
        ("count=exact", "count"),
        ("cursor=abc-_", "cursor abc-_"),
        // Encoding.
        ("filter=status%20==%20'active'", "filter status == 'active'"),
        ("filter=status+%3D%3D+'a%2Bb'", "filter status == 'a+b'"),
        ("filter=name=='x=y'", "filter name=='x=y'"),
        (
            "filter=name.startsWith(\"%C3%A9\")",
            "filter name.startsWith(\"é\")",
        ),
        ("fi%6Cter=true", "filter true"),
        ("price%5Blte%5D=100", "price <= 100"),
        // Plain filters.
        ("status=active", "status = active"),
        ("status=", "status = "),
        ("status", "status = "),
        ("status[eq]=active", "status = active"),
        ("price[lte]=100", "price <= 100"),
        ("price[lt]=1&price[gt]=0", "price < 1; price > 0"),
        ("price[gte]=1&price[ne]=2", "price >= 1; price != 2"),
        ("status[in]=a", "status in a"),
        ("status[in]=a&status[in]=b", "status in a|b"),
        ("status[in]=a,b", "status in a,b"),
        ("name=a%26b", "name = a&b"),
        ("id=x", "id = x"),
        ("version[gt]=3", "version > 3"),
        // A field that is called like a control parameter.
        ("limit[eq]=5", "limit = 5"),
        ("limit[gt]=5&limit=2", "limit > 5; limit 2"),
        // Sorting.
        ("sort=price", "sort price"),
        (
            "sort=-price,name,category.name",
            "sort -price name category.name",
        ),
        ("sort=-category.parent.name", "sort -category.parent.name"),
        // Fields.
        ("fields=id,name", "fields id|name"),
        ("fields=id", "fields id"),
        // Expanding.
        ("expand=category", "expand category"),
        (
            "expand=reviews(limit:5,sort:-created_at),category.parent",
            "expand reviews:5~-created_at category[parent]",
        ),
        (
            "expand=reviews(sort:-created_at,text,limit:5)",
            "expand reviews:5~-created_at text",
        ),
        (
            "expand=reviews(sort:product.name)",
            "expand reviews~product.name",
        ),
        ("expand=a.b,a.c", "expand a[b c]"),
        ("expand=a.b.c,a.b.d,a", "expand a[b[c d]]"),
        ("expand=a,a", "expand a"),
        ("expand=a(limit:2),a.b", "expand a:2[b]"),
        ("expand=a.b,a(limit:2)", "expand a:2[b]"),
        ("expand=a(limit:2),a(limit:2)", "expand a:2"),
        ("expand=a(limit:2).b(limit:3)", "expand a:2[b:3]"),
        (
            "filter=true&status=active&sort=name&limit=3&fields=id&expand=category&count=exact",
            "filter true; status = active; sort name; limit 3; fields id; expand category; count",
        ),
    ] {
        match parse_list(Some(query), products(&app), &app) {
            Ok(list) => assert_eq!(shown(&list), expected, "{query}"),
            Err(problem) => panic!("{query}: {problem}"),
        }
    }
    assert_eq!(shown(&parse_list(None, products(&app), &app).unwrap()), "");
}

#[test]
fn what_is_not_understood_is_refused() {
    use Code::{
        BadCursor, BadExpand, BadFields, BadFilter, BadParameter, BadSearch, BadSort,
        ExpandTooDeep, MalformedRequest, PageTooLarge, QueryTooLong, UnknownParameter,
    };
    let app = app();
    let long = |n: usize| "x".repeat(n);
    for (query, code, says) in [
        // Encoding.
        ("status=%", MalformedRequest, "two hexadecimal digits"),
        ("status=%4", MalformedRequest, "two hexadecimal digits"),
        ("status=%zz", MalformedRequest, "two hexadecimal digits"),
        ("status=%FF", MalformedRequest, "UTF-8"),
        ("status=%00", MalformedRequest, "U+0000"),
        ("%FF=1", MalformedRequest, "UTF-8"),
        ("%=1", MalformedRequest, "two hexadecimal digits"),
        // Unknown names.
        ("sttaus=1", UnknownParameter, "did you mean status?"),
        ("Limit=1", UnknownParameter, "did you mean limit?"),
        ("page=2", UnknownParameter, "with cursor"),
        ("offset=1", UnknownParameter, "next_cursor"),
        ("per_page=5", UnknownParameter, "is limit"),
        ("order_by=name", UnknownParameter, "is sort"),
        ("include=category", UnknownParameter, "with expand"),
        ("select=id", UnknownParameter, "with fields"),
        ("q=x", UnknownParameter, "with filter"),
        ("=1", UnknownParameter, "is not known"),
        ("category.name=x", UnknownParameter, "use filter"),
        ("reviews=x", UnknownParameter, "is not known"),
        ("filter[eq]=x", UnknownParameter, "filter=… steers the list"),
        // A list of what is known holds what is built.
        (
            "colour=x",
            UnknownParameter,
            "filter, sort, limit, cursor, fields, expand, count, search, snippets, id,",
        ),
        ("sort[]=x", BadParameter, "the comparisons are"),
        ("status[like]=x", BadParameter, "the comparisons are"),
        ("status[EQ]=x", BadParameter, "the comparisons are"),
        ("status[eq=x", BadParameter, "the comparisons are"),
        ("status[eq]]=x", BadParameter, "the comparisons are"),
        ("status[]=x", BadParameter, "the comparisons are"),
        ("status[eq][ne]=x", BadParameter, "the comparisons are"),
        // Twice.
        ("limit=1&limit=1", BadParameter, "limit is there twice"),
        ("limit=1&%6Cimit=2", BadParameter, "limit is there twice"),
        (
            "filter=true&filter=true",
            BadParameter,
            "filter is there twice",
        ),
        ("sort=a&sort=b", BadParameter, "twice"),
        ("cursor=a&cursor=a", BadParameter, "twice"),
        ("fields=id&fields=id", BadParameter, "twice"),
        ("expand=a&expand=b", BadParameter, "twice"),
        ("count=exact&count=exact", BadParameter, "twice"),
        ("status=a&status=b", BadParameter, "repeat status[in]"),
        ("status=a&status[eq]=b", BadParameter, "repeat status[in]"),
        ("price[lt]=1&price[lt]=2", BadParameter, "twice"),
        // Limits.
        ("limit=0", BadParameter, "from 1 to 200"),
        ("limit=", BadParameter, "whole number"),
        ("limit=-1", BadParameter, "whole number"),
        ("limit=+1", BadParameter, "whole number"),
        ("limit=%2B1", BadParameter, "whole number"),
        ("limit=1.5", BadParameter, "whole number"),
        ("limit=1e2", BadParameter, "whole number"),
        ("limit=ten", BadParameter, "whole number"),
        ("limit=201", PageTooLarge, "200"),
        ("limit=99999999999999999999999", PageTooLarge, "200"),
        ("search=", BadSearch, "empty"),
        ("search=x&search=y", BadParameter, "twice"),
        ("snippets=yes", BadParameter, "true or false"),
        ("q=x", UnknownParameter, "with search"),
        // Not built, and never known.
        ("count=estimated", BadParameter, "not built yet"),
        ("count=true", BadParameter, "exact"),
        ("count", BadParameter, "exact"),
        ("filter=", BadFilter, "empty"),
        ("cursor=", BadCursor, "next_cursor"),
        // Sorting.
        ("sort=", BadSort, "empty"),
        ("sort=a,", BadSort, "empty"),
        ("sort=,a", BadSort, "empty"),
        ("sort=-", BadSort, "not a field"),
        ("sort=--a", BadSort, "not a field"),
        ("sort=+a", BadSort, "not a field"),
        ("sort=a b", BadSort, "not a field"),
        ("sort=a..b", BadSort, "not a field"),
        ("sort=.a", BadSort, "not a field"),
        ("sort=a.", BadSort, "not a field"),
        ("sort=a desc", BadSort, "not a field"),
        ("sort=a,-a", BadSort, "twice"),
        ("sort=a,b,c,d,e,f,g,h,i", BadSort, "At most 8"),
        (
            "sort=a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q",
            BadSort,
            "too long",
        ),
        ("sort=1a", BadSort, "not a field"),
        ("sort=price);drop", BadSort, "not a field"),
        // Fields.
        ("fields=", BadFields, "empty"),
        ("fields=id,", BadFields, "empty"),
        ("fields=id, name", BadFields, "not a field's name"),
        ("fields=*", BadFields, "not a field's name"),
        ("fields=category.name", BadFields, "not a field's name"),
        // Expanding.
        ("expand=", BadExpand, "empty"),
        ("expand=,", BadExpand, "name of a relation is expected"),
        ("expand=a,", BadExpand, "name of a relation is expected"),
        ("expand=a.", BadExpand, "name of a relation is expected"),
        ("expand=.a", BadExpand, "name of a relation is expected"),
        ("expand=a..b", BadExpand, "name of a relation is expected"),
        ("expand=a b", BadExpand, "not a relation's name"),
        ("expand=*", BadExpand, "not a relation's name"),
        ("expand=a(", BadExpand, "not closed"),
        ("expand=a(limit:5", BadExpand, "not closed"),
        ("expand=a)", BadExpand, "a comma, a dot or the end"),
        ("expand=a:5", BadExpand, "a comma, a dot or the end"),
        ("expand=a()", BadExpand, "not an option"),
        ("expand=a(5)", BadExpand, "not an option"),
        ("expand=a(limit=5)", BadExpand, "not an option"),
        ("expand=a(filter:x)", BadExpand, "not an option"),
        ("expand=a(limit:0)", BadExpand, "from 1 to 100"),
        ("expand=a(limit:x)", BadExpand, "from 1 to 100"),
        ("expand=a(limit:)", BadExpand, "from 1 to 100"),
        ("expand=a(limit:101)", PageTooLarge, "100"),
        ("expand=a(limit:99999999999)", PageTooLarge, "100"),
        ("expand=a(limit:1,limit:2)", BadExpand, "two limits"),
        (
            "expand=a(sort:x,limit:1,sort:y)",
            BadExpand,
            "two sort orders",
        ),
        ("expand=a(sort:)", BadExpand, "empty"),
        ("expand=a(sort:x y)", BadExpand, "not a field"),
        ("expand=a(limit:1)b", BadExpand, "a comma, a dot or the end"),
        (
            "expand=a(limit:1),a(limit:2)",
            BadExpand,
            "two different values for limit",
        ),
        (
            "expand=a(sort:x),a(sort:y)",
            BadExpand,
            "two different values for sort",
        ),
        ("expand=a.b.c.d", ExpandTooDeep, "3 levels"),
        (
            "expand=a,b,c,d,e,f,g,h,i,j,k",
            ExpandTooDeep,
            "10 relations",
        ),
        ("expand=a((limit:1))", BadExpand, "not an option"),
    ] {
        match parse_list(Some(query), products(&app), &app) {
            Ok(list) => panic!("{query} was read as {}", shown(&list)),
            Err(problem) => {
                assert_eq!(problem.code, code, "{query}: {problem}");
                assert!(problem.detail.contains(says), "{query}: {}", problem.detail);
            }
        }
    }
    for (query, code) in [
        (format!("filter={}", long(8 * 1024)), QueryTooLong),
        (format!("fields={}", "id,".repeat(300)), BadFields),
        (format!("fields={}", long(65)), BadFields),
        (format!("{}=1", long(3000)), UnknownParameter),
        (format!("expand={}", long(3000)), BadExpand),
        ("&status[in]=a".repeat(101), BadParameter),
    ] {
        let problem = parse_list(Some(&query), products(&app), &app).unwrap_err();
        assert_eq!(problem.code, code, "{problem}");
        // What was sent is not sent back at length.
        assert!(problem.detail.len() < 300, "{}", problem.detail);
    }
}

#[test]
fn bounds_are_named() {
    let app = app();
    for (query, name, value) in [
        ("limit=201", "limits.page", 200),
        ("expand=a.b.c.d", "limits.expand_depth", 3),
        ("expand=a,b,c,d,e,f,g,h,i,j,k", "limits.expand", 10),
        ("expand=a(limit:101)", "limits.nested_page", 100),
    ] {
        let problem = parse_list(Some(query), products(&app), &app).unwrap_err();
        assert_eq!(problem.limit, Some((name, value)), "{query}");
    }
}

#[test]
fn an_open_model_says_how_undeclared_fields_are_compared() {
    let app = app();
    let notes = app.model_named("shop.notes").unwrap();
    let problem = parse_list(Some("colour=red"), notes, &app).unwrap_err();
    assert!(problem.detail.contains("compared with filter"), "{problem}");
    let problem = parse_list(Some("limit[eq]=5"), notes, &app).unwrap_err();
    assert_eq!(
        problem.detail,
        "limit[eq] compares a field, and shop.notes declares none of that name: undeclared fields are compared \
         with filter, as in filter=limit == 'x'; limit=… steers the list."
    );
    let problem = parse_list(Some("titel=red"), notes, &app).unwrap_err();
    assert!(problem.detail.contains("did you mean title?"), "{problem}");
}

#[test]
fn one_record_takes_fields_and_expand() {
    let app = app();
    let model = products(&app);
    let select = parse_select(Some("fields=id,name&expand=category"), model, &app).unwrap();
    assert_eq!(select.fields.unwrap(), ["id", "name"]);
    assert_eq!(tree(&select.expand), "category");
    for (query, says) in [
        ("filter=true", "belongs to lists"),
        ("limit=1", "belongs to lists"),
        ("status=active", "belongs to lists"),
        ("feilds=id", "did you mean fields?"),
        ("colour=red", "there are fields, expand"),
        ("fields=id&fields=id", "twice"),
    ] {
        let problem = parse_select(Some(query), model, &app).unwrap_err();
        assert!(problem.detail.contains(says), "{query}: {problem}");
    }
    assert!(parse_nothing(None).is_ok() && parse_nothing(Some("")).is_ok());
    for query in ["x=1", "fields=id", "%"] {
        assert!(parse_nothing(Some(query)).is_err(), "{query}");
    }
}

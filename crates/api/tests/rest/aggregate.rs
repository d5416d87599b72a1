//! Query strings of aggregates: what each asks for, or how it is refused.

use crate::app::{app, products};
use api::rest::aggregate::parse;
use engine::operation::Aggregate;
use spec::Code;

/// An aggregate in one line.
fn shown(asked: &Aggregate) -> String {
    let mut out = Vec::new();
    let paths = |paths: &[Vec<String>]| {
        let paths: Vec<String> = paths.iter().map(|path| path.join(".")).collect();
        paths.join("|")
    };
    if !asked.group_by.is_empty() {
        out.push(format!("by {}", paths(&asked.group_by)));
    }
    for amount in &asked.aggregates {
        let of = amount.path.as_ref().map_or("*".to_owned(), |p| p.join("."));
        out.push(format!("{} {of}", amount.function.name()));
    }
    for plain in &asked.plain {
        out.push(format!(
            "{} {:?} {}",
            plain.field,
            plain.op,
            plain.values.join("|")
        ));
    }
    if let Some(filter) = &asked.filter {
        out.push(format!("filter {filter}"));
    }
    if let Some(having) = &asked.having {
        out.push(format!("having {having}"));
    }
    for term in &asked.sort {
        let sign = if term.descending { "-" } else { "" };
        out.push(format!("sort {sign}{}", term.path.join(".")));
    }
    if let Some(limit) = asked.limit {
        out.push(format!("limit {limit}"));
    }
    out.join("; ")
}

#[test]
fn what_is_asked_for_is_read_in_its_order() {
    let app = app();
    for (query, expected) in [
        ("", ""),
        ("count=*", "count *"),
        ("count=*,price", "count *; count price"),
        (
            "sum=price&count=*&avg=price",
            "sum price; count *; avg price",
        ),
        (
            "group_by=status,category.name&min=price&max=price",
            "by status|category.name; min price; max price",
        ),
        (
            "group_by=created_at.month&sort=-created_at.month,count&count=*",
            "by created_at.month; count *; sort -created_at.month; sort count",
        ),
        (
            "count=*&status=active&price[gte]=5&filter=name%20!=%20''",
            "count *; status Eq active; price Gte 5; filter name != ''",
        ),
        (
            "count=*&having=count+%3E+1&limit=1000",
            "count *; having count > 1; limit 1000",
        ),
        // Fields that are called as a parameter.
        (
            "count=*&limit[eq]=5&limit=2",
            "count *; limit Eq 5; limit 2",
        ),
    ] {
        match parse(Some(query), products(&app), &app) {
            Ok(asked) => assert_eq!(shown(&asked), expected, "{query}"),
            Err(problem) => panic!("{query}: {problem}"),
        }
    }
    assert_eq!(shown(&parse(None, products(&app), &app).unwrap()), "");
}

#[test]
fn what_is_not_understood_is_refused() {
    use Code::{BadAggregate, BadFilter, BadParameter, BadSort, TooManyGroups, UnknownParameter};
    let app = app();
    for (query, code, says) in [
        ("count=", BadAggregate, "count=* counts records"),
        ("sum=", BadAggregate, "sum=price,quantity"),
        ("sum=*", BadAggregate, "sum=* has no meaning"),
        ("group_by=*", BadAggregate, "group_by=* has no meaning"),
        ("group_by=a,", BadAggregate, "empty"),
        ("group_by=a..b", BadAggregate, "not a field"),
        ("group_by=a b", BadAggregate, "not a field"),
        ("group_by=price)--", BadAggregate, "not a field"),
        ("group_by=-price", BadAggregate, "not a field"),
        (
            "sum=a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q",
            BadAggregate,
            "too long",
        ),
        ("count=*&count=price", BadParameter, "count is there twice"),
        ("having=a&having=b", BadParameter, "twice"),
        ("having=", BadFilter, "empty"),
        ("filter=", BadFilter, "empty"),
        ("sort=count desc", BadSort, "not a field"),
        ("limit=0", BadParameter, "from 1 to 1000"),
        ("limit=-1", BadParameter, "from 1 to 1000"),
        ("limit=1001", TooManyGroups, "1000"),
        ("limit=99999999999999999999999", TooManyGroups, "1000"),
        ("cursor=x", UnknownParameter, "belongs to lists"),
        ("fields=name", UnknownParameter, "belongs to lists"),
        ("search=x", UnknownParameter, "belongs to lists"),
        ("by=name", UnknownParameter, "is group_by"),
        ("group=name", UnknownParameter, "is group_by"),
        ("average=price", UnknownParameter, "with avg"),
        ("order_by=name", UnknownParameter, "is sort"),
        ("offset=5", UnknownParameter, "no pages"),
        ("sttaus=1", UnknownParameter, "did you mean status?"),
        ("havign=true", UnknownParameter, "did you mean having?"),
        ("category.name=x", UnknownParameter, "use filter"),
        ("sum[eq]=5", UnknownParameter, "steers the aggregate"),
        ("sum[]=price", BadParameter, "the comparisons are"),
    ] {
        match parse(Some(query), products(&app), &app) {
            Ok(asked) => panic!("{query} was read as {}", shown(&asked)),
            Err(problem) => {
                assert_eq!(problem.code, code, "{query}: {problem}");
                assert!(problem.detail.contains(says), "{query}: {}", problem.detail);
            }
        }
    }
    for query in [
        format!("group_by={}", "a,".repeat(300)),
        format!("sum={}", "x".repeat(3000)),
        format!("having={}", "x".repeat(8 * 1024)),
    ] {
        let problem = parse(Some(&query), products(&app), &app).unwrap_err();
        assert!(problem.detail.len() < 300, "{}", problem.detail);
    }
    // And a list says where its like is.
    let list = api::rest::query::parse_list(Some("group_by=status"), products(&app), &app);
    let problem = list.unwrap_err();
    assert!(problem.detail.contains("…/products/aggregate"), "{problem}");
}

//! Nothing of an aggregate tells what its caller may not see.

use mainstay_tests::*;
use serde_json::json;

const APP: &str = r#"
## modules/hr/module.toml
[models.teams.fields]
name  = { type = "string" }
owner = { type = "relation", to = "auth.users" }
goal  = { type = "int" }
[models.teams.access]
read = "owner == auth.id"

[models.people.fields]
name  = { type = "string" }
owner = { type = "relation", to = "auth.users" }
pay   = { type = "decimal", scale = 2, optional = true, read = "owner == auth.id" }
since = { type = "datetime", optional = true, read = "owner == auth.id" }
grade = { type = "int", optional = true, read = "'hr' in auth.roles" }
team  = { type = "relation", to = "teams", optional = true }
boss  = { type = "relation", to = "people", optional = true, read = "owner == auth.id" }
[models.people.access]
read = "name != 'ghost' || owner == auth.id"
"#;

const M: &str = "hr.people";

/// Every way in which an aggregate could tell of `pay`, `since`, `team` and the ghost.
const QUERIES: &[&str] = &[
    "count=*",
    "count=pay",
    "sum=pay",
    "avg=pay",
    "min=pay&max=pay",
    "group_by=pay&count=*",
    "group_by=since.year&count=*",
    "group_by=since.month,name&count=*",
    "group_by=name&sum=pay&sort=-sum_pay",
    "group_by=name&sum=pay&sort=sum_pay&limit=1",
    "group_by=name&max=pay&having=max_pay > 100.0",
    "group_by=name&max=pay&having=max_pay == null",
    "group_by=name&count=pay&having=count_pay == 0",
    "count=*&filter=pay > 100.0",
    "count=*&pay[gte]=100",
    "count=*&filter=pay == null",
    "group_by=team.name&count=*",
    "group_by=team.goal&count=team.goal",
    "sum=team.goal",
    "max=team.goal&having=max_team.goal > 5",
    "group_by=name&sum=team.goal&sort=-sum_team.goal",
    "group_by=boss.name&count=*",
    "max=boss.pay",
    "count=boss",
    "count=*&filter=team.goal > 5",
    "group_by=name&count=*&sort=-count",
];

each_store!(hidden_values_change_no_answer, APP, async |fx| {
    let boss = json!({"name": "boss", "owner": uid(1), "pay": "9000.00"});
    let boss = id(&fx.create(&system(), M, boss).await.ok());
    let team = |goal| json!({"name": format!("team{goal}"), "owner": uid(1), "goal": goal});
    let mut made: Vec<String> = Vec::new();
    let mut answers: Vec<Vec<String>> = Vec::new();
    let mut owners: Vec<Vec<String>> = Vec::new();
    // Two worlds that differ in what a stranger may not see, and in nothing else.
    for (pay, since, goal, ghosts) in [
        ("50.00", "2020-01-05T00:00:00Z", 1, 1),
        ("5000.00", "2024-06-05T00:00:00Z", 10, 3),
    ] {
        for id in made.drain(..) {
            fx.delete(&system(), M, &id).await.done();
        }
        let team = id(&fx.create(&system(), "hr.teams", team(goal)).await.ok());
        for name in ["ann", "bob"].into_iter().chain(vec!["ghost"; ghosts]) {
            let factor = if name == "bob" { "1.00" } else { pay };
            let body = json!({
                "name": name, "owner": uid(1), "pay": factor, "since": since, "grade": goal, "team": team,
                "boss": (goal > 5).then_some(&boss),
            });
            made.push(id(&fx.create(&system(), M, body).await.ok()));
        }
        for (who, all) in [(user(2), &mut answers), (user(1), &mut owners)] {
            let mut said = Vec::new();
            for query in QUERIES {
                let reply = fx.aggregate(&who, M, query).await;
                said.push(format!(
                    "{query}: {}",
                    String::from_utf8_lossy(&reply.bytes())
                ));
            }
            all.push(said);
        }
        for who in [anonymous(), user(1)] {
            for query in [
                "sum=grade",
                "count=grade",
                "group_by=grade",
                "group_by=boss.grade",
                "max=boss.grade",
                "count=*&filter=grade > 5",
                "count=*&grade[gt]=5",
            ] {
                let reply = fx.aggregate(&who, M, query).await;
                assert_eq!(reply.problem().status(), 400, "{query}");
                assert!(
                    reply.problem().detail.contains("not readable for you"),
                    "{query}"
                );
            }
            let reply = fx
                .aggregate(&who, M, "group_by=name&count=*&sort=sum_grade")
                .await;
            assert_eq!(reply.code(), "request.bad_sort");
            let reply = fx.aggregate(&who, M, "count=*&having=grade > 1").await;
            assert_eq!(reply.code(), "request.bad_filter");
        }
        let hr = with_roles(3, &["hr"]);
        assert_eq!(
            fx.aggregate(&hr, M, "max=grade").await.data(),
            [json!({"max_grade": goal})]
        );
    }
    assert_eq!(answers[0], answers[1]);
    // Their owner does see a difference, or the rest would show nothing.
    let same = owners[0].iter().zip(&owners[1]).filter(|(a, b)| a == b);
    let same: Vec<_> = same.map(|(a, _)| a).collect();
    assert!(same.len() <= 5, "{same:#?}");
});

//! One to one and many to many, as docs/app.md shows them: what `expand` answers, and how filters ask.

use mainstay_tests::*;
use serde_json::{Value as Json, json};

/// The example's module as the page has it, and who may see whom.
fn app() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/app.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let path = "# modules/school/module.toml\n[models.";
    let at = page.find(path).expect("the example");
    let (module, _) = page[at..].split_once("\n```").expect("its end");
    format!("## modules/school/module.toml\n{module}\n")
}

const STUDENTS: &str = "school.students";

each_store!(
    the_model_between_two_holds_the_other_side,
    &app(),
    async |fx| {
        let (ada, bob) = (user(1), user(2));
        let by_admin =
            async |model: &str, body: Json| id(&fx.create(&admin(), model, body).await.ok());
        let algebra = by_admin("school.courses", json!({"title": "Algebra"})).await;
        let biology = by_admin("school.courses", json!({"title": "Biology"})).await;
        let mut students = Vec::new();
        for (who, name) in [(&ada, "Ada"), (&bob, "Bob")] {
            let made = fx.create(who, STUDENTS, json!({"name": name})).await;
            students.push(id(&made.ok()));
        }
        let enrol = async |who: &spec::Principal, student: &str, course: &str| {
            let body = json!({"student": student, "course": course});
            fx.create(who, "school.enrolments", body).await
        };
        for course in [&algebra, &biology] {
            enrol(&ada, &students[0], course).await.ok();
        }
        enrol(&bob, &students[1], &algebra).await.ok();
        let twice = enrol(&ada, &students[0], &algebra).await;
        assert_eq!(twice.code(), "data.conflict");
        let of_another = enrol(&ada, &students[1], &biology).await;
        assert_eq!(of_another.code(), "access.forbidden");
        let locker = |number: u32, student: &str| json!({"student": student, "number": number});
        by_admin("school.lockers", locker(7, &students[0])).await;
        let body = locker(8, &students[0]);
        let second = fx.create(&admin(), "school.lockers", body).await;
        assert_eq!(second.code(), "data.conflict", "one to one");

        let query = Query::new()
            .fields("name")
            .expand("enrolments.course,lockers");
        let seen = fx.list(&ada, STUDENTS, query.sort("name")).await.data();
        let titles = |student: &Json| -> Vec<Json> {
            let page = student["enrolments"]["data"].as_array().expect("a page");
            page.iter().map(|e| e["course"]["title"].clone()).collect()
        };
        assert_eq!(titles(&seen[0]), [json!("Algebra"), json!("Biology")]);
        assert_eq!(seen[0]["enrolments"]["more"], false);
        assert_eq!(
            seen[0]["enrolments"]["data"][0]["student"],
            json!(students[0])
        );
        // One to one is a page from the target's side, too.
        assert_eq!(seen[0]["lockers"]["data"][0]["number"], 7);
        assert_eq!(seen[0]["lockers"]["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(seen[0]["lockers"]["more"], false);
        // What others have is hidden by its own rule.
        assert_eq!(seen[1]["name"], "Bob");
        assert_eq!(seen[1]["enrolments"], json!({"data": [], "more": false}));
        // From the other side, with what both sides show.
        let query = Query::new().expand("enrolments.student").sort("title");
        let courses = fx.list(&bob, "school.courses", query).await.data();
        let students_of = |course: &Json| course["enrolments"]["data"].as_array().map(Vec::len);
        assert_eq!(
            courses.iter().map(students_of).collect::<Vec<_>>(),
            [Some(1), Some(0)]
        );
        assert_eq!(
            courses[0]["enrolments"]["data"][0]["student"]["name"],
            "Bob"
        );
        for (filter, names) in [
            (
                "enrolments.exists(e, e.course.title == 'Biology')",
                &["Ada"][..],
            ),
            (
                "enrolments.exists(e, e.course.title == 'Algebra')",
                &["Ada"],
            ),
            ("lockers.exists(l, l.number == 7)", &["Ada"]),
            ("lockers.exists(l, l.number == 8)", &[]),
        ] {
            let found = fx.list(&ada, STUDENTS, Query::new().filter(filter)).await;
            let found: Vec<Json> = found.data().iter().map(|s| s["name"].clone()).collect();
            assert_eq!(found, names, "{filter}");
        }
    }
);

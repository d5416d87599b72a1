//! Outcomes as text: for people, for programs, and for what shows JUnit's files.

use super::Outcome;
use serde_json::{Value as Json, json};
use spec::diagnostic::{render, to_json};
use spec::load::Scenarios;
use std::fmt::Write;
use std::time::Duration;

/// Milliseconds, to a tenth below ten.
pub fn millis(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1000.0;
    match ms < 9.95 {
        true => format!("{ms:.1} ms"),
        false => format!("{ms:.0} ms"),
    }
}

/// Why a test failed: the places, the request, what it answered, and how to try it.
pub fn failure(outcome: &Outcome, scenarios: &Scenarios, server: &str, colour: bool) -> String {
    let Some(failure) = &outcome.failure else {
        return String::new();
    };
    let mut out = render(&failure.diagnostics, &scenarios.sources, colour);
    if let Some(exchange) = &failure.exchange {
        let _ = writeln!(out, "step {}  {}", exchange.step, exchange.request());
        let _ = writeln!(out, "answer  {}", exchange.answer());
        let _ = writeln!(out, "to try  {}", exchange.curl(server));
    }
    out
}

/// One object for all of them.
pub fn json(outcomes: &[Outcome], scenarios: &Scenarios, server: &str) -> Json {
    let tests: Vec<Json> = outcomes
        .iter()
        .map(|outcome| {
            let test = outcome.case.test(scenarios);
            let place = scenarios
                .sources
                .position(test.name.at.file, test.name.at.span.start);
            let source = scenarios.sources.get(test.name.at.file);
            let mut json = json!({
                "name": outcome.case.name(scenarios),
                "store": outcome.on.name(),
                "path": source.map(|source| source.path.display().to_string()),
                "line": place.line,
                "passed": outcome.failure.is_none(),
                "ms": (outcome.took.as_secs_f64() * 10_000.0).round() / 10.0,
            });
            if let Some(failure) = &outcome.failure {
                json["diagnostics"] = to_json(&failure.diagnostics, &scenarios.sources).into();
                if let Some(exchange) = &failure.exchange {
                    json["step"] = exchange.step.into();
                    json["request"] = exchange.request().into();
                    json["answer"] = exchange.answer().into();
                    json["curl"] = exchange.curl(server).into();
                }
            }
            json
        })
        .collect();
    let failed = outcomes.iter().filter(|o| o.failure.is_some()).count();
    json!({
        "passed": outcomes.len() - failed,
        "failed": failed,
        "tests": tests,
    })
}

/// JUnit's XML, as build servers read it: a suite for each file and store.
pub fn junit(outcomes: &[Outcome], scenarios: &Scenarios, server: &str) -> String {
    let failed = outcomes.iter().filter(|o| o.failure.is_some()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"mainstay test\" tests=\"{}\" failures=\"{failed}\">",
        outcomes.len()
    );
    let suite = |o: &Outcome| format!("{} ({})", o.case.file(scenarios).name, o.on.name());
    for group in outcomes.chunk_by(|a, b| suite(a) == suite(b)) {
        let name = group.first().map(suite).unwrap_or_default();
        let failed = group.iter().filter(|o| o.failure.is_some()).count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\">",
            escaped(&name),
            group.len()
        );
        for outcome in group {
            let _ = write!(
                out,
                "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.4}\"",
                escaped(&name),
                escaped(&outcome.case.test(scenarios).name.value),
                outcome.took.as_secs_f64()
            );
            match &outcome.failure {
                None => out.push_str("/>\n"),
                Some(why) => {
                    let first = why.diagnostics.first();
                    let message = first.map_or("", |d| d.message.as_str());
                    let text = failure(outcome, scenarios, server, false);
                    let _ = writeln!(
                        out,
                        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                        escaped(message),
                        escaped(&text)
                    );
                }
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>");
    out
}

/// Text as XML 1.0 holds it: most control characters it cannot.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_have_a_tenth() {
        for (micros, text) in [
            (340, "0.3 ms"),
            (9_900, "9.9 ms"),
            (9_960, "10 ms"),
            (123_456, "123 ms"),
        ] {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn xml_holds_any_text() {
        assert_eq!(
            escaped("a<b>&\"\u{1b}[0m\n"),
            "a&lt;b&gt;&amp;&quot;\u{fffd}[0m\n"
        );
    }
}

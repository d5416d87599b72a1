//! Requests that cannot be read as such: they are answered, counted and logged like any other.

use crate::client::Answer;
use crate::subject::{Subject, both, short};
use std::time::{Duration, Instant};

/// What holds for every answer after which the connection ends.
fn is_last(answer: &Answer, request: &str) {
    assert_eq!(answer.header("connection"), "close", "{request:?}");
    assert!(!answer.header("x-request-id").is_empty(), "{request:?}");
    assert!(answer.header("date").ends_with(" GMT"), "{request:?}");
}

#[test]
fn what_is_no_request_gets_a_problem_document() {
    for options in both() {
        let subject = Subject::start(options);
        let cases = [
            "GET\r\n\r\n",
            "GET / HTTP/9.9\r\n\r\n",
            "GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
            "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n",
        ];
        for request in cases {
            let mut client = subject.client();
            client.send(request);
            let answer = client.answer();
            assert_eq!(
                (answer.status, &*answer.code()),
                (400, "request.malformed"),
                "{request:?}"
            );
            is_last(&answer, request);
            let (rest, closed) = client.until_closed();
            assert!(closed && rest.is_empty(), "{request:?}: {rest}");
        }
        let text = subject.edge.metrics().text(&[]);
        let count = format!(
            "mainstay_requests_total{{route=\"unreadable\",status=\"4xx\"}} {}",
            cases.len()
        );
        assert!(text.contains(&count), "{text}");
        assert!(text.contains("mainstay_requests_in_flight 0"), "{text}");
        let lines = subject.lines();
        assert_eq!(lines.len(), cases.len());
        for line in lines {
            assert_eq!(line["status"], 400, "{line}");
            assert_eq!(line["code"], "request.malformed", "{line}");
            assert_eq!(line["route"], "unreadable", "{line}");
            assert_eq!(line["request_id"].as_str().map(str::len), Some(16));
        }
    }
}

#[test]
fn a_head_beyond_what_is_buffered_is_named_too() {
    let subject = Subject::start(short());
    let huge = "x".repeat(200 * 1024);
    let many = "A: b\r\n".repeat(200);
    for (request, limit) in [
        (
            format!("GET /x HTTP/1.1\r\nHost: x\r\nX-Long: {huge}\r\n\r\n"),
            "limits.headers",
        ),
        (
            format!("GET /x HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
            "limits.headers",
        ),
    ] {
        let mut client = subject.client();
        client.send(&request);
        let answer = client.answer();
        assert_eq!((answer.status, &*answer.code()), (431, "limit.headers"));
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["limit"]["name"], limit);
        is_last(&answer, "a long head");
        assert!(client.until_closed().1);
    }
}

#[test]
fn a_head_that_does_not_come_is_a_408() {
    for options in both() {
        let subject = Subject::start(options);
        // POST might begin as HTTP/2 does, so its first letter alone is another way through.
        for start in ["G", "P", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
            let mut client = subject.client();
            client.send(start);
            let begin = Instant::now();
            let answer = client.answer();
            assert_eq!(
                (answer.status, &*answer.code()),
                (408, "limit.request_time"),
                "{start:?}"
            );
            let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(problem["limit"]["name"], "limits.head_time");
            assert_eq!(problem["limit"]["value"], 200);
            is_last(&answer, start);
            assert!(client.until_closed().1, "{start:?}");
            let took = begin.elapsed();
            assert!(
                took > Duration::from_millis(150) && took < Duration::from_secs(3),
                "{start:?} took {took:?}"
            );
        }
        // Who connects and says nothing, or has nothing more to say, asked for nothing.
        let mut client = subject.client();
        let (text, closed) = client.until_closed();
        assert!(closed && text.is_empty(), "{text}");
        let mut client = subject.client();
        assert_eq!(client.get("/x", "").status, 200);
        let (text, closed) = client.until_closed();
        assert!(closed && text.is_empty(), "{text}");
        let lines = subject.lines();
        let statuses: Vec<u64> = lines.iter().filter_map(|l| l["status"].as_u64()).collect();
        assert_eq!(statuses, [408, 408, 408, 200]);
    }
}

#[test]
fn what_came_before_nonsense_is_answered_first() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.send(
        "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /slow HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n",
    );
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().code(), "request.malformed");
    assert!(client.until_closed().1);
    let routes: Vec<String> = subject
        .lines()
        .iter()
        .filter_map(|line| line["route"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(routes, ["echo", "echo", "unreadable"]);
}

/// An answer of the service that looks like one of hyper's own is still the service's.
#[test]
fn answers_of_the_service_go_out_as_they_are() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    for _ in 0..2 {
        let answer = client.get("/bare/400", "");
        assert_eq!((answer.status, answer.header("connection")), (400, ""));
    }
}

/// What two servers might read in two ways (RFC 9112, 3.2 and 6.1) is not read at all.
#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for options in both() {
        let subject = Subject::start(options);
        for (request, status, code) in [
            ("GET /x HTTP/1.1\r\n\r\n", 400, "request.malformed"),
            (
                "GET http://x/x HTTP/1.1\r\nAccept: */*\r\n\r\n",
                400,
                "request.malformed",
            ),
            (
                "GET /x HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
                400,
                "request.malformed",
            ),
            (
                "GET /x HTTP/1.0\r\nHost: x\r\nhost: y\r\n\r\n",
                400,
                "request.malformed",
            ),
            ("GET /x HTTP/1.0\r\n\r\n", 200, ""),
            ("GET /x HTTP/1.1\r\nHost:\r\n\r\n", 200, ""),
            (
                "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                400,
                "request.malformed",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
                "request.malformed",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
                400,
                "request.malformed",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
                200,
                "",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\nabc",
                413,
                "limit.body",
            ),
            (
                "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\nabc",
                400,
                "request.malformed",
            ),
        ] {
            let mut client = subject.client();
            client.send(request);
            let answer = client.answer();
            assert_eq!(answer.status, status, "{request:?}");
            if status != 200 {
                assert_eq!(answer.code(), code, "{request:?}");
            }
        }
    }
}

/// Of a length and chunks only the chunks count, and nothing that comes behind them: hyper leaves out the length, so
/// that the edge cannot refuse what RFC 9112, 6.1 leaves it to refuse.
#[test]
fn behind_a_body_with_two_lengths_nothing_is_read() {
    let subject = Subject::start(short());
    let behind = "GET /behind HTTP/1.1\r\nHost: x\r\n\r\n";
    for lengths in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    ] {
        let mut client = subject.client();
        client.send(format!(
            "POST /x HTTP/1.1\r\nHost: x\r\n{lengths}\r\n2\r\nab\r\n0\r\n\r\n{behind}"
        ));
        let answer = client.answer();
        assert_eq!(answer.body, "POST /x nobody 2");
        assert_eq!(answer.header("connection"), "close");
        let (rest, closed) = client.until_closed();
        assert!(closed && rest.is_empty(), "{rest}");
    }
    assert_eq!(subject.lines().len(), 2);
}

//! Clients that send too much, too slowly, or nonsense.

use crate::subject::{BIG, Subject, both, short};
use gateway::{Options, Threads};
use std::time::{Duration, Instant};

#[test]
fn a_head_that_does_not_end_is_not_waited_for() {
    for options in both() {
        let subject = Subject::start(options);
        for start in ["", "G", "PRI", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
            let mut client = subject.client();
            let begin = Instant::now();
            client.silent_for(Duration::from_millis(100));
            client.send(start);
            // A byte now and then does not buy more time.
            loop {
                let (_, closed) = client.until_closed();
                if closed {
                    break;
                }
                assert!(
                    begin.elapsed() < Duration::from_secs(2),
                    "{start:?} is still open"
                );
                if !start.is_empty() {
                    client.send("x");
                }
            }
            assert!(begin.elapsed() >= Duration::from_millis(100), "{start:?}");
        }
        assert_eq!(subject.client().get("/x", "").status, 200);
    }
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    // Longer than a head may take, shorter than a connection may idle.
    for _ in 0..3 {
        assert_eq!(client.get("/slow", "").status, 200);
        std::thread::sleep(Duration::from_millis(250));
    }
    let begin = Instant::now();
    assert!(client.until_closed().1);
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_body_that_does_not_come_is_a_408() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    let answer = client.answer();
    assert_eq!(
        (answer.status, &*answer.code()),
        (408, "limit.request_time")
    );
    assert!(
        client.until_closed().1,
        "what is left of the body cannot be told from a request"
    );
}

/// However many connections they come by.
#[test]
fn all_unfinished_bodies_together_have_so_much_room() {
    let subject = Subject::start(Options {
        bodies: 100_000,
        body_time: Duration::from_secs(5),
        ..short()
    });
    let begin = |bytes: usize| {
        let mut client = subject.client();
        let head = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 60001\r\n\r\n";
        client.send(format!("{head}{}", "x".repeat(bytes)));
        client
    };
    let mut first = begin(60_000);
    std::thread::sleep(Duration::from_millis(100));
    let mut second = begin(60_000);
    let answer = second.answer();
    assert_eq!((answer.status, &*answer.code()), (503, "limit.overloaded"));
    assert_eq!(answer.header("retry-after"), "1");
    // Small ones still pass, and who was there before ends as it should.
    let mut small = subject.client();
    small.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(small.answer().status, 200);
    first.send("x");
    assert_eq!(first.answer().status, 200);
    // The room was given back, also of the one that was refused.
    let mut third = begin(60_001);
    assert_eq!(third.answer().status, 200);
}

#[test]
fn an_answer_that_is_not_taken_is_not_kept() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    std::thread::sleep(Duration::from_millis(1200));
    // It was cut off: the rest is far less than was answered.
    let (text, closed) = client.until_closed();
    assert!(closed && text.len() < 32 << 20, "{}", text.len());
}

#[test]
fn who_takes_an_answer_slowly_is_not_idle() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.silent_for(Duration::from_millis(1));
    client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    let begin = Instant::now();
    // Longer than a connection may idle; each time a piece, within the time of writing.
    for part in 1..8 {
        std::thread::sleep(Duration::from_millis(100));
        client.take(part * (2 << 20));
    }
    client.silent_for(Duration::from_secs(5));
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.len()), (200, BIG));
    assert!(begin.elapsed() > Duration::from_millis(700));
}

#[test]
fn who_goes_away_is_not_waited_for() {
    for threads in [Threads::Shared, Threads::Own(2)] {
        let subject = Subject::start(Options {
            threads,
            connections: 1,
            head_time: Duration::from_secs(4),
            ..short()
        });
        // Pieces of HTTP/2's preface, or of POST.
        for start in ["", "P", "PR", "PRI", "G"] {
            let begin = Instant::now();
            subject.client().send(start);
            assert_eq!(subject.client().get("/x", "").status, 200);
            let took = begin.elapsed();
            assert!(took < Duration::from_secs(1), "{start:?} held it {took:?}");
        }
    }
}

#[test]
fn too_much_is_refused_with_the_bound_it_met() {
    let subject = Subject::start(short());
    let long = "x".repeat(20 * 1024);
    for (request, status, code, limit) in [
        (
            format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
            414,
            "limit.query",
            "limits.address",
        ),
        (
            format!("GET /x HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"),
            431,
            "limit.headers",
            "limits.headers",
        ),
        (
            "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n".to_owned(),
            413,
            "limit.body",
            "limits.body",
        ),
        (
            format!(
                "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                format!("5000\r\n{long}\r\n").repeat(4)
            ),
            413,
            "limit.body",
            "limits.body",
        ),
    ] {
        let mut client = subject.client();
        client.send(&request);
        let answer = client.answer();
        assert_eq!((answer.status, &*answer.code()), (status, code));
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["limit"]["name"], limit);
    }
    // Beyond what is even buffered, hyper answers by itself.
    let huge = "x".repeat(200 * 1024);
    for (request, status) in [
        (
            format!("GET /x HTTP/1.1\r\nHost: x\r\nX-Long: {huge}\r\n\r\n"),
            "431",
        ),
        (format!("GET /{huge} HTTP/1.1\r\nHost: x\r\n\r\n"), "4"),
        (
            format!(
                "GET /x HTTP/1.1\r\nHost: x\r\n{}\r\n",
                "A: b\r\n".repeat(200)
            ),
            "431",
        ),
    ] {
        let mut client = subject.client();
        client.send(&request);
        let (text, closed) = client.until_closed();
        let refused = text.starts_with(&format!("HTTP/1.1 {status}"));
        assert!(closed && (refused || text.is_empty()), "{text}");
    }
}

#[test]
fn nonsense_is_never_a_500() {
    let subject = Subject::start(short());
    let mut cases: Vec<Vec<u8>> = [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /x HTTP/1.1\r\n\r\n",
        "GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "TRACE /x HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, not frames, not frames",
        "PRINT /x HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    cases.push(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec());
    cases.push(b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec());
    cases.push(b"GET /x HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n".to_vec());
    cases.push(b"GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n".to_vec());
    cases
        .push(b"GET /x HTTP/1.1\r\nHost: x\r\nOrigin: \xff\r\nX-Request-Id: \xff\r\n\r\n".to_vec());
    // Every way of breaking off.
    let whole = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    cases.extend((0..whole.len()).map(|end| whole[..end].to_vec()));
    for case in cases {
        let mut client = subject.client();
        client.silent_for(Duration::from_millis(150));
        client.send(&case);
        client.finish_sending();
        let (text, _) = client.until_closed();
        assert!(
            !text.starts_with("HTTP/1.1 5"),
            "{:?} was answered {text}",
            String::from_utf8_lossy(&case)
        );
    }
    assert_eq!(subject.client().get("/x", "").status, 200);
    for line in subject.lines() {
        let status = line["status"].as_u64().unwrap_or(0);
        assert!(status < 500, "{line}");
    }
}

#[test]
fn a_client_that_goes_away_leaves_a_line() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.send("GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n");
    std::thread::sleep(Duration::from_millis(100));
    drop(client);
    std::thread::sleep(Duration::from_millis(200));
    let text = subject.edge.metrics().text(&[]);
    assert!(
        text.contains("mainstay_requests_abandoned_total 1"),
        "{text}"
    );
    assert!(text.contains("mainstay_requests_in_flight 0"), "{text}");
    let lines = subject.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["abandoned"], true);
}

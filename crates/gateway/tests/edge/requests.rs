//! Requests that are in order, and the traces they leave.

use crate::client::{Answer, Client};
use crate::subject::{Subject, USER, both, short};
use gateway::{Exposure, Options, Threads, Timing};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[test]
fn a_request_is_answered_named_and_logged() {
    for options in both() {
        let subject = Subject::start(options);
        let mut client = subject.client();
        let answer = client.get("/hello?secret=1", "");
        assert_eq!((answer.status, &*answer.body), (200, "GET /hello nobody 0"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("vary"), "Origin");
        assert!(
            answer
                .header("server-timing")
                .starts_with("plan;dur=0, store;dur=0, total;dur=")
        );
        let id = answer.header("x-request-id").to_owned();
        assert_eq!(id.len(), 16);
        let answer = client.get(
            "/hello",
            "X-Request-Id: mine-1\r\nAuthorization: Bearer good\r\n",
        );
        assert_eq!(answer.body, format!("GET /hello {USER} 0"));
        assert_eq!(answer.header("x-request-id"), "mine-1");
        drop(client);
        let lines = subject.lines();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["path"], "/hello");
        assert_eq!(lines[0]["request_id"], *id);
        assert_eq!(lines[0]["principal"], "anonymous");
        assert_eq!(lines[0]["route"], "echo");
        assert_eq!(lines[1]["principal"], USER.to_string());
        assert!(!lines[0].to_string().contains("secret"));
    }
}

/// What the database took to the microsecond tells a record that is hidden from one that is not there.
#[test]
fn stages_are_told_in_whole_milliseconds_unless_it_is_for_development() {
    for (timing, micros) in [(Timing::Whole, false), (Timing::Precise, true)] {
        let subject = Subject::start(Options { timing, ..short() });
        let mut client = subject.client();
        let stages = |answer: Answer| -> Vec<(String, String)> {
            let stages = answer.header("server-timing").split(", ");
            let stage = |text: &str| {
                text.split_once(";dur=")
                    .map(|(n, d)| (n.to_owned(), d.to_owned()))
            };
            stages.filter_map(stage).collect()
        };
        let quick = stages(client.get("/x", ""));
        let slow = stages(client.get("/slow", ""));
        for stages in [&quick, &slow] {
            let names: Vec<&str> = stages.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["plan", "store", "total"]);
            for (_, time) in stages {
                assert_eq!(time.contains('.'), micros, "{time}");
            }
        }
        let total: f64 = slow[2].1.parse().unwrap();
        assert!((300.0..2000.0).contains(&total), "{total}");
        assert_eq!(quick[1].1, if micros { "0.007" } else { "0" });
        // The log is for those who run it.
        drop(client);
        let lines = subject.lines();
        assert!(
            lines[1]["duration_ms"].to_string().contains('.'),
            "{}",
            lines[1]
        );
    }
}

#[test]
fn many_requests_in_one_piece_are_answered_in_order() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    let mut all = String::new();
    for at in 0..50 {
        all.push_str(&format!(
            "POST /{at} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        ));
    }
    client.send(all);
    for at in 0..50 {
        assert_eq!(client.answer().body, format!("POST /{at} nobody 3"));
    }
    assert_eq!(subject.lines().len(), 50);
}

#[test]
fn a_body_comes_whole_however_it_is_cut() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..100 {
        client.send("5\r\nabcde\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().body, "POST /a nobody 500");
    client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    client.send("abcd");
    assert_eq!(client.answer().body, "POST /b nobody 4");
    // A GET's body is not waited for, nor taken for the next request.
    client.send("GET /c HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET ");
    assert_eq!(client.answer().body, "GET /c nobody 0");
}

#[test]
fn a_request_comes_whole_however_it_is_cut() {
    for options in both() {
        let subject = Subject::start(options);
        let request = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        for at in (1..6).chain([30, request.len() - 1]) {
            let mut client = subject.client();
            client.send(&request[..at]);
            std::thread::sleep(Duration::from_millis(20));
            client.send(&request[at..]);
            assert_eq!(client.answer().body, "POST /a nobody 3", "cut at {at}");
            assert_eq!(client.get("/b", "").body, "GET /b nobody 0", "cut at {at}");
        }
        // Every byte on its own, and nothing of what is sent together is lost.
        let mut client = subject.client();
        for byte in request.bytes() {
            client.send([byte]);
        }
        client.send(request.repeat(2));
        for _ in 0..3 {
            assert_eq!(client.answer().body, "POST /a nobody 3");
        }
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for at in 1..6 {
            let mut client = subject.client();
            client.silent_for(Duration::from_millis(100));
            client.send(&preface[..at]);
            std::thread::sleep(Duration::from_millis(20));
            client.send(&preface[at..]);
            client.send(b"\0\0\0\x04\0\0\0\0\0");
            let (frames, closed) = client.until_closed();
            // Its settings, the frame of type 4, are what a server begins with.
            assert!(
                !closed && frames.as_bytes()[3] == 4,
                "cut at {at}: {frames:?}"
            );
        }
    }
}

#[test]
fn a_head_is_answered_without_its_body() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = client.answer_of(true);
    assert_eq!(
        head.header("content-length"),
        "HEAD /a nobody 0".len().to_string()
    );
    assert_eq!(client.answer().body, "GET /b nobody 0");
}

#[test]
fn a_panic_is_one_requests_own() {
    for options in both() {
        let subject = Subject::start(options);
        let mut client = subject.client();
        for (path, headers) in [
            ("/panic", ""),
            ("/panic/later", ""),
            ("/x", "Authorization: Bearer panic\r\n"),
        ] {
            let answer = client.get(path, headers);
            assert_eq!((answer.status, &*answer.code()), (500, "internal.error"));
            assert!(!answer.body.contains("purpose"), "{}", answer.body);
        }
        // The connection, too, lives on.
        assert_eq!(client.get("/after", "").status, 200);
        drop(client);
        let lines = subject.lines();
        assert_eq!(lines[0]["cause"], "panic: on purpose");
        assert_eq!(lines[1]["cause"], "panic: on purpose, later");
        assert_eq!(lines[2]["cause"], "panic: while authenticating");
        assert_eq!(lines[0]["level"], "error");
    }
}

/// One that holds up its thread holds up what that thread has, and not who comes next.
#[test]
fn a_stuck_thread_is_not_waited_for() {
    let subject = Subject::start(Options {
        threads: Threads::Own(2),
        head_time: Duration::from_secs(9),
        ..short()
    });
    let mut stuck = subject.client();
    stuck.send("GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    std::thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    let mut others: Vec<Client> = (0..200).map(|_| subject.client()).collect();
    for client in &mut others {
        client.silent_for(Duration::from_millis(20));
        client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    let answered = others.iter_mut().map(|client| client.take(1));
    let answered = answered.filter(|bytes| *bytes > 0).count();
    let took = begin.elapsed();
    assert!(
        took < Duration::from_secs(4),
        "it is no longer stuck after {took:?}"
    );
    assert!(answered >= 180, "{answered} of 200");
    // They are not forgotten.
    stuck.silent_for(Duration::from_secs(9));
    assert_eq!(stuck.answer().status, 200);
    for client in &mut others {
        client.silent_for(Duration::from_secs(5));
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn credentials_are_understood_or_refused() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    for headers in [
        "Authorization: Bearer bad\r\n",
        "Authorization: Basic YTpi\r\n",
        "Authorization: Bearer good\r\nAuthorization: Bearer good\r\n",
    ] {
        let answer = client.get("/x", headers);
        assert_eq!(
            (answer.status, &*answer.code()),
            (401, "auth.bad_token"),
            "{headers}"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(client.get("/login", headers).status, 200, "{headers}");
    }
}

#[test]
fn pages_of_this_machine_may_read_and_no_others() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /x HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PATCH\r\n\r\n"
        )
    };
    client.send(preflight("http://localhost:5173"));
    let answer = client.answer();
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "http://localhost:5173"
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("PATCH")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    client.send(preflight("https://evil.example"));
    let answer = client.answer();
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(answer.header("access-control-allow-methods"), "");
    // Problems can be read, too.
    let answer = client.get(
        "/x",
        "Origin: http://localhost:1\r\nAuthorization: Bearer bad\r\n",
    );
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "http://localhost:1"
    );
}

#[test]
fn probes_answer_for_the_process_and_its_store() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    assert_eq!(client.get("/livez", "").status, 200);
    assert_eq!(
        client
            .get("/readyz", "Authorization: Bearer bad\r\n")
            .status,
        200
    );
    subject
        .edge
        .service()
        .not_ready
        .store(true, Ordering::Relaxed);
    let answer = client.get("/readyz", "");
    assert_eq!((answer.status, &*answer.code()), (503, "store.unavailable"));
    assert_eq!(client.get("/livez", "").status, 200);
    client.send("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn figures_are_for_the_own_network() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.get("/x", "");
    let figures = client.get("/metrics", "");
    assert_eq!(
        figures.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        "mainstay_requests_total{route=\"echo\",status=\"2xx\"} 1",
        "mainstay_requests_in_flight 1",
        "mainstay_writer_queue 3",
    ] {
        assert!(
            figures.body.lines().any(|l| l == line),
            "{line}\n{}",
            figures.body
        );
    }
    for proxy in [
        "Forwarded: for=127.0.0.1",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: shop.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 443",
        "X-Real-IP: 127.0.0.1",
        "Via: 1.1 cache",
        "via: 1.1 cache",
    ] {
        let answer = client.get("/metrics", &format!("{proxy}\r\n"));
        assert_eq!(
            (answer.status, &*answer.code()),
            (404, "request.unknown_route"),
            "{proxy}"
        );
    }
    let subject = Subject::start(Options {
        metrics: Exposure::Public,
        ..short()
    });
    let answer = subject
        .client()
        .get("/metrics", "X-Forwarded-For: 127.0.0.1\r\n");
    assert_eq!(answer.status, 200);
}

#[test]
fn nothing_from_outside_makes_a_second_line() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.get("/a%0A%7B%22level%22:%22error%22%7D", "");
    client.get("/cause", "");
    client.send(b"GET /\xc2\x9b2J HTTP/1.1\r\nHost: x\r\n\r\n");
    client.until_closed();
    drop(client);
    let lines = subject.lines();
    assert_eq!(lines[0]["path"], "/a%0A%7B%22level%22:%22error%22%7D");
    assert_eq!(lines[1]["cause"], "line one\nline two\u{1b}[31m");
}

//! Stopping: what is in flight is finished, what waits is let go, what hangs is cut off.

use crate::subject::{Subject, both, short};
use gateway::Options;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn requests_in_flight_are_answered_and_nothing_new_is_taken() {
    for options in both() {
        let subject = Subject::start(options);
        let address = subject.address;
        let mut untouched = subject.client();
        let mut idle = subject.client();
        idle.get("/x", "");
        let mut busy = subject.client();
        busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        std::thread::sleep(Duration::from_millis(100));
        let begin = Instant::now();
        let stopping = subject.stop();
        assert!(untouched.until_closed().1);
        assert!(idle.until_closed().1);
        assert!(
            begin.elapsed() < Duration::from_millis(150),
            "{:?}",
            begin.elapsed()
        );
        assert!(TcpStream::connect(address).is_err());
        let answer = busy.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, "close"));
        assert!(busy.until_closed().1);
        assert_eq!(stopping.wait().cut_off, 0);
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_server_that_stops_is_not_ready() {
    let subject = Subject::start(short());
    let mut client = subject.client();
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    std::thread::sleep(Duration::from_millis(50));
    subject.edge.drain();
    let answer = subject.client().get("/readyz", "");
    assert_eq!((answer.status, &*answer.code()), (503, "limit.overloaded"));
    assert_eq!(answer.header("retry-after"), "1");
}

#[test]
fn what_takes_too_long_is_cut_off() {
    for options in both() {
        let subject = Subject::start(Options {
            drain: Duration::from_millis(300),
            ..options
        });
        let mut stuck = subject.client();
        stuck.send("GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n");
        std::thread::sleep(Duration::from_millis(100));
        let begin = Instant::now();
        let stopping = subject.stop();
        assert_eq!(stopping.wait().cut_off, 1);
        assert!(begin.elapsed() < Duration::from_secs(2));
        assert!(stuck.until_closed().1);
    }
}

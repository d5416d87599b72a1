//! Before anything is measured: does everybody answer the same, and what the data says?

use mainstay_bench::{
    answer,
    dataset::Dataset,
    work::{self, Request, Work},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Result, servers::Server};

/// How many requests of each kind are compared.
const SAMPLE: usize = 50;

pub fn check(data: &Dataset, servers: &[Server]) -> Result<()> {
    for work in [Work::One, Work::List, Work::Nested, Work::Aggregate] {
        // What an aggregate must be is computed over all the data.
        let sample = if work == Work::Aggregate { 5 } else { SAMPLE };
        for request in work.requests(data, sample) {
            let expected = work::expected(data, work, &request);
            for server in servers {
                let body = fetch(server, &request, 200)?;
                let found = match work {
                    Work::One => &body,
                    Work::Aggregate => &all_of(&body)?,
                    Work::List | Work::Nested | Work::Create | Work::Bulk => &data_of(&body)?,
                };
                if *found != expected {
                    return Err(difference(server, &request, &expected, found).into());
                }
            }
        }
    }
    for request in Work::Create.requests(data, SAMPLE / 10) {
        for server in servers {
            created(server, &request)?;
        }
    }
    for request in Work::Bulk.requests(data, 1) {
        for server in servers {
            created_many(server, &request)?;
        }
    }
    Ok(())
}

fn fetch(server: &Server, request: &Request, wanted: u16) -> Result<String> {
    let (status, body) =
        answer::fetch(server.address, request.method, &request.path, &request.body)?;
    let body = String::from_utf8(body)?;
    if status != wanted {
        let (program, store) = (server.program.title(), server.store.title());
        let asked = format!("{} {}", request.method, request.path);
        return Err(format!("{program} on {store} answers {asked} with {status}: {body}").into());
    }
    Ok(body)
}

/// A list's `data`, byte for byte. Cursors are each program's own.
fn data_of(body: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
        next_cursor: Option<String>,
    }
    let page: Page = serde_json::from_str(body)?;
    if page.next_cursor.is_none() {
        return Err(format!("there is more, but no cursor: {body}").into());
    }
    Ok(page.data.get().to_string())
}

/// An aggregate's `data`, which must be whole.
fn all_of(body: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Groups<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
        more: bool,
    }
    let groups: Groups = serde_json::from_str(body)?;
    if groups.more {
        return Err(format!("groups are left out: {body}").into());
    }
    Ok(groups.data.get().to_string())
}

/// A created record must be what was sent, with an id and times, and must be there afterwards.
fn created(server: &Server, request: &Request) -> Result<()> {
    let body = fetch(server, request, 201)?;
    is_created(server, request, &request.body, &body)?;
    is_there(server, request, &body)
}

/// Each of many must be what was sent, in its order; the first and the last must be there afterwards.
fn created_many(server: &Server, request: &Request) -> Result<()> {
    #[derive(Deserialize)]
    struct Made<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    let body = fetch(server, request, 201)?;
    let sent: Vec<&RawValue> = serde_json::from_str(&request.body)?;
    let Made { data } = serde_json::from_str(&body)?;
    if sent.len() != data.len() {
        return Err(format!("{} were sent, {} created", sent.len(), data.len()).into());
    }
    for (sent, made) in sent.iter().zip(&data) {
        is_created(server, request, sent.get(), made.get())?;
    }
    for made in [data.first(), data.last()].into_iter().flatten() {
        is_there(server, request, made.get())?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Made {
    id: uuid::Uuid,
    created_at: String,
    updated_at: String,
}

fn is_created(server: &Server, request: &Request, sent: &str, body: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Sent<'a> {
        #[serde(borrow)]
        name: &'a RawValue,
        description: &'a RawValue,
        price: &'a RawValue,
        category: &'a RawValue,
        active: &'a RawValue,
    }
    let (sent, made): (Sent, Made) = (serde_json::from_str(sent)?, serde_json::from_str(body)?);
    let expected = format!(
        r#"{{"id":"{}","name":{},"description":{},"price":{},"category":{},"active":{},"created_at":"{}","updated_at":"{}"}}"#,
        made.id,
        sent.name,
        sent.description,
        sent.price,
        sent.category,
        sent.active,
        made.created_at,
        made.updated_at,
    );
    let is_time = |text: &str| text.len() == 27 && text.ends_with('Z');
    let sound = made.id.get_version_num() == 7 && is_time(&made.created_at);
    if body != expected || !sound || made.updated_at != made.created_at {
        return Err(difference(server, request, &expected, body).into());
    }
    Ok(())
}

fn is_there(server: &Server, request: &Request, body: &str) -> Result<()> {
    let made: Made = serde_json::from_str(body)?;
    let path = format!("{}/{}", request.path, made.id);
    let again = fetch(
        server,
        &Request {
            method: "GET",
            path,
            body: String::new(),
        },
        200,
    )?;
    if again != body {
        return Err(difference(server, request, body, &again).into());
    }
    Ok(())
}

fn difference(server: &Server, request: &Request, expected: &str, found: &str) -> String {
    let same = expected
        .bytes()
        .zip(found.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &str| {
        let bytes = text.as_bytes();
        let part = &bytes[same.saturating_sub(60).min(bytes.len())..(same + 60).min(bytes.len())];
        String::from_utf8_lossy(part).into_owned()
    };
    format!(
        "{} on {} answers {} {} with another body, from byte {same} on:\nexpected …{}…\nfound    …{}…",
        server.program.title(),
        server.store.title(),
        request.method,
        request.path,
        around(expected),
        around(found),
    )
}

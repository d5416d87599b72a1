//! Errors a caller can see, as RFC 9457 problem documents: a stable code each, in blocks per stage, never reused.
//!
//! A [`Problem`] carries two messages: `detail` for the caller, and `cause` for the log. What a caller
//! must not learn (a hidden record's values, a driver's text) goes into `cause` only.

use std::time::Duration;

/// One entry of the catalogue. `docs/errors.md` is generated from [`CATALOGUE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    // request.*: the bytes that came in
    MalformedRequest,
    UnknownRoute,
    MethodNotAllowed,
    UnsupportedMediaType,
    NotAcceptable,
    MalformedJson,
    UnknownParameter,
    BadParameter,
    BadFilter,
    BadSort,
    BadCursor,
    BadFields,
    BadExpand,
    BadAggregate,
    BadSearch,
    BadId,
    BadPrecondition,
    BadIdempotencyKey,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    NotBuilt,
    // limit.*: bounds
    BodyTooLarge,
    HeaderTooLarge,
    QueryTooLong,
    PageTooLarge,
    ExpandTooDeep,
    FilterTooLarge,
    SearchTooLarge,
    TooManyGroups,
    BatchTooLarge,
    QueryTimeout,
    Overloaded,
    RequestTimeout,
    // auth.*: who is calling
    Unauthenticated,
    BadCredentials,
    BadToken,
    BadRefreshToken,
    RegistrationClosed,
    Suspended,
    // access.*: what they may do
    NotFound,
    Forbidden,
    FieldForbidden,
    // data.*: what they sent
    Invalid,
    Conflict,
    PreconditionFailed,
    Restricted,
    Contended,
    // store.*: what is below
    StoreUnavailable,
    StoreFull,
    StoreBusy,
    StoreMigrated,
    // internal.*
    Internal,
}

/// What the catalogue says of a code.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub code: Code,
    /// As it stands in `code`: `stage.name`.
    pub name: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

impl Entry {
    /// `type` of the document (RFC 9457, 3.1.1): a name that stays what it is. It is no address, because a client
    /// that followed one would trust whoever owns that domain one day; `docs/errors.md` describes the codes.
    pub fn type_uri(&self) -> String {
        format!("urn:mainstay:problem:{}", self.name)
    }
}

macro_rules! entries {
    ($($code:ident $name:literal $status:literal $title:literal $hint:literal;)*) => {
        /// Every code there is.
        pub const CATALOGUE: &[Entry] = &[$(Entry { code: Code::$code, name: $name, status: $status, title: $title, hint: $hint }),*];
    };
}

entries! {
    MalformedRequest "request.malformed" 400 "The request is malformed" "Check the request line, headers and encoding; paths and queries are percent-encoded UTF-8.";
    UnknownRoute "request.unknown_route" 404 "There is nothing at this address" "Addresses are /api/{module}/{model} and /api/{module}/{model}/{id}.";
    MethodNotAllowed "request.method_not_allowed" 405 "This method is not allowed here" "The Allow header lists what is.";
    UnsupportedMediaType "request.unsupported_media_type" 415 "The body's content type is not understood" "Send application/json (or application/merge-patch+json with PATCH).";
    NotAcceptable "request.not_acceptable" 406 "No answer in an acceptable content type" "Accept application/json.";
    MalformedJson "request.malformed_json" 400 "The body is not valid JSON" "The detail gives line and column; keys must not repeat, text must be UTF-8 without U+0000.";
    UnknownParameter "request.unknown_parameter" 400 "A query parameter is not known" "The detail names the nearest known one.";
    BadParameter "request.bad_parameter" 400 "A query parameter has a bad value" "The detail says what is expected.";
    BadFilter "request.bad_filter" 400 "The filter is not valid" "The detail points into the expression; the language is described in docs/expressions.md.";
    BadSort "request.bad_sort" 400 "The sort order is not valid" "Name fields, separated by commas, each with an optional leading minus.";
    BadCursor "request.bad_cursor" 400 "The cursor is not valid here" "A cursor belongs to one caller, model, filter and sort order; start again without it.";
    BadFields "request.bad_fields" 400 "The list of fields is not valid" "Name fields of the model, separated by commas.";
    BadExpand "request.bad_expand" 400 "The list of relations to expand is not valid" "Name relations, separated by commas, with dots for deeper ones: expand=reviews(limit:5),category.parent.";
    BadAggregate "request.bad_aggregate" 400 "The aggregate is not valid" "Group by fields and count, add up or compare others: group_by=category&count=*&avg=price; docs/aggregates.md lists what can be asked.";
    BadSearch "request.bad_search" 400 "There is nothing to search for" "Say a word that records must have, and search models that declare which fields are searched; docs/search.md describes searches.";
    BadId "request.bad_id" 400 "The id is not one of this model's kind" "Ids are UUIDs unless the model says otherwise.";
    BadPrecondition "request.bad_precondition" 400 "The If-Match or If-None-Match header is not valid" "Send the ETag as it was answered, quotes included.";
    BadIdempotencyKey "request.bad_idempotency_key" 400 "The Idempotency-Key is not valid here" "Sign in and send 1 to 255 characters, a new UUID for each write; the detail says what is wrong.";
    IdempotencyKeyInUse "request.idempotency_key_in_use" 409 "The first request with this Idempotency-Key is still under way" "Send the same request again after Retry-After seconds: it answers what the first one came to.";
    IdempotencyKeyReused "request.idempotency_key_reused" 422 "This Idempotency-Key belongs to another request" "Send a retry exactly as the first request was; make a new key for each new write.";
    NotBuilt "request.not_built" 400 "This is designed but not built yet" "The detail says what to do without it; what is ignored would be a promise that nobody keeps.";
    BodyTooLarge "limit.body" 413 "The body is too large" "Send less, or raise limits.body in mainstay.toml.";
    HeaderTooLarge "limit.headers" 431 "The headers are too large" "Send fewer or shorter headers, or raise limits.headers in mainstay.toml.";
    QueryTooLong "limit.query" 414 "The address is too long" "Send a shorter query string, or raise limits.query and limits.address in mainstay.toml.";
    PageTooLarge "limit.page" 400 "The page is too large" "Ask for fewer records and follow next_cursor, or raise limits.page in mainstay.toml.";
    ExpandTooDeep "limit.expand" 400 "Too many or too deep relations to expand" "Expand fewer relations, or raise limits.expand_depth in mainstay.toml.";
    FilterTooLarge "limit.filter" 400 "The filter is too large or too deep" "Simplify the filter, or raise limits.filter in mainstay.toml.";
    SearchTooLarge "limit.search" 400 "The search is too long" "Search for less, or raise limits.search or limits.search_words in mainstay.toml.";
    TooManyGroups "limit.groups" 400 "There are too many groups" "Narrow them with filter or having, ask for the first ones with sort and limit, or raise limits.groups in mainstay.toml.";
    BatchTooLarge "limit.batch" 400 "Too many records at once" "Send fewer, or narrow the filter and repeat the request, or raise limits.batch or limits.batch_bytes in mainstay.toml.";
    QueryTimeout "limit.query_time" 503 "The query took too long" "Narrow the filter or declare an index for it; limits.query_time in mainstay.toml is the bound.";
    Overloaded "limit.overloaded" 503 "The server is at its limit" "Try again after Retry-After seconds.";
    RequestTimeout "limit.request_time" 408 "The request did not arrive in time" "Send the request faster, or raise limits.head_time or limits.body_time in mainstay.toml.";
    Unauthenticated "auth.required" 401 "Sign in first" "Send Authorization: Bearer with an access token from /api/auth/login.";
    BadCredentials "auth.bad_credentials" 401 "The email or the password is wrong" "Check both; the answer is the same for unknown addresses.";
    BadToken "auth.bad_token" 401 "The access token is not valid" "Refresh it at /api/auth/refresh or sign in again.";
    BadRefreshToken "auth.bad_refresh_token" 401 "The refresh token is not valid" "Sign in again; a refresh token works once.";
    RegistrationClosed "auth.registration_closed" 403 "Registration is closed" "Ask an administrator for an account.";
    Suspended "auth.suspended" 403 "The account is suspended" "Ask an administrator.";
    NotFound "access.not_found" 404 "There is no such record" "It does not exist, or you may not read it.";
    Forbidden "access.forbidden" 403 "You may not do this" "The access rule of the model does not allow it; mainstay explain shows which and why.";
    FieldForbidden "access.field_forbidden" 403 "You may not write this field" "errors[] points at the fields.";
    Invalid "data.invalid" 422 "The data is not valid" "errors[] lists every failure with a JSON pointer; an empty pointer is all of the record.";
    Conflict "data.conflict" 409 "A record with the same unique value exists" "errors[] points at the field; at all of the record, where the database names none.";
    PreconditionFailed "data.precondition_failed" 412 "The record is not as If-Match or If-None-Match requires" "If-Match: read it again, apply your change to what you find, and send the new ETag. If-None-Match: * only creates, and there is a record already.";
    Restricted "data.restricted" 409 "Something else needs this as it is" "The detail says what: delete, change or replace that first.";
    Contended "data.contended" 409 "The record is being changed by many at once" "Try again.";
    StoreUnavailable "store.unavailable" 503 "The database cannot be reached" "Try again; the server recovers by itself when the database is back.";
    StoreFull "store.full" 503 "The database has no room left" "Free disk space; the server recovers by itself.";
    StoreBusy "store.busy" 503 "The database is locked by another program" "Try again; close what holds the database.";
    StoreMigrated "store.migrated" 503 "The database is not as this version of the app needs it" "It was migrated for another version, or is being migrated: try again; the operator runs the version that it was migrated for (mainstay migrate plan tells what differs).";
    Internal "internal.error" 500 "Something went wrong on our side" "The log has the cause under this request_id.";
}

impl Code {
    pub fn entry(self) -> &'static Entry {
        // The catalogue is in the order of the enum; a test holds it.
        &CATALOGUE[self as usize]
    }
    pub fn name(self) -> &'static str {
        self.entry().name
    }
    pub fn status(self) -> u16 {
        self.entry().status
    }
}

/// One failure inside a request's body: a pointer (RFC 6901), a code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub pointer: String,
    /// `required`, `unknown`, `type`, `too_long`, `not_in`, `check`, `duplicate`, `not_found`, `read_only`, …
    pub code: &'static str,
    pub detail: String,
}

impl FieldError {
    /// An error at a field of the record.
    pub fn at(field: &str, code: &'static str, detail: impl Into<String>) -> FieldError {
        FieldError {
            pointer: pointer(&[field]),
            code,
            detail: detail.into(),
        }
    }

    /// Whether it is about this field of the record, or something inside its value.
    pub fn is_at(&self, field: &str) -> bool {
        self.pointer
            .strip_prefix(&pointer(&[field]))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A JSON pointer from its unescaped parts.
pub fn pointer(parts: &[&str]) -> String {
    let mut out = String::new();
    for part in parts {
        out.push('/');
        out.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    out
}

#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub code: Code,
    /// For the caller.
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// For the log only.
    pub cause: Option<String>,
    pub retry_after: Option<Duration>,
    /// The bound that was met: its name in `mainstay.toml` and its value; of a time, in milliseconds.
    pub limit: Option<(&'static str, u64)>,
}

pub type Result<T> = std::result::Result<T, Problem>;

/// Errors that one problem tells. Whoever reads a body looks for no more.
pub const MOST_ERRORS: usize = 100;

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            cause: None,
            retry_after: None,
            limit: None,
        }
    }

    /// A 422 with everything that is wrong.
    /// A hundred are told at most, and how many there are in all.
    pub fn invalid(mut errors: Vec<FieldError>) -> Problem {
        let more = errors.len() >= MOST_ERRORS;
        let detail = match errors.as_slice() {
            [one] => one.detail.clone(),
            _ if more => format!("At least {MOST_ERRORS} values are not valid."),
            many => format!("{} values are not valid.", many.len()),
        };
        errors.truncate(MOST_ERRORS);
        Problem {
            errors,
            ..Problem::new(Code::Invalid, detail)
        }
    }

    /// The one answer for a record that is not there or not readable.
    pub fn not_found() -> Problem {
        Problem::new(
            Code::NotFound,
            "There is no such record, or you may not read it.",
        )
    }

    pub fn internal(cause: impl Into<String>) -> Problem {
        Problem::new(Code::Internal, "The cause is in the log.").because(cause)
    }

    pub fn because(mut self, cause: impl Into<String>) -> Problem {
        self.cause = Some(cause.into());
        self
    }

    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Problem {
        self.errors = errors;
        self
    }

    pub fn limited(mut self, name: &'static str, value: u64) -> Problem {
        self.limit = Some((name, value));
        self
    }

    pub fn retry_after(mut self, wait: Duration) -> Problem {
        self.retry_after = Some(wait);
        self
    }

    /// The same, of a part of the body: its pointers begin there. A problem that points nowhere points at the part.
    pub fn within(mut self, part: &str) -> Problem {
        if part.is_empty() {
            return self;
        }
        for error in &mut self.errors {
            error.pointer.insert_str(0, part);
        }
        if self.errors.is_empty() {
            let name = self.code.name();
            self.errors.push(FieldError {
                pointer: part.to_owned(),
                code: name.split_once('.').map_or(name, |(_, name)| name),
                detail: self.detail.clone(),
            });
        }
        self
    }

    pub fn status(&self) -> u16 {
        self.code.status()
    }

    /// The document of RFC 9457, as JSON.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        use crate::json::write_string;
        let entry = self.code.entry();
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"type\":");
        write_string(&mut out, &entry.type_uri());
        out.extend_from_slice(b",\"title\":");
        write_string(&mut out, entry.title);
        out.extend_from_slice(format!(",\"status\":{},\"code\":", entry.status).as_bytes());
        write_string(&mut out, entry.name);
        out.extend_from_slice(b",\"detail\":");
        write_string(&mut out, &self.detail);
        out.extend_from_slice(b",\"hint\":");
        write_string(&mut out, entry.hint);
        if let Some((name, value)) = self.limit {
            out.extend_from_slice(b",\"limit\":{\"name\":");
            write_string(&mut out, name);
            out.extend_from_slice(format!(",\"value\":{value}}}").as_bytes());
        }
        if !self.errors.is_empty() {
            out.extend_from_slice(b",\"errors\":[");
            for (i, error) in self.errors.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(b"{\"pointer\":");
                write_string(&mut out, &error.pointer);
                out.extend_from_slice(b",\"code\":");
                write_string(&mut out, error.code);
                out.extend_from_slice(b",\"detail\":");
                write_string(&mut out, &error.detail);
                out.push(b'}');
            }
            out.push(b']');
        }
        out.extend_from_slice(b",\"request_id\":");
        write_string(&mut out, request_id);
        out.push(b'}');
        out
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)?;
        for error in &self.errors {
            write!(f, "\n  {}: {}", error.pointer, error.detail)?;
        }
        Ok(())
    }
}
impl std::error::Error for Problem {}

/// A caller's text in a message: short, on one line.
pub fn shown(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(60)
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_in_order_and_its_names_are_unique() {
        let mut names = std::collections::HashSet::new();
        for (at, entry) in CATALOGUE.iter().enumerate() {
            assert_eq!(entry.code as usize, at, "{}", entry.name);
            assert!(names.insert(entry.name), "{} twice", entry.name);
            assert!(entry.name.contains('.') && !entry.hint.is_empty());
        }
    }

    #[test]
    fn the_type_is_a_uri_that_claims_no_address() {
        let document = Problem::not_found().to_json("id");
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(document["type"], "urn:mainstay:problem:access.not_found");
    }
}

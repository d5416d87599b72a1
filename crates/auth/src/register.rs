//! Registering: a user record, a password and a session, in one transaction.

use crate::auth::Auth;
use crate::request::Body;
use crate::signed_in::SignedIn;
use spec::problem::Result;
use spec::settings::Registration;
use spec::statement::{Expect, Step};
use spec::{Code, FieldError, Problem, Uuid};

impl Auth {
    /// `{"email", "password", …}` with any fields of `auth.users` that a user may write → a session.
    pub async fn register(&self, body: &[u8], agent: Option<&str>) -> Result<SignedIn> {
        let settings = self.settings();
        match settings.registration {
            Registration::Open => {}
            Registration::Invite | Registration::Closed => {
                let detail = "This app does not take registrations.";
                return Err(Problem::new(Code::RegistrationClosed, detail));
            }
        }
        let mut body = Body::read(body)?;
        let password = body.new_password("password", settings.password_min);
        if body.has("id") {
            let detail = "The server chooses the id of a new user.".to_owned();
            body.wrong("id", "read_only", detail);
        }
        let (record, wrong) = body.rest();
        let user = Uuid::now_v7();
        if !wrong.is_empty() {
            return Err(self.all_wrong(record, user, wrong).await);
        }
        let hash = self.passwords.hash(password).await?;
        let session = self.new_session(user, agent)?;
        let private = vec![
            self.sql.put_password(user, &hash, session.now),
            self.sql.start_session(&session),
        ];
        let record = self.door.register(record.into(), user, private).await?;
        let refresh = self.refresh.make(session.id, 0, &session.seed);
        self.tokens(user, session.id, refresh, record.json)
    }

    /// What is wrong with the password, and with the rest. The door is asked in earnest, with a step that
    /// misses, so that nothing is written whatever it thinks of the rest.
    async fn all_wrong(&self, record: Vec<u8>, user: Uuid, mut wrong: Vec<FieldError>) -> Problem {
        let never = Step {
            expect: Expect::One,
            ..self.sql.revoke(Uuid::nil(), 0)
        };
        if let Err(problem) = self.door.register(record.into(), user, vec![never]).await {
            match problem.code {
                // Of malformed bytes nothing else can be said.
                Code::MalformedJson => return problem,
                Code::Invalid => wrong.extend(
                    problem
                        .errors
                        .into_iter()
                        .filter(|error| error.pointer != "/id"),
                ),
                _ => {}
            }
        }
        Problem::invalid(wrong)
    }
}

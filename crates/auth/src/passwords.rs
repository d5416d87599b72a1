//! Passwords as Argon2id hashes. Hashing takes a core for some 25 ms and 19 MiB, so it runs off the async
//! threads, as many at once as there are cores, and only so many may wait.

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use spec::problem::Result;
use spec::{Code, FieldError, Problem};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// A password in memory; wiped when it is dropped.
pub type Password = Zeroizing<String>;

/// Bytes of a password at most: what is hashed should cost the same for everybody.
pub const MOST_BYTES: usize = 1024;

/// What is verified for who has no password, so that an unknown address takes as long as a wrong password.
/// A made-up hash with the parameters in use; that it matches nothing is not relied on.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bWFpbnN0YXktbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The same with the parameters of [`Cost::Trial`].
const NOBODY_ON_TRIAL: &str =
    "$argon2id$v=19$m=8,t=1,p=1$bWFpbnN0YXktbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What hashing a password costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// What keeps a stolen table of hashes from being of use.
    Full,
    /// Next to nothing: for databases that are thrown away with the test they are for.
    Trial,
}

/// How long anybody waits for their turn.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Passwords {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    cost: Cost,
}

impl Passwords {
    /// `at_once` hashes run, `most_waiting` callers wait, the next are turned away.
    pub fn new(at_once: usize, most_waiting: usize) -> Passwords {
        Passwords {
            turns: Arc::new(Semaphore::new(at_once.max(1))),
            waiting: AtomicUsize::new(0),
            most_waiting,
            cost: Cost::Full,
        }
    }

    pub fn at_cost(self, cost: Cost) -> Passwords {
        Passwords { cost, ..self }
    }

    /// As many as there are cores, and a queue that is through in about a second.
    pub fn for_this_machine() -> Passwords {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Passwords::new(cores, cores * 32)
    }

    /// In PHC's form, with a salt of its own.
    pub async fn hash(&self, password: Password) -> Result<String> {
        let cost = self.cost;
        self.run(move || {
            let mut salt = [0; 16];
            fill(&mut salt)?;
            hasher(cost)?
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
                .map_err(|error| Problem::internal(format!("a password cannot be hashed: {error}")))
        })
        .await?
    }

    /// Whether the password is the one that was hashed; without a hash it takes as long, and is false.
    pub async fn verify(&self, password: Password, hash: Option<String>) -> Result<bool> {
        let cost = self.cost;
        self.run(move || {
            let known = hash.is_some();
            let nobody = match cost {
                Cost::Full => NOBODY,
                Cost::Trial => NOBODY_ON_TRIAL,
            };
            let hash = hash.as_deref().unwrap_or(nobody);
            match hasher(cost)?.verify_password(password.as_bytes(), hash) {
                Ok(()) => Ok(known),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(Problem::internal(format!(
                    "a stored hash is broken: {error}"
                ))),
            }
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = self.turn().await?;
        let work = move || {
            // Held by the work, not by who waits for it: a caller who leaves does not free the core.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Problem::internal(format!("hashing did not end: {error}")))
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let _place = self.queue().ok_or_else(overloaded)?;
        tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| overloaded())?
            .map_err(|_| Problem::internal("the semaphore for hashing is closed"))
    }

    fn queue(&self) -> Option<Place<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.waiting);
        (before < self.most_waiting).then_some(place)
    }
}

/// A place in the queue, given back when its caller has their turn or leaves.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Argon2id with 19 MiB, two passes, one lane: OWASP's first choice, and the crate's default, held by a test.
fn hasher(cost: Cost) -> Result<Argon2<'static>> {
    let params = match cost {
        Cost::Full => return Ok(Argon2::default()),
        Cost::Trial => argon2::Params::new(argon2::Params::MIN_M_COST, 1, 1, None),
    };
    let params =
        params.map_err(|error| Problem::internal(format!("Argon2's parameters: {error}")))?;
    Ok(Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        params,
    ))
}

fn overloaded() -> Problem {
    Problem::new(
        Code::Overloaded,
        "Too many passwords are being checked at once; this one was not looked at.",
    )
    .retry_after(Duration::from_secs(1))
}

/// Random bytes from the system.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| Problem::internal(format!("the system gives no randomness: {error}")))
}

/// Whether a new password is long enough and not too long. No other demand is made (NIST SP 800-63B, 3.1.1.2).
pub fn check(field: &str, password: &str, least: u32) -> Option<FieldError> {
    if password.len() > MOST_BYTES {
        let detail = format!("{field} is longer than {MOST_BYTES} bytes.");
        return Some(FieldError::at(field, "too_long", detail));
    }
    if password.chars().count() < least as usize {
        let detail = format!("{field} must have at least {least} characters.");
        return Some(FieldError::at(field, "too_short", detail));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::phc::PasswordHash;
    use std::time::Instant;

    fn password(text: &str) -> Password {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_hash_knows_its_password_and_has_the_parameters_of_nobodys() {
        let passwords = Passwords::for_this_machine();
        let hash = passwords.hash(password("correct horse")).await.unwrap();
        let other = passwords.hash(password("correct horse")).await.unwrap();
        assert_ne!(hash, other, "a salt each");
        let is =
            |text: &str, hash: Option<&String>| passwords.verify(password(text), hash.cloned());
        assert!(is("correct horse", Some(&hash)).await.unwrap());
        assert!(!is("correct horsf", Some(&hash)).await.unwrap());
        assert!(!is("correct horse", None).await.unwrap());
        let (hash, nobody) = (
            PasswordHash::new(&hash).unwrap(),
            PasswordHash::new(NOBODY).unwrap(),
        );
        assert_eq!(hash.params, nobody.params);
        assert_eq!(hash.params.to_string(), "m=19456,t=2,p=1");
        assert_eq!(
            (hash.algorithm, hash.version),
            (nobody.algorithm, nobody.version)
        );
        assert_eq!(hash.algorithm.as_str(), "argon2id");
    }

    #[tokio::test]
    async fn on_trial_hashes_are_cheap_for_those_who_are_known_and_for_nobody() {
        let passwords = Passwords::new(1, 1).at_cost(Cost::Trial);
        let hash = passwords.hash(password("correct horse")).await.unwrap();
        let (made, nobody) = (
            PasswordHash::new(&hash).unwrap(),
            PasswordHash::new(NOBODY_ON_TRIAL).unwrap(),
        );
        assert_eq!(made.params, nobody.params);
        assert_eq!(made.params.to_string(), "m=8,t=1,p=1");
        let is = |text: &str, hash: Option<String>| passwords.verify(password(text), hash);
        assert!(is("correct horse", Some(hash.clone())).await.unwrap());
        assert!(!is("correct horsf", Some(hash)).await.unwrap());
        assert!(!is("correct horse", None).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn so_many_hash_and_so_many_wait_and_the_rest_are_turned_away_at_once() {
        let passwords = Arc::new(Passwords::new(1, 2));
        let begun = Instant::now();
        let callers: Vec<_> = (0..12)
            .map(|_| {
                let passwords = Arc::clone(&passwords);
                tokio::spawn(async move {
                    let answer = passwords.verify(password("anything"), None).await;
                    (answer, begun.elapsed())
                })
            })
            .collect();
        let mut answers = Vec::new();
        for caller in callers {
            answers.push(caller.await.unwrap());
        }
        let refused: Vec<_> = answers
            .iter()
            .filter_map(|(answer, _)| answer.as_ref().err())
            .collect();
        // Those who came when somebody had left may have found a place, so at least most are refused.
        assert!(
            (6..=9).contains(&refused.len()),
            "{} refused",
            refused.len()
        );
        for problem in refused {
            assert_eq!(problem.code, Code::Overloaded);
            assert_eq!(problem.retry_after, Some(Duration::from_secs(1)));
        }
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), 0);
        assert!(passwords.verify(password("later"), None).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_leaves_the_queue_gives_their_place_back_and_who_leaves_at_work_keeps_the_core() {
        let passwords = Arc::new(Passwords::new(1, 1));
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let at_work = {
            let passwords = Arc::clone(&passwords);
            tokio::spawn(async move { passwords.run(move || ended.recv().is_ok()).await })
        };
        while passwords.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        at_work.abort();
        let queued = passwords.verify(password("x"), None);
        assert!(
            tokio::time::timeout(Duration::from_millis(20), queued)
                .await
                .is_err()
        );
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(passwords.turns.available_permits(), 0, "the work goes on");
        end.send(()).unwrap();
        assert!(passwords.verify(password("x"), None).await.is_ok());
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(check("password", "ñandúñan", 8).is_none());
        let short = check("password", "ñandúña", 8).unwrap();
        assert_eq!(
            (short.pointer.as_str(), short.code),
            ("/password", "too_short")
        );
        assert!(check("password", &"x".repeat(1024), 8).is_none());
        assert_eq!(
            check("password", &"x".repeat(1025), 8).unwrap().code,
            "too_long"
        );
    }
}

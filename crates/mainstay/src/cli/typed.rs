//! Passwords that somebody types or pipes in.

use super::print::Failure;
use std::io::{BufRead, IsTerminal, Read};

/// A password in memory; wiped when it is dropped.
pub type Password = zeroize::Zeroizing<String>;

/// Longer than any password may be, so that one that is cut off is refused and not taken.
const MOST_BYTES: u64 = 4096;

/// All of standard input, without the line's end.
pub fn from_stdin() -> Result<Password, Failure> {
    let mut text = Password::default();
    std::io::stdin()
        .take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(Failure::new)?;
    Ok(without_end(&text))
}

/// Asks twice on the terminal, without showing what is typed.
pub async fn asked(email: &str) -> Result<Password, Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::new(
            "there is no terminal to ask on: give the password with --password-stdin",
        ));
    }
    let hidden = Hidden::begin();
    let prompts = [format!("new password for {email}: "), "again: ".to_owned()];
    let ask = tokio::task::spawn_blocking(move || {
        prompts.map(|prompt| {
            anstream::eprint!("{prompt}");
            let mut line = Password::default();
            let read = std::io::stdin()
                .lock()
                .take(MOST_BYTES)
                .read_line(&mut line);
            anstream::eprintln!();
            read.map(|_| without_end(&line))
        })
    });
    // Ctrl-C must not leave a terminal that shows nothing any more.
    let answers = tokio::select! {
        answers = ask => answers.map_err(Failure::new)?,
        _ = tokio::signal::ctrl_c() => {
            drop(hidden);
            return Err(Failure::new("nothing was changed"));
        }
    };
    drop(hidden);
    let [first, second] = answers;
    let (first, second) = (first.map_err(Failure::new)?, second.map_err(Failure::new)?);
    if first != second {
        return Err(Failure::new("the two differ: nothing was changed"));
    }
    Ok(first)
}

fn without_end(text: &str) -> Password {
    Password::new(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
#[cfg(unix)]
struct Hidden(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl Hidden {
    fn begin() -> Hidden {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let stdin = std::io::stdin();
        let Ok(before) = tcgetattr(&stdin) else {
            return Hidden(None);
        };
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let set = tcsetattr(&stdin, OptionalActions::Flush, &silent);
        Hidden(set.is_ok().then_some(before))
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            let now = rustix::termios::OptionalActions::Now;
            // Where the terminal is gone there is nothing to restore.
            let _ = rustix::termios::tcsetattr(std::io::stdin(), now, &before);
        }
    }
}

/// What is typed shows: there is no way to ask for less here.
#[cfg(not(unix))]
struct Hidden;

#[cfg(not(unix))]
impl Hidden {
    fn begin() -> Hidden {
        Hidden
    }
}

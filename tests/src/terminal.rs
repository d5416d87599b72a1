//! The real binary on a terminal: what it asks, and what it does with the answers.

use crate::process::{SECRET, binary, clean};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    said: String,
    /// How much of what was said was waited for.
    heard: usize,
}

impl Terminal {
    /// A command whose standard streams are a terminal.
    pub fn start(folder: &Path, arguments: &[&str]) -> Terminal {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("a terminal");
        unlockpt(&ours).expect("a terminal");
        let name = ptsname(&ours, Vec::new()).expect("its name");
        let name = name.into_string().expect("its name");
        let theirs = || -> Stdio {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).open(&name);
            file.expect("its other side").into()
        };
        let mut command = Command::new(binary());
        clean(&mut command);
        let child = command
            .current_dir(folder)
            .args(arguments)
            .env("MAINSTAY_SECRET", SECRET)
            .env("MAINSTAY_LOG", "off")
            .stdin(theirs())
            .stdout(theirs())
            .stderr(theirs())
            .spawn()
            .expect("the binary");
        let keyboard = File::from(ours);
        let mut from = keyboard.try_clone().expect("a second handle");
        let (tell, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends with an error when the other side is gone.
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                if tell.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            child,
            keyboard,
            screen,
            said: String::new(),
            heard: 0,
        }
    }

    pub fn said(&self) -> &str {
        &self.said
    }

    /// Waits until this is said, after what was waited for before.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let start = Instant::now();
        loop {
            if let Some(at) = self.said[self.heard..].find(text) {
                self.heard += at + text.len();
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "`{text}` was not said: {}",
                self.said
            );
            if let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(50)) {
                self.said.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    pub fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("to type");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

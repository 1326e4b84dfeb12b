//! The emulator behind a socket, for the program itself.

use std::net::TcpListener;
use std::sync::Arc;

use qcops::clock::Clock;
use qcops::emulator::{self, Emulator, Storage};

/// An emulator that answers over HTTP until the test program ends.
pub(crate) struct Served {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) url: String,
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::created(|emulator| emulator)
    }

    pub(crate) fn created(finish: impl FnOnce(Emulator) -> Emulator) -> Self {
        let clock = Clock::System;
        let world = emulator::World::new(7, clock.now());
        let emulator = Arc::new(finish(Emulator::new(world, clock, Storage::Memory)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let served = Arc::clone(&emulator);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                emulator::serve(listener, served, std::future::pending()).await.unwrap();
            });
        });
        Self { emulator, url }
    }

    pub(crate) fn faults(self, rules: &str) -> Self {
        let mut script = emulator::Script::default();
        for rule in rules.split_whitespace() {
            script.add(rule).unwrap();
        }
        self.emulator.set_faults(script);
        self
    }

    /// The paths of all requests that could change something.
    pub(crate) fn writes(&self) -> Vec<String> {
        let is_write = |path: &String| !path.ends_with("/list") && !path.ends_with("/read");
        self.emulator.requests().into_iter().map(|logged| logged.path).filter(is_write).collect()
    }
}

//! A headless Chromium, driven over a pipe, and what a page did in it.
//!
//! The protocol is Chromium's own (`DevTools`): JSON messages, each ended by a zero byte. It ends with
//! the pipe, so no browser outlives the test program, whatever becomes of it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How long an answer may take before the browser counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

const FLAGS: &[&str] = &[
    "--headless",
    // Chromium refuses to run as root with its sandbox; what is shown here is ours.
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--window-size=1100,1400",
    "about:blank",
];

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    /// What happened, in order.
    events: VecDeque<Value>,
    session: Option<String>,
    asked: u64,
    folder: tempfile::TempDir,
}

/// Finds a browser; on a CI machine there must be one.
fn find() -> Option<PathBuf> {
    let given = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = given.or_else(|| {
        let places =
            std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
        places.into_iter().find(|place| place.is_file())
    });
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(
        found.is_some() || !is_ci,
        "no chromium on PATH nor in CHROMIUM; `.ci/run` installs it"
    );
    if found.is_none() {
        // Past the capture of the test program, which hides what passing tests print.
        let words =
            b"skipped: a browser test, because there is no chromium on PATH nor in CHROMIUM\n";
        drop(std::io::stderr().lock().write_all(words));
    }
    found
}

impl Browser {
    /// Starts a browser; `None` where there is none and none is demanded.
    pub(crate) fn start() -> Option<Self> {
        let program = find()?;
        let folder = tempfile::tempdir().unwrap();
        // Chromium talks on descriptors 3 and 4, which only a shell can hand over safely.
        let mut process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#])
            .arg(program)
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .args(FLAGS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    break;
                }
            }
        });
        let events = VecDeque::new();
        let mut browser = Self { process, to, from, events, session: None, asked: 0, folder };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let whose = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", &whose);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.call("Page.setLifecycleEventsEnabled", &json!({"enabled": true}));
        Some(browser)
    }

    fn receive(&self) -> Value {
        self.from.recv_timeout(PATIENCE).expect("the browser answers")
    }

    /// Calls a method of the protocol and returns its result.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = self.receive();
            if answer["id"] == json!(self.asked) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push_back(answer);
        }
    }

    /// Opens a page made of this text, and forgets what happened before.
    pub(crate) fn open(&mut self, page: &str) -> &mut Self {
        let path = self.folder.path().join("page.html");
        std::fs::write(&path, page).unwrap();
        self.go(&format!("file://{}", path.display()))
    }

    fn go(&mut self, url: &str) -> &mut Self {
        self.events.clear();
        let loader = self.call("Page.navigate", &json!({"url": url}))["loaderId"].take();
        // The load of this very document, not that of an earlier one told late.
        let is_loaded = |event: &Value| {
            event["method"] == "Page.lifecycleEvent"
                && event["params"]["name"] == "load"
                && event["params"]["loaderId"] == loader
        };
        while !self.events.iter().any(is_loaded) {
            let event = self.receive();
            self.events.push_back(event);
        }
        self
    }

    /// The value of an expression in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Presses a key: a character, `Tab`, `Enter`, `Space` or `Escape`.
    pub(crate) fn press(&mut self, key: &str) -> &mut Self {
        let (key, text, code) = match key {
            "Tab" => ("Tab", "", 9),
            "Enter" => ("Enter", "\r", 13),
            "Escape" => ("Escape", "", 27),
            "Space" => (" ", " ", 32),
            character => (character, character, 0),
        };
        let mut event = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            event["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", &event);
        let event = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", &event);
        self
    }

    /// Types a text where the focus is.
    pub(crate) fn enter(&mut self, text: &str) -> &mut Self {
        self.call("Input.insertText", &json!({"text": text}));
        self
    }

    /// Asks for light or dark pages.
    pub(crate) fn prefer(&mut self, scheme: &str) -> &mut Self {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", &json!({"features": features}));
        self
    }

    /// Shows pages as wide as a phone does.
    pub(crate) fn narrow(&mut self, width: u64) -> &mut Self {
        let size = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        self
    }

    /// Turns the scripts of pages off; [`Self::eval`] goes on.
    pub(crate) fn without_scripts(&mut self) -> &mut Self {
        self.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
        self
    }

    /// How many colors a picture of the page holds. Leaves the page.
    pub(crate) fn color_count(&mut self) -> u64 {
        let taken = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        let picture = taken["data"].as_str().unwrap().to_owned();
        assert!(STANDARD.decode(&picture).unwrap().starts_with(b"\x89PNG"));
        // Another page, because ours lets no picture in.
        self.go("about:blank");
        let counted = self.eval(&format!(
            "(async () => {{
                const picture = new Image();
                picture.src = 'data:image/png;base64,{picture}';
                await picture.decode();
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [picture.width, picture.height];
                const context = canvas.getContext('2d');
                context.drawImage(picture, 0, 0);
                const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
                return new Set(new Uint32Array(data.buffer)).size;
            }})()"
        ));
        counted.as_u64().unwrap()
    }

    /// What the page did beside being read: errors, broken rules of its policy, dialogs, requests.
    pub(crate) fn errors(&mut self) -> Vec<String> {
        // A frame is drawn first, so that what was under way has been told.
        self.call("Page.captureScreenshot", &json!({"format": "png"}));
        let page = format!("file://{}", self.folder.path().join("page.html").display());
        let is_trouble = |event: &&Value| match event["method"].as_str() {
            Some("Network.requestWillBeSent") => event["params"]["request"]["url"] != json!(page),
            Some(
                "Log.entryAdded"
                | "Runtime.consoleAPICalled"
                | "Runtime.exceptionThrown"
                | "Page.javascriptDialogOpening",
            ) => true,
            _ => false,
        };
        self.events.iter().filter(is_trouble).map(Value::to_string).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

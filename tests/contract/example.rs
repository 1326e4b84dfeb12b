//! The Python program of the service's documentation, run as it stands against the emulator.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use qcops::emulator::{API_TOKEN, ORGANIZATION_ID, USER_ID};

use crate::support::served::Served;

/// The example, with the constants that it asks its reader to replace.
fn example(url: &str) -> String {
    let mut text = include_str!("example/tasks.py").to_owned();
    for (placeholder, value) in [
        ("https://www.quantconnect.com/api/v2/", format!("{url}/api/v2/")),
        ("USER_ID = 0", format!("USER_ID = {USER_ID}")),
        ("API_TOKEN = '____'", format!("API_TOKEN = '{API_TOKEN}'")),
        ("ORGANIZATION_ID = '____'", format!("ORGANIZATION_ID = '{ORGANIZATION_ID}'")),
    ] {
        assert_eq!(text.matches(placeholder).count(), 1, "{placeholder}");
        text = text.replace(placeholder, &value);
    }
    text
}

#[test]
fn the_python_example_of_the_documentation_runs() {
    let served = Served::new();
    let no_time = |world: &mut qcops::emulator::World| {
        // The example waits ten seconds for a deployment that is not through at its first look.
        for quirk in ["queue-ms=0", "run-ms=0"] {
            world.quirks.set(quirk).unwrap();
        }
    };
    futures_util::future::FutureExt::now_or_never(served.emulator.with_world(no_time))
        .unwrap()
        .unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/example");
    let python = Command::new("python3")
        .arg("-")
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut python) = python else {
        assert!(std::env::var_os("CI").is_none(), "the example needs `python3`");
        // Not through a macro: the harness would keep it to itself.
        std::io::stderr().write_all(b"skipped: the example needs `python3`\n").unwrap();
        return;
    };
    python.stdin.take().unwrap().write_all(example(&served.url).as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let heads: Vec<&str> = out.lines().filter(|line| !line.starts_with('{')).collect();
    // Its last deployment has ended before it is stopped, which the service refuses.
    let expected = [
        "Task Created Successfully:",
        "Task Details:",
        "Task Updated Successfully:",
        "List of Tasks:",
        "Deployment Created Successfully:",
        "Deployment status: Completed",
        "Deployment Details:",
        "List of Deployments:",
        "Prompt Sent Successfully:",
        "Conversation Transcript:",
        "Deployment Deleted Successfully:",
        "Task Deleted Successfully:",
    ];
    assert_eq!(heads, expected, "{out}{err}");
}

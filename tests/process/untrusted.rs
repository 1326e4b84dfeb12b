//! A bucket that ignores conditions: two applies would hold its lease at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::process::Service;
use crate::support::repo::Repo;

/// What a bucket holds, by the paths.
type Values = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// Serves a bucket as S3 does, but for the conditions; returns its address.
fn serve(values: Values) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().fallback(answer).with_state(values)).await.unwrap();
        });
    });
    address
}

async fn answer(State(values): State<Values>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut values = values.lock().unwrap();
    let path = uri.path().to_owned();
    let times = [(header::ETAG, "\"1\""), (header::LAST_MODIFIED, "Sat, 21 Nov 2026 12:00:00 GMT")];
    match (&method, uri.query()) {
        (&Method::PUT, _) => {
            values.insert(path, body);
            times.into_response()
        }
        (&Method::GET, Some(_)) => "<ListBucketResult></ListBucketResult>".into_response(),
        (&Method::POST, _) => {
            let body = String::from_utf8(body.to_vec()).unwrap();
            let mut answer = String::from("<DeleteResult>");
            for name in body.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()) {
                values.remove(&format!("/bucket/{name}"));
                write!(answer, "<Deleted><Key>{name}</Key></Deleted>").unwrap();
            }
            (answer + "</DeleteResult>").into_response()
        }
        _ => match values.get(&path) {
            Some(value) => (times, value.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

#[test]
fn a_bucket_that_ignores_conditions_is_refused_by_name_before_anything_is_changed() {
    let (service, repo, values) = (Service::start(), Repo::new(), Values::default());
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    let address = serve(Arc::clone(&values));
    for words in ["apply --yes", "destroy --confirm e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0", "doctor"] {
        let mut command = service.command(&repo, &format!("{words} --store s3://bucket/qcops"));
        command.env("AWS_ENDPOINT_URL", &address).env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "very-secret");
        let ran = Repo::ran(command.output().unwrap());
        let said = ran.out + &ran.err;
        assert_ne!(ran.code, 0, "{words}: {said}");
        assert!(said.contains("`s3://bucket/qcops` cannot be trusted"), "{words}: {said}");
        assert!(service.writes().iter().all(|path| path == "/authenticate"), "{words}");
        // The lease is given back, and nothing else is left.
        let values = values.lock().unwrap();
        let texts: Vec<_> = values.values().map(|value| String::from_utf8_lossy(value)).collect();
        assert!(texts.iter().all(|text| text.contains(r#""holder":null"#)), "{words}: {texts:?}");
    }
}

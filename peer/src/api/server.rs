//! Listens on loopback, and lets the guard see every request before anything else does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::ApiError;
use super::extract::nowhere;
use super::guard::{Asked, Guard};
use super::routes::routes;
use super::state::Api;
use super::token::Token;
use crate::client::Client;

/// Longest body of a request: the longest letter, every character escaped, four times over.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long requests that are being answered may still take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);

/// What every answer carries: nothing of it is cached, framed, sniffed or run.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// A running API.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves `client` on 127.0.0.1, at `port` or, when it is 0, at one that the system chooses.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start(client: Client, port: u16, token: Token) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let guard = Arc::new(Guard::new(address.port(), token));
        let app = routes()
            .router
            .fallback(async || nowhere(StatusCode::NOT_FOUND))
            .method_not_allowed_fallback(async || nowhere(StatusCode::METHOD_NOT_ALLOWED))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .layer(from_fn_with_state(guard, admit))
            .layer(from_fn(protect))
            .with_state(Api::new(client));
        let (stop, stopped) = oneshot::channel();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        Ok(Self { address, stop, task: tokio::spawn(async { serving.await }) })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no more requests, and waits up to two seconds for those under way.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(DRAIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.decide(&Asked::of(request.headers())) {
        Ok(()) => next.run(request).await,
        Err(refused) => ApiError::from(refused).into_response(),
    }
}

async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

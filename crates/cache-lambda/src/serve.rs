//! The application as a server on this machine.
//!
//! | file | |
//! |---|---|
//! | `accept.rs` | takes connections, as many as the process can serve |
//! | `connection.rs` | one connection |
//! | `activity.rs`, `timed_stream.rs` | how long it may wait for its peer |
//! | `descriptors.rs` | how many connections the process can have |

mod accept;
mod activity;
mod connection;
mod descriptors;
mod timed_stream;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app;
use crate::config::Config;
use crate::config::auth::Auth;
use crate::config::limits::Limits;
use crate::state::AppState;
use crate::telemetry::logging::Log;

/// Serves until Ctrl-C or SIGTERM, then completes open requests.
///
/// # Errors
///
/// A line for the operator: the error, and how to fix it.
pub async fn run(state: AppState, log: &Log) -> Result<(), String> {
    let listen = state.config.listen;
    let listener = accept::listen(listen).map_err(|error| cannot_listen(listen, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(listen, &error))?;
    ignore_hangup();
    log.line(&greeting(address, &state.config).to_string());
    serve(listener, app::app(state.clone()), &state.config.limits, &state.background_tasks).await;
    Ok(())
}

/// Serves until it is asked to stop, and then at most [`Limits::shutdown_timeout`] longer.
async fn serve(listener: TcpListener, app: Router, limits: &Limits, background_tasks: &TaskTracker) {
    let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
    let stop = async {
        stop_signal().await;
        tracing::info!("stopping: open requests are answered first");
        stopping.cancel();
    };
    tokio::join!(accept::accept(listener, app, limits, &connections, &stopping), stop);
    let drained = async {
        connections.close();
        connections.wait().await;
        // A store may still be running although its caller hung up.
        background_tasks.close();
        background_tasks.wait().await;
    };
    let patience = limits.shutdown_timeout;
    if timeout(patience, drained).await.is_err() {
        let open = connections.len();
        tracing::warn!("{open} connections and {} stores did not end within {patience:?}", background_tasks.len());
    }
}

/// Lets the server outlive the terminal that it was started from. Its settings are read only once.
fn ignore_hangup() {
    #[cfg(unix)]
    if let Ok(mut hangups) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                tracing::info!("SIGHUP is ignored: settings are read at the start, so restart to apply them");
            }
        });
    }
}

/// Completes when the user or the system asks the process to stop.
async fn stop_signal() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = terminate => {}
    }
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there: stop it, or set CACHE__SERVICE__LISTEN to another port"
        }
        io::ErrorKind::PermissionDenied => "set CACHE__SERVICE__LISTEN to a port from 1024",
        _ => "set CACHE__SERVICE__LISTEN to an address of this machine, such as 127.0.0.1:10017",
    };
    format!("cannot listen on {address} ({error}): {advice}")
}

/// The line that the server prints at its start.
fn greeting(address: SocketAddr, config: &Config) -> impl Display {
    let (key, warning) = match &config.auth {
        Auth::ApiKey { cookie, .. } => (format!(" -H '{cookie}: <your key>'"), ""),
        Auth::Disabled => (String::new(), "\nNo API key is configured: every program on this machine may call."),
        Auth::DenyAll { .. } => (String::new(), "\nNo API key is configured: all calls are denied."),
    };
    format!(
        "mgraph-cache listens on http://{address} and stores in {}.{warning}\n\
         Try: curl -X POST{key} -H 'Content-Type: text/plain' -d hello http://{address}/demo/direct/store/string",
        config.storage.location()
    )
}

//! The application as a server on this machine.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::app;
use crate::config::Config;
use crate::config::auth::Auth;
use crate::lingering_close;
use crate::state::AppState;

/// How long open requests may continue after the server was asked to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until Ctrl-C or SIGTERM, then completes open requests.
///
/// # Errors
///
/// A line for the operator: the error, and how to fix it.
pub async fn run(state: AppState) -> Result<(), String> {
    let listen = state.config.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(listen, &error))?;
    eprintln!("{}", greeting(address, &state.config));
    let app = Router::new().fallback_service(app::app(state.clone()).map_request(lingering_close::drain_unread_body));
    serve(listener, app, &state.background_tasks).await.map_err(|error| format!("the server failed: {error}"))
}

/// Serves until it is asked to stop, and then at most [`SHUTDOWN_TIMEOUT`] longer.
async fn serve(listener: TcpListener, app: Router, background_tasks: &TaskTracker) -> io::Result<()> {
    let (asked, stopping) = tokio::sync::oneshot::channel();
    let stop = async move {
        stop_signal().await;
        tracing::info!("stopping: open requests are answered first");
        let _ = asked.send(());
    };
    let drained = async {
        axum::serve(listener, app).with_graceful_shutdown(stop).await?;
        // A store may still be running although its caller hung up.
        background_tasks.close();
        background_tasks.wait().await;
        Ok(())
    };
    let too_long = async {
        // The sender is only dropped when serving has ended, which the other branch handles.
        if stopping.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
    };
    tokio::select! {
        served = drained => served,
        () = too_long => {
            tracing::warn!("some requests were not answered within {SHUTDOWN_TIMEOUT:?}");
            Ok(())
        }
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

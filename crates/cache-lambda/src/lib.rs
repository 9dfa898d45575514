//! HTTP in, HTTP out: the cache as a web service, as a local server or as a Lambda function.
//!
//! Reading order:
//!
//! 1. [`app`] puts the middleware around the [`routes`]. A file in [`routes`] shows what a handler looks like: take parsed
//!    arguments, call core, render. [`routing`] explains how paths are written.
//! 2. [`extract`], [`body`], [`fields`] and [`batch`] parse requests; [`response`] builds response bodies; [`problem`] is the only module
//!    that knows error statuses and error bodies.
//! 3. [`read_entry`] reads contents: [`conditional`] requests, [`redirect`]s to the storage, representations.
//! 4. [`access`] says who may call what.
//! 5. [`state`], [`request_cache`], [`middleware`] and [`telemetry`] are shared by all requests.
//! 6. [`config`] reads the environment. [`serve`] and [`lambda`] are the two ways to run.

#[cfg(panic = "abort")]
compile_error!("one panicking request would end the process with all others in it: build with `panic = \"unwind\"`");

pub mod access;
pub mod app;
pub mod batch;
pub mod body;
pub mod compute;
pub mod conditional;
pub mod config;
pub mod extract;
pub mod fields;
pub mod guarded_body;
pub mod http_validation;
pub mod in_flight;
pub mod lambda;
pub mod media_type;
pub mod middleware;
pub mod openapi;
pub mod pagination;
pub mod problem;
pub mod read_entry;
pub mod readiness;
pub mod redirect;
pub mod request_cache;
pub mod response;
pub mod routes;
pub mod routing;
pub mod serve;
pub mod state;
pub mod static_file;
pub mod store_options;
pub mod upload_url;

mod cookies;
mod cors;
mod lingering_close;
mod normalize_path;
pub mod sweep;
pub mod telemetry;

#[cfg(test)]
mod test_support;

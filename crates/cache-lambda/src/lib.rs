//! HTTP in, HTTP out: the cache as a web service, as a local server or as a Lambda function.
//!
//! Reading order: [`app`] puts the layers around the [`routes`]; a file in [`routes`] shows what a handler looks like
//! (take arguments, call core, render); [`extract`], [`body`] and [`batch`] parse what came in, [`response`] is what goes out, [`redirect`]
//! what is too large to go out, and
//! [`problem`] alone knows statuses and error bodies. [`config`] reads the environment; [`serve`] and [`lambda`] are the two
//! ways to run. [`middleware`] and [`request_cache`] are what all requests share, [`telemetry`] is what people see of them.

#[cfg(panic = "abort")]
compile_error!("one panicking request would end the process with all others in it: build with `panic = \"unwind\"`");

pub mod app;
pub mod batch;
pub mod body;
pub mod conditional;
pub mod config;
pub mod extract;
pub mod lambda;
pub mod media_type;
pub mod middleware;
pub mod openapi;
pub mod pagination;
pub mod problem;
pub mod read_entry;
pub mod redirect;
pub mod request_cache;
pub mod response;
pub mod routes;
pub mod routing;
pub mod serve;
pub mod state;
pub mod store_options;
pub mod upload_url;

mod auth;
mod cookies;
mod cors;
mod lingering_close;
mod normalize_path;
pub mod sweep;
pub mod telemetry;

#[cfg(test)]
mod test_support;

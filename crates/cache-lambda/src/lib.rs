//! HTTP in, HTTP out: the cache as a web service, as a local server or as a Lambda function.
//!
//! Reading order: [`app`] puts the layers around the [`routes`]; a file in [`routes`] shows what a handler looks like
//! (take arguments, call core, render); [`extract`], [`body`] and [`batch`] parse what came in, [`shapes`] is what goes out, [`large`]
//! what is too large to go out, and
//! [`problem`] alone knows statuses and error bodies. [`config`] reads the environment; [`serve`] and [`lambda`] are the two
//! ways to run. [`exchange`] and [`session`] are what all requests share, [`watching`] is what people see of them.

#[cfg(panic = "abort")]
compile_error!("one panicking request would end the process with all others in it: build with `panic = \"unwind\"`");

pub mod app;
pub mod batch;
pub mod body;
pub mod conditional;
pub mod config;
pub mod exchange;
pub mod extract;
pub mod lambda;
pub mod large;
pub mod media_type;
pub mod openapi;
pub mod pagination;
pub mod problem;
pub mod routes;
pub mod routing;
pub mod serve;
pub mod session;
pub mod shapes;
pub mod signing;
pub mod state;

mod auth;
mod cookies;
mod cors;
mod linger;
mod slashes;
pub mod sweep;
pub mod watching;

#[cfg(test)]
mod testing;

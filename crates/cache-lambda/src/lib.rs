//! HTTP in, HTTP out: the cache as a web service, as a local server or as a Lambda function.
//!
//! Reading order: [`app`] names the routes and the layers around them; a file in [`routes`] shows what a handler looks like
//! (take arguments, call core, render); [`extract`], [`body`] and [`batch`] parse what came in, [`shapes`] is what goes out, [`large`]
//! what is too large to go out, and
//! [`problem`] alone knows statuses and error bodies. [`config`] reads the environment; [`serve`] and [`lambda`] are the two
//! ways to run.

pub mod app;
pub mod batch;
pub mod body;
pub mod conditional;
pub mod config;
pub mod exchange;
pub mod extract;
pub mod lambda;
pub mod large;
pub mod openapi;
pub mod problem;
pub mod routes;
pub mod serve;
pub mod session;
pub mod shapes;
pub mod signing;

mod auth;
mod cookies;
mod cors;
mod slashes;
pub mod sweep;

#[cfg(test)]
mod testing;

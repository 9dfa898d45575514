//! The command as people and scripts use it: the built binary against a server on loopback.
//!
//! | module | claim |
//! |---|---|
//! | [`docs`] | what `docs/cli.md` prints is what is printed |
//! | [`entries`] | what is printed can be pasted back, with `--json` as without |
//! | [`folders`] | `sync` and `rm` say what they would do, and send only what differs |
//! | [`keys`] | a new key is alone on stdout, and does what was granted |
//! | [`sessions`] | keys come from files, variables, commands and stdin, and are shown nowhere |
//! | [`terminal`] | a bar, colours, completion and Ctrl-C on a terminal |
//! | [`tls`] | HTTP/2 is negotiated, and a certificate that is refused is no reason to try again |
//! | [`walk`] | every command prints JSON with `--json`, over memory and S3 |
//! | [`running`] | `serve`, `memo`, `run` and Ctrl-C |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod docs;
mod entries;
mod folders;
mod keys;
mod running;
mod sessions;
mod support;
mod terminal;
mod tls;
mod walk;

//! The settings of the server on this machine, which a Lambda function has no use for.

use super::{DefaultValue, Setting};

const SECONDS: &str = "a number of seconds from 1, such as 30";

/// The limit of open connections.
pub const MAX_CONNECTIONS: Setting = Setting {
    name: "CACHE__SERVICE__MAX_CONNECTIONS",
    default: DefaultValue::Value("1024"),
    help: "how many connections may be open, at most half of the process's descriptors; beyond that idle ones are closed, and if there are none, new ones wait",
    expected: "a number from 1, such as 1024",
};
/// The limit of bodies and contents in memory.
pub const MAX_IN_FLIGHT_BYTES: Setting = Setting {
    name: "CACHE__SERVICE__MAX_IN_FLIGHT_BYTES",
    default: DefaultValue::Rule("twice `CACHE__SERVICE__MAX_BODY_BYTES`"),
    help: "how many bytes of request and response bodies may be in memory at once; a request that finds no room within 5 s \
           is a 503. 4 MiB more are kept for small ones of up to 256 KiB, so that they do not wait for large ones",
    expected: "a number of bytes, at least that of CACHE__SERVICE__MAX_BODY_BYTES, such as 134217728",
};
/// The timeout of the request line and headers.
pub const HEAD_TIMEOUT: Setting = Setting {
    name: "CACHE__SERVICE__HEAD_TIMEOUT_SECONDS",
    default: DefaultValue::Value("10"),
    help: "how long the request line and headers may take from their first byte; then the connection is closed",
    expected: SECONDS,
};
/// The timeout of a read of a body.
pub const BODY_TIMEOUT: Setting = Setting {
    name: "CACHE__SERVICE__BODY_TIMEOUT_SECONDS",
    default: DefaultValue::Value("30"),
    help: "how long each read of a request body may wait (then 408), and each write of a response (then the connection is \
           closed)",
    expected: SECONDS,
};
/// The timeout of a connection without a request.
pub const IDLE_TIMEOUT: Setting = Setting {
    name: "CACHE__SERVICE__IDLE_TIMEOUT_SECONDS",
    default: DefaultValue::Value("75"),
    help: "how long a connection may stay open without a request; a load balancer in front has to close its own sooner",
    expected: SECONDS,
};
/// The timeout of a graceful shutdown.
pub const SHUTDOWN_TIMEOUT: Setting = Setting {
    name: "CACHE__SERVICE__SHUTDOWN_TIMEOUT_SECONDS",
    default: DefaultValue::Value("5"),
    help: "how long open requests may go on after SIGTERM or Ctrl-C",
    expected: SECONDS,
};

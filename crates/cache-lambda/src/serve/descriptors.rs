//! The file descriptors of the process, which connections and the storage share.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More descriptors than any configuration needs.
const ENOUGH: u64 = 1 << 16;

/// How many connections the process can serve: `wanted`, but at most half of its descriptors, because the storage needs
/// the others. The limit of the process is raised first, as far as the system lets it.
pub(super) fn connections(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let current = match current {
        Some(current) if current < raised => {
            let limit = Rlimit { current: Some(raised), maximum };
            if setrlimit(Resource::Nofile, limit).is_ok() { raised } else { current }
        }
        Some(current) => current,
        None => ENOUGH,
    };
    let possible = usize::try_from(current / 2).unwrap_or(usize::MAX).max(1);
    if possible < wanted {
        tracing::warn!(
            "only {possible} connections can be open, because the process may have {current} descriptors: raise that limit, \
             such as with 'ulimit -n' or LimitNOFILE="
        );
    }
    wanted.min(possible)
}

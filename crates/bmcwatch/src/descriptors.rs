//! The process' limit of open files: raised as far as the machine lets us, and told when that is too little.
//!
//! A shell's soft limit is 1024, for programs that use `select`; we do not, and each BMC takes two files. systemd sets its
//! own (`LimitNOFILE=`). Not here: what happens when files run out; that is a failed connection like any other.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// One stream and one request.
const PER_ENDPOINT: u64 = 2;

/// The journal, sinks, the admin listener and its clients (64, and 256 that follow the records), standard streams, the
/// runtime.
const OURS: u64 = 384;

/// Raises the soft limit to the hard one.
pub(crate) fn raise() {
    let raise =
        |(soft, hard)| if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) };
    if let Err(error) = getrlimit(Resource::RLIMIT_NOFILE).and_then(raise) {
        tracing::warn!(error = %error, "the limit of open files stays as it is");
    }
}

/// Warns where the limit is too low for so many endpoints.
pub(crate) fn check(endpoints: usize) {
    let needed = needed(endpoints);
    if let Ok((limit, _)) = getrlimit(Resource::RLIMIT_NOFILE)
        && limit < needed
    {
        tracing::warn!(
            limit,
            needed,
            endpoints,
            "the limit of open files is too low: raise it (ulimit -Hn, LimitNOFILE=)"
        );
    }
}

fn needed(endpoints: usize) -> u64 {
    u64::try_from(endpoints).unwrap_or(u64::MAX).saturating_mul(PER_ENDPOINT).saturating_add(OURS)
}

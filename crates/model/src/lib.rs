//! What bmcwatch stores and delivers, in its own words: endpoint, record, severity, uid, bookmark, and the small
//! values that every crate needs of them: a clock that is handed in, a secret that cannot be printed.
//!
//! It knows nothing of Redfish, of storage, of tasks or sockets; it does no I/O and uses none of our crates.

mod bookmark;
mod clock;
pub mod codec;
mod endpoint;
mod hardware;
mod pattern;
mod record;
mod secret;
mod severity;
mod uid;

pub use bookmark::{BOOKMARK_FINGERPRINTS_MAX, BOOKMARK_PLACES_MAX, Ids, Listed, LogBookmark, ReadMembers};
pub use clock::Clock;
pub use endpoint::{Endpoint, EndpointId, EndpointIdError};
pub use hardware::{HARDWARE_MARK, Hardware};
pub use pattern::Pattern;
pub use record::{Facts, Kind, Origin, Record};
pub use secret::Secret;
pub use severity::Severity;
pub use uid::Uid;

//! The journal: a durable sequence of opaque records, with the keys by which a record is known, the bookmarks that
//! say what has been read, and named readers that remember their position.
//!
//! It knows nothing of BMCs, of JSON, of sinks: bytes in, bytes out. What is acknowledged is on disk.
//!
//! One SQLite database in write-ahead mode, synced at every commit; one [`Writer`] task, which groups what arrives
//! within 50 ms (or 512 items, or 16 requests to which nothing is added) into one transaction; reads on a connection of their own,
//! in short transactions.
//!
//! Not here: forgetting keys. Records go by age and size, keys stay, so that an old entry which a BMC's log still
//! holds is not news again. So the file grows for good by 23 bytes per item ever seen: 2.3 GB for 100 million. An item
//! that waits for its twin takes 84 to 92 bytes more per content, for 30 days at most.

mod append;
mod commit;
mod database;
mod dead_letter;
mod desk;
mod error;
mod journal;
mod read;
mod retention;
mod search;
mod stat;
mod totals;
mod twin;
mod verify;
mod visitor;
mod writer;

pub use append::{Appended, Batch, Item, Key, KeyOrder, Mark, Outcome, Twin, TwinSide, When};
pub use dead_letter::{DEAD_LETTERS_MAX, DeadLetter, KeptLetter};
pub use error::{AppendError, BackUpError, OpenError, ReadError};
pub use journal::{Journal, Location, Position, WallClock};
pub use read::{ReadLimit, Stored};
pub use retention::Retention;
pub use stat::Stat;
pub use visitor::Visitor;
pub use writer::Writer;

//! The traps that real BMCs set, one named test for each (`t25_...`), told in virtual time against the simulator.
//!
//! `docs/TESTING.md` has the table; `mutations/` takes each protection out, and `benches/mutate.rs` shows that the test
//! then fails. Traps whose protection is a single function have their tests beside that function too.

mod changes;
mod equals;
mod fields;
mod identity;
#[path = "../stories/lines.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod lines;
mod mutation;
mod opening;
mod pages;
mod seen;
mod stream;
mod table;
#[path = "../stories/token.rs"]
mod token;
#[path = "../stories/wire.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod wire;
#[path = "../stories/world.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod world;

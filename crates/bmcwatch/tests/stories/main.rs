//! Stories of whole fleets in virtual time: the collectors of production against simulated BMCs, with every fault that the
//! stories name. No sockets, no real time, no sleep that takes any.
//!
//! Each story ends with the promise: nothing lost, nothing twice.

mod backpressure;
mod continuity;
mod credentials;
mod downgrades;
mod growth;
mod hiccups;
mod histories;
mod lifecycle;
mod lines;
mod odd;
mod program;
mod quiet;
mod recoveries;
mod replays;
mod silence;
mod spared;
mod streaming;
mod token;
mod trust;
mod wedged;
mod wire;
mod world;

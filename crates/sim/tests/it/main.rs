//! Tests of the simulator through its public face, in one program so that it is linked once. The modules
//! are marked as tests, so that clippy lets the functions that only tests use unwrap.

#[cfg(test)]
mod flavours;
#[cfg(test)]
mod log_levers;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod push_levers;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls_fleet;

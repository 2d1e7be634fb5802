//! A served checkpoint, against a scripted server on loopback that does what a well-behaved one does not.
//! `benchmarks/interop/served_engine.py` tries a real server.

mod dialects;
mod failures;
mod loopback;
mod server;

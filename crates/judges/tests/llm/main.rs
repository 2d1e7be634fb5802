//! The judge behind an endpoint, against a scripted server on loopback that does what a well-behaved one does not.
//! `benchmarks/interop/judge_server.py` tries a real server.

mod cache;
mod failures;
mod protocols;
mod samples;
mod server;

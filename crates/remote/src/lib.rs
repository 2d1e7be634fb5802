//! Results in an object store: `s3://bucket/prefix`, `gs://…`, `az://…`.
//!
//! The store is what workers of many machines share; each machine works on a copy in its own folder. What makes workers do everything
//! once is the store's conditional write: an object is made if there is none of its name, or replaced if it is still the one that was
//! read. [`objects::Objects`] is all that a store must be able to do, [`remote::Remote`] what is made of it, and [`claims`] how
//! one worker gets what another has left. Knows no record.
#![allow(clippy::missing_errors_doc)] // one error type, whose messages say everything

pub mod address;
pub mod error;
pub mod objects;
pub mod remote;
pub mod claims;
pub mod check;
#[cfg(feature = "stores")]
pub mod stores;

pub use address::Address;
pub use error::Error;
pub use remote::Remote;

//! Records in the terminal: cells with their main metrics, and one cell item by item.

pub mod cells;
pub mod items;
pub mod pages;
pub mod print;

pub use cells::{Filter, ListedCell};
pub use items::{Change, SeenItem};
pub use pages::Page;

//! What the programs of the bench share. The programs themselves are in `bin/`:
//! `dataset` makes and loads the data, `handwritten_pg` and `handwritten_sqlite` are what Mainstay
//! is compared with, `load` puts a server under load, and `compare` runs them all.

pub mod answer;
pub mod args;
pub mod dataset;
pub mod json;
pub mod process;
pub mod request;
pub mod serve;
pub mod stats;
pub mod work;

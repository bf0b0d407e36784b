//! Tests of the guarantees of the store, on real folders.

mod carried;
mod loss;
mod migration;
mod model;
mod opening;
mod publishing;
mod races;
mod registries;
mod ring;
mod support;
mod untagged;

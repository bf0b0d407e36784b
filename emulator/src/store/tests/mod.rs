//! What the store promises, tried on real folders.

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

//! Tests of the rows as a whole: starts, damage, the proof, checkpoints, and concurrency.

mod background;
mod concurrency;
mod durability;
mod matrix;
mod repairs;
mod starts;
mod support;
mod transactions;

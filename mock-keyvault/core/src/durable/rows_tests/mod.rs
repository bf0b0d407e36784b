//! Tests of the rows as a whole: starts after any end, damage, proof, checkpoints, and many threads.

mod background;
mod concurrency;
mod durability;
mod matrix;
mod repairs;
mod starts;
mod support;
mod transactions;

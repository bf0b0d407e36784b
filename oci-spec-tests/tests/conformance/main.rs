//! One test for each clause, grouped like the cases: `cargo test -p oci-spec-tests --test conformance`.
//!
//! The registry is named by `OCI_REGISTRY`; by default it is Sealyard in process (see `target`).
//! These tests assert nothing themselves: the cases are in the library, and the program runs the same cases.

mod target;

macro_rules! tests {
    ($($group:ident { $($case:ident)* })*) => {
        $(mod $group {
            $(#[tokio::test]
            async fn $case() {
                crate::target::holds(stringify!($case)).await;
            })*
        })*
    };
}
oci_spec_tests::for_each_case!(tests);

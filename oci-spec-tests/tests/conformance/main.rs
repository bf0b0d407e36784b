//! One test for each clause, by the part of the suite that it belongs to: `cargo test -p oci-spec-tests --test conformance`.
//!
//! The registry is the one that `OCI_REGISTRY` names, else Sealyard in process (see `target`).
//! These tests assert nothing themselves: the cases are in the library, and the program runs the same ones.

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

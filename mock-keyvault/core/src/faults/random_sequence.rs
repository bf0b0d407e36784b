//! The random choices of rules.

/// A random sequence that can be repeated: splitmix64, whose definition is fixed.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct RandomSequence(pub(super) u64);

impl RandomSequence {
    /// A random number from 0 to 1, without 1.
    pub(super) fn next_fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 32 bits are exact in an `f64`, and enough.
        f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}

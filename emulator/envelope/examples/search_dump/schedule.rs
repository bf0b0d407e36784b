//! The key schedule of AES (FIPS 197), forwards and backwards: it finds a key from any two adjacent round keys.

/// One round key.
pub(crate) type RoundKey = [u8; 16];

/// The S-box and its rounds' constants.
pub(crate) struct Schedule {
    sbox: [u8; 256],
}

/// Multiplies in the field of AES.
fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1b };
        b >>= 1;
    }
    product
}

fn word(key: &RoundKey, index: usize) -> [u8; 4] {
    [key[4 * index], key[4 * index + 1], key[4 * index + 2], key[4 * index + 3]]
}

fn xor(a: [u8; 4], b: [u8; 4]) -> [u8; 4] {
    [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]]
}

impl Schedule {
    pub(crate) fn new() -> Self {
        let mut sbox = [0_u8; 256];
        for (value, place) in (0..=255_u8).zip(&mut sbox) {
            let inverse = (1..=255_u8).find(|other| times(value, *other) == 1).unwrap_or(0);
            *place = inverse
                ^ inverse.rotate_left(1)
                ^ inverse.rotate_left(2)
                ^ inverse.rotate_left(3)
                ^ inverse.rotate_left(4)
                ^ 0x63;
        }
        Self { sbox }
    }

    fn substituted(&self, word: [u8; 4]) -> [u8; 4] {
        word.map(|byte| self.sbox[usize::from(byte)])
    }

    /// The part of column number `index` that is not linear, for a key of `words` columns of four bytes.
    fn mixed(&self, words: usize, index: usize, before: [u8; 4]) -> [u8; 4] {
        if index.is_multiple_of(words) {
            let [a, b, c, d] = before;
            let mut mixed = self.substituted([b, c, d, a]);
            mixed[0] ^= (1..index / words).fold(1, |constant, _| times(constant, 2));
            mixed
        } else if words == 8 && index % 8 == 4 {
            self.substituted(before)
        } else {
            before
        }
    }

    /// All round keys of an AES-256 key.
    pub(crate) fn expand(&self, key: &[u8; 32]) -> Vec<RoundKey> {
        let mut words: Vec<[u8; 4]> = key.as_chunks().0.to_vec();
        for index in 8..60 {
            let mixed = self.mixed(8, index, words[index - 1]);
            words.push(xor(words[index - 8], mixed));
        }
        words.chunks_exact(4).map(|key| std::array::from_fn(|at| key[at / 4][at % 4])).collect()
    }

    /// The key whose schedule has these columns from column number `first` on, as many as the key has.
    pub(crate) fn invert(&self, found: &[[u8; 4]], first: usize) -> Vec<u8> {
        let len = found.len();
        let mut words = found.to_vec();
        for begin in (0..first).rev() {
            // The columns are `begin + 1 ..= begin + len`; the schedule computes the last of them from column `begin`.
            let last = words[len - 1];
            let mixed = self.mixed(len, begin + len, words[len - 2]);
            words.rotate_right(1);
            words[0] = xor(last, mixed);
        }
        words.concat()
    }

    /// The AES-256 keys whose schedules have these two round keys in sequence, anywhere.
    pub(crate) fn keys_with(&self, one: &RoundKey, two: &RoundKey) -> Vec<Vec<u8>> {
        let found: Vec<[u8; 4]> =
            [one, two].iter().flat_map(|key| (0..4).map(|at| word(key, at))).collect();
        (0..=13).map(|round| self.invert(&found, 4 * round)).collect()
    }
}

/// Whether three units can be three round keys of AES-256 in sequence: the linear part of the schedule. It is also true for the
/// round keys of decryption, which are transformed by a linear function for each column.
pub(crate) fn is_linear_256(first: &RoundKey, third: &RoundKey) -> bool {
    (1..4).all(|at| word(third, at) == xor(word(first, at), word(third, at - 1)))
}

/// The same for two round keys of AES-128 in sequence.
pub(crate) fn is_linear_128(first: &RoundKey, second: &RoundKey) -> bool {
    is_linear_256(first, second)
}

/// Undoes the transformation of round keys for decryption.
pub(crate) fn mix_columns(key: &RoundKey) -> RoundKey {
    let mut mixed = [0; 16];
    for (column, out) in key.chunks_exact(4).zip(mixed.chunks_exact_mut(4)) {
        for (row, byte) in out.iter_mut().enumerate() {
            *byte = times(column[row], 2)
                ^ times(column[(row + 1) % 4], 3)
                ^ column[(row + 2) % 4]
                ^ column[(row + 3) % 4];
        }
    }
    mixed
}

/// The transformation of round keys for decryption.
pub(crate) fn inverse_mix_columns(key: &RoundKey) -> RoundKey {
    mix_columns(&mix_columns(&mix_columns(key)))
}

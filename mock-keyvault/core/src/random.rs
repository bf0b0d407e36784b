//! Random bytes from the operating system. All other modules get them here.
//!
//! Called for keys, nonces, versions, secrets and request ids. It returns the system's errors.

use std::fmt::Write as _;
use std::io;

use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

/// `N` random bytes that are not secret: nonces and ids.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// 32 random bytes that are secret.
pub fn key() -> io::Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    SysRng.try_fill_bytes(&mut *bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A random secret that a person can copy: 256 bits in lower-case hexadecimal.
pub fn secret_text() -> io::Result<Zeroizing<String>> {
    let bytes = key()?;
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in bytes.iter() {
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    Ok(text)
}

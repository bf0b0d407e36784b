//! Measures what it costs to erase the traces of keys: for an empty call, and for sealing and opening segments of 256 KiB. It
//! counts processor time, which other programs disturb less than real time. For Linux.
//!
//! usage: `cargo run --release -p sealed-envelope --example scrub_cost`

#![expect(clippy::print_stdout, reason = "this is a program")]

use std::error::Error;
use std::hint::black_box;
use std::io::Cursor;
use std::time::Duration;

use sealed_envelope::{
    Binding, DataKey, DataKeyId, Header, ObjectKind, Opener, SEGMENT_LEN, Sealer, scrubbed,
};

/// How often each thing is done.
const TIMES: u32 = 2000;

/// The processor time of this thread.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn each(what: &str, times: u32, mut work: impl FnMut()) {
    // The best of five, since other programs use the caches too.
    let best = (0..5).map(|_| {
        let began = used();
        (0..times).for_each(|_| work());
        used().saturating_sub(began) / times
    });
    println!("{what}: {:?}", best.min().unwrap_or_default());
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = DataKey::generate()?;
    let binding = Binding::new("local", ObjectKind::Blob);
    let content = vec![7; SEGMENT_LEN as usize];
    each("an empty call, scrubbed", 100 * TIMES, || scrubbed(|| black_box(())));

    let id = DataKeyId::random()?;
    let mut sealer = Sealer::create(std::io::sink(), id, binding.clone(), SEGMENT_LEN)?;
    let mut failed = Ok(());
    each("a segment sealed", TIMES, || failed = sealer.append(&key, &content));
    failed?;

    let mut sealer = Sealer::create(Vec::new(), id, binding.clone(), SEGMENT_LEN)?;
    sealer.append(&key, &content)?;
    let (file, _) = sealer.finish(&key, "identity")?;
    let mut file = Cursor::new(file);
    let header = Header::read(&mut file)?;
    let mut opener = Opener::open(file, header, binding, &key, "identity")?;
    let mut segment = Vec::new();
    let mut failed = Ok(());
    each("a segment opened", TIMES, || failed = opener.read_segment(&key, 0, &mut segment));
    failed?;
    Ok(())
}

//! Catches expected panics of sled without printing them, since the program reports them in a sentence.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls `body`, and returns its panic instead of printing it. The panics of other threads are printed as before.
pub(super) fn catch_quietly<T>(body: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_QUIET.get() {
                tracing::debug!(panic = %info, "caught a panic");
            } else {
                print(info);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    IS_QUIET.set(before);
    result
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_caught_panic_is_not_printed_and_the_next_one_is() {
        // Runs this test in a separate process, whose panics are printed.
        if std::env::var_os("PANICS").is_some() {
            assert!(catch_quietly(|| panic!("caught")).is_err());
            panic!("printed");
        }
        let test = "durable::quiet::tests::a_caught_panic_is_not_printed_and_the_next_one_is";
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args(["--exact", test, "--nocapture"]).env("PANICS", "yes");

        let output = process.output().unwrap();

        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains("printed") && !said.contains("caught\n"), "{said}");
    }
}

//! The command line: the tests run the real program against running emulators.

mod background;
mod discovery;
mod gc;
mod hints;
mod image;
mod names;
mod published;
mod quiet;
mod repair_hints;
mod stop;
mod token;
mod trust;

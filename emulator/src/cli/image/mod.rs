//! `sealyard image`: manages the images in a registry, over the API that `az acr repository` uses.

mod command;
mod content;
mod delete;
mod list;
mod name;
mod show;

pub(super) use self::command::{EXAMPLES, ImageCommand, image};

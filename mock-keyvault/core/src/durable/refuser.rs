//! A database that makes programs of format 1 refuse a data folder whose rows are in a journal.
//!
//! Such a program of a vault opens the database `vaults/` and looks for its format there. If there were none, it would begin an
//! empty vault next to the journal. So this module writes a database that contains a later format and nothing else. It replaces
//! the database of format 1 in one step, so that an older program never finds none.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

use super::index::{guarded, open_sled};
use super::removal::remove;
use crate::folders::{make_private_dir, sync_dir};

/// The file that distinguishes this folder from a database of format 1.
const MOVED: &str = "moved.txt";
const WORDS: &str = "The rows of this data folder are in journal/. \
The only purpose of this folder is to make programs that know only format 1 refuse the data folder.\n";

/// Where a program of format 1 stores its rows and its format.
#[derive(Debug)]
pub struct Refuser<'a> {
    /// The database.
    pub database: PathBuf,
    /// The tree and the key of its format.
    pub format: (&'a str, &'a str),
    /// The current format.
    pub version: u64,
    /// The folder in which the database of format 1 is kept.
    pub kept: PathBuf,
}

impl Refuser<'_> {
    /// Whether it is in its place.
    pub fn is_there(&self) -> bool {
        is_refuser(&self.database)
    }

    /// Puts it in its place, and keeps a database of format 1 that is there. After a kill at any moment, another call finishes
    /// the work.
    pub fn put(&self) -> io::Result<()> {
        let beside = self.database.with_extension("new");
        // A kill after the exchange leaves the database of format 1 there.
        if !self.is_there() {
            if !is_refuser(&beside) {
                remove(&beside)?;
                self.make(&beside)?;
            }
            if self.database.try_exists()? {
                exchange(&beside, &self.database, &self.kept)?;
            } else {
                fs::rename(&beside, &self.database)?;
            }
        }
        if beside.try_exists()? {
            if is_refuser(&beside) {
                remove(&beside)?;
            } else {
                fs::rename(&beside, &self.kept)?;
            }
        }
        match self.database.parent() {
            Some(folder) => sync_dir(folder),
            None => Ok(()),
        }
    }

    fn make(&self, at: &Path) -> io::Result<()> {
        make_private_dir(at)?;
        let (tree, key) = self.format;
        guarded(|| {
            let db = open_sled(at)?;
            db.open_tree(tree)?.insert(key, self.version.to_string().as_bytes())?;
            db.flush().map(drop)
        })?;
        for name in ["db", "conf"] {
            fs::File::open(at.join(name))?.sync_all()?;
        }
        // The folder is complete when this file exists.
        crate::files::write_whole(&at.join(MOVED), WORDS.as_bytes(), crate::files::Access::Public)
    }
}

fn is_refuser(folder: &Path) -> bool {
    folder.join(MOVED).exists()
}

/// Replaces `at` by `new`. The old content of `at` is then in `new` or in `kept`.
fn exchange(new: &Path, at: &Path, kept: &Path) -> io::Result<()> {
    if fs::exchange(new, at).is_err() {
        // Some file systems cannot exchange two folders in one step.
        fs::rename(at, kept)?;
        fs::rename(new, at)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::SledFolder;

    fn refuser(root: &Path) -> Refuser<'static> {
        let (database, kept) = (root.join("vaults"), root.join("vaults.format-1"));
        Refuser { database, format: ("settings", "format"), version: 2, kept }
    }

    /// The format that a program of format 1 reads there.
    fn format(database: &Path) -> Vec<u8> {
        let opened = SledFolder::open(database, &database.with_extension("read"), &["settings"]);
        let mut found = Vec::new();
        let each = |_, key: &[u8], value: &[u8]| {
            assert_eq!(key, b"format");
            found = value.to_vec();
            Ok::<_, io::Error>(())
        };
        opened.unwrap().each_row(each).unwrap();
        found
    }

    fn old(at: &Path) {
        let db = open_sled(at).unwrap();
        db.open_tree("settings").unwrap().insert("format", b"1").unwrap();
    }

    fn assert_done(refuser: &Refuser<'_>, was_old: bool) {
        assert!(refuser.is_there());
        assert_eq!(format(&refuser.database), b"2");
        assert!(!refuser.database.with_extension("new").exists());
        assert_eq!(refuser.kept.exists(), was_old);
        if was_old {
            assert_eq!(format(&refuser.kept), b"1");
        }
    }

    #[test]
    fn a_program_of_format_1_finds_a_later_format_where_its_rows_were_or_would_be() {
        let root = tempfile::tempdir().unwrap();
        let refuser = refuser(root.path());
        refuser.put().unwrap();
        assert_done(&refuser, false);

        fs::remove_dir_all(&refuser.database).unwrap();
        old(&refuser.database);
        refuser.put().unwrap();
        assert_done(&refuser, true);
    }

    #[test]
    fn a_call_after_a_kill_finishes_the_work() {
        type Prepare<'a> = &'a dyn Fn(&Refuser<'_>, &Path);
        let cases: [Prepare<'_>; 5] = [
            &|refuser, new| {
                old(&refuser.database);
                fs::create_dir(new).unwrap();
                fs::write(new.join("db"), b"half").unwrap();
            },
            &|refuser, new| {
                old(&refuser.database);
                refuser.make(new).unwrap();
            },
            &|refuser, new| {
                old(new);
                refuser.make(&refuser.database).unwrap();
            },
            &|refuser, new| {
                old(&refuser.kept);
                refuser.make(new).unwrap();
            },
            &|refuser, _| {
                old(&refuser.kept);
                refuser.make(&refuser.database).unwrap();
            },
        ];
        for prepare in cases {
            let root = tempfile::tempdir().unwrap();
            let refuser = refuser(root.path());
            prepare(&refuser, &refuser.database.with_extension("new"));

            refuser.put().unwrap();

            assert_done(&refuser, true);
        }
    }
}

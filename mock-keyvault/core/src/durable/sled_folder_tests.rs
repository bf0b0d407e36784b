use std::collections::BTreeMap;

use super::*;

const TREES: &[&str] = &["b", "a", "later"];

type Rows = Vec<(u8, Vec<u8>, Vec<u8>)>;

/// A folder of sled, and its rows. The first half of them is older than the snapshot.
fn folder() -> (tempfile::TempDir, PathBuf, Rows) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("rows");
    let mut rows = Vec::new();
    for part in 0..2_u32 {
        let db = open_sled(&path).unwrap();
        for (number, name) in (0_u8..).zip(&TREES[..2]) {
            let tree = db.open_tree(name).unwrap();
            for i in 0..400 {
                let (key, value) = (format!("{part} {i:04}"), vec![number + 1; 100]);
                tree.insert(&key, value.as_slice()).unwrap();
                rows.push((number, key.into_bytes(), value));
            }
            tree.insert([b'x', number], vec![b'v'; 2 << 20]).unwrap();
            tree.insert([b'y', number], b"gone").unwrap();
            tree.remove([b'y', number]).unwrap();
        }
        db.flush().unwrap();
    }
    for number in 0..2 {
        rows.push((number, vec![b'x', number], vec![b'v'; 2 << 20]));
    }
    rows.sort();
    (root, path, rows)
}

fn open(path: &Path) -> io::Result<SledFolder> {
    SledFolder::open(path, &path.with_extension("reading"), TREES)
}

fn rows(folder: &SledFolder) -> Rows {
    let mut rows = Vec::new();
    let each = |tree, key: &[u8], value: &[u8]| {
        rows.push((tree, key.to_vec(), value.to_vec()));
        Ok::<_, io::Error>(())
    };
    folder.each_row(each).unwrap();
    rows
}

fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

fn snapshot(path: &Path) -> PathBuf {
    newest_snapshot(path).unwrap().expect("sled made a snapshot")
}

#[test]
fn all_rows_are_read_in_order_and_the_folder_is_not_changed() {
    let (_root, path, expected) = folder();
    let before = files(&path);

    let opened = open(&path).unwrap();

    assert!(rows(&opened) == expected);
    assert!(opened.has_snapshot());
    drop(opened);
    assert!(files(&path) == before);
    assert!(!path.with_extension("reading").exists());
}

#[test]
fn a_snapshot_that_was_not_finished_does_not_matter() {
    let (_root, path, expected) = folder();
    fs::write(path.join("snap.7FFFFFFFFFFFFFFF.generating"), b"half").unwrap();

    let opened = open(&path).unwrap();

    assert!(rows(&opened) == expected);
    assert!(opened.has_snapshot());
}

#[test]
fn a_damaged_or_missing_snapshot_does_not_matter() {
    for damage in [
        (|bytes| bytes[20] ^= 1) as fn(&mut Vec<u8>),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
        |bytes| bytes.fill(0),
    ] {
        let (_root, path, expected) = folder();
        let snapshot = snapshot(&path);
        let mut bytes = fs::read(&snapshot).unwrap();
        damage(&mut bytes);
        fs::write(&snapshot, bytes).unwrap();

        let opened = open(&path).unwrap();

        assert!(rows(&opened) == expected);
        assert!(!opened.has_snapshot());
    }
    let (_root, path, expected) = folder();
    fs::remove_file(snapshot(&path)).unwrap();
    assert!(rows(&open(&path).unwrap()) == expected);
}

#[test]
fn a_copy_that_a_kill_left_does_not_matter() {
    let (_root, path, expected) = folder();
    let copy = path.with_extension("reading");
    fs::create_dir_all(copy.join("blobs")).unwrap();
    fs::write(copy.join("db"), b"half").unwrap();
    fs::write(copy.join("snap.0000000000000001"), b"half").unwrap();

    assert!(rows(&open(&path).unwrap()) == expected);
}

#[test]
fn damage_of_rows_that_are_older_than_the_snapshot_is_an_error() {
    let (_root, path, _) = folder();
    let mut bytes = fs::read(path.join("db")).unwrap();
    let at = bytes.windows(100).position(|window| window == [1; 100]).unwrap();
    bytes[at] ^= 1;
    fs::write(path.join("db"), bytes).unwrap();

    let error = open(&path).unwrap_err();

    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}

#[test]
fn a_folder_without_a_log_is_an_error() {
    let (_root, path, _) = folder();
    fs::remove_file(path.join("db")).unwrap();

    assert_eq!(open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
}

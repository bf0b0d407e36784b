//! The imports between the folders follow the arrows in ARCHITECTURE.md.

use std::path::Path;

/// Each folder, and the other folders of the emulator that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("envelope", &[]),
    ("store", &[]),
    ("keys", &["envelope"]),
    ("registry", &["envelope", "keys", "store"]),
    ("oci", &["registry", "keys"]),
    ("acr", &["oci", "registry"]),
    ("arm", &["registry", "keys"]),
];

#[test]
fn each_folder_uses_only_the_folders_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();

    for (folder, allowed) in ARROWS {
        let mut folders = vec![source.join(folder)];
        while let Some(at) = folders.pop() {
            for entry in std::fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let used = text.split("crate::").skip(1).filter_map(|rest| {
                        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()
                    });
                    let forbidden = used.filter(|name| {
                        name != folder && !name.is_empty() && !allowed.contains(name)
                    });
                    wrong.extend(forbidden.map(|name| format!("{} uses {name}", path.display())));
                }
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

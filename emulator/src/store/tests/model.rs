//! A random walk over pushes, mounts, deletes and collections, compared with a model of plain maps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::support::{Manifest, REGISTRY, TestStore, digest, repository_of, texts};
use crate::store::*;

const REPOSITORIES: [&str; 2] = ["app", "app/two"];
const N_BLOBS: usize = 4;
const N_MANIFESTS: usize = 4;

/// The actions of clients, and the passage of time.
#[derive(Clone, Debug)]
enum Step {
    Push {
        repository: usize,
        blob: usize,
    },
    Mount {
        repository: usize,
        blob: usize,
    },
    Unlink {
        repository: usize,
        blob: usize,
    },
    Put {
        repository: usize,
        manifest: usize,
        blobs: BTreeSet<usize>,
        child: Option<usize>,
        tag: Option<u8>,
    },
    Delete {
        repository: usize,
        manifest: usize,
    },
    Untag {
        repository: usize,
        tag: u8,
    },
    Touch {
        repository: usize,
        blob: usize,
    },
    Collect {
        age: i64,
    },
    Reopen,
    Kill,
}

/// Links, manifests and tags are keyed by repository and number.
#[derive(Debug, Default)]
struct Model {
    now: i64,
    links: BTreeMap<(usize, usize), i64>,
    manifests: BTreeMap<(usize, usize), BTreeSet<usize>>,
    tags: BTreeMap<(usize, u8), usize>,
}

fn blob(i: usize) -> String {
    format!("sha256:blob{i}")
}

/// The label of a manifest names its blobs, as a real digest depends on the content.
fn image(manifest: usize, blobs: &BTreeSet<usize>) -> String {
    format!("sha256:m{manifest}-{blobs:?}")
}

impl Model {
    fn is_referenced(&self, repository: usize, blob: usize) -> bool {
        self.manifests.iter().any(|((r, _), blobs)| *r == repository && blobs.contains(&blob))
    }

    /// Whether the manifest of this number exists with other blobs: then its digest is taken, and this one is not stored.
    fn is_taken(&self, repository: usize, manifest: usize, blobs: &BTreeSet<usize>) -> bool {
        self.manifests.get(&(repository, manifest)).is_some_and(|known| known != blobs)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let repository = || 0..REPOSITORIES.len();
    let blob = || 0..N_BLOBS;
    let step = prop_oneof![
        4 => (repository(), blob()).prop_map(|(repository, blob)| Step::Push { repository, blob }),
        2 => (repository(), blob()).prop_map(|(repository, blob)| Step::Mount { repository, blob }),
        2 => (repository(), blob()).prop_map(|(repository, blob)| Step::Unlink { repository, blob }),
        5 => (
            repository(),
            0..N_MANIFESTS,
            prop::collection::btree_set(blob(), 0..3),
            prop::option::weighted(0.2, 0..N_MANIFESTS),
            prop::option::of(0..3_u8),
        )
            .prop_map(|(repository, manifest, blobs, child, tag)| Step::Put {
                repository, manifest, blobs, child, tag,
            }),
        2 => (repository(), 0..N_MANIFESTS)
            .prop_map(|(repository, manifest)| Step::Delete { repository, manifest }),
        1 => (repository(), 0..3_u8).prop_map(|(repository, tag)| Step::Untag { repository, tag }),
        1 => (repository(), blob()).prop_map(|(repository, blob)| Step::Touch { repository, blob }),
        2 => (0..200_i64).prop_map(|age| Step::Collect { age }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..40)
}

fn run(test: &TestStore, model: &mut Model, step: &Step) {
    model.now += 70;
    let now = model.now;
    match step {
        Step::Push { repository, blob: i } => {
            test.push_blob(REPOSITORIES[*repository], &blob(*i), now);
            model.links.insert((*repository, *i), now);
        }
        Step::Mount { repository, blob: i } => {
            let expected = model.links.keys().any(|(_, known)| known == i);
            let linked = test.link_blob(REPOSITORIES[*repository], &blob(*i), now);
            assert_eq!(linked, expected);
            if expected {
                model.links.insert((*repository, *i), now);
            }
        }
        Step::Unlink { repository, blob: i } => {
            let expected = if model.is_referenced(*repository, *i) {
                Unlinked::Referenced
            } else if model.links.remove(&(*repository, *i)).is_some() {
                Unlinked::Removed
            } else {
                Unlinked::Unknown
            };
            let unlinked = test.unlink_blob(REPOSITORIES[*repository], &blob(*i));
            assert_eq!(unlinked, expected);
        }
        Step::Put { repository, manifest, blobs, child, tag } => {
            if !model.is_taken(*repository, *manifest, blobs) {
                put(test, model, (*repository, *manifest), blobs, *child, *tag);
            }
        }
        Step::Delete { repository, manifest } => {
            let known = model.manifests.remove(&(*repository, *manifest));
            let label = image(*manifest, &known.clone().unwrap_or_default());
            let deleted = test.delete_manifest(REPOSITORIES[*repository], &label);
            let is_removed = deleted == Deleted::Removed;
            assert_eq!(is_removed, known.is_some());
            if is_removed {
                model.tags.retain(|(r, _), m| (*r, *m) != (*repository, *manifest));
            }
        }
        Step::Untag { repository, tag } => {
            let expected = model.tags.remove(&(*repository, *tag)).is_some();
            let name = format!("v{tag}");
            let deleted = test.delete_tag(REPOSITORIES[*repository], &name);
            assert_eq!(deleted == Deleted::Removed, expected);
        }
        Step::Touch { repository, blob: i } => {
            test.see_blob(REPOSITORIES[*repository], &blob(*i), now);
            if let Some(touched) = model.links.get_mut(&(*repository, *i)) {
                *touched = now;
            }
        }
        Step::Collect { age } => {
            test.collect(now - age);
            let gone: Vec<_> = model
                .links
                .iter()
                .filter(|((r, i), touched)| **touched < now - age && !model.is_referenced(*r, *i))
                .map(|(link, _)| *link)
                .collect();
            for link in gone {
                model.links.remove(&link);
            }
        }
        Step::Reopen | Step::Kill => unreachable!("handled by the caller"),
    }
}

fn put(
    test: &TestStore,
    model: &mut Model,
    at: (usize, usize),
    blobs: &BTreeSet<usize>,
    child: Option<usize>,
    tag: Option<u8>,
) {
    let (repository, manifest) = at;
    let child_label = |child: usize| {
        image(child, &model.manifests.get(&(repository, child)).cloned().unwrap_or_default())
    };
    let wanted = Manifest {
        digest: image(manifest, blobs),
        tag: tag.map(|tag| format!("v{tag}")),
        blobs: blobs.iter().copied().map(blob).collect(),
        children: child.map(child_label).into_iter().collect(),
        subject: child.map(child_label),
        now: model.now,
    };
    let missing: Vec<_> = blobs
        .iter()
        .filter(|i| !model.links.contains_key(&(repository, **i)))
        .map(|i| digest(&blob(*i)))
        .collect();
    let expected = if !missing.is_empty() {
        Put::MissingBlobs(missing)
    } else if child.is_some_and(|child| !model.manifests.contains_key(&(repository, child))) {
        Put::MissingManifests(wanted.children.iter().map(|label| digest(label)).collect())
    } else {
        model.manifests.insert(at, blobs.clone());
        if let Some(tag) = tag {
            model.tags.insert((repository, tag), manifest);
        }
        Put::Stored
    };
    assert_eq!(test.put(REPOSITORIES[repository], &wanted), expected);
}

/// No referenced blob is lost, every row has its file and every file its row, and the counters are right.
fn check(test: &TestStore, model: &Model) {
    let mut files = BTreeSet::new();
    for (r, repository) in REPOSITORIES.iter().enumerate() {
        for i in 0..N_BLOBS {
            let row = test.blob(repository, &blob(i));
            assert_eq!(row.is_some(), model.links.contains_key(&(r, i)), "{repository} {i}");
            if let Some(object) = row {
                assert_eq!(test.read(&object), blob(i));
                files.insert(object.file.to_string());
            }
        }
        let tags = test.store.tags(&REGISTRY, &repository_of(repository), None, 10).unwrap();
        let expected: Vec<_> = model
            .tags
            .keys()
            .filter(|(at, _)| *at == r)
            .map(|(_, tag)| format!("v{tag}"))
            .collect();
        assert_eq!(texts(&tags.unwrap_or_default()), expected);
    }
    for ((r, i), blobs) in &model.manifests {
        let label = image(*i, blobs);
        let row = test.manifest(REPOSITORIES[*r], &label).unwrap();
        assert_eq!(test.read(&row.object), label);
        files.insert(row.object.file.to_string());
    }
    for ((r, tag), i) in &model.tags {
        let found = test.tagged(REPOSITORIES[*r], &format!("v{tag}"));
        assert_eq!(found, Some(image(*i, &model.manifests[&(*r, *i)])));
    }
    assert_eq!(test.files().into_iter().collect::<BTreeSet<_>>(), files);
    let stats = test.store.stats(&REGISTRY).unwrap();
    let blobs: BTreeSet<_> = model.links.keys().map(|(_, i)| i).collect();
    assert_eq!(stats.blobs, blobs.len() as u64);
    assert_eq!(stats.manifests, model.manifests.len() as u64);
    assert_eq!(stats.blobs + stats.manifests, files.len() as u64);
    assert_eq!(stats.uploads, 0);
    assert!(test.store.orphans().unwrap().is_empty());
    let in_use = test.store.data_key_in_use(&REGISTRY, super::support::DATA_KEY).unwrap();
    assert_eq!(in_use, !files.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_plain_maps_do(steps in steps()) {
        let mut test = TestStore::new();
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::Reopen => test = test.reopened(),
                Step::Kill => test = test.killed(),
                step => run(&test, &mut model, step),
            }
            check(&test, &model);
        }
    }
}

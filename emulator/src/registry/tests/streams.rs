//! Work in progress when the lease ends and the vault has not answered yet.

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};

use super::*;
use crate::keys::RENEWAL_WAIT;
use crate::registry::content::BlobStream;
use sealed_envelope::SEGMENT_LEN;

const LEASE: Duration = Duration::from_secs(5);
const SEGMENT: usize = SEGMENT_LEN as usize;

/// A registry with a customer-managed key and one blob, and its platform.
struct World {
    platform: Arc<FakePlatform>,
    content: Content,
    repository: RepositoryName,
    bytes: Vec<u8>,
    blob: Blob,
    clock: Clock,
    _registries: Registries,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let platform = FakePlatform::new();
        let registries = open(&folder, &platform).await;
        let new = NewRegistry::named("team1".parse().unwrap());
        let (registry, _) = registries.create_with_dependencies(new, None, None).await.unwrap();
        let content = registry.content().await.unwrap();
        let repository: RepositoryName = "app".parse().unwrap();
        let bytes: Vec<u8> =
            (0..6 * SEGMENT + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
        push(&content, &repository, &bytes).await;
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        let blob = content.blob(&repository, &digest).await.unwrap();
        let clock = registry.0.clock.clone();
        Self {
            platform,
            content,
            repository,
            bytes,
            blob,
            clock,
            _registries: registries,
            _folder: folder,
        }
    }

    /// Ends the lease by the real clock or by the emulator's. The vault does not answer until its gate is opened.
    fn end_lease(&self, by_real_time: bool) {
        self.platform.close_gate();
        if by_real_time { self.clock.pass(LEASE) } else { self.clock.advance(LEASE) }
    }

    /// Removes the permission for the key from the registry.
    fn revoke(&self) {
        self.platform.allowed.lock().unwrap().clear();
    }
}

async fn push(content: &Content, repository: &RepositoryName, bytes: &[u8]) {
    let id = content.start_upload(repository, Algorithm::Sha256).await.unwrap().id;
    let digest = Digest::of(Algorithm::Sha256, bytes);
    let headers = ChunkHeaders::default();
    content.finish_upload(repository, id, &digest, headers, body(bytes)).await.unwrap();
}

fn body(bytes: &[u8]) -> Body {
    Box::pin(stream::iter([Ok(Bytes::copy_from_slice(bytes))]))
}

/// Waits until other tasks make a condition true.
async fn becomes(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it never comes");
}

async fn rest(mut stream: BlobStream) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    while let Some(bytes) = stream.next().await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}

#[tokio::test]
async fn a_pull_waits_without_plaintext_for_a_late_renewal_and_continues() {
    for by_real_time in [true, false] {
        for range in [0..u64::MAX, 5..3 * SEGMENT as u64 + 9] {
            let world = World::new().await;
            let range = range.start..range.end.min(world.blob.len);
            let expected = &world.bytes
                [usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
            let mut stream = world.content.read_blob(&world.blob, range).await.unwrap();
            let mut received = stream.next().await.unwrap().unwrap().to_vec();
            becomes(|| 0 < stream.ahead()).await;

            world.end_lease(by_real_time);
            becomes(|| stream.ahead() == 0).await;
            assert!(stream.next().now_or_never().is_none(), "it waits");
            world.platform.open_gate();
            received.extend(rest(stream).await.unwrap());

            assert!(received == expected);
        }
    }
}

#[tokio::test]
async fn a_pull_breaks_as_soon_as_the_late_answer_is_a_refusal() {
    let world = World::new().await;
    let mut stream = world.content.read_blob(&world.blob, 0..world.blob.len).await.unwrap();
    stream.next().await.unwrap().unwrap();

    world.end_lease(true);
    becomes(|| stream.ahead() == 0).await;
    world.revoke();
    world.platform.open_gate();
    let broken = rest(stream).await;

    assert!(matches!(&broken, Err(Error::Refused(refusal)) if refusal.is_lasting()), "{broken:?}");
}

#[tokio::test]
async fn a_pull_breaks_when_the_vault_does_not_answer_within_two_seconds_of_real_time() {
    let world = World::new().await;
    let mut stream = world.content.read_blob(&world.blob, 0..world.blob.len).await.unwrap();
    stream.next().await.unwrap().unwrap();

    world.end_lease(true);
    becomes(|| stream.ahead() == 0).await;
    assert!(stream.next().now_or_never().is_none(), "it waits");
    world.clock.advance(Duration::from_hours(1));
    tokio::task::yield_now().await;
    assert!(stream.next().now_or_never().is_none(), "emulator time does not end the wait");
    // The wait begins a moment after the plaintext is dropped, so one step may not be enough.
    let passing = async {
        loop {
            world.clock.pass(RENEWAL_WAIT / 4);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let broken = tokio::select! {
        broken = rest(stream) => broken,
        () = passing => unreachable!(),
    };

    assert!(matches!(&broken, Err(Error::Refused(refusal)) if !refusal.is_lasting()), "{broken:?}");
}

#[tokio::test]
async fn an_upload_seals_the_rest_after_a_late_renewal() {
    let world = World::new().await;
    let (content, app) = (&world.content, &world.repository);
    let bytes: Vec<u8> = world.bytes.iter().rev().copied().collect();
    let digest = Digest::of(Algorithm::Sha512, &bytes);
    let id = content.start_upload(app, Algorithm::Sha256).await.unwrap().id;
    let half = 3 * SEGMENT + 3;
    content.append(app, id, ChunkHeaders::default(), body(&bytes[..half])).await.unwrap();

    // First the body, then the second read for a digest that was not announced.
    world.end_lease(true);
    let finish =
        content.finish_upload(app, id, &digest, ChunkHeaders::default(), body(&bytes[half..]));
    tokio::pin!(finish);
    assert!(finish.as_mut().now_or_never().is_none());
    world.platform.open_gate();
    finish.await.unwrap();

    let blob = content.blob(app, &digest).await.unwrap();
    let stream = content.read_blob(&blob, 0..blob.len).await.unwrap();
    assert!(rest(stream).await.unwrap() == bytes);
}

#[tokio::test]
async fn an_upload_that_seals_breaks_as_soon_as_the_late_answer_is_a_refusal() {
    let world = World::new().await;
    let (content, app) = (&world.content, &world.repository);
    let id = content.start_upload(app, Algorithm::Sha256).await.unwrap().id;

    world.end_lease(true);
    let append = content.append(app, id, ChunkHeaders::default(), body(&world.bytes));
    tokio::pin!(append);
    assert!(append.as_mut().now_or_never().is_none());
    world.revoke();
    world.platform.open_gate();
    let refused = append.await;

    assert!(
        matches!(&refused, Err(Error::Refused(refusal)) if refusal.is_lasting()),
        "{refused:?}"
    );
}

#[tokio::test]
async fn manifests_logs_and_verification_continue_after_leases_end_under_them() {
    let world = World::new().await;
    let (content, app) = (&world.content, &world.repository);
    let digest = world.blob.digest.as_str();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/json", "digest": digest, "size": world.blob.len},
        "layers": [],
        // Several segments.
        "annotations": {"long": "x".repeat(300_000)},
    });
    let manifest = zeroize::Zeroizing::new(manifest.to_string().into_bytes());
    let reference = Reference::Tag("v1".parse().unwrap());
    content.put_manifest(app, &reference, None, manifest.clone()).await.unwrap();
    let run =
        content.add_task_run(None, TaskRunStatus::Succeeded, body(&world.bytes)).await.unwrap();
    let stored = content.manifest(app, &reference).await.unwrap();

    // The lease ends again and again while they work: each must continue where it may.
    let ending = async {
        for pause in 0..40 {
            world.clock.advance(LEASE);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        std::future::pending::<()>().await;
    };
    let work = async {
        for _ in 0..2 {
            assert!(content.read_manifest(&stored).await.unwrap() == manifest);
            let (_, log) = content.task_run_log(run.id).await.unwrap();
            assert!(rest(log).await.unwrap() == world.bytes);
            let verified = content.verify(false, |_| ()).await.unwrap();
            assert_eq!((verified.blobs, verified.manifests, verified.logs), (1, 1, 1));
            assert_eq!(verified.worst(), None);
        }
    };
    tokio::select! {
        () = work => (),
        () = ending => (),
    }
}

#[tokio::test]
async fn many_pulls_that_begin_at_the_end_of_leases_all_get_each_byte_from_a_slow_vault() {
    let world = World::new().await;
    let len = world.blob.len;

    for round in 0..6_u64 {
        // The last moment of a lease that was not renewed.
        world.content.0.ring.check().await;
        world.clock.pass(LEASE * 2 / 5);
        world.platform.close_gate();
        world.clock.pass(LEASE * 599 / 1000);
        let pulls: Vec<_> = (0..12)
            .map(|pull| {
                let (content, blob) = (world.content.clone(), world.blob.clone());
                let expected = world.bytes.clone();
                tokio::spawn(async move {
                    let begin = (pull * 70_001 + round) % len;
                    let stream = content.read_blob(&blob, begin..len).await?;
                    let received = rest(stream).await?;
                    Ok::<_, Error>(received == expected[usize::try_from(begin).unwrap()..])
                })
            })
            .collect();
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        world.clock.pass(LEASE / 1000);
        world.clock.pass(RENEWAL_WAIT * 9 / 10);
        world.platform.open_gate();

        for pull in pulls {
            assert!(pull.await.unwrap().unwrap(), "round {round}");
        }
    }
}

/// The embedded vault answers on threads of the pool that uploads use: waiting uploads must leave some free.
#[test]
fn uploads_that_wait_for_the_vault_leave_threads_to_it() {
    const THREADS: usize = 8;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(THREADS).build().unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        let app = &world.repository;
        let mut appends = Vec::new();
        for _ in 0..4 * THREADS {
            let (content, bytes) = (world.content.clone(), world.bytes.clone());
            let (app, id) =
                (app.clone(), content.start_upload(app, Algorithm::Sha256).await.unwrap().id);
            appends.push(async move {
                content.append(&app, id, ChunkHeaders::default(), body(&bytes)).await
            });
        }

        world.end_lease(true);
        let appends: Vec<_> = appends.into_iter().map(tokio::spawn).collect();
        // Long after all of them have begun to wait, one thread is still free.
        let answers = async {
            for _ in 0..200 {
                tokio::task::spawn_blocking(|| ()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let is_free = tokio::time::timeout(Duration::from_secs(30), answers).await.is_ok();
        world.platform.open_gate();
        assert!(is_free, "no thread is left");

        for append in appends {
            append.await.unwrap().unwrap();
        }
    });
}

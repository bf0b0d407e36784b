//! The limit of open uploads: which idle upload is dropped for a new one, and when none is.

use bytes::Bytes;
use futures::stream;

use super::*;
use crate::store::{FileId, UploadRow};

const LIMIT: usize = 3;

struct World {
    content: Content,
    repository: RepositoryName,
    clock: Clock,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap()).await
    }

    async fn over(folder: tempfile::TempDir) -> Self {
        let settings = Settings { max_uploads: LIMIT, ..Settings::default() };
        let registries = open_with(&folder, &FakePlatform::new(), settings).await;
        let registry = registries.get("local").unwrap();
        let content = registry.content().await.unwrap();
        let clock = registry.0.clock.clone();
        // Emulator time does not matter: it may stand still.
        clock.freeze();
        Self { content, repository: "app".parse().unwrap(), clock, folder }
    }

    /// Begins an upload, and lets a second of real time pass.
    async fn begin(&self) -> Result<UploadId, Error> {
        let begun = self.content.start_upload(&self.repository, Algorithm::Sha256).await;
        self.clock.pass(Duration::from_secs(1));
        Ok(begun?.id)
    }

    async fn append(&self, id: UploadId) {
        let body = Box::pin(stream::iter([Ok(Bytes::from_static(b"some"))]));
        self.content.append(&self.repository, id, ChunkHeaders::default(), body).await.unwrap();
    }

    async fn is_open(&self, id: UploadId) -> bool {
        self.content.upload_status(&self.repository, id).await.is_ok()
    }
}

#[tokio::test]
async fn the_oldest_upload_without_a_byte_makes_room_when_it_was_idle_for_ten_seconds() {
    let world = World::new().await;
    let used = world.begin().await.unwrap();
    world.append(used).await;
    let empty = [world.begin().await.unwrap(), world.begin().await.unwrap()];

    let refused = world.begin().await;
    world.clock.pass(Duration::from_secs(10));
    world.begin().await.unwrap();

    assert!(matches!(&refused, Err(Error::TooManyUploads { limit: LIMIT, .. })), "{refused:?}");
    assert!(world.is_open(used).await && world.is_open(empty[1]).await);
    assert!(!world.is_open(empty[0]).await);
}

#[tokio::test]
async fn an_upload_with_bytes_makes_room_after_ten_idle_minutes_and_the_oldest_goes_first() {
    let world = World::new().await;
    let mut uploads = Vec::new();
    for _ in 0..LIMIT {
        let id = world.begin().await.unwrap();
        world.append(id).await;
        uploads.push(id);
    }

    world.clock.pass(Duration::from_mins(9));
    let refused = world.begin().await.unwrap_err();
    world.append(uploads[0]).await;
    world.clock.pass(Duration::from_mins(1));
    world.begin().await.unwrap();

    let message = refused.to_string();
    assert!(message.contains("3 uploads") && message.contains("`gc --now"), "{message}");
    let mut open = Vec::new();
    for id in uploads {
        open.push(world.is_open(id).await);
    }
    assert_eq!(open, [true, false, true], "the first one was used again");
}

#[tokio::test]
async fn an_upload_that_a_request_holds_makes_no_room_however_long_it_takes() {
    let world = World::new().await;
    let mut bodies = Vec::new();
    for _ in 0..LIMIT {
        let id = world.begin().await.unwrap();
        let (sender, body) = futures::channel::mpsc::unbounded::<Result<Bytes, String>>();
        sender.unbounded_send(Ok(Bytes::from_static(b"some"))).unwrap();
        let (content, app) = (world.content.clone(), world.repository.clone());
        let appending = tokio::spawn(async move {
            content.append(&app, id, ChunkHeaders::default(), Box::pin(body)).await
        });
        bodies.push((sender, appending));
    }
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }

    world.clock.pass(Duration::from_mins(30));
    let refused = world.begin().await;

    assert!(matches!(refused, Err(Error::TooManyUploads { .. })), "{refused:?}");
    for (sender, appending) in bodies {
        drop(sender);
        appending.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn uploads_from_before_a_restart_make_room_by_the_bytes_in_their_files() {
    let world = World::new().await;
    let whole_segment = vec![1; 300_000];
    let kept = world.begin().await.unwrap();
    let body = Box::pin(stream::iter([Ok(Bytes::from(whole_segment))]));
    let (app, headers) = (world.repository.clone(), ChunkHeaders::default());
    world.content.append(&app, kept, headers, body).await.unwrap();
    for _ in 1..LIMIT {
        world.begin().await.unwrap();
    }
    let World { content, folder, .. } = world;
    drop(content);

    let world = World::over(folder).await;
    let refused = world.begin().await;
    world.clock.pass(Duration::from_secs(10));
    for _ in 1..LIMIT {
        world.begin().await.unwrap();
    }

    assert!(matches!(refused, Err(Error::TooManyUploads { .. })), "{refused:?}");
    assert!(matches!(world.begin().await, Err(Error::TooManyUploads { .. })));
    assert!(world.is_open(kept).await);
}

#[tokio::test]
async fn an_upload_that_begins_at_this_moment_makes_no_room() {
    let world = World::new().await;
    world.clock.pass(Duration::from_secs(30));
    for _ in 1..LIMIT {
        world.begin().await.unwrap();
    }
    let parts = &world.content.0;
    let id: UploadId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    let data_key = *parts.ring.current().await.unwrap().id().as_bytes();

    let begun = parts.sessions.starting(id);
    let row = UploadRow {
        id: id.to_string(),
        repository: "app".to_owned(),
        file: FileId::random(),
        data_key,
        algorithm: "sha256".to_owned(),
        started: 0,
        touched: 0,
    };
    parts.store.create_upload(&parts.name, &row, LIMIT).unwrap();
    let refused = world.begin().await;
    let options = CollectOptions { really_idle_for: Duration::ZERO, ..CollectOptions::default() };
    let collected = Registry(Arc::clone(parts)).collect(options).await.unwrap();
    drop(begun);
    world.begin().await.unwrap();

    assert!(matches!(refused, Err(Error::TooManyUploads { .. })), "{refused:?}");
    assert_eq!((collected.removed.uploads, collected.retained.uploads), (0, LIMIT as u64));
}

//! The command `image`, which lists, shows and deletes images.

use serde_json::json;

use crate::support::Client;
use crate::support::program::Home;

#[tokio::test]
async fn images_are_listed_shown_untagged_and_deleted() {
    let home = Home::new();
    let serving = home.serve(&["--ephemeral"]).await;
    let client = Client::at(serving.url());
    client.push_image("team/app", "v1", &[b"layer"]).await;
    client.push_image("team/app", "v2", &[b"layer"]).await;
    client.push_image("other", "latest", &[b"another layer"]).await;

    let listed = home.run(&["image", "ls"]).await;
    let of_one = home.run(&["image", "list", "other", "--json"]).await.json();
    let shown = home.run(&["image", "show", "other"]).await;
    let untagged = home.run(&["image", "delete", "--untag", "team/app:v2"]).await;
    let v1 = home.run(&["image", "show", "team/app:v1"]).await;
    let deleted = home.run(&["image", "rm", "team/app:v1"]).await;
    let gone = home.run(&["image", "show", "team/app:v1"]).await;
    let too_short = home.run(&["image", "rm", "other"]).await;
    let repository = home.run(&["image", "delete", "--all", "other"]).await;

    for text in ["REPOSITORY", "team/app", "v1", "v2", "latest"] {
        assert!(listed.out.contains(text), "{text}: {listed:?}");
    }
    assert_eq!(of_one["images"].as_array().unwrap().len(), 1);
    assert_eq!(of_one["images"][0]["tags"], json!(["latest"]));
    let digest = of_one["images"][0]["digest"].as_str().unwrap();
    assert!(shown.out.contains(digest) && shown.out.contains("layer "), "{shown:?}");
    assert_eq!(untagged.out, "removed the tag team/app:v2\n");
    assert!(!v1.out.contains("v2"), "{v1:?}");
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert_eq!(too_short.code, Some(2), "{too_short:?}");
    assert!(too_short.err.contains("other:latest"), "{too_short:?}");
    assert!(
        repository.out.starts_with("deleted the repository other: 1 manifest"),
        "{repository:?}"
    );
    serving.stop().await;
}

#[tokio::test]
async fn image_logs_in_as_the_owner_and_a_refusal_prints_the_command_that_enables_the_key() {
    let home = Home::new();
    let serving = home.serve(&["--ephemeral"]).await;
    let made = home.run(&["registry", "create", "team1"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");

    let listed = home.run(&["image", "list", "--registry", "team1"]).await;
    home.run(&["key", "disable", "--registry", "team1"]).await;
    let refused = home.run(&["image", "show", "app:v1", "--registry", "team1"]).await;
    let unknown = home.run(&["image", "list", "--registry", "nobody1"]).await;

    assert_eq!(listed.out, "there are no images\n", "{listed:?}");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.err.contains("key enable --registry team1"), "{refused:?}");
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    serving.stop().await;
}

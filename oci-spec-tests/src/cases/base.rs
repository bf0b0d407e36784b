//! `GET /v2/`, and the rules for every answer.

use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

pub(super) async fn version_check_answers_200(ctx: &Context) -> Result<Outcome, Failure> {
    let answer = ctx.get("/v2/").send().await?;
    ensure!(
        answer.status != 401,
        "the registry requires credentials: set OCI_USERNAME and OCI_PASSWORD"
    );
    answer.is(&[200])?;
    Ok(Outcome::Held)
}

pub(super) async fn version_check_names_the_docker_api_version(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let answer = ctx.get("/v2/").send().await?;
    if answer.header("docker-distribution-api-version").is_none() {
        not_supported!("no Docker-Distribution-API-Version header");
    }
    answer.has("docker-distribution-api-version", "registry/2.0")?;
    Ok(Outcome::Held)
}

pub(super) async fn warnings_are_well_formed(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("warned").await?;
    let targets = [
        "/v2/".to_owned(),
        ctx.manifest("warned"),
        ctx.blob(&image.layer.digest),
        ctx.manifest("nothing"),
    ];
    let mut size = 0;
    for target in targets {
        let answer = ctx.get(target).send().await?;
        for warning in answer.headers.get_all("warning") {
            size += warning.len();
            let text = String::from_utf8_lossy(warning.as_bytes());
            let well_formed = text.starts_with("299 - \"") && text.ends_with('"');
            ensure!(
                well_formed,
                "{}",
                answer
                    .wrong(&format!("the warning {text:?} does not have the form 299 - \"text\""))
            );
        }
        ensure!(size <= 4096, "{}", answer.wrong("more than 4096 bytes of warnings"));
        size = 0;
    }
    Ok(Outcome::Held)
}

//! Listing the tags of a repository, and the repositories of a registry.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::content::{Blob, OCI_MANIFEST};
use crate::http1::Answer;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

/// Tags that the two permitted orders sort differently, as does an order by number.
const TAGS: [&str; 7] = ["10", "9", "Beta", "alpha", "gamma", "v1.0", "v1.0-rc"];

/// The most pages of a listing before the case stops following its `Link`.
const MOST_PAGES: usize = 100;

pub(super) async fn tags_are_listed(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let answer = ctx.get(list(ctx, "")).send().await?;
    answer.is(&[200])?;
    let listed: BTreeSet<String> = follow(ctx, &list(ctx, "")).await?.0.into_iter().collect();
    let pushed: BTreeSet<String> = TAGS.iter().map(ToString::to_string).collect();
    ensure!(listed == pushed, "{}", answer.wrong(&format!("expected the tags {pushed:?}")));
    Ok(Outcome::Held)
}

pub(super) async fn tag_list_has_its_shape(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let answer = ctx.get(list(ctx, "")).send().await?;
    let body = answer.json()?;
    ensure!(
        body["name"] == ctx.repository(),
        "{}",
        answer.wrong("`name` is not that of the repository")
    );
    tags_of(&answer)?;
    Ok(Outcome::Held)
}

pub(super) async fn tags_are_in_lexical_order(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let (listed, _) = follow(ctx, &list(ctx, "")).await?;
    ensure!(in_order(&listed), "the tags are in neither of the two orders: {listed:?}");
    Ok(Outcome::Held)
}

pub(super) async fn repository_without_tags_lists_none(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let manifest = ctx.push_manifest(OCI_MANIFEST, &image.manifest_json()).await?;
    // The repository exists: something can be pulled from it.
    ctx.is_pullable(&ctx.manifest(&manifest.digest), &manifest).await?;
    let answer = ctx.get(list(ctx, "")).send().await?;
    answer.is(&[200])?;
    ensure!(tags_of(&answer)?.is_empty(), "{}", answer.wrong("there are no tags"));
    Ok(Outcome::Held)
}

pub(super) async fn n_limits_the_tags(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let answer = ctx.get(list(ctx, "?n=3")).send().await?;
    answer.is(&[200])?;
    let page = tags_of(&answer)?;
    ensure!(page.len() <= 3, "{}", answer.wrong("more tags than were asked for"));
    let enough = page.len() == 3 || answer.header("link").is_some();
    ensure!(enough, "{}", answer.wrong("fewer tags than were asked for, and no Link"));
    let (all, _) = follow(ctx, &list(ctx, "")).await?;
    ensure!(
        all.starts_with(&page),
        "{}",
        answer.wrong(&format!("expected the beginning of {all:?}"))
    );
    Ok(Outcome::Held)
}

pub(super) async fn n_of_zero_lists_none(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let answer = ctx.get(list(ctx, "?n=0")).send().await?;
    answer.is(&[200])?;
    ensure!(tags_of(&answer)?.is_empty(), "{}", answer.wrong("the list is not empty"));
    ensure!(answer.header("link").is_none(), "{}", answer.wrong("the answer has a Link"));
    Ok(Outcome::Held)
}

pub(super) async fn n_beyond_the_end_lists_all(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let (listed, _) = follow(ctx, &list(ctx, "?n=50")).await?;
    ensure!(listed.len() == TAGS.len(), "expected {} tags: {listed:?}", TAGS.len());
    Ok(Outcome::Held)
}

pub(super) async fn last_begins_after_that_tag(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let (all, _) = follow(ctx, &list(ctx, "")).await?;
    for at in [0, 3, TAGS.len() - 1] {
        let target = list(ctx, &format!("?n=2&last={}", all[at]));
        let answer = ctx.get(&target).send().await?;
        answer.is(&[200])?;
        let page = tags_of(&answer)?;
        ensure!(page.len() <= 2, "{}", answer.wrong("more tags than were asked for"));
        let expected = &all[at + 1..];
        let right = expected.starts_with(&page) && (!page.is_empty() || expected.is_empty());
        ensure!(right, "{}", answer.wrong(&format!("expected the beginning of {expected:?}")));
    }
    Ok(Outcome::Held)
}

pub(super) async fn last_needs_no_n(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let (all, _) = follow(ctx, &list(ctx, "")).await?;
    let (rest, _) = follow(ctx, &list(ctx, &format!("?last={}", all[2]))).await?;
    ensure!(rest == all[3..], "after {} expected {:?}, got {rest:?}", all[2], &all[3..]);
    Ok(Outcome::Held)
}

pub(super) async fn last_need_not_exist(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let (rest, _) = follow(ctx, &list(ctx, "?n=10&last=delta")).await?;
    ensure!(rest == ["gamma", "v1.0", "v1.0-rc"], "after delta came {rest:?}");
    Ok(Outcome::Held)
}

pub(super) async fn link_leads_through_all_tags(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    let (all, _) = follow(ctx, &list(ctx, "")).await?;
    let (piecewise, pages) = follow(ctx, &list(ctx, "?n=2")).await?;
    if pages == 1 {
        not_supported!("no Link");
    }
    ensure!(piecewise == all, "page by page came {piecewise:?}, at once {all:?}");
    Ok(Outcome::Held)
}

pub(super) async fn tag_list_of_an_unknown_repository_is_404(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    ctx.get(list(ctx, "")).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn malformed_n_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    tagged(ctx).await?;
    for n in ["abc", "-1", "1.5", "99999999999999999999999"] {
        let answer = ctx.get(list(ctx, &format!("?n={n}"))).send().await?;
        answer.is(&[200, 400])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn catalog_lists_repositories(ctx: &Context) -> Result<Outcome, Failure> {
    let repositories = three_repositories(ctx).await?;
    let answer = ctx.get(format!("/v2/_catalog?n=3&last={}", ctx.repository())).send().await?;
    if matches!(answer.status.as_u16(), 401 | 403 | 404 | 405) {
        not_supported!("/v2/_catalog answers {}", answer.status.as_u16());
    }
    answer.is(&[200])?;
    let listed = names_of(&answer, "repositories")?;
    ensure!(listed == repositories, "{}", answer.wrong(&format!("expected {repositories:?}")));
    Ok(Outcome::Held)
}

pub(super) async fn catalog_is_paged(ctx: &Context) -> Result<Outcome, Failure> {
    let repositories = three_repositories(ctx).await?;
    let answer = ctx.get(format!("/v2/_catalog?n=2&last={}", ctx.repository())).send().await?;
    if answer.status != 200 {
        not_supported!("/v2/_catalog answers {}", answer.status.as_u16());
    }
    ensure!(
        names_of(&answer, "repositories")? == repositories[..2],
        "{}",
        answer.wrong("expected the first two")
    );
    let next = next_page(&answer)?
        .ok_or_else(|| answer.wrong("no Link, although there are more repositories"))?;
    let answer = ctx.get(next).send().await?;
    answer.is(&[200])?;
    let listed = names_of(&answer, "repositories")?;
    ensure!(listed.first() == repositories.last(), "{}", answer.wrong("expected the third first"));
    Ok(Outcome::Held)
}

/// Creates three repositories that directly follow the case's own name in the catalog.
async fn three_repositories(ctx: &Context) -> Result<[String; 3], Failure> {
    let names = ["a", "b", "c"].map(|suffix| ctx.another(suffix));
    for name in &names {
        let blob = Blob::of("{}");
        ctx.push_blob_to(name, &blob).await?;
        let manifest = Blob::json(&crate::content::index_json(&[]));
        let target = format!("/v2/{name}/manifests/v1");
        let request = ctx.put(target).header("content-type", crate::content::OCI_INDEX);
        request.body(manifest.bytes).send().await?.is(&[201])?;
    }
    Ok(names)
}

async fn tagged(ctx: &Context) -> Result<(), Failure> {
    let image = ctx.push_parts().await?;
    for tag in TAGS {
        ctx.push_tagged(tag, &image.manifest_json()).await?;
    }
    Ok(())
}

fn list(ctx: &Context, query: &str) -> String {
    format!("/v2/{}/tags/list{query}", ctx.repository())
}

/// All names of a listing from all its pages, and the number of pages.
async fn follow(ctx: &Context, first: &str) -> Result<(Vec<String>, usize), Failure> {
    let mut target = first.to_owned();
    let mut all = Vec::new();
    for page in 1..=MOST_PAGES {
        let answer = ctx.get(&target).send().await?;
        answer.is(&[200])?;
        all.extend(tags_of(&answer)?);
        match next_page(&answer)? {
            Some(next) => target = next,
            None => return Ok((all, page)),
        }
    }
    Err(Failure::new(format!("{first} does not end within {MOST_PAGES} pages")))
}

fn tags_of(answer: &Answer) -> Result<Vec<String>, Failure> {
    names_of(answer, "tags")
}

fn names_of(answer: &Answer, member: &str) -> Result<Vec<String>, Failure> {
    let body = answer.json()?;
    let list = body[member]
        .as_array()
        .ok_or_else(|| answer.wrong(&format!("`{member}` is not a list")))?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    list.iter()
        .map(text)
        .collect::<Option<_>>()
        .ok_or_else(|| answer.wrong(&format!("`{member}` is not a list of names")))
}

/// The target of a `Link` with `rel="next"` (RFC 8288, which replaced RFC 5988).
pub(super) fn next_page(answer: &Answer) -> Result<Option<String>, Failure> {
    let Some(link) = answer.header("link") else { return Ok(None) };
    let wrong = || {
        answer.wrong(&format!("the Link {link:?} does not have the form <target>; rel=\"next\""))
    };
    let (target, parameters) =
        link.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(wrong)?;
    let next = parameters
        .split(';')
        .any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"));
    ensure!(next && !target.is_empty(), "{}", wrong());
    Ok(Some(target.to_owned()))
}

fn in_order(names: &[String]) -> bool {
    let ascii = names.is_sorted();
    let folded = names.is_sorted_by(|one, other| {
        one.to_lowercase().cmp(&other.to_lowercase()) != Ordering::Greater
    });
    ascii || folded
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn only_the_two_orders_of_the_specification_are_accepted() {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();

        assert!(in_order(&owned(&["10", "9", "Beta", "alpha"])));
        assert!(in_order(&owned(&["10", "9", "alpha", "Beta"])));
        assert!(!in_order(&owned(&["9", "10", "Beta", "alpha"])));
    }
}

//! `PATCH` of a repository, a tag or a manifest: some of the four attributes, flat in a JSON object.

use axum::body::Body;
use serde::Deserialize;

use super::body::whole_body;
use super::error::AcrError;
use crate::oci::ErrorReply;
use crate::registry::{AttributeChange, Content, RepositoryName, Target};

/// The longest body that is read. A change of all four has about a hundred bytes.
const MAX_BODY: usize = 16 << 10;

/// The body. Missing or null attributes stay as they are.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangeBody {
    delete_enabled: Option<bool>,
    list_enabled: Option<bool>,
    read_enabled: Option<bool>,
    write_enabled: Option<bool>,
}

/// Reads the body and applies the change.
pub(super) async fn apply(
    content: &Content,
    name: &RepositoryName,
    target: &Target,
    body: Body,
) -> Result<(), ErrorReply> {
    let bytes = whole_body(body, MAX_BODY, content.body_limit()).await.map_err(AcrError::Body)?;
    let change = read(&bytes)?;
    Ok(content.change_attributes(name, target, change).await?)
}

fn read(bytes: &[u8]) -> Result<AttributeChange, AcrError> {
    // serde would read the struct from a list as well.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(AcrError::Body("it is not an object".to_owned()));
    }
    let body: ChangeBody =
        serde_json::from_slice(bytes).map_err(|error| AcrError::Body(error.to_string()))?;
    Ok(AttributeChange {
        delete: body.delete_enabled,
        list: body.list_enabled,
        read: body.read_enabled,
        write: body.write_enabled,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn missing_attributes_stay_as_they_are() {
        let change = read(br#" {"writeEnabled":false,"readEnabled":null,"other":1}"#).unwrap();

        assert_eq!(change, AttributeChange { write: Some(false), ..AttributeChange::default() });
    }

    #[test]
    fn a_body_that_is_not_an_object_of_booleans_is_refused() {
        for bad in ["", "null", "[true,true,true,true]", r#"{"writeEnabled":"false"}"#, "{"] {
            assert!(matches!(read(bad.as_bytes()), Err(AcrError::Body(_))), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}

//! The JSON body of an admin request, and the error for an invalid body: the fault, and the fields to send.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::error::AdminError;
use super::wire::reason;

/// A required body of a request.
pub(super) trait RequestBody: DeserializeOwned {
    /// All fields with their values. A field with `?` is optional.
    const SHAPE: &'static str;
}

/// Reads the body of a request.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: RequestBody, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refused::<T>(&rejection)),
        }
    }
}

fn refused<T: RequestBody>(rejection: &JsonRejection) -> AdminError {
    let message = rejection.body_text();
    let message = format!("{}; send {}", reason(&message), T::SHAPE);
    AdminError::new(rejection.status(), "BadRequest", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{
        AccessRequest, ChangeRegistry, CollectRequest, CreateIdentity, CreateRegistry, KeyRequest,
        ResetRequest, RestoreRequest, RevokeRequest, RotateKey, TokenRequest,
    };
    use super::*;

    /// The names in backticks in a message of serde.
    fn names(message: &str) -> Vec<&str> {
        message.split('`').skip(1).step_by(2).collect()
    }

    /// Checks that the shape names each field, and each value of each enumeration.
    #[track_caller]
    fn check<T: RequestBody>() {
        let error = |body: serde_json::Value| {
            serde_json::from_value::<T>(body).err().map(|error| error.to_string())
        };
        let unknown = error(json!({ "no such field": 1 })).unwrap();
        for field in names(&unknown).into_iter().skip(1) {
            assert!(T::SHAPE.contains(&format!("\"{field}\"")), "{field}: {}", T::SHAPE);
            let values = error(json!({ field: "no such value" })).unwrap_or_default();
            if values.contains("unknown variant") {
                for value in names(&values).into_iter().skip(1) {
                    assert!(T::SHAPE.contains(&format!("\"{value}\"")), "{value}: {}", T::SHAPE);
                }
            }
        }
    }

    #[test]
    fn the_shape_of_a_body_names_all_fields_and_values() {
        check::<KeyRequest>();
        check::<RevokeRequest>();
        check::<RestoreRequest>();
        check::<CreateRegistry>();
        check::<ChangeRegistry>();
        check::<RotateKey>();
        check::<CreateIdentity>();
        check::<AccessRequest>();
        check::<TokenRequest>();
        check::<CollectRequest>();
        check::<ResetRequest>();
        check::<azure_emulator_core::clock::ClockRequest>();
    }
}

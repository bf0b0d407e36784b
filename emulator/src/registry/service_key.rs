//! The service-managed key of the data folder.

use super::error::Error;
use crate::keys::ServiceKey;
use crate::store::Store;

/// The file of the service-managed key in the data folder.
const SERVICE_KEY_FILE: &str = "service.key";

/// The service-managed key, read from its file, which the first start creates.
pub(super) fn service_key(store: &Store) -> Result<ServiceKey, Error> {
    if let Some(bytes) = store.read_secret_file(SERVICE_KEY_FILE)? {
        let bytes = bytes.as_slice().try_into().map_err(|_| {
            Error::internal(format!("{SERVICE_KEY_FILE} does not hold a key of 32 bytes"))
        })?;
        return Ok(ServiceKey::copy_of(bytes));
    }
    let key = ServiceKey::generate().map_err(Error::internal)?;
    store.write_secret_file(SERVICE_KEY_FILE, key.expose())?;
    Ok(key)
}

//! The free disk space of a data folder, and how much of it each kind of write may use.
//!
//! Every write calls [`DiskSpace::spend`] first and states its [`Purpose`]. On a full disk, new content is refused first, then
//! changes of rows. Deletions, a start and the audit log go on: two files occupy 4 MiB of the device for them
//! (`reserve.rs`), and `spend` shortens such a file when the device has too little space. Deletions and the audit log have
//! separate files, so neither can use up the space of the other. So users can free space as long as the reserve lasts.
//! `spend` refills the reserve as soon as there is space again.
//!
//! The registry and the vault have one [`DiskSpace`] each, for their own data folder. This module knows nothing of either, nor
//! of the data that is written. Other programs may write between the call and the write, so a caller must still expect
//! [`std::io::ErrorKind::StorageFull`] from the write itself.

mod purpose;
mod refusal;
mod reserve;
mod space;

pub use purpose::Purpose;
pub use refusal::{is_out_of_space, is_read_only};
pub use space::{DiskSpace, SimulatedDisk, Space};

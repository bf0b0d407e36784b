//! A sample of each hint, for the tests that run them.

use super::hint::{FREE_PORT, Hint, KeyTarget};

impl<'a> Hint<'a> {
    /// A sample of each kind, for tests that run them. `registry` and `identity` exist.
    pub fn samples(registry: &'a str, identity: &'a str) -> Vec<Self> {
        let samples = vec![
            Self::Serve { listen: Some(FREE_PORT), azure_listen: Some(FREE_PORT) },
            Self::Status,
            Self::RevokePolicy,
            Self::Restore { registry },
            Self::ResetYes,
            Self::KeyEnable { key: KeyTarget::for_registry(registry), version: None },
            Self::KeyRecover { key: KeyTarget::for_registry(registry) },
            Self::KeyRotate { registry },
            Self::AssignIdentity { registry, identity },
            Self::Gc { registry },
            Self::Verify { registry },
            Self::ClearFaults,
            Self::ListFaults,
            Self::ResumeClock,
            Self::ExportEnv,
            Self::AddHosts,
            Self::RunCommand,
            Self::Az(vec!["keyvault".to_owned(), "list".to_owned()]),
            Self::Password { owner: true },
            Self::GcNow { registry },
            Self::Doctor,
            Self::Reset,
            Self::Stop,
            Self::KeyList { registry },
            Self::ImageList { registry },
            Self::Health { registry },
        ];
        debug_assert!(
            samples.iter().map(Self::index).eq(0..samples.len()),
            "a sample of each kind"
        );
        samples
    }

    /// The index among the samples. A new kind needs an index here, and a sample.
    fn index(&self) -> usize {
        match self {
            Self::Serve { .. } => 0,
            Self::Status => 1,
            Self::RevokePolicy => 2,
            Self::Restore { .. } => 3,
            Self::ResetYes => 4,
            Self::KeyEnable { .. } => 5,
            Self::KeyRecover { .. } => 6,
            Self::KeyRotate { .. } => 7,
            Self::AssignIdentity { .. } => 8,
            Self::Gc { .. } => 9,
            Self::Verify { .. } => 10,
            Self::ClearFaults => 11,
            Self::ListFaults => 12,
            Self::ResumeClock => 13,
            Self::ExportEnv => 14,
            Self::AddHosts => 15,
            Self::RunCommand => 16,
            Self::Az(_) => 17,
            Self::Password { .. } => 18,
            Self::GcNow { .. } => 19,
            Self::Doctor => 20,
            Self::Reset => 21,
            Self::Stop => 22,
            Self::KeyList { .. } => 23,
            Self::ImageList { .. } => 24,
            Self::Health { .. } => 25,
        }
    }
}

//! The settings of registries that a start copies from the configuration.

use azure_emulator_core::durable::Durability;

use crate::config::Config;
use crate::registry::Settings;

/// Copies the settings of registries from the configuration.
pub(super) fn configure(settings: &mut Settings, config: &Config) {
    settings.key_lease = config.key_lease;
    settings.rotation_check = config.rotation_check;
    settings.write_back = config.durability == Durability::Full;
    settings.sparse_indexes = config.sparse_indexes;
    settings.strict_parity = config.strict_parity;
    settings.max_uploads = settings.max_uploads.min(uploads_for(open_files()));
}

/// How many files and connections the system lets this process have open.
fn open_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many uploads may be open so that half of the files are left for everything else. An upload has two handles.
fn uploads_for(open_files: u64) -> usize {
    usize::try_from(open_files / 4).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_use_at_most_half_of_the_open_files() {
        assert_eq!(uploads_for(1024), 256);
        assert_eq!(uploads_for(0), 1);
        assert!(Settings::default().max_uploads <= uploads_for(1 << 20));
    }
}

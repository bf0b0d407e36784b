//! The name of a deployment.

use std::fmt;
use std::str::FromStr;

use super::properties::ResourceError;

/// The maximum length of a deployment's name.
const MAX_NAME: usize = 64;

/// The name of a deployment, as written.
#[derive(Clone, Debug)]
pub struct DeploymentName(String);

impl DeploymentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeploymentName {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let fits = (1..=MAX_NAME).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.()".contains(&byte));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(ResourceError::Deployment(text.chars().take(100).collect()))
        }
    }
}

impl fmt::Display for DeploymentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_name_has_up_to_64_letters_digits_and_a_few_other_characters() {
        let longest = "x".repeat(MAX_NAME);
        for name in ["a", "CMK-template_1.(x)", longest.as_str()] {
            assert_eq!(name.parse::<DeploymentName>().unwrap().as_str(), name);
        }
        let too_long = "x".repeat(MAX_NAME + 1);
        for name in ["", "a b", "a/b", "ä", too_long.as_str()] {
            assert!(name.parse::<DeploymentName>().is_err(), "{name}");
        }
    }
}

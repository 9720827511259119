//! A place in a registry, as people write it.

use std::fmt;
use std::str::FromStr;

use oci_client::Reference;
use vaern_door::Digest;

use crate::RegistryError;

/// `oci://HOST[:PORT]/REPOSITORY`, with a tag or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl FromStr for Place {
    type Err = RegistryError;

    /// No host is guessed, no tag is made up: what is not written is not meant.
    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let wrong = || RegistryError::Place(text.chars().filter(|c| c.is_ascii_graphic()).take(120).collect());
        let rest = text.strip_prefix("oci://").ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => (path, Some(digest.parse().map_err(|_| wrong())?)),
            None => (path, None),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        let plain = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let lower = repository.chars().all(|c| !c.is_ascii_uppercase());
        let named = plain(host, ".-:[]") && plain(repository, "._-/") && lower;
        let tagged = tag.as_deref().is_none_or(|tag| tag.len() <= 128 && plain(tag, "._-"));
        if named && tagged && (tag.is_none() || digest.is_none()) {
            Ok(Self { host: host.to_owned(), repository: repository.to_owned(), tag, digest })
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.repository)?;
        match (&self.tag, &self.digest) {
            (Some(tag), _) => write!(f, ":{tag}"),
            (None, Some(digest)) => write!(f, "@{digest}"),
            (None, None) => Ok(()),
        }
    }
}

impl Place {
    /// The digest, where the place names one: then nothing else is taken.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The host, with its port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether the registry is on this machine: the only one that is spoken to without TLS.
    pub(crate) fn is_here(&self) -> bool {
        let name = self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name);
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    }

    pub(crate) fn tagged(&self, tag: &str) -> Reference {
        Reference::with_tag(self.host.clone(), self.repository.clone(), tag.to_owned())
    }

    pub(crate) fn of(&self, digest: Digest) -> Reference {
        Reference::with_digest(self.host.clone(), self.repository.clone(), digest.to_string())
    }
}

/// The tag under which the referrers of a release are listed.
pub(crate) fn referrers_tag(release: Digest) -> String {
    format!("sha256-{}", release.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written_and_nothing_is_made_up() {
        let digest = Digest::of(b"release");
        for text in [
            "oci://registry.example/city/plugin:1.4.0".to_owned(),
            "oci://127.0.0.1:5000/plugin".to_owned(),
            format!("oci://[::1]:5000/a/b-c_d@{digest}"),
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for bad in [
            "registry.example/plugin",
            "https://registry.example/plugin",
            "oci://plugin",
            "oci:///plugin",
            "oci://registry.example/",
            "oci://registry.example/Plugin",
            "oci://registry.example/a b",
            "oci://registry.example/a:",
            "oci://user@registry.example/a",
            "oci://registry.example/a@sha256:00",
            "oci://registry.example/a:1@2",
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        let here = |text: &str| text.parse::<Place>().unwrap().is_here();
        assert!(here("oci://127.0.0.1:5000/a") && here("oci://localhost/a") && here("oci://[::1]:5000/a"));
        assert!(
            !here("oci://127.0.0.1.example/a") && !here("oci://localhost.example:80/a") && !here("oci://10.0.0.1/a")
        );
    }
}

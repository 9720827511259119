//! The client, with bounds: on bytes, and on how long they may take.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use oci_client::Client;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use vaern_door::Digest;

use crate::place::Place;
use crate::tree::Named;
use crate::{RegistryError, tree};

/// Who asks.
#[derive(Debug, Clone, Default)]
pub enum Login {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A user with a password.
    User {
        /// Its name.
        name: String,
        /// Its password.
        password: String,
    },
}

/// How a registry is spoken to: as whom, and whose word for it is taken.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Who asks.
    pub login: Login,
    /// Certificates of the authorities that may vouch for the registry, in PEM: these and no others. `None` for those of the system.
    pub authority: Option<Vec<u8>>,
}

/// How much waiting a transfer is worth.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Without a single byte.
    pub silence: Duration,
    /// Before the rate is looked at.
    pub grace: Duration,
    /// Bytes a second after that, from the beginning.
    pub least_rate: u64,
}

impl Default for Patience {
    /// A slow line is slow: 4 KiB a second is a model of 16 MiB in an hour.
    fn default() -> Self {
        Self { silence: Duration::from_secs(20), grace: Duration::from_secs(20), least_rate: 4096 }
    }
}

/// Why a transfer was ended from our side.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("too long")]
    TooLong,
    #[error("too slow")]
    TooSlow,
}

/// One registry, spoken to.
pub(crate) struct Registry<'p> {
    client: Client,
    auth: RegistryAuth,
    place: &'p Place,
    patience: Patience,
}

/// Runs a conversation to its end, on this thread.
pub(crate) fn talk<T>(work: impl Future<Output = Result<T, RegistryError>>) -> Result<T, RegistryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|_| RegistryError::Setup)?.block_on(work)
}

impl<'p> Registry<'p> {
    pub(crate) async fn open(
        place: &'p Place,
        access: &Access,
        patience: Patience,
        operation: RegistryOperation,
    ) -> Result<Self, RegistryError> {
        // The first one stays; it is this one, whoever comes first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = if place.is_here() { vec![place.host().to_owned()] } else { vec![] };
        let authority = access.authority.as_deref().map(authorities).transpose()?;
        let config = ClientConfig {
            tls_certs_only: authority.unwrap_or_default(),
            protocol: ClientProtocol::HttpsExcept(plain),
            use_monolithic_push: true,
            read_timeout: Some(patience.silence),
            connect_timeout: Some(patience.silence),
            user_agent: "vaern",
            ..ClientConfig::default()
        };
        let auth = match &access.login {
            Login::Anonymous => RegistryAuth::Anonymous,
            Login::User { name, password } => RegistryAuth::Basic(name.clone(), password.clone()),
        };
        // Not `Client::new`: where the configuration does not do, that one goes on with another.
        let client = Client::try_from(config).map_err(|_| RegistryError::Setup)?;
        let registry = Self { client, auth, place, patience };
        registry.client.auth(&place.tagged("none"), &registry.auth, operation).await?;
        Ok(registry)
    }

    /// A manifest, as the registry has it. `None` where there is none.
    pub(crate) async fn manifest(&self, of: &Reference) -> Result<Option<Vec<u8>>, RegistryError> {
        let types = [tree::INDEX, tree::MANIFEST];
        // The client reads it whole: it is given the time that a manifest of the largest size may take, and no more.
        let time = self.patience.grace + Duration::from_secs(tree::MAX_MANIFEST / self.patience.least_rate.max(1));
        let asked = tokio::time::timeout(time, self.client.pull_manifest_raw(of, &self.auth, &types)).await;
        match asked.map_err(|_| RegistryError::TooSlow)? {
            Ok((bytes, _)) if bytes.len() as u64 > tree::MAX_MANIFEST => Err(RegistryError::TooLong),
            Ok((bytes, _)) => Ok(Some(bytes.to_vec())),
            Err(error) if unknown(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A blob, no longer than its name says, and those bytes.
    pub(crate) async fn blob(&self, named: &Named) -> Result<Vec<u8>, RegistryError> {
        let mut bounded = Bounded { bytes: vec![], most: named.size, begun: Instant::now(), patience: self.patience };
        let digest = named.digest.to_string();
        let image = self.place.of(named.digest);
        match self.client.pull_blob(&image, digest.as_str(), &mut bounded).await {
            Ok(()) => {}
            Err(OciDistributionError::DigestError(_)) => return Err(RegistryError::DigestMismatch(named.digest)),
            Err(error) => return Err(error.into()),
        }
        if Digest::of(&bounded.bytes) == named.digest && bounded.bytes.len() as u64 == named.size {
            Ok(bounded.bytes)
        } else {
            Err(RegistryError::DigestMismatch(named.digest))
        }
    }

    pub(crate) async fn put_blob(&self, digest: Digest, bytes: Vec<u8>) -> Result<(), RegistryError> {
        let image = self.place.of(digest);
        if self.client.blob_exists(&image, &digest.to_string()).await? {
            return Ok(());
        }
        self.client.push_blob(&image, bytes, &digest.to_string()).await?;
        Ok(())
    }

    pub(crate) async fn put_manifest(&self, to: &Reference, media: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let media = media.parse().map_err(|_| RegistryError::NotARelease("media type"))?;
        self.client.push_manifest_raw(to, bytes.to_vec(), media).await?;
        Ok(())
    }
}

/// The certificates of a PEM file. One that holds none would mean those of the system.
fn authorities(pem: &[u8]) -> Result<Vec<Certificate>, RegistryError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let text = std::str::from_utf8(pem).map_err(|_| RegistryError::Authority)?;
    let rest = text.match_indices(BEGIN).map(|(at, _)| text.get(at..).unwrap_or_default());
    let one = |text: &str| -> Option<Certificate> {
        const END: &str = "-----END CERTIFICATE-----";
        let end = text.find(END)?;
        let data = text.get(..end + END.len())?.as_bytes().to_vec();
        Some(Certificate { encoding: CertificateEncoding::Pem, data })
    };
    let all: Option<Vec<Certificate>> = rest.map(one).collect();
    all.filter(|all| !all.is_empty()).ok_or(RegistryError::Authority)
}

/// Whether the registry says that it has no such thing, and nothing else.
fn unknown(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().all(|error| {
            matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound)
        }),
        _ => false,
    }
}

/// Takes bytes up to a number, at a least rate.
struct Bounded {
    bytes: Vec<u8>,
    most: u64,
    begun: Instant,
    patience: Patience,
}

impl tokio::io::AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, part: &[u8]) -> Poll<io::Result<usize>> {
        let have = (self.bytes.len() + part.len()) as u64;
        if have > self.most {
            return Poll::Ready(Err(io::Error::other(Stopped::TooLong)));
        }
        let elapsed = self.begun.elapsed();
        let owed = (elapsed.as_secs_f64() * self.patience.least_rate as f64) as u64;
        if elapsed > self.patience.grace && have < owed {
            return Poll::Ready(Err(io::Error::other(Stopped::TooSlow)));
        }
        self.bytes.extend_from_slice(part);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

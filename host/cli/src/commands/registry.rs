//! `vaern plugin push|pull oci://…`: a release as a registry holds it. What is pulled is believed no more than what came on a stick.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::output::Output;

#[derive(clap::Args)]
pub(crate) struct PushArgs {
    /// The release directory.
    release: PathBuf,
    /// Where to: `oci://HOST/REPOSITORY[:TAG]`; without a tag, plugin and version.
    to: String,
    #[command(flatten)]
    login: LoginFile,
}

#[derive(clap::Args)]
pub(crate) struct PullArgs {
    /// Where from: `oci://HOST/REPOSITORY@sha256:…`, or `:TAG` for what the registry means by that today.
    from: String,
    /// Directory for the release; must be empty or absent.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    login: LoginFile,
}

#[derive(clap::Args)]
struct LoginFile {
    /// A file with the user's name in its first line and the password in its second.
    #[arg(long)]
    login: Option<PathBuf>,
    /// Certificates of the authorities that may vouch for the registry, in PEM: these and no others. Left out, those of the system.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[cfg(feature = "registry")]
mod with_client {
    use vaern_registry::{Access, Login, Patience, Place, RegistryError};
    use zeroize::Zeroizing;

    use super::{Failure, LoginFile, Output, PullArgs, PushArgs};
    use crate::files;

    impl From<RegistryError> for Failure {
        fn from(error: RegistryError) -> Self {
            let failure = match &error {
                RegistryError::Place(_) | RegistryError::Authority => Self::usage(error.to_string()),
                _ => Self::refused(error.to_string(), error.krav(), error.blame()),
            };
            failure.mend(error.mend())
        }
    }

    impl LoginFile {
        fn access(&self) -> Result<Access, Failure> {
            let authority = self.ca.as_ref().map(|path| files::read("authority", path, 1 << 20)).transpose()?;
            Ok(Access { login: self.read()?, authority })
        }

        fn read(&self) -> Result<Login, Failure> {
            let Some(path) = &self.login else { return Ok(Login::Anonymous) };
            let bytes = Zeroizing::new(files::read("login", path, 4096)?);
            let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage("the login file is not UTF-8"))?;
            let mut lines = text.lines();
            match (lines.next(), lines.next(), lines.next()) {
                (Some(name), Some(password), None) => {
                    Ok(Login::User { name: name.to_owned(), password: password.to_owned() })
                }
                _ => Err(Failure::usage("a login file has two lines: the user's name, and the password")),
            }
        }
    }

    pub(crate) fn push(args: &PushArgs, output: &Output) -> Result<(), Failure> {
        let to: Place = args.to.parse()?;
        let dir = files::open_dir("release", &args.release)?;
        let pushed = vaern_registry::push(&dir, &to, &args.login.access()?, Patience::default())?;
        let lines = format!(
            "Pushed {}\n  tag      {}\n  with     {} statement(s) and parts about it\n  by digest, the name that does not move",
            pushed.release, pushed.tag, pushed.referrers
        );
        let told = serde_json::json!({ "release": pushed.release, "tag": pushed.tag, "referrers": pushed.referrers });
        output.result(&told, &lines)
    }

    pub(crate) fn pull(args: &PullArgs, output: &Output) -> Result<(), Failure> {
        let from: Place = args.from.parse()?;
        let dir = files::make_dir("release", &args.out)?;
        let release = vaern_registry::pull(&from, &dir, &args.login.access()?, Patience::default())?;
        let lines = format!(
            "Pulled {release} into {0}\n  nothing of it is believed yet; next  vaern plugin check {0}",
            args.out.display()
        );
        output.result(&serde_json::json!({ "release": release }), &lines)
    }
}

#[cfg(feature = "registry")]
pub(crate) use with_client::{pull, push};

/// This build speaks to no registry.
#[cfg(not(feature = "registry"))]
fn without(place: &str, folder: &std::path::Path, login: &LoginFile) -> Failure {
    let login = if login.login.is_some() || login.ca.is_some() { ", with its login or authority," } else { "" };
    Failure::usage(format!("this program is built without a client for registries: `{place}`{login} is out of reach"))
        .mend(format!(
            "build it with `cargo build --release --features registry`, or carry the folder {}",
            folder.display()
        ))
}

#[cfg(not(feature = "registry"))]
pub(crate) fn push(args: &PushArgs, _: &Output) -> Result<(), Failure> {
    Err(without(&args.to, &args.release, &args.login))
}

#[cfg(not(feature = "registry"))]
pub(crate) fn pull(args: &PullArgs, _: &Output) -> Result<(), Failure> {
    Err(without(&args.from, &args.out, &args.login))
}

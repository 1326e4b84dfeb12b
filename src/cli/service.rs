//! The service a command talks to: the real one, or the emulator in process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::{
    BaseUrl, Client, ClientSettings, Credentials, Http, Network, OnWait, PaceLimits, Paced, Signed,
    TimeLimits, TrustFile, Variable,
};
use crate::cli::context::Context;
use crate::cli::credentials::{self, Account, Sourced};
use crate::cli::emulator::read_rules;
use crate::cli::error::CommandError;
use crate::cli::flags::{EMULATOR_FILE, Service, Tuning};
use crate::emulator::{self, Emulator, Storage, World};
use crate::exchange::{Gate, Transport};
use crate::files::{self, FilesError};
use crate::model::OrganizationId;
use crate::secret::Secret;

/// Who is asked, by whom, and under which name the ledger knows it.
pub(super) struct Target {
    credentials: Credentials,
    organization: Option<Sourced>,
    /// Where the credentials were found.
    pub(super) origin: String,
    /// The file of the credentials, where other users can read it.
    pub(super) exposed: Option<PathBuf>,
    carrier: Backend,
}

enum Backend {
    Http(BaseUrl),
    /// The file of the emulator.
    Emulator(PathBuf),
}

impl Target {
    /// Finds out who is asked; nothing is sent.
    pub(super) fn find(
        context: &Context,
        args: &Service,
        environment: Option<&str>,
    ) -> Result<Self, CommandError> {
        if let Some(file) = &args.emulator {
            let token = Secret::new(emulator::API_TOKEN.to_owned());
            let credentials = Credentials { user_id: emulator::USER_ID, token };
            let value = emulator::ORGANIZATION_ID.to_owned();
            let organization = Some(Sourced { value, origin: "--emulator".to_owned() });
            let carrier = Backend::Emulator(file.clone());
            let origin = "--emulator".to_owned();
            return Ok(Self { credentials, organization, origin, exposed: None, carrier });
        }
        let base = BaseUrl::parse(&args.api).map_err(|error| CommandError::of(&error))?;
        let Account { credentials, origin, organization, exposed } =
            credentials::find(context, environment)?;
        Ok(Self { credentials, organization, origin, exposed, carrier: Backend::Http(base) })
    }

    /// Warns of a file of credentials that other users can read.
    pub(super) fn warn(&self, context: &Context) {
        if let Some(path) = &self.exposed {
            let shown = path.display();
            context.terminal.message(&format!(
                "warning: `{shown}` can be read by other users; `chmod 600 {shown}` prevents it\n"
            ));
        }
    }

    /// The organization of the credentials, where it is known.
    pub(super) fn organization_id(&self) -> Option<&str> {
        self.organization.as_ref().map(|organization| organization.value.as_str())
    }

    /// The organization of the credentials of another environment: by variables of its own, or by those
    /// for all where this command plans for it, too. Where it is planned for alone, the latter may not be
    /// its own.
    ///
    /// The emulator stands for whatever organizations they are of.
    pub(super) fn organization_of(
        &self,
        context: &Context,
        environment: &str,
        is_planned: bool,
    ) -> Option<String> {
        let found = match self.carrier {
            Backend::Emulator(_) => None,
            Backend::Http(_) if is_planned => {
                credentials::find(context, Some(environment)).ok()?.organization
            }
            Backend::Http(_) => credentials::own_organization(context, environment).ok()?,
        };
        found.map(|organization| organization.value)
    }

    /// Where that was found.
    pub(super) fn organization_origin(&self) -> Option<&str> {
        self.organization.as_ref().map(|organization| organization.origin.as_str())
    }

    /// The organization of the manifest, which must be that of the credentials where both are known.
    pub(super) fn organization(
        &self,
        declared: Option<&str>,
    ) -> Result<OrganizationId, CommandError> {
        match (declared, self.organization.as_ref()) {
            // The emulator is whatever organization the manifest is for.
            (Some(declared), _) if matches!(self.carrier, Backend::Emulator(_)) => {
                Ok(OrganizationId(declared.to_owned()))
            }
            (Some(declared), Some(ours)) if declared != ours.value => Err(CommandError::new(format!(
                "the manifest is for organization `{declared}`, and the credentials are for `{}`, by `{}`",
                ours.value, ours.origin
            ))
            .help("use the credentials of the manifest's organization, or correct `organizationId`")
            .help("nothing was sent")),
            (Some(id), _) => Ok(OrganizationId(id.to_owned())),
            (None, Some(ours)) => Ok(OrganizationId(ours.value.clone())),
            (None, None) => Err(CommandError::new("the organization is not known").help(
                "set `QC_ORGANIZATION_ID`, or `organizationId` in the manifest, or work in a Lean workspace",
            )),
        }
    }

    /// Makes the client, and names the service as the ledger does.
    ///
    /// Signed last, paced above, so that nothing else ever sees a signature.
    pub(super) fn client(
        &self,
        context: &Context,
        (args, tuning): (&Service, &Tuning),
        organization_id: OrganizationId,
        folder: &Path,
        on_wait: OnWait,
    ) -> Result<(Client, String), CommandError> {
        let rules = args.script.as_deref().map(read_rules).transpose()?;
        let (clock, credentials) = (context.clock, self.credentials.clone());
        let is_emulated = matches!(self.carrier, Backend::Emulator(_));
        let rate =
            tuning.rate.unwrap_or(if is_emulated { 0.0 } else { PaceLimits::default().rate });
        let limits = PaceLimits { in_flight: tuning.in_flight(), rate };
        let gate = Gate::default();
        let (transport, name): (Arc<dyn Transport>, String) = match &self.carrier {
            Backend::Http(base) => {
                let http = Http::new(base.clone(), TimeLimits::default(), &network(context)?);
                let http = http.map_err(|error| CommandError::of(&error))?;
                let signed = Signed::new(http, credentials, clock);
                let paced = Paced::new(signed, limits, clock, Arc::clone(&on_wait), gate.clone());
                (Arc::new(paced), base.to_string())
            }
            Backend::Emulator(file) => {
                let path = emulator_file(file, folder);
                if path.starts_with(folder) {
                    let made = files::make_private_folder_if_allowed(folder);
                    made.map_err(|error| CommandError::of(&error))?;
                }
                let storage =
                    Storage::File { files: Arc::clone(&context.files), path: path.clone() };
                let mut emulator = Emulator::new(World::new(0, clock.now()), clock, storage)
                    .with_organization(organization_id.0.clone());
                if let Some(rules) = rules {
                    emulator = emulator.with_rules(rules);
                }
                let name = world_name(&emulator, &path)?;
                let signed = Signed::new(emulator, credentials, clock);
                let paced = Paced::new(signed, limits, clock, Arc::clone(&on_wait), gate.clone());
                (Arc::new(paced), name)
            }
        };
        let settings = ClientSettings {
            retry_time: tuning.retry_time,
            on_wait,
            gate,
            ..ClientSettings::default()
        };
        Ok((Client::new(transport, organization_id, clock, settings), name))
    }
}

/// Names an emulated world: a new one in the same file is another one, of which nothing is known.
fn world_name(emulator: &Emulator, path: &Path) -> Result<String, CommandError> {
    let id = emulator.identity().map_err(|error| {
        CommandError::of(&error)
            .help("`--emulator=FILE` names another file; it is made where there is none")
            .help("nothing was changed")
    })?;
    Ok(format!("emulator {} {id}", path.display()).trim_end().to_owned())
}

/// The default file lies in the program's folder, from wherever in the repository it is called.
pub(super) fn emulator_file(file: &Path, folder: &Path) -> PathBuf {
    let is_default = file == Path::new(EMULATOR_FILE);
    let name = file.file_name().filter(|_| is_default);
    name.map_or_else(|| file.to_owned(), |name| folder.join(name))
}

/// What the environment says about the way to the service, as curl reads it.
fn network(context: &Context) -> Result<Network, CommandError> {
    let first = |names: [&'static str; 2]| {
        let set = |name| context.environment.get(name).map(|value| (name, value.clone()));
        names.into_iter().find_map(set)
    };
    let variable = |(name, value)| Variable { name, value };
    // A CGI program is sent `Proxy:` headers as a variable, so none is obeyed there.
    let is_cgi = context.environment.contains_key("REQUEST_METHOD");
    let proxies = [first(["HTTPS_PROXY", "https_proxy"]), first(["ALL_PROXY", "all_proxy"])];
    let proxies = proxies.into_iter().flatten().map(variable).filter(|_| !is_cgi).collect();
    let no_proxy = first(["NO_PROXY", "no_proxy"]).map(|(_, value)| value).unwrap_or_default();
    let trust = context.variable("SSL_CERT_FILE").map(trust_file).transpose()?;
    Ok(Network { proxies, no_proxy, trust })
}

/// Looks whether the file of `SSL_CERT_FILE` can be of use. What would be read without end is refused.
fn trust_file(path: &str) -> Result<TrustFile, CommandError> {
    const LARGEST: u64 = 64 << 20;
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let problem = match files::read_input(Path::new(path), LARGEST) {
        Ok(Some(bytes)) if bytes.windows(BEGIN.len()).any(|window| window == BEGIN) => None,
        Ok(Some(_)) => Some("holds no certificate in PEM form".to_owned()),
        Ok(None) => Some("is missing".to_owned()),
        Err(FilesError::Io { source, .. }) => Some(format!("cannot be read: {source}")),
        Err(endless) => {
            return Err(CommandError::of(&endless)
                .help("`SSL_CERT_FILE` names it; set it to a PEM file, or unset it"));
        }
    };
    Ok(TrustFile { path: path.to_owned(), problem })
}

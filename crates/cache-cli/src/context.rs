//! What every command has: the client, made when it is needed, and where to print.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use cache_client::{Client, Config, EntryRef, Namespace};

use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Output, say};
use crate::profile;

/// What every command has.
pub struct Context<'a> {
    /// The options of all commands.
    pub global: &'a Global,
    /// Where to print.
    pub output: &'a Output,
    /// Shared by the commands of a file.
    pub clients: &'a Clients,
}

/// The last client that was made: commands with the same configuration share its connections.
#[derive(Default)]
pub struct Clients(Mutex<Option<(Config, Client)>>);

impl Clients {
    fn get(&self, config: Config) -> Result<Client, Failure> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = last.as_ref()
            && *known == config
        {
            return Ok(client.clone());
        }
        let client = config.clone().builder()?.build()?;
        *last = Some((config, client.clone()));
        Ok(client)
    }
}

impl Context<'_> {
    /// The client that flags, environment and profile describe.
    pub fn client(&self) -> Result<Client, Failure> {
        let config = profile::resolve(self.global)?;
        if config.url.is_none() {
            let hint = format!(
                "start one with `mgraph-cache serve` and set MGRAPH_CACHE_URL={}, or `mgraph-cache login URL`",
                profile::LOCAL_URL
            );
            return Err(Failure::usage("no service is configured").hint(hint));
        }
        self.clients.get(config)
    }

    /// The namespace that was named, or else the configured one.
    pub fn namespace(&self, named: Option<&str>) -> Result<Namespace, Failure> {
        let client = self.client()?;
        let named = match named {
            Some(name) => client.namespace(name)?,
            None => client.default_namespace().map_err(|_| {
                Failure::usage("no namespace is named").hint("use -n NAME, or set MGRAPH_CACHE_NAMESPACE")
            })?,
        };
        Ok(named)
    }

    /// The namespace of a reference.
    pub fn of(&self, reference: &EntryRef) -> Result<Namespace, Failure> {
        Ok(self.client()?.namespace(reference.namespace.clone())?)
    }

    /// Whether to go on with something that deletes much: `--yes`, or a yes on the terminal.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(format!("{question} Not without --yes, or an answer on a terminal")));
        }
        say(&format!("{question} [y/N]"));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(|error| Failure::failed(error.to_string()))?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::failed("nothing was deleted")),
        }
    }
}

//! `serve`, `run`, `completions`, `man`: what needs no service.

use std::path::Path;
use std::sync::Arc;

use cache_lambda::config::Config;
use cache_lambda::state::Service;
use cache_lambda::telemetry::logging;
use cache_storage::system::{OsRng, SystemClock};
use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use super::read_input;
use crate::args::{Cli, Serve};
use crate::context::Context;
use crate::failure::{Failure, OK};

/// Where `serve` stores when nothing else is said.
const DEFAULT_FOLDER: &str = "./.mgraph-cache";

/// What the generated completions cannot know: the namespaces of the service.
const BASH_NAMESPACES: &[u8] = br#"
_mgraph__cache_or_namespaces() {
    case "${COMP_WORDS[COMP_CWORD-1]}" in
        -n|--namespace)
            COMPREPLY=( $(compgen -W "$("${COMP_WORDS[0]}" ns ls 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}") ) ;;
        *)
            _mgraph__cache "$@" ;;
    esac
}
complete -F _mgraph__cache_or_namespaces -o bashdefault -o default mgraph-cache
"#;

/// Serves a cache on this machine until Ctrl-C.
pub async fn serve(_: &Context<'_>, serve: Serve) -> Result<u8, Failure> {
    let environment = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let lookup = |name: &str| match name {
        "CACHE__SERVICE__LISTEN" => serve.listen.map(|address| address.to_string()).or_else(|| environment(name)),
        "CACHE__SERVICE__STORAGE_MODE" if serve.memory => Some("memory".to_owned()),
        "CACHE__SERVICE__STORAGE_MODE" if serve.path.is_some() => Some("local_disk".to_owned()),
        "CACHE__SERVICE__STORAGE_MODE" => environment(name).or_else(|| Some("local_disk".to_owned())),
        "CACHE__SERVICE__LOCAL_DISK_PATH" => {
            let typed = serve.path.as_ref().map(|path| path.display().to_string());
            typed.or_else(|| environment(name)).or_else(|| Some(DEFAULT_FOLDER.to_owned()))
        }
        _ => environment(name),
    };
    let config = Config::read(&lookup).map_err(|errors| {
        let errors: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
        Failure::usage(errors.join("; "))
    })?;
    let log = logging::start(&lookup, config.log_format, config.in_lambda);
    let storage = config.open_storage().await.map_err(Failure::failed)?;
    let state = Service::new(storage, Arc::new(SystemClock), Arc::new(OsRng), config);
    cache_lambda::serve::run(state, &log).await.map_err(Failure::failed)?;
    Ok(OK)
}

/// Runs the commands in a file, one a line. Blank lines, and those that begin with `#`, are left out.
pub async fn run_file(context: &Context<'_>, file: &Path, keep_going: bool) -> Result<u8, Failure> {
    let bytes = read_input(file).await?;
    let text = String::from_utf8(bytes).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    let mut lines = Vec::new();
    for (number, line) in
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'))
    {
        // All are understood before the first one runs.
        lines.push((
            number + 1,
            parse(context, line).map_err(|why| Failure::usage(format!("line {}: {why}", number + 1)))?,
        ));
    }
    let mut worst = OK;
    for (number, cli) in lines {
        let code = match super::run_with(cli, context.output, context.clients).await {
            Ok(code) => code,
            Err(mut failure) => {
                failure.message = format!("line {number}: {}", failure.message);
                if !keep_going {
                    return Err(failure);
                }
                context.output.failure(&failure);
                failure.code
            }
        };
        if code != OK && !keep_going {
            return Ok(code);
        }
        worst = worst.max(code);
    }
    Ok(worst)
}

/// A line as a command, with the options of the command that runs the file where it has none of its own.
fn parse(context: &Context<'_>, line: &str) -> Result<Cli, String> {
    let words = shlex::split(line).ok_or("a quote is not closed")?;
    let words = std::iter::once("mgraph-cache".to_owned()).chain(words);
    let mut cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    if !cli.command.can_be_in_file() {
        return Err("cannot be run from a file".to_owned());
    }
    let (own, outer) = (&mut cli.global, context.global);
    own.url = own.url.take().or_else(|| outer.url.clone());
    own.profile = own.profile.take().or_else(|| outer.profile.clone());
    own.key_file = own.key_file.take().or_else(|| outer.key_file.clone());
    own.namespace = own.namespace.take().or_else(|| outer.namespace.clone());
    Ok(cli)
}

/// Prints the completions of a shell.
pub fn completions(context: &Context<'_>, shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mgraph-cache", &mut script);
    if shell == Shell::Bash {
        script.extend_from_slice(BASH_NAMESPACES);
    }
    context.output.raw(&script)?;
    Ok(OK)
}

/// Prints the manual page, or writes all of them into a folder.
pub fn man(context: &Context<'_>, out: Option<&Path>) -> Result<u8, Failure> {
    if let Some(folder) = out {
        let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
        return Ok(OK);
    }
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
    rendered.map_err(|error| Failure::failed(error.to_string()))?;
    context.output.raw(&page)?;
    Ok(OK)
}

//! `login`, `logout`, `whoami`, `doctor`.

use std::io::IsTerminal;

use cache_client::{Check, Client, Permissions};
use serde_json::json;

use super::describe::to_json;
use super::describe_key;
use crate::args::Login;
use crate::context::Context;
use crate::failure::{FAILED, Failure, NOT_PERMITTED, OK, TEMPORARY};
use crate::profile::{self, Profile};
use crate::project::Project;

/// Saves a URL and a key as a profile, once the service takes them.
pub async fn login(context: &Context<'_>, login: Login) -> Result<u8, Failure> {
    let environment = cache_client::Config::from_env()?;
    let url = login.service.clone().or(context.global.url.clone()).or(environment.url);
    let url = url.ok_or_else(|| {
        Failure::usage("no URL is named").hint(format!("such as `mgraph-cache login {}`", profile::LOCAL_URL))
    })?;
    let mut saved = Profile {
        url,
        namespace: context.global.namespace.clone(),
        key_name: login.key_name.clone(),
        ..Profile::default()
    };
    match (&login.key_command, &login.key_env, &context.global.key_file) {
        (Some(command), _, _) => saved.key_command = Some(command.clone()),
        (None, Some(name), _) => saved.key_env = Some(name.clone()),
        (None, None, Some(path)) if path.as_os_str() != "-" => {
            let absolute = std::path::absolute(path).map_err(|error| Failure::failed(error.to_string()))?;
            saved.key_file = Some(absolute);
        }
        _ if login.no_key => {}
        _ => saved.key = Some(key_from_stdin()?),
    }
    let check = client_of(&saved)?.check().await;
    if !check.is_ok() && !login.force {
        let code = code_of(&check);
        let problem = check.problem.unwrap_or_else(|| "the service does not take the key".to_owned());
        return Err(Failure { code, ..Failure::failed(problem) }.hint("nothing was saved; --force saves it as it is"));
    }
    let mut profiles = profile::read()?;
    let name = profile::name(context.global, &profiles);
    profiles.default.get_or_insert_with(|| name.clone());
    profiles.profiles.insert(name.clone(), saved.clone());
    let path = profile::write(&profiles)?;
    context.output.result(
        &json!({"profile": name, "url": saved.url, "path": path}),
        &format!("saved as profile '{name}' in {}", path.display()),
    )?;
    Ok(OK)
}

/// Asks for the key on a terminal, which does not show it; else it is on stdin.
fn key_from_stdin() -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return profile::read_stdin_key();
    }
    let key = rpassword::prompt_password("API key: ").map_err(|error| Failure::failed(format!("stdin: {error}")))?;
    match key.trim() {
        "" => Err(Failure::usage("no key was typed").hint("--no-key is for a service that needs none")),
        key => Ok(key.to_owned()),
    }
}

fn client_of(saved: &Profile) -> Result<Client, Failure> {
    let config = cache_client::Config {
        url: Some(saved.url.clone()),
        key: saved.key()?,
        key_name: saved.key_name.clone(),
        namespace: saved.namespace.clone(),
    };
    Ok(config.builder()?.build()?)
}

/// Removes a profile.
pub fn logout(context: &Context<'_>) -> Result<u8, Failure> {
    let mut profiles = profile::read()?;
    let name = profile::name(context.global, &profiles);
    profiles.profiles.remove(&name).ok_or_else(|| Failure::not_found(format!("profile '{name}'")))?;
    if profiles.default.as_deref() == Some(name.as_str()) {
        profiles.default = None;
    }
    profile::write(&profiles)?;
    context.output.result(&json!({"profile": name, "removed": true}), &format!("removed profile '{name}'"))?;
    Ok(OK)
}

/// Shows which service and key are used, and whether they work.
pub async fn whoami(context: &Context<'_>) -> Result<u8, Failure> {
    let check = context.client()?.check().await;
    let permissions = match check.permissions {
        Some(Permissions::All) => "everything is permitted".to_owned(),
        Some(Permissions::Granted) => check.caller.as_ref().map(describe_key::caller).unwrap_or_default(),
        Some(Permissions::None) => "nothing is permitted".to_owned(),
        None => "what is permitted is not known".to_owned(),
    };
    context.output.result(&check, &format!("{}: {permissions}", check.url))?;
    if check.caller.as_ref().is_some_and(|caller| caller.read_only) {
        context.output.note("this service only reads");
    }
    finish(context, &check)
}

/// Looks for what is wrong.
pub async fn doctor(context: &Context<'_>) -> Result<u8, Failure> {
    let path = profile::path()?;
    let profiles = profile::read()?;
    context.output.note(&format!("profiles: {} in {}", profiles.profiles.len(), path.display()));
    if let Some(problem) = readable_by_others(&path) {
        context.output.note(&format!("warning: {problem}"));
    }
    if let Some(path) = Project::used(context.global)?.path {
        context.output.note(&format!("project: {}", path.display()));
    }
    let client = context.client()?;
    let check = client.check().await;
    let yes = |known: Option<bool>| known.map_or("not known", |known| if known { "yes" } else { "no" });
    let latency = check.latency.map(|latency| format!("{:.1} ms", latency.as_secs_f64() * 1000.0));
    let lines = [
        format!("url: {}", check.url),
        format!("reachable: {}", yes(Some(check.reachable))),
        format!("latency: {}", latency.unwrap_or_else(|| "not known".to_owned())),
        format!("version: {}", check.version.as_deref().unwrap_or("not known")),
        format!("key found: {}", yes(Some(check.key_found))),
        format!("key required: {}", yes(check.key_required)),
        format!("key valid: {}", yes(check.key_valid)),
    ];
    context.output.result(&to_json(&check)?, &lines.join("\n"))?;
    finish(context, &check)
}

fn finish(context: &Context<'_>, check: &Check) -> Result<u8, Failure> {
    if check.is_ok() {
        return Ok(OK);
    }
    if let Some(problem) = &check.problem {
        context.output.note(&format!("problem: {problem}"));
    }
    if !check.reachable && check.is_temporary {
        context.output.note("hint: `mgraph-cache serve` starts a service on this machine");
    }
    Ok(code_of(check))
}

/// A service that does not answer may do so later, unless the URL is wrong; one that does has another reason.
fn code_of(check: &Check) -> u8 {
    match (check.is_temporary, check.reachable) {
        (true, _) => TEMPORARY,
        (false, true) => NOT_PERMITTED,
        (false, false) => FAILED,
    }
}

#[cfg(unix)]
fn readable_by_others(path: &std::path::Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| format!("{} can be read by others: chmod 600 {}", path.display(), path.display()))
}

#[cfg(not(unix))]
fn readable_by_others(_: &std::path::Path) -> Option<String> {
    None
}

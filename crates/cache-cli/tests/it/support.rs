//! A server on loopback, a folder to work in, and the built command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use cache_client::testing::LocalServer;
use cache_core::storage::Storage;
use cache_storage::StorageConfig;
use cache_storage::memory::Memory;
use serde_json::Value;
use tempfile::TempDir;

/// A server, and a folder that is working folder, home and configuration in one.
pub struct World {
    pub server: LocalServer,
    pub folder: TempDir,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// With an open server.
    pub async fn new() -> Self {
        Self { server: LocalServer::start().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// With an open server over a storage.
    pub async fn over(storage: Arc<dyn Storage>) -> Self {
        Self { server: LocalServer::over(storage, &[]).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// With an open server that stores where `serve` does.
    pub async fn on_disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StorageConfig::LocalDisk { path: folder.path().join(".mgraph-cache") };
        let storage = cache_storage::open(&config).await.unwrap();
        Self { server: LocalServer::over(storage, &[]).unwrap(), folder }
    }

    /// With a server that asks for a key.
    pub async fn with_key(key: &str) -> Self {
        let settings = [("FAST_API__AUTH__API_KEY__NAME", "x-api-key"), ("FAST_API__AUTH__API_KEY__VALUE", key)];
        let server = LocalServer::over(Arc::new(Memory::default()), &settings).unwrap();
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A command with URL and namespace from the environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(self.folder.path(), arguments);
        command.env("MGRAPH_CACHE_URL", self.server.url()).env("MGRAPH_CACHE_NAMESPACE", "demo");
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments)).await
    }

    /// Runs a command that has to succeed, and returns what it printed.
    pub async fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.stdout.trim_end().to_owned()
    }

    /// The same with `--json`: an object for each line.
    pub async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let printed = self.ok(&[arguments, &["--json"]].concat()).await;
        printed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Runs a command that has to fail with this exit code, and returns what it said.
    pub async fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        ran.stderr
    }
}

/// A command without any configuration.
pub fn bare(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mgraph-cache"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("HOME", folder).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Runs a command to its end, while the server in this process goes on.
pub async fn finish(mut command: Command) -> Ran {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    ran(&output)
}

/// Runs a command that reads this from stdin.
pub async fn finish_with(mut command: Command, stdin: impl Into<Vec<u8>>) -> Ran {
    let stdin = stdin.into();
    let run = move || {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &stdin).unwrap();
        child.wait_with_output().unwrap()
    };
    ran(&tokio::task::spawn_blocking(run).await.unwrap())
}

fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// SIGINT to one process, by its id.
pub fn interrupt(pid: u32) {
    assert!(Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap().success());
}

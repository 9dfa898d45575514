//! A running service: the built binary on a free loopback port, gone when dropped.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use cache_testing::faulty_proxy::FaultyProxy;
use cache_testing::s3_server::S3Server;
use tempfile::TempDir;

use super::http::{API_KEY, Client, Request};
use super::say;

/// Longer than any start takes, even on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(30);

/// Where the service keeps its bytes.
#[derive(Clone, Debug)]
pub enum Mode {
    Memory,
    /// In a folder that lives as long as the server.
    Disk,
    /// In a SQLite file that lives as long as the server.
    Sqlite,
    /// In a ZIP archive that lives as long as the server.
    Zip,
    /// In a bucket of an S3 look-alike, which these variables lead to.
    S3 {
        bucket: String,
        environment: [(&'static str, String); 4],
    },
}

impl Mode {
    /// SQLite, if all backends are asked for.
    pub fn sqlite() -> Option<Self> {
        all_backends().then_some(Self::Sqlite)
    }

    /// ZIP, if all backends are asked for.
    pub fn zip() -> Option<Self> {
        all_backends().then_some(Self::Zip)
    }

    /// A fresh bucket of this name; `None`, and a line with the reason, if no S3 look-alike is set up.
    pub async fn s3(bucket: &str) -> Option<Self> {
        let server = S3Server::shared()?;
        Some(Self::S3 { bucket: server.bucket(bucket).await, environment: server.environment() })
    }

    /// The bucket of a server that speaks S3's protocol.
    pub fn s3_at(endpoint_url: &str) -> Self {
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint_url.to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        Self::S3 { bucket: "bucket".to_owned(), environment }
    }

    /// As [`Mode::s3`], with a bad network in between.
    pub async fn s3_behind_proxy(bucket: &str, seed: u64) -> Option<(Self, FaultyProxy)> {
        let Self::S3 { bucket, mut environment } = Self::s3(bucket).await? else { return None };
        let [(_, endpoint), ..] = &mut environment;
        let proxy = FaultyProxy::start(endpoint, seed).await;
        *endpoint = proxy.endpoint_url();
        Some((Self::S3 { bucket, environment }, proxy))
    }
}

/// A running service.
#[derive(Debug)]
pub struct Server {
    child: Child,
    authority: String,
    scratch: TempDir,
}

impl Server {
    /// Starts the service and waits until it answers; panics with its log when it does not.
    pub async fn start(mode: &Mode) -> Self {
        Self::start_with(mode, &[]).await
    }

    /// As [`start`](Self::start), with more settings.
    pub async fn start_with(mode: &Mode, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn(mode, settings);
        server.wait_until_it_answers().await;
        server
    }

    /// Starts a service that cannot use its storage. Returns its exit code and its log; panics if it keeps running.
    pub async fn refusal(mode: &Mode, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut server = Self::spawn(mode, settings);
        let deadline = Instant::now() + START_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = server.child.try_wait().unwrap() {
                return (status.code(), server.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the service still runs after {START_WITHIN:?}:\n{}", server.log());
    }

    /// As [`start_with`](Self::start_with), through a shell that runs `script`, in which `"$0"` is the binary: it has to
    /// `exec` it.
    pub async fn start_through(script: &str, mode: &Mode, settings: &[(&str, &str)]) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg(binary());
        let mut server = Self::spawn_by(shell, None, mode, settings);
        server.wait_until_it_answers().await;
        server
    }

    /// As [`start`](Self::start), with a pipe as its standard error.
    pub async fn start_piped(mode: &Mode) -> (Self, ChildStderr) {
        let mut server = Self::spawn_by(Command::new(binary()), Some(Stdio::piped()), mode, &[]);
        server.wait_until_it_answers().await;
        let pipe = server.child.stderr.take().unwrap();
        (server, pipe)
    }

    fn spawn(mode: &Mode, settings: &[(&str, &str)]) -> Self {
        Self::spawn_by(Command::new(binary()), None, mode, settings)
    }

    /// `stderr` is a file if it is not given.
    fn spawn_by(mut command: Command, stderr: Option<Stdio>, mode: &Mode, settings: &[(&str, &str)]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let authority = free_loopback_address();
        command.env_clear().envs(base_settings(&authority)).envs(mode_settings(mode, scratch.path()));
        // The shell of some tests looks for the programs of its script.
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(settings.iter().copied());
        let log = File::create(scratch.path().join("log")).unwrap();
        command.current_dir(scratch.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap());
        command.stderr(stderr.unwrap_or_else(|| log.into()));
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary().display()));
        Self { child, authority, scratch }
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success(), "kill: {status}");
    }

    /// How the process ended; `None` if it still runs after `within`.
    pub async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// A client of this server.
    pub fn client(&self) -> Client {
        Client::new(&self.authority)
    }

    /// As in `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// As in `127.0.0.1:40123`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The folder in which a server with [`Mode::Disk`] keeps its bytes.
    pub fn disk(&self) -> PathBuf {
        self.scratch.path().join("disk")
    }

    async fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + START_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the service ended while starting ({status}):\n{}", self.log());
            }
            match self.client().try_send(Request::get("/info/health")).await {
                Ok(reply) if reply.status == 200 => return,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("the service did not answer within {START_WITHIN:?}:\n{}", self.log());
    }

    /// The log of the service so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }
}

impl Server {
    /// The log as soon as it is like that: it is written a moment after the response.
    pub async fn log_when(&self, is_there: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let log = self.log();
            if is_there(&log) {
                return log;
            }
            assert!(Instant::now() < deadline, "what should be in the log is not in it:\n{log}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether every backend is tested, as CI does, or only memory and disk.
fn all_backends() -> bool {
    static ALL: LazyLock<bool> = LazyLock::new(|| {
        let all = std::env::var("MGRAPH_TEST_BACKENDS").is_ok_and(|backends| backends == "all");
        if !all {
            say("not run: the service tests on SQLite and ZIP, which MGRAPH_TEST_BACKENDS=all adds");
        }
        all
    });
    *ALL
}

/// An address that was free a moment ago. The service does not report which port it took if port 0 is configured.
fn free_loopback_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn base_settings(authority: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CACHE__SERVICE__LISTEN", authority.to_owned()),
        ("FAST_API__AUTH__API_KEY__NAME", API_KEY.0.to_owned()),
        ("FAST_API__AUTH__API_KEY__VALUE", API_KEY.1.to_owned()),
        ("CACHE__SERVICE__TEST_ROUTES", "true".to_owned()),
    ]
}

fn mode_settings(mode: &Mode, scratch: &Path) -> Vec<(&'static str, String)> {
    const MODE: &str = "CACHE__SERVICE__STORAGE_MODE";
    match mode {
        Mode::Memory => vec![(MODE, "memory".to_owned())],
        Mode::Disk => vec![
            (MODE, "local_disk".to_owned()),
            ("CACHE__SERVICE__LOCAL_DISK_PATH", scratch.join("disk").display().to_string()),
        ],
        Mode::Sqlite => vec![
            (MODE, "sqlite".to_owned()),
            ("CACHE__SERVICE__SQLITE_PATH", scratch.join("cache.sqlite").display().to_string()),
        ],
        Mode::Zip => {
            vec![
                (MODE, "zip".to_owned()),
                ("CACHE__SERVICE__ZIP_PATH", scratch.join("cache.zip").display().to_string()),
            ]
        }
        Mode::S3 { bucket, environment } => {
            // An engine on a busy machine may need longer than the default to read a whole bucket.
            let timeout = ("CACHE__SERVICE__REQUEST_TIMEOUT_SECONDS", "120".to_owned());
            let own = [(MODE, "s3".to_owned()), ("CACHE__SERVICE__BUCKET_NAME", bucket.clone()), timeout];
            own.into_iter().chain(environment.iter().cloned()).collect()
        }
    }
}

/// The binary under test: the one that `MGRAPH_SERVER_BIN` names, else a fresh build of this workspace.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("MGRAPH_SERVER_BIN").map_or_else(build, PathBuf::from))
}

/// Builds the binary in the target folder of the test executable (`target/{profile}/deps/it-…`). Cargo does not: it
/// builds a dependency's library, never its binaries.
fn build() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let profile_folder = executable.ancestors().nth(2).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "cache-lambda", "--bin", "cache-lambda", "--features", "embedded"]);
    command.arg("--target-dir").arg(profile_folder.parent().unwrap());
    if profile_folder.ends_with("release") {
        command.arg("--release");
    }
    // Cargo's variables about this package would invalidate build scripts, and half of the workspace would be rebuilt.
    let about_this_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(about_this_package)) {
        command.env_remove(name);
    }
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
    assert!(status.success(), "cache-lambda does not build: {status}");
    profile_folder.join("cache-lambda")
}

//! A server starts only on a storage that it can use; otherwise it names what is missing.

use cache_testing::fake_s3::{FakeS3, Quirks};

use crate::support::{Mode, Request, Server};

/// Expects that no server starts in this mode, and this reason.
async fn assert_refused(mode: &Mode, settings: &[(&str, &str)], reason: &str) {
    let (code, log) = Server::refusal(mode, settings).await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains(reason), "{log}");
}

#[tokio::test]
async fn an_s3_that_ignores_preconditions_is_refused() {
    let fake = FakeS3::start(Quirks { ignores_if_match: true, ..Quirks::default() }).await;
    let reason = "If-Match of a PUT is ignored, so concurrent changes are lost";
    assert_refused(&Mode::s3_at(&fake.endpoint_url()), &[], reason).await;
    assert_eq!(fake.paths(), [""; 0], "the probe leaves nothing behind");
}

#[tokio::test]
async fn an_s3_that_compares_etags_without_quotes_is_used() {
    let fake = FakeS3::start(Quirks { compares_unquoted: true, ..Quirks::default() }).await;
    let server = Server::start(&Mode::s3_at(&fake.endpoint_url())).await;
    for version in ["1", "2"] {
        let reply = server.client().send(Request::post("/ns/direct/store/string").text("hello")).await;
        assert_eq!(reply.json()["version"].to_string(), version, "{}", reply.text());
    }
}

#[tokio::test]
async fn a_second_server_on_one_archive_is_refused_by_the_process_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.zip").display().to_string();
    let settings = [("CACHE__SERVICE__ZIP_PATH", path.as_str())];
    let first = Server::start_with(&Mode::Zip, &settings).await;
    let reason = format!("the archive is in use by process {}", first.process_id());
    assert_refused(&Mode::Zip, &settings, &reason).await;
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "notes of mine").unwrap();
    let path = file.path().display().to_string();
    assert_refused(&Mode::Sqlite, &[("CACHE__SERVICE__SQLITE_PATH", &path)], "not a SQLite database").await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused_with_advice() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    let advice = "set CACHE__SERVICE__LOCAL_DISK_PATH to a folder that can be written to";
    assert_refused(&Mode::Disk, &[("CACHE__SERVICE__LOCAL_DISK_PATH", &path)], advice).await;
}

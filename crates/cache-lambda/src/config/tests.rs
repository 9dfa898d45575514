use cache_storage::s3::S3Config;

use super::settings::{BUCKET_NAME, CORS_ORIGINS, SQLITE_PATH, STORAGE_MODE, ZIP_MAX_BYTES, ZIP_PATH};
use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Config::read(&lookup)
}

/// The one error that these variables make.
#[track_caller]
fn check(variables: &[(&str, &str)], expected: &str) {
    let errors = read(variables).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    assert!(errors.to_string().contains(expected), "{errors}");
}

#[test]
fn nothing_set_is_an_open_server_for_this_machine_on_disk() {
    let config = read(&[]).unwrap();
    assert_eq!(config.storage, StorageConfig::LocalDisk { path: "./.mgraph-cache".into() });
    assert_eq!((config.auth, config.listen.to_string()), (Auth::Disabled, "127.0.0.1:10017".to_owned()));
    assert_eq!((config.ttl_hours, config.max_body_bytes), (24, 64 * 1024 * 1024));
}

#[test]
fn a_bucket_name_or_lambda_means_s3() {
    let s3 = |warm_up| StorageConfig::S3(S3Config { warm_up, ..S3Config::new("b") });
    assert_eq!(read(&[(BUCKET_NAME.name, "b")]).unwrap().storage, s3(false));
    assert_eq!(read(&[(BUCKET_NAME.name, "b"), (RUNTIME_API, "x")]).unwrap().storage, s3(true));
    check(&[(RUNTIME_API, "x")], "CACHE__SERVICE__BUCKET_NAME: is not set");
    check(&[(STORAGE_MODE.name, "s3")], "CACHE__SERVICE__BUCKET_NAME: is not set");
}

#[test]
fn a_mode_wins_over_a_bucket_name() {
    assert_eq!(read(&[(BUCKET_NAME.name, "b"), (STORAGE_MODE.name, "memory")]).unwrap().storage, StorageConfig::Memory);
}

#[test]
fn an_unknown_mode_is_an_error() {
    check(&[(STORAGE_MODE.name, "S4")], "use s3, local_disk, sqlite, zip or memory");
}

#[test]
fn sqlite_and_zip_have_a_file_each() {
    let mode = |mode, more: &[(&str, &str)]| read(&[&[(STORAGE_MODE.name, mode)], more].concat()).unwrap().storage;
    assert_eq!(mode("sqlite", &[]), StorageConfig::Sqlite { path: "./.mgraph-cache.sqlite".into() });
    assert_eq!(mode("sqlite", &[(SQLITE_PATH.name, ":memory:")]), StorageConfig::Sqlite { path: ":memory:".into() });
    let zip = |path: &str, max_bytes| StorageConfig::Zip { path: path.into(), max_bytes };
    assert_eq!(mode("zip", &[]), zip("./.mgraph-cache.zip", 1 << 30));
    assert_eq!(mode("zip", &[(ZIP_PATH.name, "a.zip"), (ZIP_MAX_BYTES.name, "1000")]), zip("a.zip", 1_000));
    check(&[(STORAGE_MODE.name, "zip"), (ZIP_MAX_BYTES.name, "1G")], "a number of bytes such as 1073741824");
}

#[test]
fn a_value_that_does_not_parse_is_an_error() {
    check(
        &[(TTL_HOURS.name, "a day")],
        "CACHE__SERVICE__DEFAULT_TTL_HOURS: 'a day' is not usable: give a number of hours",
    );
    check(&[(STRICT_NAMES.name, "maybe")], "give true or false");
    check(&[(LISTEN.name, "10017")], "127.0.0.1:10017");
}

#[test]
fn contents_are_cached_in_memory_by_default() {
    let kept = |variables: &[(&str, &str)]| read(variables).unwrap().object_cache_bytes;
    assert_eq!(kept(&[]), 64 * 1024 * 1024);
    assert_eq!(kept(&[(BUCKET_NAME.name, "b")]), 64 * 1024 * 1024);
    for (mib, expected) in [("128", 16 << 20), ("512", 64 << 20), ("10240", 64 << 20), ("?", 64 << 20)] {
        let function = [(BUCKET_NAME.name, "b"), (RUNTIME_API, "x"), (FUNCTION_MEMORY, mib)];
        assert_eq!(kept(&function), expected, "{mib}");
    }
    assert_eq!(kept(&[(FUNCTION_MEMORY, "128")]), 64 << 20, "not in Lambda");
    assert_eq!(kept(&[(OBJECT_CACHE_BYTES.name, "1000")]), 1000);
    assert_eq!(kept(&[(OBJECT_CACHE_BYTES.name, "0")]), 0);
    check(&[(OBJECT_CACHE_BYTES.name, "64M")], "or 0 for none");
}

#[test]
fn all_errors_come_at_once() {
    let errors = read(&[(TTL_HOURS.name, "x"), (MAX_BODY_BYTES.name, "-1"), (API_KEY_VALUE.name, "v")]).unwrap_err();
    assert_eq!(errors.0.len(), 3, "{errors}");
}

#[test]
fn without_a_key_only_this_machine_is_served() {
    check(&[(LISTEN.name, "0.0.0.0:80")], "no API key is configured");
    assert!(read(&[(LISTEN.name, "localhost:80")]).is_ok());
    assert!(read(&[(LISTEN.name, "[::1]:80")]).is_ok());
    assert!(read(&[(LISTEN.name, "0.0.0.0:80"), (API_KEY_NAME.name, "x-key"), (API_KEY_VALUE.name, "v")]).is_ok());
}

#[test]
fn half_a_key_is_an_error_on_a_server_and_closes_a_function() {
    check(&[(API_KEY_NAME.name, "x-key")], "FAST_API__AUTH__API_KEY__VALUE: is not set");
    let lambda = [(RUNTIME_API, "x"), (BUCKET_NAME.name, "b")];
    let closed = |variables: &[(&str, &str)]| match read(variables).unwrap().auth {
        Auth::DenyAll { reason } => reason,
        auth => panic!("{auth:?}"),
    };
    assert_eq!(closed(&lambda), "Server does not have API key name setup");
    assert_eq!(
        closed(&[&lambda[..], &[(API_KEY_NAME.name, "k")]].concat()),
        "Server does not have API key value setup"
    );
}

#[test]
fn without_a_key_only_pages_of_this_machine_may_call() {
    let origins = read(&[]).unwrap().origins;
    for (origin, allowed) in [
        ("http://localhost:8080", true),
        ("https://127.0.0.1", true),
        ("http://[::1]:3000", true),
        ("http://localhost.evil.example", false),
        ("http://127.0.0.1.evil.example", false),
        ("https://page.example", false),
        ("null", false),
    ] {
        assert_eq!(origins.allow(origin), allowed, "{origin}");
    }
    assert_eq!(read(&[(API_KEY_NAME.name, "x"), (API_KEY_VALUE.name, "y")]).unwrap().origins, AllowedOrigins::Any);
}

#[test]
fn origins_are_written_as_browsers_do() {
    let listed = read(&[(CORS_ORIGINS.name, "https://a.example, http://b.example:81")]).unwrap().origins;
    assert!(listed.allow("https://a.example") && listed.allow("http://b.example:81"));
    assert!(!listed.allow("http://a.example") && !listed.allow("http://b.example"));
    assert_eq!(read(&[(CORS_ORIGINS.name, "*")]).unwrap().origins, AllowedOrigins::Any);
    check(
        &[(CORS_ORIGINS.name, "https://a.example/")],
        "CACHE__SERVICE__CORS_ORIGINS: 'https://a.example/' is not usable",
    );
}

#[test]
fn cloudwatch_metrics_are_optional_and_only_for_functions() {
    let lambda = [(RUNTIME_API, "x"), (BUCKET_NAME.name, "b"), (FUNCTION_NAME, "cache")];
    assert_eq!(read(&lambda).unwrap().cloudwatch.as_deref(), Some("cache"));
    assert_eq!(read(&[&lambda[..], &[(CLOUDWATCH_METRICS.name, "off")]].concat()).unwrap().cloudwatch, None);
    assert_eq!(read(&[]).unwrap().cloudwatch, None);
    check(&[(CLOUDWATCH_METRICS.name, "true")], "is for Lambda functions");
}

#[test]
fn a_function_logs_for_machines_and_a_server_for_people() {
    assert_eq!(read(&[(RUNTIME_API, "x"), (BUCKET_NAME.name, "b")]).unwrap().log_format, LogFormat::Json);
    assert_eq!(read(&[]).unwrap().log_format, LogFormat::Text);
    assert_eq!(read(&[(LOG_FORMAT.name, "json")]).unwrap().log_format, LogFormat::Json);
    check(&[(LOG_FORMAT.name, "xml")], "give text or json");
}

#[test]
fn a_blank_value_is_unset() {
    assert_eq!(read(&[(TTL_HOURS.name, " ")]).unwrap().ttl_hours, 24);
}

#[test]
fn the_key_is_not_in_the_debug_output() {
    let config = read(&[(API_KEY_NAME.name, "x-key"), (API_KEY_VALUE.name, "secret")]).unwrap();
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn the_default_of_every_setting_can_be_used() {
    assert!(read(&[]).is_ok());
    let all = settings::SETTINGS.iter().filter_map(|setting| match setting.default {
        settings::DefaultValue::Value(value) => Some((setting.name, value)),
        settings::DefaultValue::Unset | settings::DefaultValue::Rule(_) => None,
    });
    assert_eq!(read(&all.collect::<Vec<_>>()), read(&[]));
}

//! Values that have a form of their own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache_access::permission::NamespacePattern;
use cache_client::api::keys::Grant;
use cache_client::api::kinds::Permission;
use cache_client::{STRATEGIES, Strategy, parse_strategy, strategy_name};
use chrono::DateTime;

/// A strategy, as paths spell it.
pub fn strategy(name: &str) -> Result<Strategy, String> {
    parse_strategy(name).map_err(|_| format!("one of {}", STRATEGIES.map(|(it, _)| strategy_name(it)).join(", ")))
}

/// A number with a unit: s, m, h or d.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number with s, m, h or d is expected, such as 12h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(wrong)
}

/// The same, or 0 for none.
pub fn duration_or_none(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { duration(text) }
}

/// A time in milliseconds since 1970 UTC: how far from now, or in the form of RFC 3339.
pub fn time(text: &str) -> Result<u64, String> {
    let wrong = || "a time from now such as 30d, or one such as 2030-01-31T00:00:00Z is expected".to_owned();
    let millis = match duration(text) {
        Ok(from_now) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
            now.saturating_add(from_now).as_millis().try_into().ok()
        }
        Err(_) => DateTime::parse_from_rfc3339(text).ok().and_then(|time| time.timestamp_millis().try_into().ok()),
    };
    millis.ok_or_else(wrong)
}

/// A number of requests per second.
pub fn per_second(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| "a number of requests per second is expected, such as 100/s".to_owned())
}

/// A number of bytes, or of KiB, MiB, GiB or TiB with K, M, G or T.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes, perhaps with K, M, G or T, is expected, such as 10G".to_owned();
    let units = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1_u64 << 40)];
    let unit = units.into_iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let number: Option<u64> = number.parse().ok();
    number.and_then(|number| number.checked_mul(unit)).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// Permissions on namespaces: `team-*,demo=read,write`.
pub fn grant(text: &str) -> Result<Grant, String> {
    let (namespaces, permissions) =
        text.split_once('=').ok_or("'NAMESPACE=PERMISSION,…' is expected, such as 'team-*=read,write'")?;
    let namespaces = namespaces.split(',').map(|name| match name.parse::<NamespacePattern>() {
        Ok(pattern) => Ok(pattern.to_string()),
        Err(error) => Err(format!("the namespace '{name}' {error}")),
    });
    let permissions = permissions.split(',').map(permission);
    Ok(Grant { namespaces: namespaces.collect::<Result<_, _>>()?, permissions: permissions.collect::<Result<_, _>>()? })
}

fn permission(name: &str) -> Result<Permission, String> {
    let named = Permission::ALL.into_iter().find(|permission| permission.name() == name);
    named.ok_or_else(|| {
        format!("there is no permission '{name}', only {}", Permission::ALL.map(Permission::name).join(", "))
    })
}

/// The name of a permission in JSON.
pub fn permission_name(permission: Permission) -> &'static str {
    permission.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        for wrong in ["", "5", "s", "0s", "-1s", "1w", "1ä", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_from_now_or_in_the_form_of_rfc_3339() {
        let now = || u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let before = now() + 86_400_000;
        let tomorrow = time("1d").unwrap();
        assert!(before <= tomorrow && tomorrow <= now() + 86_400_000);
        assert_eq!(time("1970-01-01T01:00:01+01:00"), Ok(1000));
        for wrong in ["", "1", "tomorrow", "2030-01-31", "1969-12-31T23:59:59Z", "9999999999999999d"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_per_second_and_a_size_has_binary_units() {
        assert_eq!((per_second("100/s"), bytes("512"), bytes("10G")), (Ok(100), Ok(512), Ok(10_737_418_240)));
        for wrong in ["", "100", "0/s", "1/m", "-1/s", "5000000000/s"] {
            assert!(per_second(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "0", "G", "1.5G", "1g", "10GB", "99999999999T"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_grant_names_namespaces_and_permissions_or_says_what_is_wrong() {
        let expected = Grant {
            namespaces: vec!["team-*".to_owned(), "demo".to_owned()],
            permissions: vec![Permission::Read, Permission::Manage],
        };
        assert_eq!(grant("team-*,demo=read,manage"), Ok(expected));
        for (wrong, said) in [
            ("demo", "'NAMESPACE=PERMISSION,…' is expected"),
            ("demo=", "no permission ''"),
            ("demo=fly", "no permission 'fly', only read, create, write, delete, manage"),
            ("demo=read,", "no permission ''"),
            ("=read", "the namespace '' must be"),
            ("a b=read", "the namespace 'a b' must be"),
            ("te*m=read", "the namespace 'te*m' must be"),
        ] {
            let error = grant(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}

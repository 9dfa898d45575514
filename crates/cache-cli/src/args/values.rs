//! Values that have a form of their own.

use std::time::Duration;

use cache_client::{STRATEGIES, Strategy, parse_strategy, strategy_name};

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
}

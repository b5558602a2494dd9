//! Moments, as people name them.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// A moment: a time of RFC 3339, a date (its beginning, in UTC), or how long before `now` it was.
///
/// # Errors
/// When it is none of these.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    // What else a date may be followed by would be passed over.
    if text.len() == "2026-11-21".len()
        && let Ok(date) = text.parse::<Date>()
        && let Ok(begin) = date.to_zoned(TimeZone::UTC)
    {
        return Ok(begin.timestamp());
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
        return Ok(now.saturating_sub(ago).unwrap_or(Timestamp::MIN));
    }
    Err("a time is one of RFC 3339 such as 2026-11-21T10:00:00Z, a date such as 2026-11-21, or how long \
         ago, such as 2h or 90m"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_three_forms() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"),
            ("2026-11-20T12:00:00.123+02:00", "2026-11-20T10:00:00.123Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2h", "2026-11-21T08:00:00Z"),
            ("1d 30m", "2026-11-20T09:30:00Z"),
            ("0s", "2026-11-21T10:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap(), expected.parse().unwrap(), "{text}");
        }
        assert_eq!(moment("100000000y", now).unwrap(), Timestamp::MIN);
        for bad in ["", "soon", "10:00", "2026-11-21 10:00", "2026-13-01", "-2h", "7"] {
            assert!(moment(bad, now).is_err(), "{bad}");
        }
    }
}

//! A time of day: `06:00-22:00Z`, `22:00-06:00+02:00` over midnight.

const DAY: u32 = 24 * 60;

/// A span of the day in a fixed zone; the end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes after midnight in the zone.
    from: u32,
    until: u32,
    /// Minutes that the zone is ahead of UTC.
    ahead: i32,
}

impl Hours {
    /// Reads `HH:MM-HH:MM` and a zone, `Z` or `+HH:MM`; without a zone it would mean another time on another machine.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (span, ahead) = zone(text)?;
        let (from, until) = span.split_once('-').ok_or("expected two times, such as 06:00-22:00Z")?;
        let (from, until) = (minutes(from)?, minutes(until)?);
        if from == until {
            return Err("both times are the same, which is never or always".to_owned());
        }
        Ok(Self { from, until: if until == DAY { DAY } else { until }, ahead })
    }

    /// Returns whether a time lies in the span.
    pub fn contains(&self, millis: u64) -> bool {
        let minute = (millis / 60_000) as i64 + i64::from(self.ahead);
        let minute = minute.rem_euclid(i64::from(DAY)) as u32;
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

fn zone(text: &str) -> Result<(&str, i32), String> {
    if let Some(span) = text.strip_suffix('Z') {
        return Ok((span, 0));
    }
    // Three `:` and a sign: the zone is the last six characters.
    let at = text.len().checked_sub(6).filter(|&at| text.is_char_boundary(at) && text.matches(':').count() == 3);
    let (span, zone) = at.map(|at| text.split_at(at)).ok_or("the zone is missing: end it with Z or +01:00")?;
    let sign = match zone.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return Err("the zone is missing: end it with Z or +01:00".to_owned()),
    };
    let ahead = minutes(&zone[1..])?;
    if ahead > 14 * 60 {
        return Err("no zone is so far from UTC".to_owned());
    }
    Ok((span, sign * ahead as i32))
}

fn minutes(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is not a time such as 06:00");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |part: &str| match part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) {
        true => part.parse::<u32>().map_err(|_| wrong()),
        false => Err(wrong()),
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let total = hours * 60 + minutes;
    if minutes > 59 || total > DAY { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_may_wrap_over_midnight_and_has_a_zone() {
        let at = |hour: u64, minute: u64| (400 * 24 * 60 + hour * 60 + minute) * 60_000;
        let day = Hours::parse("06:00-22:00Z").unwrap();
        assert!(
            day.contains(at(6, 0)) && day.contains(at(21, 59)) && !day.contains(at(22, 0)) && !day.contains(at(5, 59))
        );
        let night = Hours::parse("22:00-06:00+02:00").unwrap();
        assert!(
            night.contains(at(20, 0))
                && night.contains(at(3, 59))
                && !night.contains(at(4, 0))
                && !night.contains(at(19, 59))
        );
        let west = Hours::parse("00:00-24:00-05:30").unwrap();
        assert!((0..24).all(|hour| west.contains(at(hour, 30))));
        assert!(Hours::parse("23:00-01:00-05:30").unwrap().contains(at(5, 0)));
        assert!(Hours::parse("10:00-11:00+14:00").unwrap().contains(1_000 * 60 * (20 * 60 + 30)));
        for wrong in [
            "",
            "06:00",
            "6:00-22:00Z",
            "06:00-22:00",
            "06:00-06:00Z",
            "06:60-22:00Z",
            "25:00-01:00Z",
            "06:00-22:00+99:00",
            "06:00-22:00 UT",
            "06:00-22:00Ã01:00",
            "aa:bb-cc:ddZ",
        ] {
            assert!(Hours::parse(wrong).is_err(), "{wrong}");
        }
    }
}

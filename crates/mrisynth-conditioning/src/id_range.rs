//! Label ids, one or a range of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The label ids from `first` to `last`, both included.
///
/// Written as a number (`17`) or as a text of two (`"1000-1035"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct IdRange {
    /// The lowest id.
    pub first: i32,
    /// The highest id, at least `first`.
    pub last: i32,
}

impl IdRange {
    /// True for an id of the range.
    #[must_use]
    pub fn contains(self, id: i32) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

impl From<i32> for IdRange {
    fn from(id: i32) -> Self {
        Self { first: id, last: id }
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a label id or a range such as \"1000-1035\"")]
enum Written {
    One(i32),
    Range(String),
}

impl TryFrom<Written> for IdRange {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::One(id) => return Ok(id.into()),
            Written::Range(text) => text,
        };
        // A minus sign may begin the first number; the dash comes after at least one digit.
        let dash = text.char_indices().skip(1).find(|&(_, c)| c == '-').map(|(at, _)| at);
        let ends = dash.and_then(|at| {
            let number = |text: &str| text.trim().parse::<i32>().ok();
            Some((number(&text[..at])?, number(&text[at + 1..])?))
        });
        match ends {
            Some((first, last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!("{text:?} is no range of ids, expected one such as \"1000-1035\"")),
        }
    }
}

impl From<IdRange> for Written {
    fn from(range: IdRange) -> Self {
        if range.first == range.last {
            Self::One(range.first)
        } else {
            Self::Range(range.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<IdRange>, String> {
        #[derive(Deserialize)]
        struct Ids {
            ids: Vec<IdRange>,
        }
        toml::from_str::<Ids>(&format!("ids = {text}")).map(|i| i.ids).map_err(|e| e.to_string())
    }

    #[test]
    fn numbers_and_ranges_are_read_and_written_alike() {
        let ids = parsed("[3, \"1000-1035\", \"-7--5\", \"8-8\"]").unwrap();
        let ends: Vec<_> = ids.iter().map(|range| (range.first, range.last)).collect();
        assert_eq!(ends, [(3, 3), (1000, 1035), (-7, -5), (8, 8)]);
        let written = serde_json::to_string(&ids).unwrap();
        assert_eq!(written, r#"[3,"1000-1035","-7--5",8]"#);
        assert_eq!(serde_json::from_str::<Vec<IdRange>>(&written).unwrap(), ids);
        assert!(ids[1].contains(1035) && !ids[1].contains(1036));
    }

    #[test]
    fn what_is_no_range_is_quoted() {
        for wrong in ["5-3", "a-b", "5", "-", "", "1-2-3", "é-5"] {
            let message = parsed(&format!("[{wrong:?}]")).unwrap_err();
            assert!(message.contains("is no range of ids"), "{wrong}: {message}");
        }
        assert!(parsed("[1.5]").unwrap_err().contains("a label id or a range"));
    }
}

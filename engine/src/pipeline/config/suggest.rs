//! "Did you mean ...?"

/// Returns the candidate that `word` was most likely meant to be, if one is close enough.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    // A very long word is near to nothing; comparing it would take quadratic time.
    if lower.is_empty() || lower.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&lower, &other);
            let longest = lower.chars().count().max(other.chars().count());
            let limit = (longest / 3).max(1);
            let plural =
                lower.len() >= 3 && other.len() >= 3 && (other.starts_with(&lower) || lower.starts_with(&other));
            ((distance <= limit && distance < longest) || plural).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Joins words as in `a, b or c`.
pub(super) fn one_of<S: AsRef<str>>(words: &[S]) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", head.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("windw", ["name", "window", "when"]), Some("window"));
        assert_eq!(nearest("Parqet", ["parquet", "arrow"]), Some("parquet"));
        assert_eq!(nearest("sources", ["source", "sink"]), Some("source"));
        assert_eq!(nearest("zzz", ["to", "name"]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}

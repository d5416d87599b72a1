//! "Did you mean …?": the known word nearest to one that is not known.

/// The candidate that is most likely meant by `word`: the least Damerau-Levenshtein distance, at most
/// a third of the longer word's length (at least one edit). The first of several equals wins, so that
/// the answer does not depend on anything but the order given.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // A word much longer than any name is not a slip of the finger, and the distance is quadratic.
    if length == 0 || length > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = candidate.chars().count();
        let allowed = (length.max(other) / 3).max(1);
        // It is at least as far away as it is longer or shorter.
        if length.abs_diff(other) > allowed {
            continue;
        }
        let distance = strsim::damerau_levenshtein(&word, candidate);
        // One edit away from a word of one or two letters is every other such word.
        if distance > allowed || (distance > 0 && length < 3 && candidate.len() < 3) {
            continue;
        }
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let keys = ["unique", "optional", "on_delete", "max", "min", "to"];
        for (word, expected) in [
            ("uniqe", Some("unique")),
            ("unqiue", Some("unique")),
            ("Optional", Some("optional")),
            ("ondelete", Some("on_delete")),
            ("maxx", Some("max")),
            ("mx", Some("max")),
            ("mix", Some("max")),
            ("colour", None),
            ("xy", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
        assert_eq!(nearest(&"m".repeat(100_000), keys), None);
    }
}

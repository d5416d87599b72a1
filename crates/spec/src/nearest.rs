//! "Did you mean …?": the known word nearest to one that is not known.

/// The candidate that is most likely meant by `word`: the least Damerau-Levenshtein distance, at most
/// a third of the longer word's length (at least one edit). The first of several equals wins, so that
/// the answer does not depend on anything but the order given.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    best(candidates, |candidate| distance(word, candidate))
}

/// The `module.model` that is most likely meant: each of its two parts is near, or the whole word is near to the model
/// alone. Names of one module are alike by their beginning, which makes none of them a slip of another.
pub fn nearest_model<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    best(candidates, |candidate| {
        let (module, model) = candidate.split_once('.')?;
        match word.split_once('.') {
            Some((of, name)) => Some(distance(of, module)? + distance(name, model)?),
            None => distance(word, model),
        }
    })
}

/// The first of those with the least distance.
fn best<'a>(
    candidates: impl IntoIterator<Item = &'a str>,
    distance: impl Fn(&str) -> Option<usize>,
) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if let Some(distance) = distance(candidate)
            && best.is_none_or(|(least, _)| distance < least)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How far a word is from another one; none where it is no slip of it.
fn distance(word: &str, candidate: &str) -> Option<usize> {
    let length = word.chars().count();
    // A word much longer than any name is not a slip of the finger, and the distance is quadratic.
    if length == 0 || length > 64 {
        return None;
    }
    let other = candidate.chars().count();
    let allowed = (length.max(other) / 3).max(1);
    // It is at least as far away as it is longer or shorter.
    if length.abs_diff(other) > allowed {
        return None;
    }
    let distance = strsim::damerau_levenshtein(&word.to_lowercase(), candidate);
    // One edit away from a word of one or two letters is every other such word.
    let chance = distance > 0 && length < 3 && candidate.len() < 3;
    (distance <= allowed && !chance).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::{nearest, nearest_model};

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

    #[test]
    fn a_model_is_near_in_both_its_parts() {
        let models = ["freight.stops", "freight.bids", "parties.vehicles"];
        for (word, expected) in [
            ("freight.stop", Some("freight.stops")),
            ("frieght.bids", Some("freight.bids")),
            ("vehicle", Some("parties.vehicles")),
            ("freight.nope", None),
            ("freight.vehicles", None),
            ("freight", None),
            ("freight.", None),
        ] {
            assert_eq!(nearest_model(word, models), expected, "{word}");
        }
    }
}

//! The few statistics of the table.

/// The middle value, or the mean of the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// An interval that holds the median of what was sampled with at least 95% probability, whatever its
/// distribution: the k-th smallest and the k-th largest, with the largest k for which the binomial
/// distribution allows it. Fewer than six values have none.
pub fn interval_95(values: &[f64]) -> Option<(f64, f64)> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    // The probability that fewer than k of n lie below the median, on either side.
    let (mut outside, mut term, mut found) = (0.0, 0.5f64.powi(n as i32), 0);
    for k in 1..=n / 2 {
        outside += 2.0 * term;
        if outside > 0.05 {
            break;
        }
        found = k;
        term *= (n - k + 1) as f64 / k as f64;
    }
    (found > 0).then(|| (values[found - 1], values[n - found]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_follows_the_binomial_table() {
        let to = |n: i32| (1..=n).map(f64::from).collect::<Vec<_>>();
        assert_eq!(interval_95(&to(5)), None);
        assert_eq!(interval_95(&to(6)), Some((1.0, 6.0)));
        assert_eq!(interval_95(&to(8)), Some((1.0, 8.0)));
        assert_eq!(interval_95(&to(9)), Some((2.0, 8.0)));
        assert_eq!(interval_95(&to(20)), Some((6.0, 15.0)));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }
}

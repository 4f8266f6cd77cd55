//! Medians, and ratios within a round.

use super::run::{Case, Run};

/// Returns the median; `None` if there are no numbers.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(numbers[middle]),
        _ => Some(f64::midpoint(numbers[middle - 1], numbers[middle])),
    }
}

/// Returns the median of one figure over all runs of a case.
pub fn median_of(runs: &[Run], case: &Case, figure: impl Fn(&Run) -> Option<f64>) -> Option<f64> {
    median(of(runs, case).filter_map(figure))
}

/// Returns the median of the ratios of one figure of two cases, each within one round: a disturbance of the machine
/// affects both.
pub fn ratio_of(
    runs: &[Run],
    case: &Case,
    to: &Case,
    figure: impl Fn(&Run) -> Option<f64>,
) -> Option<f64> {
    median(of(runs, case).filter_map(|run| {
        let other = of(runs, to).find(|other| other.round == run.round)?;
        let (above, below) = (figure(run)?, figure(other)?);
        (below > 0.0).then(|| above / below)
    }))
}

fn of<'a>(runs: &'a [Run], case: &'a Case) -> impl Iterator<Item = &'a Run> {
    runs.iter().filter(move |run| run.case == *case)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::sample;

    fn cpu(run: &Run) -> Option<f64> {
        run.figures.server?.cpu_us_per_frame
    }

    #[test]
    fn a_median_is_the_middle_value() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_ratio_compares_runs_of_one_round() {
        let mut runs = Vec::new();
        // The machine is ten times slower in the second round; the ratio does not change.
        for (round, slower) in [(1, 1.0), (2, 10.0), (3, 1.0)] {
            runs.push(sample("writev", round, 10.0 * slower));
            runs.push(sample("relay-websocket", round, 15.0 * slower));
        }
        let (yardstick, relay) = (runs[0].case.clone(), runs[1].case.clone());
        let ratio = ratio_of(&runs, &relay, &yardstick, cpu);
        assert_eq!(ratio, Some(1.5));
        runs.retain(|run| run.case == relay);
        assert_eq!(ratio_of(&runs, &relay, &yardstick, cpu), None);
    }
}

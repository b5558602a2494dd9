//! What was measured, and what it comes to.

use std::collections::BTreeMap;

/// Figures by their names, which are their columns' and carry their units.
pub type Figures = BTreeMap<&'static str, f64>;

/// What one side did in one round.
#[derive(Debug, Clone)]
pub struct Run {
    /// The round, from 1.
    pub round: usize,
    /// The side's label.
    pub side: String,
    /// What was measured, or why the run is void.
    pub outcome: Result<Figures, String>,
}

/// Runs under the same conditions, of all sides in turn.
#[derive(Debug)]
pub struct Series {
    /// The conditions, in words.
    pub title: String,
    /// The labels of the sides, in the order of the table; the first is what the others are measured
    /// against.
    pub sides: Vec<String>,
    /// The columns, in order.
    pub columns: &'static [Column],
    /// All runs.
    pub runs: Vec<Run>,
}

/// A figure, and how it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name, with the unit.
    pub name: &'static str,
    /// How many digits there are after the point.
    pub digits: usize,
    /// Whether the table has the ratio to the first side beside it.
    pub ratio: bool,
    /// Whether the chart shows it.
    pub chart: bool,
}

impl Series {
    /// The median of a figure over the rounds; `None` where there is none.
    pub fn median(&self, side: &str, column: &str) -> Option<f64> {
        median(self.all(side, column))
    }

    /// The median of a figure's ratios to the first side's in the same round.
    pub fn ratio(&self, side: &str, column: &str) -> Option<f64> {
        let first: BTreeMap<usize, f64> = self.figures(self.sides.first()?, column).collect();
        let ratios = self.figures(side, column).filter_map(|(round, figure)| {
            let base = first.get(&round).filter(|base| **base > 0.0)?;
            Some(figure / base)
        });
        median(ratios.collect())
    }

    /// A figure in each of the rounds.
    pub fn all(&self, side: &str, column: &str) -> Vec<f64> {
        self.figures(side, column).map(|(_, figure)| figure).collect()
    }

    /// How many runs of a side there were.
    pub fn of(&self, side: &str) -> usize {
        self.runs.iter().filter(|run| run.side == side).count()
    }

    /// How many runs of a side are void.
    pub fn void(&self, side: &str) -> usize {
        self.runs.iter().filter(|run| run.side == side && run.outcome.is_err()).count()
    }

    fn figures<'s>(&'s self, side: &'s str, column: &'s str) -> impl Iterator<Item = (usize, f64)> + use<'s> {
        let of_side = self.runs.iter().filter(move |run| run.side == side);
        of_side.filter_map(move |run| Some((run.round, *run.outcome.as_ref().ok()?.get(column)?)))
    }
}

/// The median; the mean of the two in the middle where their number is even.
pub fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.len(), figures.len() % 2) {
        (0, _) => None,
        (_, 1) => Some(figures[middle]),
        (_, _) => Some((figures[middle - 1] + figures[middle]) / 2.0),
    }
}

/// The value that this share of the figures, in ascending order, is not above.
pub fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    // The nearest rank: an index of a list, so it is not negative and not too large.
    let rank = (share * sorted.len() as f64).ceil() as usize;
    Some(sorted[rank.saturating_sub(1).min(last)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.5), Some(50.0));
        assert_eq!(percentile(&hundred, 0.99), Some(99.0));
        assert_eq!(percentile(&[7.0], 0.99), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn a_ratio_is_of_one_round() {
        let run = |round, side: &str, rate| Run {
            round,
            side: side.to_owned(),
            outcome: Ok(Figures::from([("rate", rate)])),
        };
        let series = Series {
            title: String::new(),
            sides: vec!["raw".to_owned(), "program".to_owned()],
            columns: &[],
            runs: vec![
                run(1, "raw", 100.0),
                run(1, "program", 50.0),
                run(2, "raw", 10.0),
                run(2, "program", 4.0),
                run(3, "raw", 100.0),
                Run { round: 3, side: "program".to_owned(), outcome: Err("void".to_owned()) },
            ],
        };
        assert_eq!(series.ratio("program", "rate"), Some(0.45));
        assert_eq!(series.void("program"), 1);
    }
}

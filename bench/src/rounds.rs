//! Runs the sides in turn, round by round, each round beginning with another.

use anyhow::Result;

use crate::{
    results::{Column, Figures, Run, Series},
    side::Side,
};

/// A series: `measure` does one run of one side. What fails, or does not stand the audit, is void, and
/// the rest goes on.
pub fn in_turn(
    title: String,
    columns: &'static [Column],
    sides: &[Side],
    rounds: usize,
    mut measure: impl FnMut(&Side) -> Result<Figures>,
) -> Series {
    eprintln!("{title}");
    let mut series = Series {
        title,
        sides: sides.iter().map(|side| side.label.clone()).collect(),
        columns,
        runs: Vec::new(),
    };
    for round in 1..=rounds {
        for turn in 0..sides.len() {
            let side = &sides[(turn + round - 1) % sides.len()];
            let outcome = measure(side).map_err(|error| format!("{error:#}"));
            match &outcome {
                Ok(figures) => {
                    let shown: Vec<String> = columns
                        .iter()
                        .filter_map(|column| {
                            Some(format!("{} {:.*}", column.name, column.digits, figures.get(column.name)?))
                        })
                        .collect();
                    eprintln!("  round {round}, {}: {}", side.label, shown.join(", "));
                }
                Err(why) => eprintln!("  round {round}, {}: VOID: {why}", side.label),
            }
            series.runs.push(Run { round, side: side.label.clone(), outcome });
        }
    }
    series
}

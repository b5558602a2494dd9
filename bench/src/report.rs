//! Shows the results: a table, a JSON file, a chart.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};

use crate::{chart, machine, results::Series, side::Side, usage::Syncs};

/// The other way to build such services, and what is known of its speed.
const PEER: &str = "Kafka Streams (exactly_once_v2) is the peer; no figure of it was measured on this machine, and so \
                    none is given.";

/// Prints the tables and writes the files; fails when a run was void.
///
/// # Errors
/// When a file can't be written.
pub fn give(name: &str, sides: &[Side], series: &[Series]) -> Result<ExitCode> {
    for series in series {
        println!("{}\n{}\n", series.title, table(series));
    }
    for side in sides {
        println!("{}: {}", side.label, side.about());
    }
    println!("A ratio is the median of the rounds' ratios to the first line's figure in the same round.");
    if !Syncs::can_be_counted() {
        println!("fsync and fdatasync could not be counted here: it takes perf and the right to trace.");
    }
    println!("{PEER}");

    let folder = folder()?;
    let json = folder.join(format!("{name}.json"));
    fs::write(&json, format!("{:#}\n", as_json(sides, series))).with_context(|| cannot_write(&json))?;
    let svg = folder.join(format!("{name}.svg"));
    fs::write(&svg, chart::of(series)).with_context(|| cannot_write(&svg))?;
    println!("{}\n{}", json.display(), svg.display());

    let void = series.iter().flat_map(|series| &series.runs).filter(|run| run.outcome.is_err()).count();
    if void > 0 {
        println!("VOID: {void} runs did not stand the audit, or did not end; they count for nothing above.");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn cannot_write(path: &Path) -> String {
    format!("{} can't be written", path.display())
}

/// `target/bench`, beside what was built.
fn folder() -> Result<PathBuf> {
    let own = env::current_exe().context("this executable does not know where it is")?;
    let target = own.parent().and_then(Path::parent).context("this executable is not in a target folder")?;
    let folder = target.join("bench");
    fs::create_dir_all(&folder).with_context(|| cannot_write(&folder))?;
    Ok(folder)
}

fn table(series: &Series) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    let columns: Vec<_> = series
        .columns
        .iter()
        .filter(|column| series.sides.iter().any(|side| series.median(side, column.name).is_some()))
        .collect();
    let mut header = vec![String::new()];
    for column in &columns {
        header.push(column.name.to_owned());
        if column.ratio {
            header.push("ratio".to_owned());
        }
    }
    table.set_header(header);
    for side in &series.sides {
        let mut row = vec![side.clone()];
        if series.void(side) > 0 {
            row[0].push_str(&format!(" (VOID: {} of {})", series.void(side), series.of(side)));
        }
        for column in &columns {
            let shown =
                |figure: Option<f64>, digits| figure.map_or("-".to_owned(), |f| format!("{f:.digits$}"));
            row.push(shown(series.median(side, column.name), column.digits));
            if column.ratio {
                row.push(shown(series.ratio(side, column.name), 2));
            }
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn as_json(sides: &[Side], series: &[Series]) -> Value {
    let sides: Vec<Value> =
        sides.iter().map(|side| json!({"label": side.label, "about": side.about()})).collect();
    let series: Vec<Value> = series.iter().map(series_as_json).collect();
    json!({"machine": machine::about(), "sides": sides, "peer": PEER, "series": series})
}

fn series_as_json(series: &Series) -> Value {
    let medians = series.sides.iter().map(|side| {
        let figures = series.columns.iter().filter_map(|column| {
            let median = series.median(side, column.name)?;
            Some((column.name.to_owned(), json!({"median": median, "ratio": series.ratio(side, column.name)})))
        });
        json!({"side": side, "void": series.void(side), "figures": figures.collect::<serde_json::Map<_, _>>()})
    });
    let runs = series.runs.iter().map(|run| match &run.outcome {
        Ok(figures) => json!({"round": run.round, "side": run.side, "figures": figures}),
        Err(why) => json!({"round": run.round, "side": run.side, "void": why}),
    });
    json!({"title": series.title, "medians": medians.collect::<Vec<_>>(), "runs": runs.collect::<Vec<_>>()})
}

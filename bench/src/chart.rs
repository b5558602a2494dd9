//! The chart: a panel for each series, a bar for each side's median, and a line over it from the least
//! to the most of its rounds.

use std::fmt::Write as _;

use crate::results::{Column, Series};

const WIDTH: usize = 900;
const LEFT: usize = 190;
const BARS: usize = 520;
const BAR: usize = 20;
const GAP: usize = 6;
const COLOURS: [&str; 6] = ["#8a8f98", "#b9bec6", "#2f6fb0", "#d9822b", "#3a9d6e", "#8b5fbf"];

/// The chart of these series, as SVG.
pub fn of(series: &[Series]) -> String {
    let mut body = String::new();
    let mut y = 20;
    for series in series {
        y = panel(&mut body, series, y);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         {body}</svg>\n"
    )
}

fn panel(body: &mut String, series: &Series, mut y: usize) -> usize {
    y += 14;
    text(body, 16, y, "font-weight=\"bold\"", &series.title);
    for column in series.columns.iter().filter(|column| column.chart) {
        y = figure(body, series, column, y + 10);
    }
    y + 24
}

fn figure(body: &mut String, series: &Series, column: &Column, mut y: usize) -> usize {
    let all: Vec<f64> = series.sides.iter().flat_map(|side| series.all(side, column.name)).collect();
    let most = all.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return y;
    }
    y += 14;
    text(body, 16, y, "fill=\"#555\"", column.name);
    y += 8;
    for (place, side) in series.sides.iter().enumerate() {
        let Some(median) = series.median(side, column.name) else { continue };
        let colour = COLOURS[place % COLOURS.len()];
        let (long, middle) = (width(median, most), y + BAR / 2);
        text(body, 28, middle + 5, "", side);
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            body,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{long:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>"
        );
        let rounds = series.all(side, column.name);
        let (least, top) = rounds.iter().fold((f64::MAX, 0.0_f64), |(l, t), f| (l.min(*f), t.max(*f)));
        let (from, to) = (LEFT as f64 + width(least, most), LEFT as f64 + width(top, most));
        let _ = writeln!(
            body,
            "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#111\" stroke-width=\"2\"/>"
        );
        let digits = column.digits;
        let mut label = format!("{median:.digits$}");
        if let Some(ratio) = series.ratio(side, column.name).filter(|_| place > 0) {
            let _ = write!(label, "  ({ratio:.2} of {})", series.sides[0]);
        }
        text(body, LEFT + width(top.max(median), most) as usize + 8, middle + 5, "", &label);
        y += BAR + GAP;
    }
    y
}

/// The width of a bar; never negative, for no figure is.
fn width(figure: f64, most: f64) -> f64 {
    figure / most * BARS as f64
}

fn text(body: &mut String, x: usize, y: usize, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(body, "<text x=\"{x}\" y=\"{y}\" {more}>{words}</text>");
}

//! Tables for people: on a terminal as wide as it is, else as wide as what they hold.

use std::io::{IsTerminal, stdout};

use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, presets};

/// Whether people look at stdout.
pub fn is_terminal() -> bool {
    stdout().is_terminal()
}

/// How many columns the terminal has on which people look at stdout.
pub fn width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// A table with these headings, or without if there are none.
pub fn table(headings: &[&str], terminal: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if !headings.is_empty() {
        table.set_header(headings);
    }
    if terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// How narrow the last column may get; a terminal that has not even that wraps the line by itself.
const LEAST: u16 = 24;

/// The table's text, in which only the last column is ever wrapped.
pub fn text(mut table: Table) -> String {
    let columns = table.column_count();
    let others: usize =
        table.column_max_content_widths().iter().rev().skip(1).map(|w| usize::from(*w) + 2).sum();
    if table.width().is_some_and(|width| usize::from(width) < others + usize::from(LEAST)) {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if i + 1 < columns {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

/// The text of a column of numbers.
pub fn to_the_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A cell with a text that others wrote.
pub fn cell(text: impl AsRef<str>) -> Cell {
    Cell::new(plain(text.as_ref()))
}

/// A cell with the status of an order.
pub fn status(status: &str) -> Cell {
    match status {
        "completed" => cell(status).fg(Color::Green),
        "cancelled" | "cancelling" => cell(status).fg(Color::Yellow),
        _ => cell(status),
    }
}

/// Names and values, one line each.
pub fn pairs(pairs: Vec<(&str, Cell)>, terminal: bool) -> String {
    let mut table = table(&[], terminal);
    for (name, value) in pairs {
        table.add_row([Cell::new(name), value]);
    }
    text(table)
}

/// A text without what a terminal would obey: anyone may have written it.
pub fn plain(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// A time as people read it: to the second, in UTC. What is none is left as it is.
pub fn time(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_not_wrapped_to_single_letters() {
        let mut table = table(&["order", "why"], true);
        table.set_width(40);
        table.add_row([cell("o".repeat(36)), cell("out of stock, and more than that to say")]);
        assert_eq!(text(table).lines().count(), 2);
    }

    #[test]
    fn a_table_off_the_terminal_is_as_wide_as_it_has_to_be_and_has_no_colours() {
        let mut table = table(&["order", "status", "why"], false);
        table.add_row([cell("order-42"), status("completed"), cell("x".repeat(200))]);
        table.add_row([cell("o"), status("placed"), cell("a\u{1b}[31mb")]);
        let long = "x".repeat(200);
        assert_eq!(
            text(table),
            format!(
                "order     status     why\norder-42  completed  {long}\no         placed     a\\u{{1b}}[31mb"
            )
        );
    }
}

//! What was meant by a command line that is none.

use clap::{
    Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Adds to an error the commands that an unknown word may stand for; and that there is `--all`, where
/// nothing was named.
pub fn add(error: &mut Error, program: &Command, words: &[String]) {
    let unknown = |kind| match error.get(kind) {
        Some(ContextValue::String(unknown)) => meant(program, unknown, words),
        _ => Vec::new(),
    };
    let tips: Vec<String> = match error.kind() {
        ErrorKind::InvalidSubcommand => unknown(ContextKind::InvalidSubcommand),
        ErrorKind::UnknownArgument => unknown(ContextKind::InvalidArg),
        ErrorKind::MissingRequiredArgument if takes_all(program, words) => {
            let tip = "`--all` stands for every one; without `--yes` it is only said what would be done";
            return suggest(error, vec![tip.to_owned()]);
        }
        _ => return,
    };
    suggest(error, tips.iter().map(|command| format!("did you mean `quadrille {command}`?")).collect());
}

fn suggest(error: &mut Error, tips: Vec<String>) {
    if !tips.is_empty() {
        let tips = tips.into_iter().map(Into::into).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
}

/// Whether the command that these words name takes `--all`.
fn takes_all(program: &Command, words: &[String]) -> bool {
    let mut command = program;
    for word in words {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    command.get_arguments().any(|argument| argument.get_long() == Some("all"))
}

/// The commands, of which the last word is the unknown one, or means the same. Behind a command only
/// those of the same thing.
fn meant(program: &Command, unknown: &str, words: &[String]) -> Vec<String> {
    let thing = words.iter().find(|word| !word.starts_with('-')).filter(|word| *word != unknown);
    let thing = thing.map(|word| singular(word));
    let mut all: Vec<(&str, &str, String)> = Vec::new();
    for command in program.get_subcommands() {
        let name = command.get_name();
        let own = command.get_subcommands().map(|sub| (sub.get_name(), format!("{name} {}", sub.get_name())));
        all.extend(own.map(|(verb, path)| (name, verb, path)));
    }
    let also = [
        ("order", "list", "orders"),
        ("order", "stuck", "orders --stuck"),
        ("order", "trace", "trace ORDER_ID"),
        ("order", "timeline", "trace ORDER_ID"),
        ("order", "follow", "trace ORDER_ID --follow"),
        ("status", "health", "status"),
        ("status", "watch", "status --watch"),
        ("up", "start", "up"),
        ("up", "run", "up"),
        ("up", "sandbox", "up"),
    ];
    all.extend(also.map(|(thing, verb, command)| (thing, verb, command.to_owned())));
    let unknown = if unknown == "ls" { "list" } else { unknown };
    all.retain(|(of, verb, _)| *verb == unknown && thing.is_none_or(|thing| singular(of) == thing));
    all.into_iter().map(|(_, _, command)| command).collect()
}

fn singular(word: &str) -> &str {
    if word == "status" { word } else { word.strip_suffix('s').unwrap_or(word) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_word_that_is_no_command_points_at_those_that_it_may_mean() {
        for (typed, expected) in [
            ("order list", &["orders"][..]),
            ("orders list", &["orders"]),
            ("orders ls", &["orders"]),
            ("list", &["dead-letters list", "topics list", "orders"]),
            ("orders place", &["order place"]),
            ("--json place", &["order place"]),
            ("deposit", &["account deposit"]),
            ("accounts show", &["account show"]),
            ("receive", &["stock receive"]),
            ("redrive", &["dead-letters redrive"]),
            ("order trace", &["trace ORDER_ID"]),
            ("status watch", &["status --watch"]),
            ("start", &["up"]),
            ("stock list", &[]),
            ("nonsense", &[]),
        ] {
            let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
            let unknown = words.last().expect("there is a word");
            assert_eq!(meant(&Cli::command(), unknown, &words), expected, "{typed}");
        }
    }
}

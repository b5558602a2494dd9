//! The map of the five services, as it was last looked at by a person.

use std::{env, fs, path::Path};

fn golden(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, actual).expect("the golden file lies in the source tree, which can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "the services no longer react as {} says. If that is meant, run\n\
         \x20   UPDATE_GOLDEN=1 cargo test -p choreography --test map\n\
         and look at what changes. The map is now:\n\n{actual}",
        path.display()
    );
}

#[test]
fn the_text_is_what_it_was() {
    golden("map.txt", &choreography::map().text());
}

#[test]
fn the_picture_is_what_it_was() {
    golden("map.mmd", &choreography::map().mermaid());
}

#[test]
fn the_text_fits_100_columns() {
    let text = choreography::map().text();
    let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(wide.is_empty(), "{wide:?}");
}

/// Whoever still holds something when an order is cancelled undoes it; where everyone tells the
/// truth, everything has been undone by then.
#[test]
fn the_safety_net_is_idle_in_the_normal_course() {
    let map = choreography::map();
    for service in ["payment", "inventory", "shipping"] {
        let reaction = map.reaction(service, "OrderCancelled").expect("it listens to OrderCancelled");
        assert!(reaction.says.is_empty(), "{service} says {:?}", reaction.says);
    }
}

#[test]
fn the_readme_shows_the_picture() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = fs::read_to_string(&readme).expect("the README lies at the root of the repository");
    let before = text.split_once("```mermaid\n").map(|(before, _)| before.len() + "```mermaid\n".len());
    let start = before.expect("the README has a picture");
    let end = start + text[start..].find("```").expect("the picture ends");
    let picture = choreography::map().mermaid();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        let updated = format!("{}{picture}{}", &text[..start], &text[end..]);
        fs::write(&readme, updated).expect("the README can be written");
    } else {
        assert!(text[start..end] == picture, "the README's picture is old: run with UPDATE_GOLDEN=1");
    }
}

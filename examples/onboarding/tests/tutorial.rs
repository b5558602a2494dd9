//! Every piece of code in the tutorial stands in this crate, word by word.

use std::{fs, path::Path};

#[test]
fn the_code_of_the_tutorial_is_the_code_of_the_example() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tutorial = fs::read_to_string(here.join("../../docs/tutorial.md")).expect("there is a tutorial");
    let (mut file, mut code, mut excerpts) = (String::new(), String::new(), 0);
    let mut lines = tutorial.lines();
    while let Some(line) = lines.next() {
        // The file of what follows is named on a line of its own: `src/lib.rs`:
        if let Some(name) = line.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")) {
            name.clone_into(&mut file);
            code = words(
                &fs::read_to_string(here.join(name)).expect("the tutorial names a file of the example"),
            );
        }
        if line == "```rust" {
            let excerpt: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let excerpt = excerpt.join("\n");
            assert!(code.contains(&words(&excerpt)), "this is not in {file}:\n{excerpt}");
            excerpts += 1;
        }
    }
    assert!(excerpts > 10, "the tutorial has {excerpts} pieces of code");
}

/// A text, as far as its words go: an excerpt may be indented otherwise.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

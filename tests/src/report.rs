//! What a test tells beyond pass and fail: figures, and why it was skipped.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};

use crate::{Outcome, Scene};

/// A table of figures: a label and one value per column.
#[derive(Default)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, label: &str, values: &[String]) {
        self.rows.push((label.into(), values.to_vec()));
    }

    fn text(&self) -> String {
        let label_width = self.rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let width =
            self.rows.iter().flat_map(|(_, values)| values).chain(&self.columns).map(String::len).max().unwrap_or(0);
        let mut text = String::new();
        let heading = [(String::new(), self.columns.clone())];
        for (label, values) in heading.iter().chain(&self.rows) {
            write!(text, "{label:label_width$}").expect("a string takes all text");
            for value in values {
                write!(text, "  {value:>width$}").expect("a string takes all text");
            }
            text.push('\n');
        }
        text
    }

    /// Prints the table and keeps it as `figures.txt` of the scene.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish(&self, scene: &Scene) -> Outcome {
        let text = self.text();
        say(&format!("{}:\n{text}", scene.name()));
        fs::write(scene.path("figures.txt"), text)?;
        Ok(())
    }
}

/// Says that a test did not run because the machine lacks something.
pub fn skipped(test: &str, lacks: &str) {
    say(&format!("SKIPPED {test}: {lacks}"));
}

/// Printed past the test runner, which keeps the output of tests that pass to itself.
pub fn say(words: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{words}").ok();
    out.flush().ok();
}

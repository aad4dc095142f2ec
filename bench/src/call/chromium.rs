//! Chromium: two headless browsers.

use eyeline_tests::{Failure, Outcome};

use super::Stage;
use crate::analysis::Figures;
use crate::scenario::Kind;

pub(crate) fn version() -> Outcome<String> {
    Err(Failure::new("not yet"))
}

pub(crate) fn run(_: &Stage<'_>, _: Kind, _: bool) -> Outcome<(Figures, Vec<String>)> {
    Err(Failure::new("not yet"))
}

//! The desktop app's binary.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

use clap::Parser;
use eyeline_desktop::args::Args;

/// What is logged unless `EYELINE_LOG` says otherwise. Only our own words: other crates name addresses in theirs.
const LOG: &str = "error,eyeline_call=info,eyeline_desktop=info,eyeline_engine=info,eyeline_media=info,eyeline_rtc=info,\
                   eyeline_server=info";

fn main() -> ExitCode {
    eyeline_engine::logging::start(LOG);
    match eyeline_desktop::run(Args::parse()) {
        Ok(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            tracing::error!(%error, "eyeline cannot start");
            ExitCode::FAILURE
        }
    }
}

//! The desktop app's binary.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

use clap::Parser;
use eyeline_desktop::args::Args;
use tracing_subscriber::EnvFilter;

/// What is logged unless `EYELINE_LOG` says otherwise. Only our own words: other crates name addresses in theirs.
const LOG: &str = "error,eyeline_call=info,eyeline_desktop=info,eyeline_engine=info,eyeline_media=info,eyeline_rtc=info,\
                   eyeline_server=info";

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("EYELINE_LOG").unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match eyeline_desktop::run(Args::parse()) {
        Ok(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            tracing::error!(%error, "eyeline cannot start");
            ExitCode::FAILURE
        }
    }
}

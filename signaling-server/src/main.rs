//! `eyeline-server`: the server as a program.

mod program;

use std::process::ExitCode;

use program::{Failure, run};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Settings(wrong)) => {
            eprintln!("eyeline-server: {wrong}");
            ExitCode::from(2)
        }
        Err(Failure::Machine(error)) => {
            eprintln!("eyeline-server: {error}");
            ExitCode::FAILURE
        }
    }
}

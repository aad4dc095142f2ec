//! The program from outside: its settings, its front door, its certificates, its operation.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, also outside its function, a failure is to fail it")]

mod acme;
mod authority;
mod client;
mod crowd;
#[cfg(target_os = "linux")]
mod flood;
mod mux;
mod operating;
mod program;
mod raw;
mod settings;
mod tls;
mod websocket_negative;

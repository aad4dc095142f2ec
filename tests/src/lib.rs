//! The rig of the end-to-end tests: real servers, peers, windows, browsers, sound systems and networks.
//!
//! A test makes a [`Scene`], starts [`Process`]es in it through the modules below and waits for what they log. Nothing
//! sleeps for a fixed time: [`wait_for`] looks again until it sees what it wants or the time is up, and its failure carries
//! the end of every log.
//!
//! Tests run one at a time ([`Scene::open`] takes a lock): they measure, and the machine has two cores.

pub mod binaries;
pub mod bridge;
pub mod browser;
pub mod capture;
pub mod clip;
pub mod crossing;
pub mod desktop;
pub mod display;
pub mod failure;
pub mod http;
pub mod ice_proxy;
pub mod lan;
pub mod logs;
pub mod memory;
pub mod nat;
pub mod nat_probe;
pub mod needles;
pub mod pair;
pub mod peer;
pub mod picture;
pub mod process;
pub mod pulse;
pub mod raw_client;
pub mod report;
pub mod room;
pub mod scene;
pub mod server;
pub mod sound;
pub mod turn;
pub mod turn_stream;
pub mod webdriver;
pub mod wire;

pub use failure::{Failure, Outcome, wait_for};
pub use process::Process;
pub use scene::Scene;

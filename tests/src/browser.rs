//! Headless Chromium with a page of the tests' own, through the DevTools protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>).

use std::fs;
use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::binaries::installed;
use crate::raw_client::Socket;
use crate::scene::repository;
use crate::{Failure, Outcome, Process, Scene};

const START_LIMIT: Duration = Duration::from_secs(60);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Names under which the system may have it.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Built-in devices instead of real ones, no questions asked, no talking to its maker, addresses instead of mDNS names.
const ARGUMENTS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--remote-debugging-port=0",
];

/// A running browser with one page open.
pub struct Browser {
    process: Process,
    socket: Socket,
    session: Value,
    last_id: u64,
}

impl Browser {
    /// What this machine lacks for it, in words.
    pub fn lacks() -> Option<&'static str> {
        (!PROGRAMS.iter().any(|program| installed(program))).then_some("neither Chromium nor Chrome is installed")
    }

    /// Starts the browser and opens a page of `tests/pages`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn open(scene: &Scene, page: &str) -> Outcome<Self> {
        let program = PROGRAMS.iter().find(|program| installed(program)).ok_or_else(|| Failure::new("no browser"))?;
        let profile = scene.scratch("browser-profile");
        let mut command = Command::new(program);
        command.args(ARGUMENTS).arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
        let mut process = Process::start(scene, "browser", &mut command)?;
        let address = process.wait_for("the browser's DevTools", START_LIMIT, || {
            // Two lines: the port, and the path of the browser's own socket.
            let text = fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
            Ok(text.split_once('\n').map(|(port, path)| format!("ws://127.0.0.1:{port}{}", path.trim())))
        })?;
        let socket = connect_async(&address).await?.0;
        let mut browser = Self { process, socket, session: Value::Null, last_id: 0 };
        let url = format!("file://{}", repository().join("tests/pages").join(page).display());
        let target = browser.ask("Target.createTarget", json!({ "url": url })).await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.ask("Target.attachToTarget", attach).await?["sessionId"].clone();
        browser.wait_true("document.readyState === 'complete' && location.protocol === 'file:'").await?;
        Ok(browser)
    }

    /// Evaluates an expression in the page; a promise is waited for.
    ///
    /// # Errors
    /// When it throws.
    pub async fn evaluate(&mut self, expression: &str) -> Outcome<Value> {
        let arguments = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", arguments).await?;
        match answer.get("exceptionDetails") {
            None => Ok(answer["result"]["value"].clone()),
            Some(thrown) => {
                let words = thrown["exception"]["description"].as_str().unwrap_or("").to_owned();
                Err(Failure::new(format!("the page threw {words}")))
            }
        }
    }

    /// Evaluates an expression until it is true.
    ///
    /// # Errors
    /// When it does not become true in time.
    pub async fn wait_true(&mut self, expression: &str) -> Outcome {
        let until = async {
            // The page may not be there yet, which is an error as well.
            while !matches!(self.evaluate(expression).await, Ok(Value::Bool(true))) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(ANSWER_LIMIT, until).await.map_err(|_| Failure::new(format!("waited in vain for {expression}")))
    }

    async fn ask(&mut self, method: &str, parameters: Value) -> Outcome<Value> {
        self.last_id += 1;
        let mut question = json!({ "id": self.last_id, "method": method, "params": parameters });
        if !self.session.is_null() {
            question["sessionId"] = self.session.clone();
        }
        self.socket.send(Message::text(question.to_string())).await?;
        let answer = timeout(ANSWER_LIMIT, self.answer(self.last_id)).await;
        let answer =
            answer.map_err(|_| Failure::new(format!("no answer to {method}")).with(&self.process.tail()))??;
        match answer.get("error") {
            None => Ok(answer["result"].clone()),
            Some(error) => Err(Failure::new(format!("{method}: {}", error["message"]))),
        }
    }

    async fn answer(&mut self, id: u64) -> Outcome<Value> {
        while let Some(message) = self.socket.next().await {
            if let Message::Text(text) = message? {
                let message: Value = serde_json::from_str(&text)?;
                if message["id"] == id {
                    return Ok(message);
                }
            }
        }
        Err(Failure::new("the browser closed its socket").with(&self.process.tail()))
    }
}

//! Headless Chromium with a page of the tests' own, through the DevTools protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, client_async};

use crate::binaries::installed;
use crate::lan::Host;
use crate::process::run;
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

/// How a browser is started.
pub struct BrowserSetup<'a> {
    /// Name of its logs and its profile.
    pub name: &'a str,
    /// Where it runs.
    pub host: &'a Host,
    /// The page it opens.
    pub page: &'a Path,
    /// More arguments.
    pub more: &'a [String],
}

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

    /// Name and version of the browser.
    ///
    /// # Errors
    /// When there is none.
    pub fn version() -> Outcome<String> {
        Ok(run(Command::new(program()?).arg("--version"))?.trim().into())
    }

    /// Starts the browser and opens a page of `tests/pages`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn open(scene: &Scene, page: &str) -> Outcome<Self> {
        let page = repository().join("tests/pages").join(page);
        Self::open_on(scene, &BrowserSetup { name: "browser", host: &Host::this_machine(), page: &page, more: &[] })
            .await
    }

    /// Starts a browser with its own profile where and as it is told, and opens a page.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn open_on(scene: &Scene, setup: &BrowserSetup<'_>) -> Outcome<Self> {
        let profile = scene.scratch(&format!("{}-profile", setup.name));
        let mut command = setup.host.command(Path::new(program()?));
        command.args(ARGUMENTS).args(setup.more);
        command.arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
        let mut process = Process::start(scene, setup.name, &mut command)?;
        let (port, path) = process.wait_for("the browser's DevTools", START_LIMIT, || {
            // Two lines: the port, and the path of the browser's own socket.
            let text = fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
            let lines = text.split_once('\n');
            Ok(lines.and_then(|(port, path)| Some((port.parse::<u16>().ok()?, path.trim().to_owned()))))
        })?;
        let stream = setup.host.within(|| std::net::TcpStream::connect(("127.0.0.1", port)))??;
        stream.set_nonblocking(true)?;
        let stream = MaybeTlsStream::Plain(TcpStream::from_std(stream)?);
        let socket = client_async(format!("ws://127.0.0.1:{port}{path}"), stream).await?.0;
        let mut browser = Self { process, socket, session: Value::Null, last_id: 0 };
        let url = format!("file://{}", setup.page.display());
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

    /// Its process; others of the browser are below it.
    pub fn id(&self) -> u32 {
        self.process.id()
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

fn program() -> Outcome<&'static str> {
    PROGRAMS.into_iter().find(|program| installed(program)).ok_or_else(|| Failure::new("no browser is installed"))
}

//! Drives a page in the app's own webview, as W3C WebDriver says (<https://www.w3.org/TR/webdriver2/>).

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::binaries::installed;
use crate::http::{free_port, request};
use crate::{Failure, Outcome, Process, Scene, wait_for};

/// The key under which WebDriver names an element (section 12.2, "web element identifier").
const ELEMENT_KEY: &str = "element-6066-11e4-a52e-4f735466cecf";
const START_LIMIT: Duration = Duration::from_secs(20);

/// A window of the app under WebDriver.
pub struct Window {
    driver: Process,
    port: u16,
    session: String,
}

impl Window {
    /// What this machine lacks for it, in words.
    pub fn lacks() -> Option<&'static str> {
        (!installed("WebKitWebDriver")).then_some("webkit2gtk-driver is not installed")
    }

    /// Starts `binary` with these arguments under WebDriver.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn open(
        scene: &Scene,
        name: &str,
        binary: &std::path::Path,
        arguments: &[String],
        environment: &[(String, String)],
    ) -> Outcome<Self> {
        let port = free_port()?;
        let mut command = Command::new("WebKitWebDriver");
        command.arg(format!("--port={port}")).arg("--host=127.0.0.1");
        // The driver starts the app, which so gets this environment and writes to these logs.
        command.envs(environment.iter().cloned()).env("TAURI_WEBVIEW_AUTOMATION", "true");
        let mut driver = Process::start(scene, name, &mut command)?;
        driver.wait_for("the WebDriver", START_LIMIT, || Ok(request(port, "GET", "/status", None).ok()))?;
        let options = json!({ "binary": binary.display().to_string(), "args": arguments });
        let capabilities = json!({ "capabilities": { "alwaysMatch": { "webkitgtk:browserOptions": options } } });
        let opened =
            call(port, "POST", "/session", Some(&capabilities)).map_err(|failure| failure.with(&driver.tail()))?;
        let session = opened["sessionId"].as_str().ok_or_else(|| Failure::new(format!("no session in {opened}")))?;
        Ok(Self { driver, port, session: session.into() })
    }

    /// Looks in the page until the script returns something other than `null`, `false`, `""` or an error.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_script(&mut self, what: &str, limit: Duration, script: &str) -> Outcome<Value> {
        let found = wait_for(what, limit, || {
            let value = self.script(script).unwrap_or(Value::Null);
            Ok((!matches!(&value, Value::Null | Value::Bool(false)) && value != json!("")).then_some(value))
        });
        found.map_err(|failure| {
            let page = self.script("return document.body.innerText").unwrap_or_default();
            failure.with(&format!("--- the page says\n{}", page.as_str().unwrap_or(""))).with(&self.driver.tail())
        })
    }

    /// Runs a script (the body of a function) in the page and returns what it returns.
    ///
    /// # Errors
    /// When it throws.
    pub fn script(&self, script: &str) -> Outcome<Value> {
        self.ask("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until the page has drawn a few times more. What it drew is not on the screen in the same moment, and nothing
    /// tells when: this is for pictures that people look at.
    ///
    /// # Errors
    /// When the page does not answer.
    pub fn wait_drawn(&self) -> Outcome {
        let script = "const done = arguments[0]; let frames = 15;
            const next = () => frames-- > 0 ? requestAnimationFrame(next) : done(); next();";
        self.ask("execute/async", &json!({ "script": script, "args": [] })).map(|_| ())
    }

    /// Waits for an element and clicks it, as a person would: it must be visible and nothing in front of it.
    ///
    /// # Errors
    /// When there is no such element in time or it cannot be clicked.
    pub fn click(&mut self, selector: &str, limit: Duration) -> Outcome {
        let clicked = wait_for(&format!("{selector} to be clicked"), limit, || {
            let clicked = self.find(selector).and_then(|id| self.ask(&format!("element/{id}/click"), &json!({})));
            Ok(clicked.ok())
        });
        clicked.map(|_| ()).map_err(|failure| {
            let page = self.script("return document.body.innerText").unwrap_or_default();
            failure.with(&format!("--- the page says\n{}", page.as_str().unwrap_or(""))).with(&self.driver.tail())
        })
    }

    /// Waits for a text field, empties it and types into it.
    ///
    /// # Errors
    /// When there is no such field in time.
    pub fn type_into(&self, selector: &str, text: &str, limit: Duration) -> Outcome {
        let id = wait_for(selector, limit, || Ok(self.find(selector).ok()))?;
        self.ask(&format!("element/{id}/clear"), &json!({}))?;
        self.ask(&format!("element/{id}/value"), &json!({ "text": text })).map(|_| ())
    }

    fn find(&self, selector: &str) -> Outcome<String> {
        let found = self.ask("element", &json!({ "using": "css selector", "value": selector }))?;
        let id = found[ELEMENT_KEY].as_str().ok_or_else(|| Failure::new(format!("no element in {found}")))?;
        Ok(id.into())
    }

    /// The driver's process, whose logs are the app's too.
    pub fn process(&mut self) -> &mut Process {
        &mut self.driver
    }

    fn ask(&self, path: &str, body: &Value) -> Outcome<Value> {
        call(self.port, "POST", &format!("/session/{}/{path}", self.session), Some(body))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // Closes the app; the driver itself ends with its process.
        request(self.port, "DELETE", &format!("/session/{}", self.session), None).ok();
    }
}

fn call(port: u16, method: &str, path: &str, body: Option<&Value>) -> Outcome<Value> {
    let (status, answer) = request(port, method, path, body)?;
    let value = answer["value"].clone();
    if status == 200 {
        return Ok(value);
    }
    Err(Failure::new(format!("WebDriver answers {status} {}: {}", value["error"], value["message"])))
}

//! Just enough HTTP/1.1 to speak to a WebDriver and to Chromium's DevTools on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::{Failure, Outcome, ensure};

/// Starting a program is the longest thing a WebDriver is asked for.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Sends one request to 127.0.0.1 and returns the status and the JSON that came back.
///
/// # Errors
/// When there is no connection or the answer is not JSON.
pub fn request(port: u16, method: &str, path: &str, body: Option<&Value>) -> Outcome<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(|error| Failure::new(format!("{method} {path}: {error}")))?;
    parse(&String::from_utf8_lossy(&answer)).map_err(|failure| failure.while_doing(&format!("{method} {path}")))
}

fn parse(answer: &str) -> Outcome<(u16, Value)> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| Failure::new("the answer has no end of headers"))?;
    ensure!(!head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "chunked answers are not expected here");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Failure::new(format!("not an HTTP answer: {head:?}")))?;
    Ok((status, serde_json::from_str(body)?))
}

/// A TCP port that nobody listens on now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_json() {
        let (status, value) = parse("HTTP/1.1 404 Not Found\r\nX: y\r\n\r\n{\"value\":null}").unwrap();
        assert_eq!((status, value), (404, serde_json::json!({ "value": null })));
        assert!(parse("HTTP/1.1 200 OK\r\n").is_err());
        assert!(parse("HTTP/1.1 200 OK\r\n\r\n<html>").is_err());
    }
}

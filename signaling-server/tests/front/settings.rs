//! Where settings come from, and what is refused.

use std::path::Path;

use tempfile::tempdir;

use crate::authority::{Authority, DOMAIN};
use crate::program::{command, output};

/// What `--print-config` says.
async fn print(args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = command(args.iter().chain(&["--print-config"]));
    command.envs(variables.iter().copied());
    let printed = output(command).await;
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    String::from_utf8(printed.stdout).unwrap()
}

fn line<'a>(config: &'a str, key: &str) -> &'a str {
    config.lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap_or_else(|| panic!("{key} in {config}"))
}

/// What it says instead of starting.
async fn refusal(args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = command(args);
    command.envs(variables.iter().copied());
    let refused = output(command).await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{args:?} {variables:?}: {said}");
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn flags_come_before_variables_before_the_file_before_defaults() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("server.toml");
    let content = "connections-per-min = 30\nroom-members = 4\nconnections_open = 7\norigins = [\"https://a.example\", \
                   \"https://b.example\"]\nlimit-loopback = true\nlisten = \"127.0.0.1:1\"\n";
    std::fs::write(&file, content).unwrap();
    let args = ["--config", text(&file), "--room-members", "6"];
    let variables = [("EYELINE_CONNECTIONS_PER_MIN", "40"), ("EYELINE_ROOM_MEMBERS", "5")];
    let config = print(&args, &variables).await;
    assert_eq!(line(&config, "room-members"), "room-members = 6");
    assert_eq!(line(&config, "connections-per-min"), "connections-per-min = 40");
    assert_eq!(line(&config, "connections-open"), "connections-open = 7");
    assert_eq!(line(&config, "connections-total"), "connections-total = 10000");
    assert_eq!(line(&config, "origins"), "origins = [\"https://a.example\", \"https://b.example\"]");
    assert_eq!(line(&config, "limit-loopback"), "limit-loopback = true");
    assert_eq!(line(&config, "listen"), "listen = [\"127.0.0.1:1\"]");

    let config =
        print(&["--config", text(&file), "--limit-loopback=false", "--origins", "https://c.example"], &[]).await;
    assert_eq!(line(&config, "limit-loopback"), "limit-loopback = false");
    assert_eq!(line(&config, "origins"), "origins = [\"https://c.example\"]");
    let named_by_variable = print(&[], &[("EYELINE_CONFIG", text(&file))]).await;
    assert_eq!(line(&named_by_variable, "room-members"), "room-members = 4");
}

#[tokio::test]
async fn what_is_printed_can_be_read_and_says_the_same() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("printed.toml");
    let args = ["--domain", "Call.Example.org", "--acme-contact", "a@example.org,b@example.org", "--drain-s", "7"];
    let printed = print(&args, &[]).await;
    for follows in ["listen = [\"[::]:443\"]", "listen-http = [\"[::]:80\"]", "listen-stuns = [\"[::]:5349\"]"] {
        assert!(printed.lines().any(|line| line == format!("# {follows}")), "{follows} in {printed}");
    }
    std::fs::write(&file, &printed).unwrap();
    assert_eq!(print(&["--config", text(&file)], &[]).await, printed);
}

/// The example that comes with the project is what the program prints.
#[tokio::test]
async fn the_example_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/server.example.toml");
    let printed = print(&[], &[]).await;
    let hint = "write it anew: eyeline-server --print-config > packaging/server.example.toml";
    assert_eq!(std::fs::read_to_string(path).unwrap(), printed, "{hint}");
}

/// What packages install means the same as nothing at all.
#[tokio::test]
async fn the_installed_file_sets_nothing() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/server.toml");
    assert_eq!(print(&["--config", path], &[]).await, print(&[], &[]).await);
}

#[tokio::test]
async fn secrets_are_not_printed() {
    let secret = "north-north-north-north";
    let config = print(&["--turn-urls", "turn:a.example"], &[("EYELINE_TURN_SECRET", secret)]).await;
    assert!(config.contains("turn-secret") && !config.contains("north"), "{config}");
    let help = output({
        let mut command = command(["--help"]);
        command.env("EYELINE_TURN_SECRET", secret);
        command
    });
    assert!(!String::from_utf8(help.await.stdout).unwrap().contains("north"));
}

#[tokio::test]
async fn every_key_is_explained() {
    let config = print(&[], &[]).await;
    let help = output(command(["--help"])).await;
    let help = String::from_utf8(help.stdout).unwrap();
    let mut keys = 0;
    let mut before = "";
    for line in config.lines() {
        if let Some((key, _)) = line.trim_start_matches("# ").split_once(" =")
            && !key.contains(' ')
        {
            keys += 1;
            assert!(before.starts_with("# "), "{key} without a word in {config}");
            assert!(help.contains(&format!("--{key}")), "{key} in {help}");
            assert!(help.contains(&format!("[env: EYELINE_{}", key.replace('-', "_").to_ascii_uppercase())), "{key}");
        }
        before = line;
    }
    assert!(keys >= 20, "{config}");
}

#[tokio::test]
async fn wrong_values_are_refused_with_one_sentence() {
    for (args, says) in [
        (&["--listen", "nowhere"][..], "listen"),
        (&["--listen", "127.0.0.1"], "port"),
        (&["--listen", "off"], "listen is off"),
        (&["--domain", "localhost"], "with a dot"),
        (&["--domain", "https://call.example.org"], "bare name"),
        (&["--domain", "192.0.2.1"], "address"),
        (&["--listen-http", "[::]:80"], "listen-http needs a domain"),
        (&["--tls-cert", "a.pem"], "tls-cert needs tls-key"),
        (&["--tls-key", "a.pem"], "tls-key needs tls-cert"),
        (&["--tls-cert", "a.pem", "--tls-key", "b.pem"], "tls-cert needs a domain"),
        (
            &["--domain", "a.example", "--tls-cert", "a.pem", "--tls-key", "b.pem", "--acme-contact", "a@b.example"],
            "tls-cert excludes acme-contact",
        ),
        (&["--domain", "a.example", "--tls-cert", "/nowhere/a.pem", "--tls-key", "b.pem"], "cannot use /nowhere/a.pem"),
        (&["--listen-stuns", "127.0.0.1:0"], "listen-stuns needs a domain"),
        (&["--no-relay", "--listen-stun", "127.0.0.1:0"], "own relay, which is off"),
        (&["--turn-urls", "turn:a.example"], "turn-urls needs turn-secret"),
        (&["--turn-secret", "shared with coturn"], "turn-secret needs turn-urls"),
        (&["--turn-urls", "https://a.example", "--turn-secret", "shared with coturn"], "STUN or TURN server"),
        (&["--relay-secret", "short"], "at least 16"),
        (&["--relay-allocations", "99999"], "99999"),
        (&["--acme-contact", "nobody"], "mail address"),
        (&["--origins", "example.org"], "scheme and host"),
        (&["--metrics", "0.0.0.0:9420"], "loopback"),
        (&["--room-members", "99"], "99"),
        (&["--connections-open", "-1"], "-1"),
        (&["--limit-loopback=perhaps"], "perhaps"),
        (&["--log", "eyeline_server=loud"], "log"),
        (&["--log-format", "xml"], "xml"),
        (&["--config", "/nowhere/server.toml"], "cannot read /nowhere/server.toml"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let said = refusal(args, &[]).await;
        assert!(said.starts_with("eyeline-server: ") && said.contains(says), "{args:?}: {said}");
    }
    let said = refusal(&[], &[("EYELINE_DRAIN_S", "soon")]).await;
    assert!(said.contains("soon") && said.contains("drain-s"), "{said}");
}

#[tokio::test]
async fn a_wrong_file_is_named() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("server.toml");
    for (content, says) in [
        ("room-member = 4", "there is no setting room-member"),
        ("print-config = true", "there is no setting print-config"),
        ("room-members = 99", "99"),
        ("room-members = \"many\"", "many"),
        ("room-members = [4, 5]", "takes one value"),
        ("room-members = 4.5", "whole number"),
        ("[limits]\nroom-members = 4", "limits"),
        ("log = \"info\"\nroom-members = = 4", "line 2"),
        ("listen = [\"127.0.0.1:0\", \"nowhere\"]", "nowhere"),
    ] {
        std::fs::write(&file, content).unwrap();
        let said = refusal(&["--config", text(&file)], &[]).await;
        assert!(said.contains(says) && said.contains(text(&file)), "{content}: {said}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused() {
    let folder = tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.write(folder.path(), 30);
    let other = folder.path().join("other.pem");
    std::fs::write(&other, authority.issue(DOMAIN, 1, 30).1).unwrap();
    let (cert, key) = (text(&files.cert), text(&files.key));
    for (cert, key, says) in [
        (cert, text(&other), "does not belong to the certificate"),
        (key, key, "no certificate in it"),
        (cert, cert, "no private key in it"),
    ] {
        let said = refusal(&["--domain", DOMAIN, "--tls-cert", cert, "--tls-key", key], &[]).await;
        assert!(said.contains(says), "{said}");
    }
}

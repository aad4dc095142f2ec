//! The shape of the house, checked: who may depend on whom, who may name which library, licences, lints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyeline_tests::process::run;
use eyeline_tests::scene::repository;
use eyeline_tests::{Outcome, ensure};
use serde::Deserialize;

/// Which of our crates a crate may depend on. ARCHITECTURE.md draws the same picture.
const MAY_DEPEND_ON: [(&str, &[&str]); 13] = [
    ("eyeline-protocol", &[]),
    ("eyeline-seal", &["eyeline-protocol"]),
    ("eyeline-call", &["eyeline-seal", "eyeline-protocol"]),
    ("eyeline-media", &[]),
    // The emulator for its tests only.
    ("eyeline-rtc", &["eyeline-emulator", "eyeline-media"]),
    ("eyeline-people", &[]),
    (
        "eyeline-engine",
        &["eyeline-call", "eyeline-media", "eyeline-people", "eyeline-protocol", "eyeline-rtc", "eyeline-seal"],
    ),
    ("eyeline-peer", &["eyeline-engine", "eyeline-media", "eyeline-seal"]),
    ("eyeline-desktop", &["eyeline-engine", "eyeline-media", "eyeline-people", "eyeline-seal", "eyeline-server"]),
    ("eyeline-server", &["eyeline-protocol"]),
    ("eyeline-tests", &["eyeline-call", "eyeline-protocol", "eyeline-seal"]),
    ("eyeline-emulator", &[]),
    ("eyeline-bench", &["eyeline-emulator", "eyeline-tests"]),
];

/// Big libraries live behind one crate of ours.
const NAMED_ONLY_BY: [(&str, &[&str]); 6] = [
    ("eyeline-rtc", &["webrtc", "rtc"]),
    ("eyeline-media", &["nokhwa", "cpal", "alsa", "v4l", "opus", "env-libvpx-sys"]),
    ("eyeline-people", &["rusqlite", "keyring"]),
    ("eyeline-desktop", &["tauri", "tauri-build", "gtk", "arboard", "notify-rust", "libloading"]),
    ("eyeline-server", &["axum", "hyper", "hyper-util", "rustls-acme", "turn-types"]),
    ("eyeline-seal", &["chacha20poly1305", "hkdf", "snow", "spake2", "ed25519-dalek", "x25519-dalek"]),
];

/// Crates of pure logic: nothing under them may wait or open a socket.
const WITHOUT_IO: [&str; 4] = ["eyeline-protocol", "eyeline-seal", "eyeline-call", "eyeline-emulator"];

const LICENCES: [&str; 16] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    // Mozilla's list of certificate authorities, as data.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Python-2.0",
    "Unicode-3.0",
    "Unlicense",
    "WTFPL",
    "Zlib",
];

/// Under MPL-2.0, which binds changes to their own files only; we change none.
const MPL: [(&str, &str); 6] = [
    ("env-libvpx-sys", "declarations for libvpx; the codecs have no better-kept ones"),
    ("option-ext", "a few lines under `directories`"),
    ("cssparser", "reads HTML in Tauri's build"),
    ("cssparser-macros", "part of cssparser"),
    ("dtoa-short", "part of cssparser"),
    ("selectors", "reads HTML in Tauri's build"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    license: Option<String>,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Metadata {
    fn read() -> Outcome<Self> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["metadata", "--format-version", "1", "--locked"]).current_dir(repository());
        Ok(serde_json::from_str(&run(&mut command)?)?)
    }

    fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// Everything that is linked into a program with this package, by name.
    fn below(&self, package: &Package) -> BTreeSet<&str> {
        let names: BTreeMap<&str, &str> = self.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let nodes: BTreeMap<&str, &Node> = self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let (mut seen, mut todo) = (BTreeSet::new(), vec![package.id.as_str()]);
        while let Some(id) = todo.pop() {
            let edges = nodes.get(id).map(|node| node.deps.as_slice()).unwrap_or_default();
            let linked = edges.iter().filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            todo.extend(linked.map(|edge| edge.pkg.as_str()).filter(|id| seen.insert(*id)));
        }
        seen.into_iter().filter_map(|id| names.get(id).copied()).collect()
    }
}

#[test]
fn architecture_dependencies_point_one_way() -> Outcome {
    let metadata = Metadata::read()?;
    let allowed: BTreeMap<&str, &[&str]> = MAY_DEPEND_ON.into_iter().collect();
    let mut faults = Vec::new();
    for member in metadata.members() {
        let Some(allowed) = allowed.get(member.name.as_str()) else {
            faults.push(format!("{} is new: say in this test what it may depend on", member.name));
            continue;
        };
        for dependency in member.dependencies.iter().filter(|dependency| dependency.name.starts_with("eyeline-")) {
            if !allowed.contains(&dependency.name.as_str()) {
                faults.push(format!("{} depends on {}", member.name, dependency.name));
            }
        }
    }
    ensure!(faults.is_empty(), "against ARCHITECTURE.md: {faults:#?}");
    Ok(())
}

#[test]
fn architecture_big_libraries_live_behind_one_crate() -> Outcome {
    let metadata = Metadata::read()?;
    let mut faults = Vec::new();
    for (owner, libraries) in NAMED_ONLY_BY {
        for member in metadata.members().filter(|member| member.name != owner) {
            // A test may use anything to check what the crate does.
            let named = member.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
            let foreign = named.filter(|dependency| libraries.contains(&dependency.name.as_str()));
            faults.extend(
                foreign.map(|dependency| format!("{} names {}, only {owner} may", member.name, dependency.name)),
            );
        }
    }
    ensure!(faults.is_empty(), "{faults:#?}");
    Ok(())
}

#[test]
fn architecture_pure_crates_neither_wait_nor_read_a_clock() -> Outcome {
    let metadata = Metadata::read()?;
    let mut faults = Vec::new();
    for member in metadata.members().filter(|member| WITHOUT_IO.contains(&member.name.as_str())) {
        let below = metadata.below(member);
        let runtimes = ["tokio", "mio", "async-std", "smol", "socket2"].into_iter().filter(|name| below.contains(name));
        faults.extend(runtimes.map(|name| format!("{} has {name} below it", member.name)));
        for file in files_under(&folder_of(member).join("src"), &["rs"])? {
            let text = fs::read_to_string(&file)?;
            // Tests come last in a file (CONTRIBUTING.md) and may start their virtual clock from a real one.
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            let clocks =
                ["Instant::now", "SystemTime::now", ".elapsed("].into_iter().filter(|clock| code.contains(clock));
            faults.extend(clocks.map(|clock| format!("{} calls {clock}", file.display())));
        }
    }
    ensure!(faults.is_empty(), "{faults:#?}");
    Ok(())
}

#[test]
fn architecture_every_member_inherits_the_lints() -> Outcome {
    for member in Metadata::read()?.members() {
        let manifest = fs::read_to_string(&member.manifest_path)?;
        let inherits =
            manifest.split("[lints]").nth(1).is_some_and(|rest| rest.trim_start().starts_with("workspace = true"));
        ensure!(inherits, "{} does not inherit the workspace's lints", member.name);
    }
    Ok(())
}

#[test]
fn architecture_licences_are_permissive() -> Outcome {
    let metadata = Metadata::read()?;
    let mut faults = Vec::new();
    for package in metadata.packages.iter().filter(|package| !metadata.workspace_members.contains(&package.id)) {
        let licence = package.license.as_deref().unwrap_or("no licence");
        let mpl = MPL.iter().any(|(name, _)| *name == package.name);
        if !permits(licence, mpl) {
            faults.push(format!("{}: {licence}", package.name));
        }
    }
    ensure!(faults.is_empty(), "licences to look at: {faults:#?}");
    Ok(())
}

#[test]
fn architecture_licences_of_the_page_are_permissive() -> Outcome {
    #[derive(Deserialize)]
    struct Lock {
        packages: BTreeMap<String, Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        license: Option<String>,
        #[serde(default)]
        dev: bool,
    }
    let lock: Lock = serde_json::from_str(&fs::read_to_string(repository().join("ui/package-lock.json"))?)?;
    let mut faults = Vec::new();
    for (name, package) in &lock.packages {
        let licence = package.license.as_deref().unwrap_or("no licence");
        // Tools do not become part of the app: theirs may also bind changes to their own files.
        if !permits(licence, package.dev) {
            faults.push(format!("{name}: {licence}"));
        }
    }
    ensure!(faults.is_empty(), "licences to look at: {faults:#?}");
    Ok(())
}

#[test]
fn architecture_only_the_backend_folder_of_the_page_knows_tauri() -> Outcome {
    let source = repository().join("ui/src");
    let files = files_under(&source, &["ts", "svelte", "js"])?;
    ensure!(!files.is_empty(), "no sources in {}", source.display());
    for file in files.iter().filter(|file| !file.starts_with(source.join("backend"))) {
        ensure!(!fs::read_to_string(file)?.contains("@tauri-apps"), "{} names @tauri-apps", file.display());
    }
    Ok(())
}

#[test]
fn architecture_licence_expressions_are_understood() {
    for good in ["MIT", "MIT/Apache-2.0", "(MIT OR GPL-3.0) AND Zlib", "Apache-2.0 WITH LLVM-exception"] {
        assert!(permits(good, false), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "MPL-2.0", "no licence", "(MIT OR Zlib) AND (GPL-3.0 OR AGPL-3.0)"] {
        assert!(!permits(bad, false), "{bad}");
    }
    assert!(permits("MPL-2.0", true));
}

/// Whether an SPDX expression (SPDX specification 2.3, annex D; `/` is an old form of `OR`) lets us use the package.
fn permits(expression: &str, mpl: bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    any_of(&mut words, mpl) && words.is_empty()
}

fn any_of(words: &mut Vec<&str>, mpl: bool) -> bool {
    let mut permitted = all_of(words, mpl);
    while words.pop_if(|word| *word == "OR").is_some() {
        permitted |= all_of(words, mpl);
    }
    permitted
}

fn all_of(words: &mut Vec<&str>, mpl: bool) -> bool {
    let mut permitted = one(words, mpl);
    while words.pop_if(|word| *word == "AND").is_some() {
        permitted &= one(words, mpl);
    }
    permitted
}

fn one(words: &mut Vec<&str>, mpl: bool) -> bool {
    if words.pop_if(|word| *word == "(").is_some() {
        return any_of(words, mpl) & words.pop_if(|word| *word == ")").is_some();
    }
    let licence = words.pop().unwrap_or("");
    if words.pop_if(|word| *word == "WITH").is_some() {
        // Exceptions only add permissions.
        words.pop();
    }
    LICENCES.contains(&licence) || (mpl && licence == "MPL-2.0")
}

fn folder_of(package: &Package) -> &Path {
    package.manifest_path.parent().expect("a manifest lies in a folder")
}

fn files_under(folder: &Path, endings: &[&str]) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_under(&path, endings)?);
        } else if path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending)) {
            files.push(path);
        }
    }
    Ok(files)
}

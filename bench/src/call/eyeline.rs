//! Eyeline: two `eyeline-peer`s through a real server.

use eyeline_tests::Outcome;
use eyeline_tests::logs::FrameLog;
use eyeline_tests::peer::{Peer, PeerSetup};
use eyeline_tests::picture::Luma;
use eyeline_tests::server::Server;

use super::{CONNECT_LIMIT, KEEP_EVERY_FRAMES, Kept, Stage, Trace};
use crate::network::SERVER_ADDRESS;

/// A call: b waits, a joins and offers. The call is asked for when a is told to join, so that time for the server's greeting, the
/// seal and the camera is in its first picture.
pub(crate) struct Call {
    pub(crate) a: Peer,
    pub(crate) b: Peer,
}

impl Call {
    /// Picture and sound from a to b.
    pub(crate) fn one_way(stage: &Stage<'_>, server: &Server, name: &str) -> Outcome<Self> {
        let none = PeerSetup { camera: "none".into(), microphone: "none".into(), ..PeerSetup::on(&stage.network.b) };
        let b = PeerSetup { dump_every: Some(KEEP_EVERY_FRAMES), ..none };
        Self::connect(stage, server, name, &stage.sources(), &b)
    }

    /// Picture and sound both ways, and no logs of them.
    pub(crate) fn two_way(stage: &Stage<'_>, server: &Server) -> Outcome<Self> {
        let a = PeerSetup { media_logs: false, ..stage.sources() };
        let b = PeerSetup { host: stage.network.b.clone(), ..a.clone() };
        Self::connect(stage, server, "", &a, &b)
    }

    fn connect(stage: &Stage<'_>, server: &Server, name: &str, a: &PeerSetup, b: &PeerSetup) -> Outcome<Self> {
        let (b, link) = Peer::host(stage.scene, &format!("b{name}"), b, &server.url())?;
        let a = Peer::join(stage.scene, &format!("a{name}"), a, &link)?;
        Ok(Self { a, b })
    }

    /// Waits for b's first picture and returns when it was.
    pub(crate) fn first_picture(&mut self) -> Outcome<i64> {
        self.b.wait_pictures(1, CONNECT_LIMIT)?;
        Ok(self.b.frames()?.shown.first().map_or(0, |shown| shown.unix_us))
    }

    /// Waits until b's figures tell of a picture and returns when they did.
    pub(crate) fn first_figures(&mut self) -> Outcome<i64> {
        let figures = self.b.wait_stats("a first picture", 0, CONNECT_LIMIT, |line| line.stats.received_fps > 0.0)?;
        Ok(figures.unix_us)
    }

    /// Ends a call of which there are no logs to read.
    pub(crate) fn hang_up(mut self) -> Outcome {
        self.a.end()?;
        self.b.end()
    }

    /// Ends the call and reads its logs.
    pub(crate) fn end(mut self) -> Outcome<Trace> {
        self.a.end()?;
        self.b.end()?;
        let asked = self.a.events()?.into_iter().find(|event| event.name == "call").map_or(0, |event| event.unix_us);
        let mut kept = Vec::new();
        for file in self.b.dumps()? {
            let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or("");
            let unix_us = name.split('_').next().and_then(|time| time.parse().ok()).unwrap_or(0);
            kept.push(Kept { unix_us, luma: Luma::of_dump(&file)? });
        }
        let stats = self.b.stats()?;
        let mut in_call = stats.iter().filter(|line| line.phase == "in_call");
        let concealed: Vec<f64> = in_call.clone().map(|line| line.stats.concealed).collect();
        let codec = in_call.next_back().map_or_else(String::new, |line| line.stats.codec.clone());
        let shown = FrameLog { captured: Vec::new(), ..self.b.frames()? };
        Ok(Trace {
            asked_us: asked,
            captured: self.a.frames()?,
            shown,
            kept,
            said: self.a.microphone()?,
            heard: self.b.speaker()?,
            concealed: (!concealed.is_empty()).then(|| concealed.iter().sum::<f64>() / concealed.len() as f64),
            notes: vec![codec],
        })
    }
}

impl Stage<'_> {
    /// a's camera and microphone.
    fn sources(&self) -> PeerSetup {
        PeerSetup {
            camera: self.film.path().display().to_string(),
            microphone: self.speech.display().to_string(),
            ..PeerSetup::on(&self.network.a)
        }
    }

    /// The signaling server, on its own machine.
    pub(crate) fn server(&self) -> Outcome<Server> {
        Server::start_on(self.scene, "server", &self.network.server, SERVER_ADDRESS, 0)
    }
}

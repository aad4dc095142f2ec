//! The user's settings and what the command line puts over them for one run.

use eyeline_engine::Command;

use crate::args::Args;
use crate::ipc::Settings;

/// Settings as kept and as in force.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chosen {
    /// As in the file.
    kept: Settings,
    /// As in force: the kept ones, changed by the command line.
    in_force: Settings,
}

impl Chosen {
    /// The kept settings under the command line's.
    pub(crate) fn new(kept: Settings, args: &Args) -> Self {
        let over = |value: &Option<String>, kept: &String| value.as_ref().unwrap_or(kept).clone();
        let in_force = Settings {
            name: over(&args.name, &kept.name),
            server: over(&args.server, &kept.server),
            camera: over(&args.camera, &kept.camera),
            microphone: over(&args.microphone, &kept.microphone),
            speaker: over(&args.speaker, &kept.speaker),
            ..kept.clone()
        };
        Self { kept, in_force }
    }

    /// What is in force.
    pub(crate) fn in_force(&self) -> &Settings {
        &self.in_force
    }

    /// Puts `edited` in force; returns what is to be kept: what the user changed, and not what the command line said.
    pub(crate) fn edit(&mut self, edited: Settings) -> &Settings {
        let (was, kept) = (&self.in_force, &mut self.kept);
        let texts: [fn(&mut Settings) -> &mut String; 5] =
            [|s| &mut s.name, |s| &mut s.server, |s| &mut s.camera, |s| &mut s.microphone, |s| &mut s.speaker];
        let (mut was, mut new) = (was.clone(), edited.clone());
        for text in texts {
            if text(&mut was) != text(&mut new) {
                text(kept).clone_from(text(&mut new));
            }
        }
        kept.video_quality = edited.video_quality;
        kept.voice = edited.voice;
        kept.theme = edited.theme;
        kept.do_not_disturb = edited.do_not_disturb;
        kept.relay_only = edited.relay_only;
        kept.keep_in_tray = edited.keep_in_tray;
        self.in_force = edited;
        &self.kept
    }
}

/// What the engine has to be told when `before` becomes `after`.
pub(crate) fn differences(before: &Settings, after: &Settings) -> Vec<Command> {
    let mut commands = Vec::new();
    if before.name != after.name {
        commands.push(Command::SetName(after.name.clone()));
    }
    if before.camera != after.camera {
        commands.push(Command::SelectCamera(after.camera.clone()));
    }
    if before.microphone != after.microphone {
        commands.push(Command::SelectMicrophone(after.microphone.clone()));
    }
    if before.speaker != after.speaker {
        commands.push(Command::SelectSpeaker(after.speaker.clone()));
    }
    if before.video_quality != after.video_quality {
        commands.push(Command::SetVideoQuality(after.video_quality));
    }
    if before.voice != after.voice {
        commands.push(Command::SetVoice(after.voice));
    }
    if before.server != after.server {
        commands.push(Command::SetHomeServer(home_server(after)));
    }
    if before.do_not_disturb != after.do_not_disturb {
        commands.push(Command::SetDoNotDisturb(after.do_not_disturb));
    }
    if before.relay_only != after.relay_only {
        commands.push(Command::SetRelayOnly(after.relay_only));
    }
    commands
}

/// Where contacts ring us. A server that this app hosts for a call does not stay, so it is none.
pub(crate) fn home_server(settings: &Settings) -> Option<String> {
    let server = settings.server.trim();
    (!server.is_empty()).then(|| server.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyeline_engine::view::VoiceProcessing;

    use crate::ipc::Theme;

    #[test]
    fn the_command_line_counts_for_one_run_only() {
        let kept = Settings { name: "Ada".into(), ..Settings::default() };
        let args = Args { name: Some("Robot".into()), camera: Some("test-pattern".into()), ..Args::default() };
        let mut chosen = Chosen::new(kept, &args);
        assert_eq!((chosen.in_force().name.as_str(), chosen.in_force().camera.as_str()), ("Robot", "test-pattern"));

        let switches = Settings {
            do_not_disturb: true,
            relay_only: true,
            keep_in_tray: true,
            theme: Theme::Dark,
            voice: VoiceProcessing::OFF,
            ..Settings::default()
        };
        let edited = Settings { name: "Robot".into(), camera: "usb-1".into(), ..switches.clone() };
        let kept = chosen.edit(edited.clone()).clone();
        let expected = Settings { name: "Ada".into(), camera: "usb-1".into(), ..switches };
        assert_eq!(kept, expected);
        assert_eq!(chosen.in_force(), &edited);
    }

    #[test]
    fn the_engine_hears_of_changes_only() {
        let before = Settings::default();
        let of_no_concern = Settings { keep_in_tray: true, theme: Theme::Light, ..before.clone() };
        assert!(differences(&before, &of_no_concern).is_empty());
        let served = Settings { server: " https://s.example.org ".into(), ..before.clone() };
        let [Command::SetHomeServer(Some(server))] = &differences(&before, &served)[..] else { panic!() };
        assert_eq!(server, "https://s.example.org");
        let [Command::SetHomeServer(None), Command::SetDoNotDisturb(true)] =
            &differences(&served, &Settings { do_not_disturb: true, ..before.clone() })[..]
        else {
            panic!()
        };
        let quiet_room = Settings { voice: VoiceProcessing::OFF, ..before.clone() };
        let [Command::SetVoice(VoiceProcessing::OFF)] = &differences(&before, &quiet_room)[..] else { panic!() };
        let after = Settings { name: "Ada".into(), speaker: "null".into(), ..before.clone() };
        let commands = differences(&before, &after);
        let [Command::SetName(name), Command::SelectSpeaker(speaker)] = commands.as_slice() else {
            panic!("{} commands", commands.len())
        };
        assert_eq!((name.as_str(), speaker.as_str()), ("Ada", "null"));
    }
}

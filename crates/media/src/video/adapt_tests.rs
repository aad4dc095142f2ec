use super::*;

const HD: (u32, u32) = (1280, 720);
const STEP: Duration = Duration::from_millis(33);

/// An encoder whose quantiser goes exactly by the rule, for content of one hardness (quantiser at 1 Mbit/s and 720 lines).
struct Rig {
    adaptation: Adaptation,
    now: Instant,
    hardness: f32,
    asked: Conditions,
    size: (u32, u32),
}

impl Rig {
    fn new(kbps: u64, hardness: f32) -> Self {
        let (codec, bitrate) = (VideoCodec::Vp9, Bitrate::from_kbps(kbps));
        let asked = Conditions { codec, bitrate, source: HD, max: HD, content: Content::Motion };
        Self { adaptation: Adaptation::default(), now: Instant::now(), hardness, asked, size: (0, 0) }
    }

    /// One picture; its size.
    fn picture(&mut self) -> (u32, u32) {
        self.now += STEP.max(self.adaptation.pause(self.asked.content));
        self.size = self.adaptation.size(self.now, &self.asked);
        let at = |kbps, short| Operating { bitrate: Bitrate::from_kbps(kbps), short };
        let quantizer = at(1_000, 720).expect(self.hardness, at(self.asked.bitrate.kbps(), self.size.1));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let quantizer = quantizer.clamp(2.0, 54.0) as u8;
        self.adaptation.encoded(quantizer, self.asked.bitrate, self.size);
        self.size
    }

    /// Lines of every size during `seconds` at `kbps`.
    fn run(&mut self, kbps: u64, seconds: f32) -> Vec<u32> {
        self.asked.bitrate = Bitrate::from_kbps(kbps);
        let end = self.now + Duration::from_secs_f32(seconds);
        let mut sizes = Vec::new();
        while self.now < end {
            sizes.push(self.picture().1);
        }
        sizes.dedup();
        sizes
    }
}

#[test]
fn easy_content_keeps_its_size_where_hard_content_gets_smaller() {
    for (hardness, sizes) in [(20.0, vec![540, 720]), (33.0, vec![540]), (44.0, vec![540, 360])] {
        assert_eq!(Rig::new(300, hardness).run(300, 10.0), sizes);
    }
}

#[test]
fn a_cut_counts_on_the_very_next_picture() {
    let mut rig = Rig::new(3_000, 33.0);
    rig.run(3_000, 3.0);
    rig.asked.bitrate = Bitrate::from_kbps(100);
    assert_eq!(rig.picture().1, 360);
    assert_eq!(rig.run(100, 5.0), [360], "and that is where it stays");
}

#[test]
fn size_comes_back_within_a_second_when_there_is_plenty() {
    let mut rig = Rig::new(300, 33.0);
    assert_eq!(rig.run(300, 3.0), [540]);
    assert_eq!(rig.run(3_000, 0.6), [540, 720], "at 3 Mbit/s it is certain");
    let mut rig = Rig::new(300, 33.0);
    rig.run(300, 3.0);
    assert_eq!(rig.run(900, 0.9), [540], "at 900 kbit/s it must last");
    assert_eq!(rig.run(900, 0.4), [540, 720]);
}

#[test]
fn no_rate_makes_it_flap() {
    for hardness in [20.0, 33.0, 44.0] {
        for kbps in (60..2_000).step_by(20) {
            let mut rig = Rig::new(kbps, hardness);
            rig.run(kbps, 6.0);
            let sizes = rig.run(kbps, 20.0);
            assert_eq!(sizes.len(), 1, "{hardness} at {kbps} kbit/s: {sizes:?}");
        }
    }
}

#[test]
fn few_bits_make_fewer_pictures() {
    let mut rig = Rig::new(60, 33.0);
    rig.picture();
    assert_eq!(rig.adaptation.pause(Content::Motion), HALF);
    rig.run(100, 1.0);
    assert_eq!(rig.adaptation.pause(Content::Motion), HALF, "not at the edge");
    rig.run(120, 1.0);
    assert_eq!(rig.adaptation.pause(Content::Motion), Duration::ZERO);
}

#[test]
fn screens_keep_their_size_and_come_less_often() {
    let mut rig = Rig::new(2_000, 33.0);
    rig.asked.content = Content::Screen;
    assert_eq!(rig.run(2_000, 2.0), [720]);
    assert_eq!(rig.adaptation.pause(Content::Screen), Duration::ZERO);
    assert_eq!(rig.run(200, 5.0), [720]);
    assert!(rig.adaptation.pause(Content::Screen) > HALF);
    assert_eq!(rig.run(2_000, 10.0), [720]);
    assert_eq!(rig.adaptation.pause(Content::Screen), Duration::ZERO);
}

#[test]
fn vp8_needs_more_and_portrait_is_measured_by_its_short_side() {
    let bitrate = Bitrate::from_kbps(600);
    let asked = Conditions { codec: VideoCodec::Vp8, bitrate, ..Rig::new(600, 33.0).asked };
    assert_eq!(Adaptation::default().size(Instant::now(), &asked), (960, 540));
    let bitrate = Bitrate::from_kbps(150);
    let asked = Conditions { bitrate, source: (720, 1280), max: (1280, 1280), ..Rig::new(150, 33.0).asked };
    assert_eq!(Adaptation::default().size(Instant::now(), &asked), (360, 640));
}

#[test]
fn small_cameras_and_ceilings_hold() {
    let mut rig = Rig::new(5_000, 10.0);
    (rig.asked.source, rig.asked.max) = ((1920, 1080), (640, 360));
    assert_eq!(rig.run(5_000, 5.0), [360]);
    let mut rig = Rig::new(5_000, 33.0);
    (rig.asked.source, rig.asked.max) = ((640, 480), HD);
    assert_eq!(rig.run(5_000, 5.0), [480]);
    assert_eq!(rig.run(100, 5.0).last(), Some(&360));
    assert_eq!(rig.run(5_000, 5.0), [360, 480]);
}

#[test]
fn a_slow_machine_hurries_first_and_then_gets_smaller_pictures() {
    let mut rig = Rig::new(2_000, 20.0);
    rig.run(2_000, 1.0);
    let t0 = rig.now;
    rig.adaptation.load(t0, 0.95, HD);
    assert!(rig.adaptation.hurry());
    assert_eq!(rig.picture(), HD);
    assert_eq!(rig.adaptation.limited_by(HD, HD), QualityLimitation::None);
    rig.adaptation.load(t0 + Duration::from_secs(1), 0.95, HD);
    assert_eq!(rig.picture(), HD, "the faster settings had no time to help");
    for second in 1..9 {
        rig.adaptation.load(t0 + Duration::from_secs(10 * second), 0.95, (320, 180));
    }
    assert_eq!(rig.picture(), (640, 360), "no smaller than 360 lines");
    assert_eq!(rig.adaptation.limited_by(HD, (640, 360)), QualityLimitation::Cpu);
    let mut t = t0 + Duration::from_secs(80);
    for (encoded, next, hurry) in
        [((640, 360), (960, 540), true), ((960, 540), HD, true), (HD, HD, true), (HD, HD, false)]
    {
        t += Duration::from_secs(8);
        rig.adaptation.load(t, 0.2, encoded);
        assert_eq!((rig.picture(), rig.adaptation.hurry()), (next, hurry));
    }
}

#[test]
fn a_thin_path_is_told_from_a_slow_machine() {
    let mut rig = Rig::new(300, 33.0);
    let small = rig.picture();
    assert_eq!(rig.adaptation.limited_by(HD, small), QualityLimitation::Bandwidth);
}

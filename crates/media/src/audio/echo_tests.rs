use super::*;

/// A stream whose every sample says which it is, modulo 2^15.
struct Played {
    reference: EchoReference,
    pushed: u64,
}

impl Played {
    fn push(&mut self, playing_at: Instant) {
        let block: Block = std::array::from_fn(|i| number(self.pushed + i as u64));
        self.pushed += 480;
        self.reference.push(&block, playing_at);
    }
}

fn number(sample: u64) -> i16 {
    i16::try_from(sample % 32_768).unwrap()
}

/// Both sides for `seconds`, the speaker's clock slower by `ppm` and both dated with up to `jitter`. Returns by how much the
/// reference was ahead of the microphone at every block, in samples of true time, and the steps that were no plain going on.
fn run(seconds: u64, ppm: i64, jitter: Duration) -> (Vec<f64>, usize) {
    let start = Instant::now() + Duration::from_secs(1);
    let mut played = Played { reference: EchoReference::default(), pushed: 0 };
    let mut random = 7_u64;
    let mut rough = |at: Instant| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        at + jitter.mul_f64((random >> 40) as f64 / 16_777_216.0)
    };
    let block = Duration::from_nanos(u64::try_from(10_000_000 + ppm * 10).unwrap());
    let (mut plays, mut leads, mut steps, mut last) = (start, Vec::new(), 0, None);
    // As the microphone does.
    let mut timeline = Timeline::default();
    for i in 0..u32::try_from(seconds * 100).unwrap() {
        let captured = start + BLOCK_TIME * i;
        while plays <= captured + Duration::from_millis(30) {
            played.push(rough(plays));
            plays += block;
        }
        let got = played.reference.next(timeline.date(rough(captured)));
        if let Some(last) = last {
            steps += usize::from((got[0] - last) & 0x7fff != 480);
        }
        last = Some(got[0]);
        // What plays at `captured`, by the speaker's true clock.
        let now = (captured - start).as_secs_f64() / block.as_secs_f64() * 480.0;
        let position = f64::from(got[0]) + 32_768.0 * ((now - f64::from(got[0])) / 32_768.0).round();
        leads.push(position - now);
    }
    (leads, steps)
}

#[test]
fn without_drift_the_delay_hardly_changes_however_the_moments_jitter() {
    for jitter_ms in [0, 3, 8] {
        let (leads, steps) = run(60, 0, Duration::from_millis(jitter_ms));
        assert!(steps <= 150, "{steps} corrections at {jitter_ms} ms of jitter");
        let (low, high) = (leads.iter().copied().fold(f64::MAX, f64::min), leads.iter().copied().fold(0.0, f64::max));
        assert!(low > 0.0 && high - low < 200.0, "{low} to {high} samples ahead at {jitter_ms} ms of jitter");
    }
}

#[test]
fn drifting_clocks_are_followed_by_single_samples() {
    for ppm in [-100, 100] {
        let (leads, steps) = run(200, ppm, Duration::from_millis(3));
        let (low, high) = (leads.iter().copied().fold(f64::MAX, f64::min), leads.iter().copied().fold(0.0, f64::max));
        assert!(low > 0.0 && high - low < 150.0, "{low} to {high} samples ahead at {ppm} ppm");
        assert!((700..1_300).contains(&steps), "{steps} steps for 960 samples of drift at {ppm} ppm");
    }
}

#[test]
fn it_is_silent_before_and_after_and_begins_anew() {
    let mut played = Played { reference: EchoReference::default(), pushed: 1_000 };
    let start = Instant::now();
    assert_eq!(played.reference.next(start), SILENCE);
    for i in 0..3 {
        played.push(start + BLOCK_TIME * i);
    }
    assert_eq!(played.reference.next(start)[0], 1_960, "20 ms ahead");
    assert_eq!(played.reference.next(start + Duration::from_secs(1)), SILENCE, "it has ended");
    let later = start + Duration::from_secs(5);
    for i in 0..4 {
        played.push(later + BLOCK_TIME * i);
    }
    assert_eq!(played.reference.next(later)[0], 1_000 + 3 * 480 + 960);
}

#[test]
fn a_reader_that_stands_still_goes_on_with_what_plays_now() {
    let mut played = Played { reference: EchoReference::default(), pushed: 0 };
    let start = Instant::now();
    for i in 0..3 {
        played.push(start + BLOCK_TIME * i);
    }
    let before = played.reference.next(start)[0];
    for i in 3..100 {
        played.push(start + BLOCK_TIME * i);
    }
    let at = 95;
    let after = played.reference.next(start + BLOCK_TIME * at)[0];
    assert_eq!(u64::try_from(after).unwrap(), (u64::try_from(before).unwrap() + u64::from(at) * 480) % 32_768);
}

#[test]
fn sound_that_the_microphone_lost_is_left_out_here_too() {
    let mut played = Played { reference: EchoReference::default(), pushed: 0 };
    let start = Instant::now();
    for i in 0..10 {
        played.push(start + BLOCK_TIME * i);
    }
    let before = played.reference.next(start)[0];
    let after = played.reference.next(start + BLOCK_TIME + Duration::from_millis(15))[0];
    assert_eq!(after - before, 480 + 720, "a block and what was lost");
}

#[test]
fn silence_that_the_speaker_made_up_is_part_of_what_was_played() {
    let mut played = Played { reference: EchoReference::default(), pushed: 1_000 };
    let start = Instant::now();
    for i in 0..2 {
        played.push(start + BLOCK_TIME * i);
    }
    played.reference.push_gap(240);
    for i in 2..6 {
        played.push(start + BLOCK_TIME * i + Duration::from_millis(5));
    }
    let read: Vec<i16> = (0..3).flat_map(|i| played.reference.next(start + BLOCK_TIME * i)).collect();
    assert_eq!((read[0], read[239], read[240], read[479], read[480]), (0, 0, 1_960, 2_199, 2_200), "after the gap");
}

#[test]
fn a_speaker_that_stands_still_does_not_move_what_is_aligned() {
    let mut played = Played { reference: EchoReference::default(), pushed: 0 };
    let start = Instant::now();
    let push = |played: &mut Played, i: u32| played.push(start + BLOCK_TIME * i);
    (0..4).for_each(|i| push(&mut played, i));
    let first: Vec<i16> = (0..2).map(|i| played.reference.next(start + BLOCK_TIME * i)[0]).collect();
    assert_eq!(first, [960, 1_440]);
    // The speaker's thread is late by 30 ms.
    let late: Vec<i16> = (2..5).map(|i| played.reference.next(start + BLOCK_TIME * i)[479]).collect();
    assert_eq!(late, [1_919, 0, 0], "half of the lead is given up, then what is missing is silence");
    (4..12).for_each(|i| push(&mut played, i));
    assert_eq!(played.reference.next(start + BLOCK_TIME * 5)[0], 5 * 480 + 480, "the rest of the lead is kept");
}

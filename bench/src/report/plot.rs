//! A small plot: latency over time above, rate over time below, a line a system.

use std::fmt::Write as _;

use super::{Compared, series};

const WIDTH: f64 = 640.0;
const PANEL: f64 = 150.0;
const LEFT: f64 = 52.0;
const GAP: f64 = 34.0;
/// Chromium, Chromium with VP9, Eyeline: told apart by those who see colours differently as well.
const COLOURS: [(&str, &str); 3] = [("#d55e00", "Chromium"), ("#b08d00", "Chromium VP9"), ("#0072b2", "Eyeline")];

type Points = Vec<(f64, f64)>;

/// The plot as SVG.
pub(super) fn svg(one: &Compared<'_>) -> String {
    let height = 2.0 * (PANEL + GAP) + 26.0;
    let seconds = one.scenario.length.as_secs_f64();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"15\" font-size=\"13\">{}: {}</text>\n",
        one.scenario.name, one.scenario.about
    );
    let latency = one.runs.each_ref().map(|runs| series(runs, |run| &run.figures.latency));
    let rate = one.runs.each_ref().map(|runs| series(runs, |run| &run.figures.rate));
    svg += &panel("latency, ms", &latency, seconds, 26.0);
    svg += &panel("sent, kbit/s", &rate, seconds, 26.0 + PANEL + GAP);
    for (at, (colour, name)) in COLOURS.iter().enumerate() {
        let x = WIDTH - 290.0 + 95.0 * at as f64;
        writeln!(svg, "<text x=\"{x}\" y=\"{}\" fill=\"{colour}\">{name}</text>", height - 6.0)
            .expect("a string takes all text");
    }
    svg + "</svg>\n"
}

fn panel(label: &str, lines: &[Points; 3], seconds: f64, top: f64) -> String {
    let most = lines.iter().flatten().map(|(_, value)| *value).fold(1.0, f64::max);
    let step = tidy(most / 4.0);
    let most = (most / step).ceil() * step;
    let x = |at: f64| LEFT + at / seconds * (WIDTH - LEFT - 12.0);
    let y = |value: f64| top + PANEL - value / most * PANEL;
    let mut svg = format!("<text x=\"{LEFT}\" y=\"{}\" fill=\"#555\">{label}</text>\n", top + 10.0);
    let mut add = |words: std::fmt::Arguments<'_>| writeln!(svg, "{words}").expect("a string takes all text");
    for line in 0..=(most / step).round() as u32 {
        let value = f64::from(line) * step;
        let (y, right) = (y(value), WIDTH - 12.0);
        add(format_args!("<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>"));
        add(format_args!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{value}</text>",
            LEFT - 5.0,
            y + 4.0
        ));
    }
    for second in (0..=seconds as u32).step_by(if seconds > 40.0 { 10 } else { 5 }) {
        let (x, y) = (x(f64::from(second)), top + PANEL + 13.0);
        add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" fill=\"#555\">{second} s</text>"));
    }
    for (points, (colour, _)) in lines.iter().zip(COLOURS) {
        let path: Vec<String> = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
        add(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>",
            path.join(" ")
        ));
    }
    svg
}

/// The next of 1, 2, 5, 10, 20, 50, …
fn tidy(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    #[test]
    fn steps_are_tidy() {
        assert_eq!([0.7, 3.0, 12.0, 50.0, 501.0].map(super::tidy), [1.0, 5.0, 20.0, 50.0, 1_000.0]);
    }
}

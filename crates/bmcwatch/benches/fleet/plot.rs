//! Pictures of saved runs: memory against endpoints, CPU of an event and time to the file against the rate.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, ensure};
use plotters::prelude::{
    ChartBuilder, Circle, Color, EmptyElement, IntoDrawingArea, IntoFont, IntoLogRange, LineSeries, RGBColor,
    SVGBackend, Text, WHITE,
};
use serde_json::Value;

/// Of every picture, in pixels.
const SIZE: (u32, u32) = (720, 420);
const OURS: RGBColor = RGBColor(0, 92, 175);
const FLOOR: RGBColor = RGBColor(150, 150, 150);
const TAIL: RGBColor = RGBColor(200, 80, 30);

/// A line of a picture: its name, its colour, its points.
struct Line {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Draws what the runs in `runs` say into `pictures`.
pub(crate) fn draw(runs: &Path, pictures: &Path) -> anyhow::Result<()> {
    let runs = read(runs)?;
    ensure!(!runs.is_empty(), "no run is saved; `just bench-fleet` makes one");
    std::fs::create_dir_all(pictures)?;
    let memory = |side| {
        let point = |(endpoints, run): (&u32, &Value)| {
            let rows = run["rows"].as_array()?;
            let row = rows.iter().find(|row| row["name"] == "resident memory, all, idle")?;
            Some((f64::from(*endpoints), row[side].as_f64()?))
        };
        runs.iter().filter_map(point).collect()
    };
    let lines = [line("bmcwatch", OURS, memory("bmcwatch")), line("floor", FLOOR, memory("floor"))];
    picture(&pictures.join("memory.svg"), ("Resident memory", "endpoints", "MiB"), &lines)?;
    // A short run has one rate only.
    let whole = |run: &&Value| run["rates"]["bmcwatch"].as_array().is_some_and(|rates| rates.len() > 1);
    let largest = runs.values().rev().find(whole).context("find a run that is not short")?;
    let rates = |side: &str, name: &str| {
        let all = largest["rates"][side].as_array().into_iter().flatten();
        let point = |one: &Value| Some((one["rate"].as_f64()?, one[name].as_f64()?));
        all.filter_map(point).collect::<Vec<_>>()
    };
    let millis = |side, name| rates(side, name).into_iter().map(|(x, y)| (x, y / 1e3)).collect();
    let lines =
        [line("bmcwatch", OURS, rates("bmcwatch", "cpu_us")), line("floor", FLOOR, rates("floor", "cpu_us"))];
    picture(&pictures.join("cpu.svg"), ("CPU of an event", "events a second", "microseconds"), &lines)?;
    let lines = [
        line("middle", OURS, millis("bmcwatch", "p50_us")),
        line("99 of 100", TAIL, millis("bmcwatch", "p99_us")),
        line("floor, 99 of 100", FLOOR, millis("floor", "p99_us")),
    ];
    let title = ("From the BMC to the file", "events a second", "milliseconds");
    picture(&pictures.join("latency.svg"), title, &lines)
}

/// The newest saved run of each size.
fn read(runs: &Path) -> anyhow::Result<BTreeMap<u32, Value>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(runs).context("find saved runs")? {
        let path = entry?.path();
        // Callgrind writes there too.
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read(path)?;
        let run: Value = serde_json::from_slice(&text).context("read a saved run")?;
        let endpoints = run["endpoints"].as_u64().context("find how many endpoints it had")?;
        found.insert(u32::try_from(endpoints)?, run);
    }
    Ok(found)
}

fn line(name: &'static str, colour: RGBColor, points: Vec<(f64, f64)>) -> Line {
    Line { name, colour, points }
}

/// The horizontal axis is logarithmic; the vertical one begins at zero.
fn picture(path: &Path, (title, x, y): (&str, &str, &str), lines: &[Line]) -> anyhow::Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let least = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let most = points().map(|point| point.0).fold(0.0, f64::max);
    let top = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((least * 0.8..most * 1.6).log_scale(), 0.0..top)?;
    let whole = |value: &f64| format!("{value:.0}");
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .light_line_style(WHITE)
        .draw()?;
    for (nth, line) in lines.iter().enumerate() {
        chart.draw_series(LineSeries::new(line.points.iter().copied(), line.colour.stroke_width(2)))?;
        chart.draw_series(line.points.iter().map(|at| Circle::new(*at, 3, line.colour.filled())))?;
        if let Some(last) = line.points.last() {
            let style = ("sans-serif", 13).into_font().color(&line.colour);
            let beside =
                |other: &Line| other.points.last().is_some_and(|end| (end.1 - last.1).abs() < top / 20.0);
            let lower = if lines[..nth].iter().any(beside) { 8 } else { -6 };
            chart.draw_series([EmptyElement::at(*last) + Text::new(line.name, (8, lower), style)])?;
        }
    }
    root.present().context("save a picture")
}

//! Reliability kept against utility kept: a path per method from the unpruned model outwards.

use secateur_metrics::value::Aspect;

use super::canvas::Canvas;
use super::meaning::{Datum, X};
use super::palette::{AXIS, QUIET, mark, style};
use super::panel::{Axis, Frame, Panel};
use super::scene::Scene;
use super::{basis, capital, coverage_note, curves_in, domains, legend, percent, titled, uncovered};
use crate::aggregate::Aggregate;
use crate::error::Error;

const HEIGHT: f64 = 330.0;

/// One method's way: fraction, utility, reliability, coverage.
type Path = Vec<(f64, f64, f64, f64)>;

/// Draws the chart of a model for one kind of task; `None` if no method has both there.
///
/// # Errors
/// [`Error::Font`].
pub fn draw(on: Canvas, all: &Aggregate, model: &str, kind: &str) -> Result<Option<Scene>, Error> {
    let methods = all.methods();
    let domains = domains(all, model, kind);
    let paths: Vec<Vec<Path>> = domains
        .iter()
        .map(|d| methods.iter().map(|m| path(all, model, m, (d, kind))).collect())
        .collect();
    if paths.iter().flatten().all(|path| path.len() < 2) {
        return Ok(None);
    }
    let gap = if on.paper() { 34.0 } else { 50.0 };
    let width = on.share(domains.len(), gap);
    let tall = if on == Canvas::Column { 150.0 } else { on.scaled(HEIGHT) };
    let top = on.head() + 40.0;
    let below = top + tall + 50.0;
    let height = below + legend::methods_height(on, &methods);
    let title = format!("{model}, {kind}: reliability kept against utility kept");
    let line = "Paths start at the unpruned model; markers grow with the share removed. Below the dotted diagonal, reliability went first.";
    let line = line.to_owned() + coverage_note(all, model, kind);
    let mut scene = titled(on, &title, &line, height)?;
    scene.columns("method", "utility kept, %", "reliability kept");
    let points = || paths.iter().flatten().flatten();
    let x = range(points().map(|p| p.1));
    let y = range(points().map(|p| p.2));
    for (column, domain) in domains.iter().enumerate() {
        let frame = Frame {
            left: on.left() + column as f64 * (width + gap),
            top,
            width,
            height: tall,
        };
        let panel = Panel {
            frame,
            x: x.clone(),
            y: y.clone(),
        };
        panel.draw(&mut scene);
        scene.panel(&capital(domain), "% of unpruned");
        panel.title(
            &mut scene,
            &capital(domain),
            &basis(&curves_in(all, model, (domain, kind))),
        );
        panel.x_title(&mut scene, on.words("utility kept, % of unpruned", "utility kept, %"));
        if column == 0 {
            panel.y_title(
                &mut scene,
                on.words("reliability kept, % of unpruned", "reliability kept, %"),
            );
        }
        guides(&mut scene, &panel);
        for (i, path) in paths[column].iter().enumerate() {
            scene.series(&methods[i], |scene| way(scene, &panel, (i, &methods[i]), path));
        }
    }
    legend::methods(&mut scene, &methods, below);
    Ok(Some(scene))
}

fn range(values: impl Iterator<Item = f64>) -> Axis {
    let (low, high) = values.fold((1.0_f64, 1.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    Axis::percent(low, high)
}

/// Points that have both aspects.
fn path(all: &Aggregate, model: &str, method: &str, place: (&str, &str)) -> Path {
    let utility = all.curve(model, method, place, Aspect::Utility);
    let reliability = all.curve(model, method, place, Aspect::Reliability);
    let (Some(utility), Some(reliability)) = (utility, reliability) else {
        return Vec::new();
    };
    let both = utility.points.iter().filter_map(|u| {
        let r = reliability.points.iter().find(|r| r.fraction == u.fraction)?;
        let coverage = u.coverage.min(r.coverage);
        Some((u.fraction, u.estimate.value, r.estimate.value, coverage))
    });
    both.collect()
}

fn guides(scene: &mut Scene, panel: &Panel) {
    let (x, y) = (&panel.x, &panel.y);
    let dash = [4.0, 3.0];
    scene.dashed(&[panel.at(x.from, 1.0), panel.at(x.to, 1.0)], 1.0, AXIS, &dash);
    scene.dashed(&[panel.at(1.0, y.from), panel.at(1.0, y.to)], 1.0, AXIS, &dash);
    let (from, to) = (x.from.max(y.from), x.to.min(y.to));
    if from < to {
        let diagonal = [panel.at(from, from), panel.at(to, to)];
        scene.dashed(&diagonal, 1.2, QUIET, &[1.5, 3.0]);
    }
}

fn way(scene: &mut Scene, panel: &Panel, (index, method): (usize, &str), path: &Path) {
    let look = style(index, method);
    let points: Vec<_> = path.iter().map(|(_, u, r, _)| panel.at(*u, *r)).collect();
    if points.len() < 2 {
        return;
    }
    scene.dashed(&points, 1.4, look.ink, look.dashes);
    for ((fraction, utility, reliability, coverage), at) in path.iter().zip(&points).skip(1) {
        mark(scene, &look, *at, 1.8 + 3.2 * fraction);
        uncovered(scene, *coverage, *at);
        let kept = Datum::new(*at, X::Number(utility * 100.0), reliability * 100.0);
        scene.datum(kept.noted(format!("{} % removed", percent(*fraction))));
    }
}

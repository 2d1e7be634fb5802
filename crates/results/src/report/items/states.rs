//! How single items changed, from the answers of both sides, as the record counts it.
//!
//! A record says of each kind of change which metric decides, not which score of an answer is behind it. The score is found: it is
//! the one that gives the record's own counts and its first items. So the page shows no change that the record does not count.

use secateur_metrics::regressions::{Kind, Regression};

use super::line::{Line, Output};

/// An item's answers, before and after.
pub(super) type Pair<'a> = (&'a Line, &'a Line);

/// The good and the bad state of one kind, before and after; `None` where the item has none.
type State = Option<(bool, bool)>;

/// What is known of the items of a cell.
#[derive(Debug, Default, PartialEq)]
pub(super) struct States {
    /// By item, a bit per kind that happened, the first of [`Kind::ALL`] lowest.
    pub(super) changes: Vec<u32>,
    /// By item, whether it was right and is right.
    pub(super) right: Vec<State>,
    /// Kinds that the answers do not bear out.
    pub(super) unknown: Vec<Kind>,
}

/// States of a cell's items, in their order.
pub(super) fn states(regressions: &[Regression], pairs: &[Pair<'_>]) -> States {
    let mut all = States {
        changes: vec![0; pairs.len()],
        right: vec![None; pairs.len()],
        unknown: Vec::new(),
    };
    for loss in regressions.iter().filter(|change| change.kind.is_loss()) {
        let gain = regressions
            .iter()
            .find(|change| change.kind == loss.kind.inverse() && same(change, loss));
        let Some(found) = find(loss, gain, pairs) else {
            all.unknown.push(loss.kind);
            continue;
        };
        for (item, state) in found.iter().enumerate() {
            let kind = match state {
                Some((true, false)) => loss.kind,
                Some((false, true)) if gain.is_some() => loss.kind.inverse(),
                _ => continue,
            };
            all.changes[item] |= 1 << kind as u32;
        }
        if loss.kind == Kind::RightToWrong {
            all.right = found;
        }
    }
    all
}

fn same(a: &Regression, b: &Regression) -> bool {
    (&a.metric, &a.scorer) == (&b.metric, &b.scorer)
}

/// The states that give the record's counts.
fn find(loss: &Regression, gain: Option<&Regression>, pairs: &[Pair<'_>]) -> Option<Vec<State>> {
    let fits =
        |states: &Vec<State>| agrees(loss, true, states, pairs) && gain.is_none_or(|g| agrees(g, false, states, pairs));
    if let Some(states) = by_rules(loss.kind, pairs) {
        return fits(&states).then_some(states);
    }
    names(&loss.metric, pairs).into_iter().find_map(|name| {
        [true, false].into_iter().find_map(|good| {
            let state = |line: &Line| line.scores.get(name).map(|score| (*score > 0.5) == good);
            let states = pairs.iter().map(|(before, after)| state(before).zip(state(after)));
            Some(states.collect()).filter(fits)
        })
    })
}

fn agrees(change: &Regression, from: bool, states: &[State], pairs: &[Pair<'_>]) -> bool {
    let at_risk = states.iter().flatten().filter(|state| state.0 == from).count();
    let changed: Vec<&str> = states
        .iter()
        .zip(pairs)
        .filter(|(state, _)| **state == Some((from, !from)))
        .map(|(_, (_, after))| after.item.as_str())
        .collect();
    at_risk == change.at_risk
        && changed.len() == change.count
        && changed.iter().zip(&change.items).all(|(found, kept)| found == kept)
}

/// States that flags decide; `None` if scores do.
fn by_rules(loss: Kind, pairs: &[Pair<'_>]) -> Option<Vec<State>> {
    let (flag, unanswerable) = match loss {
        Kind::AnsweredToAbstained => ("abstained", Some(false)),
        Kind::AbstainedToInvented => ("abstained", Some(true)),
        Kind::AnsweredToEmpty => ("empty", None),
        Kind::AnsweredToLooping => ("looping", None),
        Kind::AnsweredToTruncated => ("truncated", None),
        Kind::AnsweredToUnparsable => ("unparsable", None),
        _ => return None,
    };
    let good = |line: &Line| match &line.output {
        Output::Text(text) if !line.flags.contains("unscorable") => {
            let asked = unanswerable.is_none_or(|wanted| wanted == text.unanswerable);
            // To refuse is right where nothing else is.
            asked.then(|| line.flags.contains(flag) == (unanswerable == Some(true)))
        }
        _ => None,
    };
    let states = pairs.iter().map(|(before, after)| good(before).zip(good(after)));
    Some(states.collect())
}

/// Scores by which the metric may be made, the likeliest first: the names are kept short and much alike.
fn names<'a>(metric: &str, pairs: &[Pair<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = pairs
        .iter()
        .flat_map(|(before, after)| before.scores.keys().chain(after.scores.keys()))
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    let stem = metric.trim_end_matches("_rate");
    names.sort_by_key(|name| *name != metric && name.trim_start_matches("scorer.") != stem);
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::super::line::parse;
    use super::*;

    fn lines(rows: &[(&str, f64, f64, &str)]) -> Vec<Line> {
        let line = |(item, right, made_up, flags): &(&str, f64, f64, &str)| {
            format!(
                r#"{{"item":"{item}","output":{{"text":{{"text":""}}}},"scores":{{"exact_match":{right},"hallucinated":{made_up}}},"flags":[{flags}]}}"#
            )
        };
        let text: Vec<_> = rows.iter().map(line).collect();
        parse(text.join("\n").as_bytes(), Path::new("a")).unwrap()
    }

    fn change(kind: Kind, metric: &str, at_risk: usize, count: usize, items: &[&str]) -> Regression {
        Regression {
            kind,
            metric: metric.to_owned(),
            scorer: "rules".to_owned(),
            at_risk,
            count,
            interval: (0.0, 1.0),
            items: items.iter().map(|item| (*item).to_owned()).collect(),
        }
    }

    #[test]
    fn scores_are_found_by_their_counts_and_others_are_not_claimed() {
        let before = lines(&[("a", 1.0, 0.0, ""), ("b", 1.0, 0.0, ""), ("c", 0.0, 1.0, "")]);
        let after = lines(&[("a", 0.0, 1.0, "\"looping\""), ("b", 1.0, 0.0, ""), ("c", 1.0, 0.0, "")]);
        let pairs: Vec<Pair<'_>> = before.iter().zip(&after).collect();
        let counted = [
            change(Kind::RightToWrong, "exact_match", 2, 1, &["a"]),
            change(Kind::WrongToRight, "exact_match", 1, 1, &["c"]),
            change(Kind::SoundToHallucinated, "hallucination_rate", 2, 1, &["a"]),
            change(Kind::AnsweredToLooping, "looping_rate", 3, 1, &["a"]),
            change(Kind::SupportedToUnsupported, "of_another_score", 3, 2, &["a", "b"]),
        ];
        let found = states(&counted, &pairs);
        let bits = |kinds: &[Kind]| kinds.iter().map(|kind| 1 << *kind as u32).sum::<u32>();
        assert_eq!(
            found.changes,
            [
                bits(&[Kind::RightToWrong, Kind::SoundToHallucinated, Kind::AnsweredToLooping]),
                0,
                bits(&[Kind::WrongToRight]),
            ]
        );
        assert_eq!(
            found.right,
            [Some((true, false)), Some((true, true)), Some((false, true))]
        );
        assert_eq!(found.unknown, [Kind::SupportedToUnsupported]);
    }
}

//! What people read.

use secateur_judges::llm::figures::{
    QuestionFigures, agreement_on_pairs, agreement_on_texts, contradiction_rate, questions,
};
use secateur_judges::llm::{Client, Summary};
use secateur_metrics::error::MetricError;
use secateur_metrics::judged::WinRate;
use secateur_metrics::krippendorff::Alpha;

use super::Judged;

/// What the four questions ask of the pruned model's text, in their order.
pub const ASKED: [&str; 4] = ["hallucinates more", "omits more", "repeats more", "better aligned"];

pub fn tables(judged: &Judged) {
    match judged {
        Judged::Absolute(runs) => {
            for (client, run) in runs {
                heading(client);
                match contradiction_rate(&run.verdicts) {
                    Ok(rate) => println!(
                        "  contradict their source: {} ({} of {})",
                        share(rate.rate, rate.interval),
                        rate.contradictions,
                        rate.n
                    ),
                    Err(reason) => println!("  contradict their source: – ({reason})"),
                }
                print(&run.summary);
            }
            let all: Vec<_> = runs.iter().map(|(_, run)| run.verdicts.as_slice()).collect();
            if all.len() > 1 {
                agreement(&format!("agreement of {} judges", all.len()), &agreement_on_texts(&all));
            }
        }
        Judged::Relative(runs) => {
            for (client, run) in runs {
                heading(client);
                match questions(run) {
                    Ok(figures) => figures
                        .iter()
                        .zip(ASKED)
                        .for_each(|(figures, asked)| question(asked, figures)),
                    Err(reason) => println!("  pruned against unpruned: – ({reason})"),
                }
                print(&run.summary);
            }
            let all: Vec<_> = runs.iter().map(|(_, run)| run.drawn.as_slice()).collect();
            if all.len() > 1 {
                println!("agreement of {} judges", all.len());
                for (index, asked) in ASKED.into_iter().enumerate() {
                    agreement(&format!("  {asked:<18}"), &agreement_on_pairs(&all, index));
                }
            }
        }
    }
}

fn heading(client: &Client) {
    let endpoint = client.endpoint();
    println!("{} ({} at {})", endpoint.name, endpoint.model, endpoint.endpoint);
}

fn question(asked: &str, figures: &QuestionFigures) {
    println!("  pruned {asked:<18} {}", wins(&figures.win_rate));
    if let Some(consistent) = &figures.consistent {
        println!("    both orders, else tie    {}", wins(consistent));
    }
    let first = figures.first_share;
    print!(
        "    the text shown first is named in {} of {} verdicts (p {})",
        share(first.share, first.interval),
        first.n,
        p(first.p_value)
    );
    match figures.flips {
        Some(flips) => println!(
            "; {} of {} verdicts change with the order",
            share(flips.rate, flips.interval),
            flips.n
        ),
        None => println!(),
    }
}

fn wins(rate: &WinRate) -> String {
    format!(
        "{} ({} to {}, {} ties; p {})",
        share(rate.rate, rate.interval),
        rate.pruned,
        rate.unpruned,
        rate.ties,
        p(rate.p_value)
    )
}

fn agreement(of: &str, found: &Result<Alpha, MetricError>) {
    match found {
        Ok(alpha) => {
            let interval = alpha.interval.map_or_else(
                || "no interval".to_owned(),
                |(low, high)| format!("{low:.2} to {high:.2}"),
            );
            println!(
                "{of}: Krippendorff's α {:.2} ({interval}), {} items with two verdicts; observed {:.0} %",
                alpha.value,
                alpha.units,
                100.0 * alpha.observed_agreement
            );
        }
        Err(reason) => println!("{of}: – ({reason})"),
    }
}

fn print(summary: &Summary) {
    println!(
        "  {} items: {} with a verdict, {} unparsable, {} empty, {} failed, {} not asked",
        summary.items, summary.judged, summary.unparsable, summary.empty, summary.failed, summary.not_asked
    );
    let unknown = match summary.tokens_unknown {
        0 => String::new(),
        n => format!(" (and {n} answers whose tokens the endpoint did not count)"),
    };
    let cost = summary
        .cost
        .map_or_else(String::new, |cost| format!(", cost {cost:.4}"));
    println!(
        "  {} questions asked, {} kept from before; {} tokens in, {} out{unknown}{cost}",
        summary.asked, summary.cached, summary.tokens_in, summary.tokens_out
    );
}

fn share(rate: f64, (low, high): (f64, f64)) -> String {
    format!("{:.1} % ({:.1}–{:.1})", 100.0 * rate, 100.0 * low, 100.0 * high)
}

fn p(value: f64) -> String {
    if value < 0.001 {
        "< 0.001".into()
    } else {
        format!("{value:.3}")
    }
}

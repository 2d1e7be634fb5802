//! `secateur judge`: language models as judges of texts, behind `OpenAI`-compatible endpoints.

mod inputs;
mod json;
mod print;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secateur_judges::llm::absolute::{self, Agreement};
use secateur_judges::llm::relative::{self, RelativeOptions, RelativeRun, Triple};
use secateur_judges::llm::{Client, Run, Summary, Watch};
use secateur_judges::scorer::Pair;

use crate::exit::Exit;
use crate::interrupt;
use crate::talk;
use inputs::Item;

const EXAMPLES: &str = "\
Examples:
  # Does each text contradict its source? Lines of {\"id\", \"source\", \"text\"}
  secateur judge --config judges.toml --pairs summaries.jsonl --cache results/judged

  # Which of two texts hallucinates more? Lines of {\"id\", \"source\", \"unpruned\", \"pruned\"}
  secateur judge --config judges.toml --pairs summaries.jsonl --cache judged --both-orders --json

  # judges.toml; the key is read from the variable and written nowhere
  [[judges]]
  name = \"local\"
  endpoint = \"http://localhost:8000/v1\"
  model = \"Qwen/Qwen3-30B-A3B-Instruct-2507\"
  [[judges]]
  name = \"hosted\"
  endpoint = \"https://api.example.org/v1\"
  model = \"judge-large\"
  api_key_env = \"JUDGE_API_KEY\"
  requests_per_minute = 60
  price_in = 0.5
  price_out = 2.0";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The judges: a TOML file with `[[judges]]` entries.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What is judged: a JSONL file.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// What is asked; by default what the file's fields allow.
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Folder of kept replies: what is in it is not asked again.
    #[arg(long, value_name = "DIR")]
    cache: PathBuf,
    /// Ask every pair of texts in both orders, and report what changes with the order.
    #[arg(long)]
    both_orders: bool,
    /// Seed of the order in which two texts are shown.
    #[arg(long, default_value_t = 123)]
    seed: i64,
    /// Print one JSON document, every verdict in it, instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Does a text contradict its source?
    Absolute,
    /// Which of two texts hallucinates, omits and repeats more, and is better aligned?
    Relative,
}

/// What the judges said.
enum Judged {
    Absolute(Vec<(Client, Run<Agreement>)>),
    Relative(Vec<(Client, RelativeRun)>),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let clients = inputs::judges(&arguments.config, &arguments.cache)?;
    let (protocol, items) = inputs::items(&arguments.pairs, arguments.protocol)?;
    if arguments.both_orders && protocol == Protocol::Absolute {
        anyhow::bail!("--both-orders needs two texts per line; the absolute protocol judges one");
    }
    // The second Ctrl-C does not wait for requests under way.
    interrupt::listen()?;
    let options = RelativeOptions {
        seed: arguments.seed,
        both_orders: arguments.both_orders,
    };
    let judged = match protocol {
        Protocol::Absolute => {
            let pairs: Vec<Pair<'_>> = items.iter().map(Item::pair).collect();
            let ask = |client: &Client, watch: &mut Watch<'_>| absolute::judge(client, &pairs, watch);
            Judged::Absolute(each(clients, pairs.len(), ask)?)
        }
        Protocol::Relative => {
            let triples: Vec<Triple<'_>> = items.iter().map(Item::triple).collect();
            let ask = |client: &Client, watch: &mut Watch<'_>| relative::judge(client, &triples, options, watch);
            Judged::Relative(each(
                clients,
                triples.len() * (1 + usize::from(options.both_orders)),
                ask,
            )?)
        }
    };
    for message in judged.messages() {
        talk::warning(message);
    }
    if arguments.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&json::document(&judged, &items, options))?
        );
    } else {
        print::tables(&judged);
    }
    Ok(ending(&judged))
}

/// Asks one judge after the other.
fn each<R>(
    clients: Vec<Client>,
    questions: usize,
    ask: impl Fn(&Client, &mut Watch<'_>) -> Result<R, secateur_judges::error::JudgeError>,
) -> anyhow::Result<Vec<(Client, R)>> {
    let mut runs = Vec::new();
    for client in clients {
        // Not drawn where the error stream is no terminal.
        let bar =
            talk::bar(questions as u64, "{bar:30} {pos}/{len} {msg}").with_message(client.endpoint().name.clone());
        let run = ask(
            &client,
            &mut Watch {
                should_stop: &interrupt::interrupted,
                progress: &mut |finished| bar.inc(finished as u64),
            },
        )?;
        bar.finish_and_clear();
        runs.push((client, run));
    }
    Ok(runs)
}

impl Judged {
    fn summaries(&self) -> Vec<&Summary> {
        match self {
            Self::Absolute(runs) => runs.iter().map(|(_, run)| &run.summary).collect(),
            Self::Relative(runs) => runs.iter().map(|(_, run)| &run.summary).collect(),
        }
    }

    fn messages(&self) -> Vec<&String> {
        match self {
            Self::Absolute(runs) => runs.iter().flat_map(|(_, run)| &run.messages).collect(),
            Self::Relative(runs) => runs.iter().flat_map(|(_, run)| &run.messages).collect(),
        }
    }
}

fn ending(judged: &Judged) -> Exit {
    let complete = judged.summaries().iter().all(|summary| summary.is_complete());
    if interrupt::interrupted() {
        talk::note("stopped; what was answered is kept, and the same command goes on from here");
        Exit::Interrupted
    } else if complete {
        Exit::Done
    } else {
        Exit::SomeFailed
    }
}

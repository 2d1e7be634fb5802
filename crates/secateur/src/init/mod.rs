//! A sweep file for a checkpoint: what its headers allow, before any weight is read.

mod facts;
mod paths;
mod questions;
mod text;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context;
use secateur_datasets::tasks::spec::Domain;
use secateur_pruning::methods::{Budget, METHODS, Method, Profile};
use secateur_pruning::plan::{check_fraction, experts_kept};

use facts::Facts;
use questions::Questions;

/// Samples of a calibration corpus, as in the reference experiment.
const SAMPLES: usize = 128;
/// Longest sample in tokens, where the model's context is longer.
const MAX_TOKENS: usize = 2048;
/// Shares of each layer's experts that are proposed, where they are possible.
const RATIOS: [f64; 5] = [0.125, 0.25, 0.5, 0.75, 0.875];
/// Methods that are proposed: those of the reference experiment.
const PROPOSED: [&str; 6] = ["random", "frequency", "gating", "ean", "reap", "easy-ep"];
/// Where calibration text is expected if none is named.
const NO_CORPUS: &str = "calibration.jsonl";
/// Where `secateur datasets fetch` puts data sets, from where it is run.
const DATA: &str = "datasets/downloads";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The checkpoint as the user named it: what the file will name, unless it is a directory.
    pub named: String,
    /// The checkpoint's directory.
    pub directory: PathBuf,
    /// Folder that the file will lie in.
    pub folder: PathBuf,
    /// Calibration text.
    pub corpus: Option<PathBuf>,
    /// What the model is pruned for.
    pub domain: Domain,
}

/// What the file says.
pub struct Draft {
    named: String,
    facts: Facts,
    name: String,
    model_path: String,
    data: Option<String>,
    methods: Vec<&'static dyn Method>,
    ratios: Vec<Ratio>,
    refused: Vec<(f64, String)>,
    domain: Domain,
    corpus: Corpus,
    questions: Questions,
}

/// A share to remove, and the experts that stay in the layers, each number once.
struct Ratio {
    share: f64,
    kept: Vec<usize>,
}

/// Calibration text.
struct Corpus {
    file: String,
    samples: usize,
    max_tokens: usize,
    /// It does not exist yet.
    absent: bool,
}

impl Draft {
    /// Looks at the checkpoint and decides.
    ///
    /// # Errors
    /// If the checkpoint cannot be pruned, the corpus cannot be read, or no share of its experts can be removed.
    pub fn new(wish: &Wish) -> anyhow::Result<Self> {
        let facts = Facts::of(&wish.directory)?;
        let questions = Questions::beside(&wish.directory, wish)?;
        let (ratios, refused) = ratios(&facts)?;
        let possible = |method: &&'static dyn Method| {
            let budget = method.budget(method.profiles()[0]);
            check_fraction(&facts.shapes, budget, ratios[0].share).is_ok()
        };
        let methods = METHODS.iter().copied().filter(possible).collect();
        let model_path = if Path::new(&wish.named).exists() {
            paths::from(&wish.folder, Path::new(&wish.named))?
        } else {
            wish.named.clone()
        };
        let needs_data = questions.cards.is_none();
        Ok(Self {
            name: paths::plain_name(&wish.named, &wish.directory),
            named: wish.named.clone(),
            data: needs_data
                .then(|| paths::from(&wish.folder, Path::new(DATA)))
                .transpose()?,
            model_path,
            methods,
            ratios,
            refused,
            domain: wish.domain,
            corpus: corpus(wish, &questions, facts.context)?,
            questions,
            facts,
        })
    }

    /// Name of the model and of the sweep.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What has to be done before the sweep can run; empty where nothing has.
    #[must_use]
    pub fn left_to_do(&self) -> Vec<String> {
        let mut left = Vec::new();
        if self.corpus.absent {
            left.push(format!(
                "put text of your domain into {} (JSONL: instruction/input/output, messages, or text), or name another file",
                self.corpus.file
            ));
        }
        let sets = self.questions.sets();
        if !sets.is_empty() {
            left.push(format!("secateur datasets fetch {}", sets.join(" ")));
        }
        left
    }
}

/// Shares that each remove other experts than the one before, and those that the layers do not allow.
type Ratios = (Vec<Ratio>, Vec<(f64, String)>);

fn ratios(facts: &Facts) -> anyhow::Result<Ratios> {
    let (mut possible, mut refused): Ratios = (Vec::new(), Vec::new());
    let mut before: Vec<usize> = facts.shapes.iter().map(|shape| shape.experts).collect();
    for share in RATIOS {
        let each = facts
            .shapes
            .iter()
            .map(|&shape| experts_kept(shape, Budget::Fraction, share));
        match each.collect::<Result<Vec<usize>, _>>() {
            Err(error) => refused.push((share, error.to_string())),
            Ok(kept) if kept == before => refused.push((share, "it removes no more experts than less does".into())),
            Ok(kept) => {
                before.clone_from(&kept);
                let mut numbers = kept;
                numbers.sort_unstable();
                numbers.dedup();
                possible.push(Ratio { share, kept: numbers });
            }
        }
    }
    if possible.is_empty() {
        let (share, reason) = refused.remove(0);
        anyhow::bail!("no share of the experts can be removed; {share}: {reason}");
    }
    Ok((possible, refused))
}

fn corpus(wish: &Wish, questions: &Questions, context: usize) -> anyhow::Result<Corpus> {
    let found = wish.corpus.as_ref().or(questions.corpus.as_ref());
    let (file, samples) = match found {
        Some(path) => (paths::from(&wish.folder, path)?, records(path)?.min(SAMPLES)),
        None => (NO_CORPUS.to_owned(), SAMPLES),
    };
    Ok(Corpus {
        absent: found.is_none() && !wish.folder.join(&file).exists(),
        file,
        samples,
        max_tokens: context.clamp(1, MAX_TOKENS),
    })
}

/// Lines that are not empty; at least one.
fn records(path: &Path) -> anyhow::Result<usize> {
    let cannot = || format!("cannot read the corpus {}", path.display());
    let reader = BufReader::new(std::fs::File::open(path).with_context(cannot)?);
    let mut count = 0;
    for line in reader.lines() {
        count += usize::from(!line.with_context(cannot)?.trim().is_empty());
    }
    anyhow::ensure!(count > 0, "the corpus {} is empty, expected JSON lines", path.display());
    Ok(count)
}

/// Methods that are not proposed, as a sweep file names them, and further definitions of all.
fn others(methods: &[&'static dyn Method]) -> Vec<String> {
    let names = methods.iter().map(|method| method.name().to_owned());
    let rest = names.filter(|name| !PROPOSED.contains(&name.as_str()));
    let papers = methods
        .iter()
        .filter(|method| method.profiles().contains(&Profile::Paper) && method.profiles()[0] != Profile::Paper);
    rest.chain(papers.map(|method| format!("{}@paper", method.name())))
        .collect()
}

#[cfg(test)]
mod tests;

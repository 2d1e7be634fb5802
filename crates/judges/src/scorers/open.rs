//! From an entry of a sweep file to a scorer.

use std::fs;
use std::path::{Path, PathBuf};

use secateur_metrics::lexical::WordLists;
use secateur_metrics::value::{Aspect, Definition, interned};
use secateur_model::checkpoint::open_config;
use secateur_model::hub::{HubSettings, resolve};
use secateur_model::text::{Tokenizer, Truncation};
use secateur_model::{Device, ModelError};
use sha2::{Digest, Sha256};

use super::Named;
use super::align_score::AlignScore;
use super::bert_score::{self, BertScore, BertScoreOptions};
use super::bert_score_layers::known;
use super::harim_plus::{self, HarimOptions, HarimPlus};
use super::kinds::{Kind, LEXICAL_KIND};
use super::labels::{NliLabels, nli_labels};
use super::lexical::LexicalScorer;
use super::mini_check::{Claims, MiniCheck, MiniCheckOptions, TOKENS_PER_CHUNK, Value};
use super::nli::Nli;
use super::per_sentence::{Preparation, Prepared};
use super::spec::ScorerSpec;
use super::summac::{GRANULARITIES, Granularity, MAX_LENGTH, Reduction, SummaC};
use crate::encoder::{Encoder, EncoderOptions};
use crate::error::JudgeError;
use crate::scorer::{PairClassifier, TextScorer, TokenEmbedder};
use crate::seq2seq::Seq2Seq;

/// Largest corpus for `BERTScore`'s weights.
const CORPUS_LIMIT: u64 = 256 << 20;

/// Opens a scorer: checks the entry, finds the model (a directory, or a hub id), opens it.
///
/// # Errors
/// One message for whatever is wrong with the entry, the model or a file beside it.
pub fn open(spec: &ScorerSpec, device: &Device) -> Result<Box<dyn TextScorer>, JudgeError> {
    if !spec.check()?.has_model() {
        return without_model(spec);
    }
    let (kind, opening) = Opening::new(spec, device)?;
    let scorer: Box<dyn TextScorer> = match kind.name {
        "summac-zs" => Box::new(opening.summac_zs()?),
        "summac-conv" => Box::new(opening.summac_conv()?),
        "alignscore" => Box::new(opening.align_score()?),
        "minicheck" => Box::new(opening.mini_check()?),
        "bertscore" => Box::new(opening.bert_score()?),
        "harim-plus" => Box::new(opening.harim_plus()?),
        _ => Box::new(opening.nli_scorer(None, "")?),
    };
    prepared(spec, scorer)
}

/// The scorer of an entry with what the entry says is done before it.
///
/// # Errors
/// If the entry's options cannot be.
pub fn prepared(spec: &ScorerSpec, scorer: Box<dyn TextScorer>) -> Result<Box<dyn TextScorer>, JudgeError> {
    let preparation = spec.preparation()?;
    Ok(if preparation == Preparation::default() {
        scorer
    } else {
        Box::new(Prepared::new(scorer, preparation))
    })
}

fn without_model(spec: &ScorerSpec) -> Result<Box<dyn TextScorer>, JudgeError> {
    if spec.kind != LEXICAL_KIND {
        return Err(spec.wrong(format!(
            "{} is the unpruned model of a sweep: name it in a sweep file",
            spec.kind
        )));
    }
    let rule = spec.value.as_deref().unwrap_or("lexical_support");
    prepared(spec, Box::new(LexicalScorer::new(rule, WordLists::default())?))
}

/// Opens an entry of kind `nli` for statements, clusters and self-check.
///
/// # Errors
/// As [`open`], and for another kind.
pub fn open_nli(spec: &ScorerSpec, device: &Device) -> Result<Nli, JudgeError> {
    let (_, opening) = Opening::of_kind(spec, device, "nli")?;
    opening.nli_scorer(None, "")
}

/// Opens an entry of kind `bertscore` for self-check.
///
/// # Errors
/// As [`open`], and for another kind.
pub fn open_bert_score(spec: &ScorerSpec, device: &Device) -> Result<BertScore, JudgeError> {
    let (_, opening) = Opening::of_kind(spec, device, "bertscore")?;
    opening.bert_score()
}

struct Opening<'a> {
    spec: &'a ScorerSpec,
    kind: &'static Kind,
    device: &'a Device,
    directory: PathBuf,
}

impl<'a> Opening<'a> {
    fn new(spec: &'a ScorerSpec, device: &'a Device) -> Result<(&'static Kind, Self), JudgeError> {
        let kind = spec.check()?;
        let opening = Self {
            spec,
            kind,
            device,
            directory: resolve(&spec.path, &HubSettings::from_env())?,
        };
        Ok((kind, opening))
    }

    fn of_kind(spec: &'a ScorerSpec, device: &'a Device, wanted: &str) -> Result<(&'static Kind, Self), JudgeError> {
        let kind = spec.check()?;
        if kind.name != wanted {
            return Err(spec.wrong(format!("kind `{}` cannot be used here; expected `{wanted}`", kind.name)));
        }
        Self::new(spec, device)
    }

    fn summac_zs(&self) -> Result<SummaC, JudgeError> {
        let use_con = self.spec.use_con.unwrap_or(!self.spec.is_study()?);
        let (granularity, named) = self.granularity()?;
        let options = format!("{named} use_con={use_con}");
        let (nli, named) = self.nli(self.length(Some(MAX_LENGTH))?, &options)?;
        if use_con && nli.labels().contradiction.is_none() {
            return Err(self.spec.wrong(
                "the model has no class of contradiction: say which it is in `labels`, or set use_con = false",
            ));
        }
        Ok(SummaC::new(nli, granularity, Reduction::ZeroShot { use_con }, named))
    }

    fn summac_conv(&self) -> Result<SummaC, JudgeError> {
        let file = self.spec.weights.as_ref().ok_or_else(|| {
            self.spec
                .wrong("summac-conv needs `weights`, a .safetensors or .json file of SummaC-Conv's four tensors")
        })?;
        let reduction = SummaC::conv_weights(Path::new(file))?;
        let (granularity, named) = self.granularity()?;
        let options = format!("{named} weights={}", hash_of(Path::new(file))?);
        let (nli, named) = self.nli(self.length(Some(MAX_LENGTH))?, &options)?;
        Ok(SummaC::new(nli, granularity, reduction, named))
    }

    fn align_score(&self) -> Result<AlignScore, JudgeError> {
        let encoder = self.encoder(self.length(None)?, Truncation::OnlyFirst)?;
        let longest = PairClassifier::max_length(&encoder);
        let tokenizer = Tokenizer::open(&self.directory)?;
        let (nli, named) = self.nli_of(encoder, "")?;
        Ok(AlignScore::new(nli, tokenizer, longest, named))
    }

    fn mini_check(&self) -> Result<MiniCheck, JudgeError> {
        let spec = self.spec;
        let encoder = self.encoder(self.length(None)?, Truncation::LongestFirst)?;
        let labels = self.labels(&encoder).or_else(|error| {
            // The checkpoints name their two classes LABEL_0 and LABEL_1.
            let unnamed = spec.labels.is_none() && PairClassifier::labels(&encoder).len() == 2;
            unnamed
                .then_some(NliLabels {
                    entailment: 1,
                    neutral: None,
                    contradiction: None,
                })
                .ok_or(error)
        })?;
        let values = [("probability", Value::Probability), ("supported", Value::Supported)];
        let claims = [("sentences", Claims::Sentences), ("whole", Claims::Whole)];
        let options = MiniCheckOptions {
            supported: labels.entailment,
            value: spec.choice("value", spec.value.as_ref(), &values, Value::Probability)?,
            claims: spec.choice("claims", spec.claims.as_ref(), &claims, Claims::Sentences)?,
            chunk_tokens: spec.chunk_tokens.unwrap_or(TOKENS_PER_CHUNK),
        };
        let named = self.named(PairClassifier::sha256(&encoder), &format!("{options:?}"));
        let tokenizer = Tokenizer::open(&self.directory)?;
        MiniCheck::new(Box::new(encoder), tokenizer, options, named)
    }

    fn bert_score(&self) -> Result<BertScore, JudgeError> {
        let spec = self.spec;
        let known = known(&spec.path);
        let layer = spec.layer.or(known.map(|model| model.layer)).ok_or_else(|| {
            spec.wrong("the package names no layer for this model; say `layer`, the number of layers whose states are compared")
        })?;
        let baseline = match (spec.baseline, spec.rescale.unwrap_or(false)) {
            (Some(baseline), _) => Some(baseline),
            (None, false) => None,
            (None, true) => {
                let own = known
                    .filter(|model| model.layer == layer)
                    .and_then(|model| model.baseline);
                let message =
                    "no baseline is known of this model and layer; say `baseline`, P, R and F1 of unrelated texts";
                Some(own.ok_or_else(|| spec.wrong(message))?)
            }
        };
        let values = [
            ("precision", bert_score::Value::Precision),
            ("recall", bert_score::Value::Recall),
            ("f1", bert_score::Value::F1),
        ];
        let value = spec.choice("value", spec.value.as_ref(), &values, bert_score::Value::F1)?;
        let roberta = self.config_text("model_type")? == "roberta";
        let prefix_blank = spec.prefix_blank.unwrap_or(roberta);
        let mut encoder = self.encoder(self.length(None)?, Truncation::LongestFirst)?;
        if layer > encoder.layers() {
            return Err(spec.wrong(format!("`layer` is {layer}, but the model has {}", encoder.layers())));
        }
        let mut described = format!("layer={layer} value={value:?} baseline={baseline:?} prefix_blank={prefix_blank}");
        let idf = match &spec.idf_corpus {
            None => None,
            Some(file) => {
                let file = Path::new(file);
                described = format!("{described} idf={}", hash_of(file)?);
                let text = read(file)?;
                let documents: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
                Some(BertScore::count(&mut encoder, &documents, prefix_blank)?)
            }
        };
        let options = BertScoreOptions {
            layer,
            value,
            idf,
            baseline,
            prefix_blank,
        };
        let named = self.named(TokenEmbedder::sha256(&encoder), &described);
        Ok(BertScore::new(Box::new(encoder), options, named))
    }

    fn harim_plus(&self) -> Result<HarimPlus, JudgeError> {
        let spec = self.spec;
        let usual = HarimOptions::default();
        let values = [
            ("plus", harim_plus::Value::Plus),
            ("risk", harim_plus::Value::Risk),
            ("log_probability", harim_plus::Value::LogProbability),
        ];
        let options = HarimOptions {
            lambda: spec.lambda.unwrap_or(usual.lambda),
            source_tokens: spec.source_tokens.unwrap_or(usual.source_tokens),
            text_tokens: spec.text_tokens.unwrap_or(usual.text_tokens),
            value: spec.choice("value", spec.value.as_ref(), &values, usual.value)?,
        };
        let model = Seq2Seq::open(&self.directory, self.device)?;
        let mut named = self.named(model.sha256(), &format!("{options:?}"));
        if options.value == harim_plus::Value::Risk {
            named.definition.direction = secateur_metrics::value::Direction::LowerIsBetter;
            named.definition.unit = "risk";
        }
        Ok(HarimPlus::new(model, options, named))
    }

    fn nli_scorer(&self, longest: Option<usize>, options: &str) -> Result<Nli, JudgeError> {
        Ok(self.nli(self.length(longest)?, options)?.0)
    }

    fn nli(&self, max_length: Option<usize>, options: &str) -> Result<(Nli, Named), JudgeError> {
        self.nli_of(self.encoder(max_length, Truncation::LongestFirst)?, options)
    }

    fn nli_of(&self, encoder: Encoder, options: &str) -> Result<(Nli, Named), JudgeError> {
        let labels = self.labels(&encoder)?;
        let named = self.named(PairClassifier::sha256(&encoder), &format!("{options} {labels:?}"));
        let nli = Nli::new(Box::new(encoder), labels, named.definition, named.identity.clone());
        Ok((nli, named))
    }

    fn encoder(&self, max_length: Option<usize>, truncation: Truncation) -> Result<Encoder, JudgeError> {
        let options = EncoderOptions {
            max_length,
            truncation,
            ..EncoderOptions::default()
        };
        Encoder::open_with(&self.directory, self.device, &options)
    }

    fn labels(&self, encoder: &Encoder) -> Result<NliLabels, JudgeError> {
        nli_labels(PairClassifier::labels(encoder), self.spec.labels.as_ref()).map_err(|why| self.spec.wrong(why))
    }

    /// The length that the entry or the kind wants; the model's own where it has fewer positions than the kind wants.
    fn length(&self, usual: Option<usize>) -> Result<Option<usize>, JudgeError> {
        if self.spec.max_length.is_some() {
            return Ok(self.spec.max_length);
        }
        let config = open_config(&self.directory)?;
        let positions = config.optional_usize("max_position_embeddings")?.unwrap_or(usize::MAX);
        // RoBERTa has two positions that no token takes.
        Ok(usual.filter(|&usual| usual + 2 <= positions))
    }

    fn config_text(&self, field: &str) -> Result<String, JudgeError> {
        let config = open_config(&self.directory)?;
        Ok(config
            .optional_str(field)
            .map_err(ModelError::from)?
            .unwrap_or_default()
            .to_owned())
    }

    /// Granularities of source and text, and their names.
    fn granularity(&self) -> Result<((Granularity, Granularity), String), JudgeError> {
        let said = self.spec.granularity.clone().unwrap_or_else(|| "sentence".to_owned());
        let (source, text) = said.split_once('-').unwrap_or((&said, &said));
        let one = |name: &str| {
            let name = name.to_owned();
            self.spec
                .choice("granularity", Some(&name), GRANULARITIES, Granularity::Sentence)
        };
        Ok(((one(source)?, one(text)?), format!("granularity={said}")))
    }

    fn named(&self, sha256: &str, options: &str) -> Named {
        let Kind {
            name,
            version,
            unit,
            direction,
            ..
        } = self.kind;
        let short = sha256.get(..12).unwrap_or(sha256);
        let made_by = format!("{name} {version} of {} ({short})", self.spec.path);
        Named {
            definition: Definition::new(interned(&self.spec.name), unit, *direction, Aspect::Reliability)
                .by(interned(&made_by)),
            identity: format!("{name} {version} weights={sha256} {}", options.trim()),
        }
    }
}

fn read(file: &Path) -> Result<String, JudgeError> {
    let wrong = |found: String| JudgeError::File {
        file: file.to_path_buf(),
        found,
        expected: "UTF-8 text, one document a line".to_owned(),
    };
    let about = fs::metadata(file).map_err(|error| wrong(format!("that it cannot be read ({error})")))?;
    if !about.is_file() || about.len() > CORPUS_LIMIT {
        return Err(wrong("no file, or one of more than 256 MB".to_owned()));
    }
    fs::read_to_string(file).map_err(|error| wrong(format!("that it cannot be read ({error})")))
}

fn hash_of(file: &Path) -> Result<String, JudgeError> {
    let bytes = fs::read(file).map_err(|error| JudgeError::File {
        file: file.to_path_buf(),
        found: format!("that it cannot be read ({error})"),
        expected: "a readable file".to_owned(),
    })?;
    let digest = Sha256::digest(bytes);
    Ok(digest.iter().take(6).fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;

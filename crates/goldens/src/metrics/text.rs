//! `text_metrics.json`: ROUGE, BLEU, chrF, exact match and token F1 of pairs of texts, and of the corpus they make.

use std::convert::Infallible;

use secateur_metrics::bleu::{self, Smoothing, Tokenizer};
use secateur_metrics::chrf;
use secateur_metrics::exact_match::{exact_match, normalise, token_f1};
use secateur_metrics::rouge::{self, PrecisionRecallF1, Stemmer};
use serde_json::{Map, Value};

use super::tally::{Tally, list, member, number, numbers, object, string};
use super::{EXACT, OVERLAP};

/// The texts of the file: what was said, and what was wanted.
struct Texts<'a> {
    predictions: Vec<&'a str>,
    references: Vec<&'a str>,
}

pub(super) fn check(file: &Value, tally: &mut Tally) -> Result<(), String> {
    let file = object(file, "the file")?;
    let mut texts = Texts {
        predictions: Vec::new(),
        references: Vec::new(),
    };
    if let Some(pairs) = file.get("pairs") {
        for (i, pair) in list(pairs, "pairs")?.iter().enumerate() {
            let place = format!("pairs[{i}]");
            let pair = object(pair, &place)?;
            let text = |key: &str| string(member(pair, key, &place)?, &place);
            texts.predictions.push(text("prediction")?);
            texts.references.push(text("reference")?);
            check_pair(pair, text("prediction")?, text("reference")?, &place, tally)?;
        }
    }
    for (key, value) in file {
        match key.as_str() {
            "pairs" => {}
            "corpus_bleu" => {
                for (name, expected) in object(value, key)? {
                    let place = format!("corpus_bleu/{name}");
                    check_corpus_bleu(&texts, object(expected, &place)?, &place, tally)?;
                }
            }
            "corpus_bleu_two_refs_second_reversed" => {
                let pairs = texts.references.iter().zip(texts.references.iter().rev());
                let references: Vec<Vec<&str>> = pairs.map(|(a, b)| vec![*a, *b]).collect();
                let found = bleu::corpus(&texts.predictions, &references, &bleu::Options::default());
                let found = found.map(|score| score.score);
                tally.number(key, found, number(value, key)?, OVERLAP);
            }
            "corpus_chrf" | "corpus_chrf_pp" => {
                let references: Vec<Vec<&str>> = texts.references.iter().map(|text| vec![*text]).collect();
                let found = chrf::corpus(&texts.predictions, &references, &chrf_options(key));
                tally.number(key, found, number(value, key)?, OVERLAP);
            }
            "mean_rouge_stem_fmeasure" => check_mean_rouge(&texts, value, key, tally)?,
            "tokenize_13a" => check_tokens(value, key, tally)?,
            _ => tally.skip(key, "no check for this key"),
        }
    }
    Ok(())
}

fn chrf_options(key: &str) -> chrf::Options {
    if key.ends_with("_pp") {
        chrf::Options::plus_plus()
    } else {
        chrf::Options::default()
    }
}

fn check_pair(
    pair: &Map<String, Value>,
    said: &str,
    wanted: &str,
    place: &str,
    tally: &mut Tally,
) -> Result<(), String> {
    let truth = |outcome: bool| Ok::<_, Infallible>(f64::from(u8::from(outcome)));
    for (key, value) in pair {
        let place = format!("{place}.{key}");
        let expected = || number(value, &place);
        match key.as_str() {
            "reference" | "prediction" => {}
            "rouge" | "rouge_stem" => check_rouge(key, value, said, wanted, &place, tally)?,
            "sentence_bleu_13a_exp_effective" => {
                let found = bleu::sentence(said, &[wanted]).map(|score| score.score);
                tally.number(key, found, expected()?, OVERLAP);
            }
            "chrf" | "chrf_pp" => {
                let found = chrf::sentence(said, &[wanted], &chrf_options(key));
                tally.number(key, found, expected()?, OVERLAP);
            }
            "exact_match_strict" => tally.number(key, truth(said == wanted), expected()?, EXACT),
            "squad_em" => {
                tally.number(key, truth(exact_match(said, wanted)), expected()?, EXACT);
            }
            "squad_f1" => {
                let found = Ok::<_, Infallible>(token_f1(said, wanted));
                tally.number(key, found, expected()?, EXACT);
            }
            "squad_normalized_prediction" => {
                let expected = string(value, &place)?.to_owned();
                tally.exact(key, &normalise(said), &expected, &place);
            }
            _ => tally.skip(&format!("pairs/{key}"), "no check for this key"),
        }
    }
    Ok(())
}

/// The ROUGE that rouge-score calls `name`.
fn rouge_of(name: &str, said: &str, wanted: &str, stemmer: Stemmer) -> Option<PrecisionRecallF1> {
    match name {
        "rougeL" => Some(rouge::rouge_l(said, wanted, stemmer)),
        "rougeLsum" => Some(rouge::rouge_lsum(said, wanted, stemmer)),
        _ => {
            let n = name.strip_prefix("rouge")?.parse().ok()?;
            Some(rouge::rouge_n(said, wanted, n, stemmer))
        }
    }
}

fn check_rouge(
    key: &str,
    value: &Value,
    said: &str,
    wanted: &str,
    place: &str,
    tally: &mut Tally,
) -> Result<(), String> {
    let stemmer = if key == "rouge_stem" {
        Stemmer::Porter
    } else {
        Stemmer::None
    };
    for (name, value) in object(value, place)? {
        let family = format!("{key}/{name}");
        let Some(found) = rouge_of(name, said, wanted, stemmer) else {
            tally.skip(&family, "no check for this ROUGE");
            continue;
        };
        let expected = numbers(value, place)?;
        if expected.len() != 3 {
            return Err(format!("{place}: expected [precision, recall, f]"));
        }
        for (found, expected) in [found.precision, found.recall, found.f1].iter().zip(expected) {
            tally.number(&family, Ok::<_, Infallible>(*found), expected, OVERLAP);
        }
    }
    Ok(())
}

fn check_mean_rouge(texts: &Texts<'_>, value: &Value, key: &str, tally: &mut Tally) -> Result<(), String> {
    for (name, value) in object(value, key)? {
        let pairs = texts.predictions.iter().zip(&texts.references);
        let values: Option<Vec<f64>> = pairs
            .map(|(said, wanted)| Some(rouge_of(name, said, wanted, Stemmer::Porter)?.f1))
            .collect();
        match values.filter(|values| !values.is_empty()) {
            Some(values) => {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                tally.number(key, Ok::<_, Infallible>(mean), number(value, key)?, OVERLAP);
            }
            None => tally.skip(&format!("{key}/{name}"), "no pairs, or no check for this ROUGE"),
        }
    }
    Ok(())
}

fn check_tokens(value: &Value, key: &str, tally: &mut Tally) -> Result<(), String> {
    for (i, example) in list(value, key)?.iter().enumerate() {
        let place = format!("{key}[{i}]");
        let example = object(example, &place)?;
        let text = string(member(example, "text", &place)?, &place)?;
        let expected = list(member(example, "tokens", &place)?, &place)?
            .iter()
            .map(|token| string(token, &place).map(str::to_owned))
            .collect::<Result<Vec<_>, _>>()?;
        tally.exact(key, &Tokenizer::Mteval13a.tokens(text), &expected, &place);
    }
    Ok(())
}

fn check_corpus_bleu(
    texts: &Texts<'_>,
    expected: &Map<String, Value>,
    place: &str,
    tally: &mut Tally,
) -> Result<(), String> {
    let signature = string(member(expected, "signature", place)?, place)?;
    let options = match options_of(signature) {
        Ok(options) => options,
        Err(unknown) => {
            tally.skip(place, &format!("`{unknown}` of the signature is not supported"));
            return Ok(());
        }
    };
    let references: Vec<Vec<&str>> = texts.references.iter().map(|text| vec![*text]).collect();
    let found = bleu::corpus(&texts.predictions, &references, &options).map_err(|error| format!("{place}: {error}"))?;
    for (key, value) in expected {
        let found = match key.as_str() {
            "signature" => continue,
            "score" => vec![found.score],
            "bp" => vec![found.brevity_penalty],
            "sys_len" => vec![found.prediction_length as f64],
            "ref_len" => vec![found.reference_length as f64],
            "precisions" => found.precisions.clone(),
            "counts" => found.matches.clone(),
            "totals" => found.totals.clone(),
            _ => {
                tally.skip(&format!("{place}/{key}"), "no check for this key");
                continue;
            }
        };
        let expected = match value {
            Value::Array(_) => numbers(value, place)?,
            _ => vec![number(value, place)?],
        };
        if found.len() != expected.len() {
            return Err(format!(
                "{place}/{key}: {} values, expected {}",
                expected.len(),
                found.len()
            ));
        }
        for (found, expected) in found.into_iter().zip(expected) {
            tally.number(place, Ok::<_, Infallible>(found), expected, OVERLAP);
        }
    }
    Ok(())
}

/// Options from sacreBLEU's signature (`nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:…`), or the part that is unknown.
fn options_of(signature: &str) -> Result<bleu::Options, &str> {
    let mut options = bleu::Options::default();
    for part in signature.split('|') {
        let unknown = || part;
        let (key, value) = part.split_once(':').ok_or_else(unknown)?;
        match (key, value) {
            ("nrefs", "1") | ("version", _) => {}
            ("case", "mixed") => options.lowercase = false,
            ("case", "lc") => options.lowercase = true,
            ("eff", "no") => options.effective_order = false,
            ("eff", "yes") => options.effective_order = true,
            ("tok", name) => {
                options.tokenizer = Tokenizer::from_name(name).ok_or_else(unknown)?;
            }
            ("smooth", name) => options.smoothing = smoothing_of(name).ok_or_else(unknown)?,
            _ => return Err(part),
        }
    }
    Ok(options)
}

fn smoothing_of(name: &str) -> Option<Smoothing> {
    match name {
        "exp" => Some(Smoothing::Exponential),
        "none" => Some(Smoothing::None),
        _ => {
            let (method, rest) = name.split_once('[')?;
            let value = rest.strip_suffix(']')?.parse().ok()?;
            match method {
                "floor" => Some(Smoothing::Floor(value)),
                "add-k" => Some(Smoothing::AddK(value)),
                _ => None,
            }
        }
    }
}

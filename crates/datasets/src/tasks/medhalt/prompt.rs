//! What stands before every question of a Med-HALT test: prompt version v0, output format and worked examples.
//!
//! Of `n` examples the larger half is drawn from those of type `default`, the rest from those of this test. The authors draw
//! without a seed, once per test; here the draw is seeded. Inputs and outputs are written as Python dictionaries.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::DatasetError;
use crate::python::PyValue;
use crate::sampling::draw;
use crate::source::Source;

#[derive(Deserialize)]
struct Prompts {
    prompts: Vec<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    id: String,
    #[serde(rename = "prompt")]
    text: String,
    output_format: String,
}

#[derive(Deserialize)]
struct Shots {
    shots: Vec<Vec<Shot>>,
}

#[derive(Deserialize)]
struct Shot {
    input: Map<String, Value>,
    #[serde(rename = "Output")]
    output: Map<String, Value>,
    prompt_type: String,
}

/// The two official files of a test: prompts, and examples.
pub(super) fn files(folder: &str) -> (String, String) {
    (
        format!("prompts/{folder}/prompts.json"),
        format!("prompts/{folder}/shots.json"),
    )
}

/// Prompt, output format and worked examples.
pub(super) fn instruction(
    source: &mut Source,
    folder: &str,
    few_shot: usize,
    seed: u64,
) -> Result<String, DatasetError> {
    let (prompts_file, shots_file) = files(folder);
    let prompts: Prompts = source.json(&prompts_file, "Med-HALT's prompts")?;
    let prompt = prompts.prompts.iter().find(|prompt| prompt.id == "v0");
    let prompt = prompt.ok_or_else(|| source.malformed(&prompts_file, "no prompt with id v0", "prompt version v0"))?;
    let mut text = format!("{}\n{}\n", prompt.text, prompt.output_format);
    if few_shot == 0 {
        return Ok(text);
    }
    let shots: Shots = source.json(&shots_file, "Med-HALT's examples")?;
    let list = shots.shots.into_iter().next().unwrap_or_default();
    let (default, own): (Vec<_>, Vec<_>) = list.into_iter().partition(|shot| shot.prompt_type == "default");
    text.push_str("Examples: \n");
    for (kind, shots, count) in [
        ("default", default, few_shot.div_ceil(2)),
        ("task-specific", own, few_shot / 2),
    ] {
        if count > shots.len() {
            let reason = format!("{count} of them {kind}, of which {shots_file} holds {}", shots.len());
            let available = 2 * shots.len();
            return Err(DatasetError::FewShot {
                task: source.task().to_owned(),
                asked: few_shot,
                available,
                reason,
            });
        }
        for position in draw(shots.len(), count, seed) {
            let (input, output) = (&shots[position].input, &shots[position].output);
            let (input, output) = (written(input), written(output));
            text.extend(["Input : ", &input, "\nOutput: ", &output, "Stop Here\n\n"]);
        }
    }
    Ok(text)
}

/// `repr` of a dictionary.
fn written(map: &Map<String, Value>) -> String {
    PyValue::from(&Value::Object(map.clone())).repr()
}

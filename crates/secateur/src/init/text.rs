//! The sweep file's text.

use serde_json::json;

use super::questions::{Asked, word};
use super::{Draft, PROPOSED, others};
use crate::doctor::print::{bytes, layer_group};
use crate::doctor::ratios::CACHED_TOKENS;

/// A family whose statistics have not been held against another implementation's.
const UNVERIFIED_STATISTICS: &str = "llama4_text";

impl Draft {
    /// The file.
    #[must_use]
    pub fn text(&self) -> String {
        [
            self.heading(),
            self.choices(),
            self.safe(),
            self.model_and_corpus(),
            self.tasks(),
            MORE.to_owned(),
        ]
        .join("\n")
    }

    fn heading(&self) -> String {
        let facts = &self.facts;
        let layers: Vec<String> = facts
            .groups
            .iter()
            .map(|group| format!("#   {}", layer_group(group)))
            .collect();
        let memory = facts.memory_bytes.map_or_else(String::new, |memory| {
            format!(
                "; to run it takes at most {} with the keys and values of {CACHED_TOKENS} tokens",
                bytes(memory)
            )
        });
        let template = if facts.chat_template {
            "a chat template, which generated answers go through"
        } else {
            "no chat template: prompts are plain text"
        };
        format!(
            "\
# Written by `secateur init {named}`. Change what you like, then look at its cells, memory and time:
#   secateur sweep FILE --dry-run
#
# {family}: {layers_in_all} decoder layers, of which with experts:
{layers}
# Context {context} tokens, vocabulary {vocabulary}, {template}.
# Weights {weights}{memory}.
name = {name}
about = {about}
",
            named = one_line(&self.named),
            family = facts.family,
            layers_in_all = facts.decoder_layers,
            layers = layers.join("\n"),
            context = facts.context,
            vocabulary = facts.vocabulary,
            weights = bytes(facts.weight_bytes),
            name = quoted(&self.name),
            about = quoted(&format!(
                "{}, calibrated on {} text: what pruning costs in the domain and outside it.",
                self.name,
                word(self.domain)
            )),
        )
    }

    fn choices(&self) -> String {
        let proposed: Vec<&str> = self
            .methods
            .iter()
            .map(|method| method.name())
            .filter(|name| PROPOSED.contains(name))
            .collect();
        let kept = self.ratios.iter().map(|ratio| {
            let kept: Vec<String> = ratio.kept.iter().map(usize::to_string).collect();
            format!("{} leaves {}", ratio.share, kept.join(" or "))
        });
        let kept: Vec<String> = kept.collect();
        let ratios: Vec<f64> = self.ratios.iter().map(|ratio| ratio.share).collect();
        let refused = self
            .refused
            .iter()
            .map(|(share, why)| format!("# Not {share}: {}.\n", one_line(why)));
        let refused: String = refused.collect();
        let unverified = if self.facts.family == UNVERIFIED_STATISTICS {
            "# Statistics of this family have not been checked against another implementation.\n"
        } else {
            ""
        };
        let data = self.data.as_ref().map_or_else(String::new, |data| {
            format!(
                "# Folder of public data sets, as `secateur datasets fetch` fills it.\ndata = {}\n",
                quoted(data)
            )
        });
        let cards = self.questions.cards.as_ref().map_or_else(String::new, |cards| {
            format!("# Folder of the tasks' cards.\ncards = [{}]\n", quoted(cards))
        });
        format!(
            "\
# How experts are chosen; `random` is what a method has to beat.
# There are also {others}.
{unverified}methods = {methods}

# Shares of each layer's experts to remove; {kept}.
{refused}ratios = {ratios}

# Three seeds would show how far the draw of the calibration text decides.
seeds = [0]

# Names of corpora below; \"a+b\" combines two.
calibrate_on = [{domain}]

{data}{cards}# cpu where absent; `secateur devices` lists what this build can use here.
# device = \"wgpu\"
",
            others = others(&self.methods).join(", "),
            methods = json!(proposed),
            kept = kept.join(", "),
            ratios = json!(ratios),
            domain = quoted(word(self.domain)),
        )
    }

    fn safe(&self) -> String {
        format!(
            "\
# What counts as safe: no metric loses more than its margin, tested on the same items as the unpruned model.
# A margin is in the metric's unit, or a share of the unpruned value: {{ default = {margin}, rouge_l = \"5 %\" }}.
[safe]
alpha = 0.05
domain = {domain}
margins = {{ default = {margin} }}
",
            domain = quoted(word(self.domain)),
            margin = self.questions.margin,
        )
    }

    fn model_and_corpus(&self) -> String {
        let absent = if self.corpus.absent {
            "# This file is still missing.\n"
        } else {
            ""
        };
        format!(
            "\
# More models may follow, each with its own [[models]].
[[models]]
name = {name}
path = {path}

# Text of the domain, one JSON object a line: instruction/input/output, messages, or text.
{absent}[[corpora]]
name = {domain}
file = {file}
samples = {samples}
max_tokens = {max_tokens}
",
            name = quoted(&self.name),
            path = quoted(&self.model_path),
            domain = quoted(word(self.domain)),
            file = quoted(&self.corpus.file),
            samples = self.corpus.samples,
            max_tokens = self.corpus.max_tokens,
        )
    }

    fn tasks(&self) -> String {
        let task = |task: &Asked| {
            let limit = task
                .limit
                .map_or_else(String::new, |limit| format!("limit = {limit}\n"));
            let about = one_line(&task.about);
            let about = if about.is_empty() {
                about
            } else {
                format!("# {about}\n")
            };
            format!("{about}[[tasks]]\nname = {}\n{limit}", quoted(&task.name))
        };
        let of = |inside: bool| {
            let tasks = self.questions.asked.iter().filter(|asked| asked.inside == inside);
            tasks.map(task).collect::<Vec<String>>().join("\n")
        };
        format!(
            "\
# In the domain. `secateur tasks` lists all tasks; `limit` takes a sample of so many items.

{}
# Outside it: what else does pruning cost?

{}",
            of(true),
            of(false)
        )
    }
}

/// What a user may add.
const MORE: &str = "\
# Models that read an answer against its source; a lexical scorer always runs.
# [[scorers]]
# name = \"summac\"
# kind = \"summac-zs\"
# path = \"tals/albert-xlarge-vitaminc-mnli\"

# Language models as judges, behind an OpenAI-compatible endpoint.
# [[judges]]
# name = \"judge_a\"
# endpoint = \"http://localhost:8000/v1\"
# model = \"some-model\"
# api_key_env = \"JUDGE_API_KEY\"
";

/// A TOML string: JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// What stands in a comment must not end it.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

//! Made-up events in two to four sentences: what can be asked about them, and what they leave out.
//!
//! People, places and numbers are drawn at random. Drug, dose and illness of a patient or trial are drawn together
//! from `doses.tsv` and the indications, so that no passage contradicts what the models are taught.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::{Domain, KnowledgeError, Split};

const FILE: &str = "passages.toml";
const DOSES: &str = "doses.tsv";
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// What `passages.toml` holds, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneFile {
    persons: Vec<String>,
    places: Vec<String>,
    scene: Vec<Scene>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scene {
    name: String,
    domain: String,
    slots: BTreeMap<String, String>,
    opening: String,
    opening_question: String,
    opening_answer: String,
    opening_value: String,
    summary: String,
    filler: Vec<String>,
    detail: Vec<Detail>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    sentence: String,
    question: String,
    answer: String,
    value: String,
    #[serde(default)]
    in_summary: bool,
}

/// A drug at one dose for its main use.
#[derive(Debug, Clone)]
struct Prescription {
    drug: String,
    dose: u32,
    condition: String,
}

/// How a slot is filled; checked when the file is read.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Number(u32, u32),
    Hundreds(u32, u32),
    Person,
    Place,
    Weekday,
    Prescription,
}

/// A scene whose templates use only slots it declares.
#[derive(Debug, Clone)]
struct CheckedScene {
    domain: Domain,
    scene: Scene,
    /// By name; the order of drawing.
    slots: Vec<(String, Slot)>,
}

/// All scenes of both domains and what fills them.
#[derive(Debug, Clone)]
pub struct Passages {
    persons: Vec<String>,
    places: Vec<String>,
    prescriptions: Vec<Prescription>,
    scenes: Vec<CheckedScene>,
}

/// What is wanted about a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A detail that the passage states.
    Stated,
    /// A detail that it leaves out.
    LeftOut,
    /// A summary of all that matters.
    Summary,
}

/// A passage with one request about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Name of the scene: `patient`.
    pub scene: String,
    /// The passage, sentences separated by a space.
    pub passage: String,
    /// Question, or `Summarise.`.
    pub request: String,
    /// Right response as a sentence.
    pub answer: String,
    /// Names and numbers that a right response contains, in order; empty for [`Ask::LeftOut`].
    pub values: Vec<String>,
}

/// The right response to a question that the passage leaves open.
pub const NOT_SAID: &str = "The passage does not say.";
/// How a summary is asked for.
pub const SUMMARISE: &str = "Summarise.";

impl Passages {
    pub(super) fn built_in(indications: &BTreeMap<&str, &str>) -> Result<Self, KnowledgeError> {
        let text = include_str!("../../knowledge/passages.toml");
        let file: SceneFile = toml::from_str(text).map_err(|source| KnowledgeError::Toml {
            file: FILE.into(),
            source: Box::new(source),
        })?;
        let scenes = file
            .scene
            .into_iter()
            .map(checked_scene)
            .collect::<Result<Vec<_>, _>>()?;
        let doses = include_str!("../../knowledge/doses.tsv");
        Ok(Self {
            persons: file.persons,
            places: file.places,
            prescriptions: prescriptions(doses, indications)?,
            scenes,
        })
    }

    /// Draws a passage of `domain` that belongs to `split`, and a request about it.
    pub fn draw(&self, domain: Domain, ask: Ask, split: Split, rng: &mut ChaCha8Rng) -> Reading {
        loop {
            let reading = self.any(domain, ask, rng);
            if Split::of(&reading.passage) == split {
                return reading;
            }
        }
    }

    fn any(&self, domain: Domain, ask: Ask, rng: &mut ChaCha8Rng) -> Reading {
        let of_domain: Vec<_> = self.scenes.iter().filter(|s| s.domain == domain).collect();
        let CheckedScene { scene, slots, .. } = of_domain[rng.random_range(0..of_domain.len())];
        let values = self.fill(slots, rng);
        let fill = |template: &str| {
            values.iter().fold(template.to_string(), |text, (slot, value)| {
                text.replace(&format!("{{{slot}}}"), value)
            })
        };
        let chosen = rng.random_range(0..=scene.detail.len());
        let (request, answer, left_out) = request(scene, ask, chosen, rng);
        let mut sentences = vec![fill(&scene.opening)];
        for (index, detail) in scene.detail.iter().enumerate() {
            let wanted = match ask {
                Ask::Summary => detail.in_summary,
                _ => Some(index) != left_out,
            };
            if wanted {
                sentences.push(fill(&detail.sentence));
            }
        }
        if rng.random_ratio(1, 3) {
            let filler = &scene.filler[rng.random_range(0..scene.filler.len())];
            sentences.push(filler.clone());
        }
        Reading {
            scene: scene.name.clone(),
            passage: sentences.join(" "),
            request: fill(request),
            answer: fill(answer),
            values: values_of(scene, ask, chosen).iter().map(|v| fill(v)).collect(),
        }
    }

    fn fill(&self, slots: &[(String, Slot)], rng: &mut ChaCha8Rng) -> Vec<(String, String)> {
        let mut values = Vec::new();
        for (name, slot) in slots {
            let value = match *slot {
                Slot::Number(low, high) => rng.random_range(low..=high).to_string(),
                Slot::Hundreds(low, high) => (100 * rng.random_range(low..=high)).to_string(),
                Slot::Person => self.persons[rng.random_range(0..self.persons.len())].clone(),
                Slot::Place => self.places[rng.random_range(0..self.places.len())].clone(),
                Slot::Weekday => WEEKDAYS[rng.random_range(0..WEEKDAYS.len())].to_string(),
                Slot::Prescription => {
                    let drawn = rng.random_range(0..self.prescriptions.len());
                    let prescription = &self.prescriptions[drawn];
                    values.push(("drug".into(), prescription.drug.clone()));
                    values.push(("dose".into(), prescription.dose.to_string()));
                    values.push(("condition".into(), prescription.condition.clone()));
                    continue;
                }
            };
            values.push((name.clone(), value));
        }
        values
    }
}

/// Request, response and the detail that the passage must not hold. `chosen` 0 is the opening sentence, `n` the `n`th
/// detail. The opening is never left out, so [`Ask::LeftOut`] draws again among the details.
fn request<'a>(scene: &'a Scene, ask: Ask, chosen: usize, rng: &mut ChaCha8Rng) -> (&'a str, &'a str, Option<usize>) {
    match ask {
        Ask::Summary => (SUMMARISE, scene.summary.as_str(), None),
        Ask::LeftOut => {
            let missing = rng.random_range(0..scene.detail.len());
            (&scene.detail[missing].question, NOT_SAID, Some(missing))
        }
        Ask::Stated => {
            // Leave out another detail half the time: length must not tell whether the answer is there.
            let other = rng.random_range(0..scene.detail.len());
            let left_out = (other + 1 != chosen && rng.random_ratio(1, 2)).then_some(other);
            match chosen.checked_sub(1) {
                None => (&scene.opening_question, &scene.opening_answer, left_out),
                Some(index) => {
                    let detail = &scene.detail[index];
                    (&detail.question, &detail.answer, left_out)
                }
            }
        }
    }
}

/// All sentences of a scene.
pub(super) struct SceneSentences<'a> {
    pub(super) name: &'a str,
    /// With slots: the opening, details, their answers, the summary.
    pub(super) templates: Vec<&'a str>,
    /// Without: what may stand in a passage beside its facts.
    pub(super) fillers: &'a [String],
}

impl Passages {
    /// The sentences of every scene of a domain.
    pub(super) fn sentences(&self, domain: Domain) -> impl Iterator<Item = SceneSentences<'_>> {
        let of_domain = self.scenes.iter().filter(move |checked| checked.domain == domain);
        of_domain.map(|CheckedScene { scene, .. }| {
            let mut templates = vec![scene.opening.as_str(), &scene.opening_answer, &scene.summary];
            templates.extend(
                scene
                    .detail
                    .iter()
                    .flat_map(|detail| [detail.sentence.as_str(), &detail.answer]),
            );
            SceneSentences {
                name: &scene.name,
                templates,
                fillers: &scene.filler,
            }
        })
    }
}

/// Slots whose values a right response holds.
fn values_of(scene: &Scene, ask: Ask, chosen: usize) -> Vec<String> {
    match ask {
        Ask::LeftOut => Vec::new(),
        Ask::Stated => match chosen.checked_sub(1) {
            None => vec![scene.opening_value.clone()],
            Some(index) => vec![scene.detail[index].value.clone()],
        },
        Ask::Summary => slots_in(&scene.summary),
    }
}

/// `{a}`, `{b}` … of a template, braces included, in order.
fn slots_in(template: &str) -> Vec<String> {
    template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| format!("{{{name}}}"))
        .collect()
}

fn checked_scene(scene: Scene) -> Result<CheckedScene, KnowledgeError> {
    let fail = |problem: String| KnowledgeError::Entry {
        file: FILE.into(),
        name: scene.name.clone(),
        problem,
    };
    let domain = Domain::ALL
        .into_iter()
        .find(|d| d.name() == scene.domain)
        .ok_or_else(|| fail(format!("`{}` is no domain", scene.domain)))?;
    let mut slots = Vec::new();
    for (name, written) in &scene.slots {
        let slot = slot(written).ok_or_else(|| fail(format!("`{written}` fills no slot")))?;
        slots.push((name.clone(), slot));
    }
    let mut known: Vec<&str> = slots.iter().map(|(name, _)| name.as_str()).collect();
    if known.contains(&"prescription") {
        known.extend(["drug", "dose", "condition"]);
    }
    let details = scene
        .detail
        .iter()
        .flat_map(|d| [&d.sentence, &d.question, &d.answer, &d.value]);
    let opening = [
        &scene.opening,
        &scene.opening_question,
        &scene.opening_answer,
        &scene.opening_value,
        &scene.summary,
    ];
    for template in details.chain(opening) {
        for used in slots_in(template) {
            if !known.contains(&used.trim_matches(['{', '}'])) {
                return Err(fail(format!("`{template}` uses the unknown slot {used}")));
            }
        }
    }
    if scene.detail.is_empty() || scene.filler.is_empty() {
        return Err(fail("a scene needs a detail and a filler".into()));
    }
    Ok(CheckedScene { domain, scene, slots })
}

fn slot(written: &str) -> Option<Slot> {
    let words: Vec<&str> = written.split(' ').collect();
    Some(match words[..] {
        ["person"] => Slot::Person,
        ["place"] => Slot::Place,
        ["weekday"] => Slot::Weekday,
        ["prescription"] => Slot::Prescription,
        [kind, low, high] => {
            let (low, high) = (low.parse().ok()?, high.parse().ok()?);
            match kind {
                _ if low > high => return None,
                "number" => Slot::Number(low, high),
                "hundreds" => Slot::Hundreds(low, high),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn prescriptions(table: &str, indications: &BTreeMap<&str, &str>) -> Result<Vec<Prescription>, KnowledgeError> {
    let mut prescriptions = Vec::new();
    for (line, row) in (2..).zip(table.lines().skip(1)) {
        let fail = |problem: String| KnowledgeError::Row {
            file: DOSES.into(),
            line,
            problem,
        };
        let (drug, doses) = row
            .split_once('\t')
            .ok_or_else(|| fail("expected drug, tab, doses".into()))?;
        let condition = indications
            .get(drug)
            .ok_or_else(|| fail(format!("`{drug}` has no main use in drug_indication.tsv")))?;
        for dose in doses.split(", ") {
            prescriptions.push(Prescription {
                drug: drug.into(),
                dose: dose
                    .parse()
                    .map_err(|_| fail(format!("`{dose}` is no whole number of mg")))?,
                condition: (*condition).into(),
            });
        }
    }
    Ok(prescriptions)
}

//! Names of drugs, genes, countries … that do not exist: questions about them have no answer.
//!
//! Names are put together from syllables. One in eight is kept for evaluation ([`Split`]), so a model cannot have learnt
//! by heart which names are invented.

use std::collections::BTreeSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Split;

/// What an invented name should look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InventedKind {
    /// `zelvoramine`.
    Drug,
    /// `QXV7`.
    Gene,
    /// `Brelvoria dunxensis`.
    Germ,
    /// `vixotane`.
    Substance,
    /// `gaxelotropin`.
    Hormone,
    /// `klemodase`.
    Enzyme,
    /// `hurvodosis`.
    Disease,
    /// `Quorbistan`.
    Country,
    /// `The Garden of Velmora`.
    Title,
    /// `dornixium`.
    Element,
    /// `flimodar`.
    Animal,
    /// `the zelvograph`.
    Device,
    /// `Nervux`.
    Moon,
    /// `the Jopda Tower`.
    Landmark,
    /// `Brelothos`.
    God,
}

const STARTS: [&str; 24] = [
    "zel", "quor", "vix", "brel", "dorn", "flim", "gax", "hurv", "jop", "klem", "nerv", "plox", "rusk", "skoo", "tweb",
    "urv", "wog", "xan", "yalb", "zorp", "drux", "frob", "glim", "mox",
];
const MIDDLES: [&str; 16] = [
    "bo", "da", "fu", "ga", "ki", "lo", "mu", "ne", "pa", "ru", "si", "ta", "vo", "wi", "xe", "zu",
];
/// No human gene symbol begins with Q or J and one of these.
const GENE_LETTERS: [&str; 4] = ["V", "W", "X", "Z"];

impl InventedKind {
    /// Kind by its name in the phrasing files.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "drug" => Self::Drug,
            "gene" => Self::Gene,
            "germ" => Self::Germ,
            "substance" => Self::Substance,
            "hormone" => Self::Hormone,
            "enzyme" => Self::Enzyme,
            "disease" => Self::Disease,
            "country" => Self::Country,
            "title" => Self::Title,
            "element" => Self::Element,
            "animal" => Self::Animal,
            "device" => Self::Device,
            "moon" => Self::Moon,
            "landmark" => Self::Landmark,
            "god" => Self::God,
            _ => return None,
        })
    }

    /// Draws names until one belongs to `split` and shares no word with `taken` (common words of titles aside).
    pub fn draw(self, split: Split, taken: &BTreeSet<String>, rng: &mut ChaCha8Rng) -> String {
        loop {
            let core = self.core(rng);
            let clashes = core.split(' ').any(|word| taken.contains(&word.to_lowercase()));
            if !clashes && Split::of(&core) == split {
                return self.dress(&core, rng);
            }
        }
    }

    /// The invented word itself: what must not exist and what decides the split.
    fn core(self, rng: &mut ChaCha8Rng) -> String {
        let stem = stem(rng);
        match self {
            Self::Drug => {
                let endings = [
                    "olol", "pril", "statin", "mab", "azole", "cillin", "tidine", "sartan", "amine", "oxine",
                ];
                stem + pick(&endings, rng)
            }
            Self::Gene => {
                let first = pick(&["Q", "J"], rng);
                let letters = pick(&GENE_LETTERS, rng).to_string() + pick(&GENE_LETTERS, rng);
                format!("{first}{letters}{}", rng.random_range(1..30_u32))
            }
            Self::Germ => {
                let genus = capital(&stem) + pick(&["ria", "coccus", "bacter", "monas"], rng);
                let second = pick(&STARTS, rng).to_string() + pick(&["ensis", "ulae", "antis"], rng);
                format!("{genus} {second}")
            }
            Self::Substance => stem + pick(&["tane", "phine", "lide", "rone"], rng),
            Self::Hormone => stem + pick(&["tropin", "statin", "lin", "gen"], rng),
            Self::Enzyme => stem + "dase",
            Self::Disease => stem + pick(&["dosis", "itis", "ling fever"], rng),
            Self::Country => capital(&stem) + pick(&["stan", "nia", "land", "via"], rng),
            Self::Title | Self::Landmark => capital(&stem),
            Self::Element => stem + "ium",
            Self::Animal => stem + pick(&["dar", "lope", "ling", "rat"], rng),
            Self::Device => stem + pick(&["graph", "scope", "phone", "meter"], rng),
            Self::Moon => capital(&stem) + pick(&["x", "n", "ra"], rng),
            Self::God => capital(&stem) + pick(&["thos", "dra", "nes"], rng),
        }
    }

    /// Ordinary words around the invented one.
    fn dress(self, core: &str, rng: &mut ChaCha8Rng) -> String {
        match self {
            Self::Title => {
                let before = [
                    "The Garden of",
                    "The Song of",
                    "The Night in",
                    "The Queen of",
                    "A Winter in",
                ];
                format!("{} {core}", pick(&before, rng))
            }
            Self::Landmark => {
                let after = ["Tower", "Bridge", "Palace", "Museum", "Gate"];
                format!("the {core} {}", pick(&after, rng))
            }
            Self::Device => format!("the {core}"),
            _ => core.to_string(),
        }
    }
}

fn stem(rng: &mut ChaCha8Rng) -> String {
    let mut stem = pick(&STARTS, rng).to_string();
    for _ in 0..rng.random_range(1..3_u32) {
        stem += pick(&MIDDLES, rng);
    }
    stem
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn pick<'a>(choices: &[&'a str], rng: &mut ChaCha8Rng) -> &'a str {
    choices[rng.random_range(0..choices.len())]
}

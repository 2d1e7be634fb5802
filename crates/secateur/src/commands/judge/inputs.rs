//! The judges' file, and the lines that are judged.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};
use secateur_datasets::strict_toml;
use secateur_judges::llm::relative::Triple;
use secateur_judges::llm::{Client, Endpoint};
use secateur_judges::scorer::Pair;
use serde::Deserialize;

use super::Protocol;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JudgesFile {
    judges: Vec<Endpoint>,
}

/// One line. Further fields are let be.
#[derive(Debug, Deserialize)]
pub struct Item {
    /// Names the line, and decides the order of two texts.
    pub id: String,
    source: String,
    text: Option<String>,
    unpruned: Option<String>,
    pruned: Option<String>,
}

impl Item {
    /// For the absolute protocol.
    pub fn pair(&self) -> Pair<'_> {
        Pair {
            source: &self.source,
            text: self.text.as_deref().unwrap_or_default(),
        }
    }

    /// For the relative protocol.
    pub fn triple(&self) -> Triple<'_> {
        Triple {
            id: &self.id,
            source: &self.source,
            unpruned: self.unpruned.as_deref().unwrap_or_default(),
            pruned: self.pruned.as_deref().unwrap_or_default(),
        }
    }

    fn fits(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Absolute => self.text.is_some(),
            Protocol::Relative => self.unpruned.is_some() && self.pruned.is_some(),
        }
    }
}

/// The judges, ready to be asked.
pub fn judges(file: &Path, cache: &Path) -> anyhow::Result<Vec<Client>> {
    let place = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {place}"))?;
    let written: JudgesFile = strict_toml::parse_file(file, &text).map_err(anyhow::Error::msg)?;
    if written.judges.is_empty() {
        bail!("{place} has no judge; add a [[judges]] entry with name, endpoint and model");
    }
    let (mut names, mut identities) = (BTreeSet::new(), BTreeSet::new());
    let mut clients = Vec::new();
    for endpoint in &written.judges {
        let client = Client::new(endpoint, Some(cache)).with_context(|| place.to_string())?;
        if !names.insert(endpoint.name.clone()) {
            bail!(
                "{place} has two judges called `{}`; give each its own name",
                endpoint.name
            );
        }
        if !identities.insert(client.identity()) {
            bail!(
                "{place}: judge `{}` is another one by a second name: same endpoint, model and settings, so they cannot disagree",
                endpoint.name
            );
        }
        clients.push(client);
    }
    Ok(clients)
}

/// The lines, and what they are asked; that follows from the first line where `asked` is absent.
pub fn items(file: &Path, asked: Option<Protocol>) -> anyhow::Result<(Protocol, Vec<Item>)> {
    let place = file.display();
    let reader = BufReader::new(File::open(file).with_context(|| format!("cannot read {place}"))?);
    let (mut protocol, mut items, mut ids) = (asked, Vec::new(), BTreeSet::new());
    for (index, line) in reader.lines().enumerate() {
        let number = index + 1;
        let line = line.with_context(|| format!("cannot read {place}, line {number}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let item: Item = serde_json::from_str(&line).with_context(|| format!("{place}, line {number}"))?;
        let chosen = *protocol.get_or_insert(if item.fits(Protocol::Relative) && !item.fits(Protocol::Absolute) {
            Protocol::Relative
        } else {
            Protocol::Absolute
        });
        if !item.fits(chosen) {
            let fields = match chosen {
                Protocol::Absolute => "`id`, `source` and `text` (absolute protocol)",
                Protocol::Relative => "`id`, `source`, `unpruned` and `pruned` (relative protocol)",
            };
            bail!("{place}, line {number}: expected {fields}");
        }
        if !ids.insert(item.id.clone()) {
            bail!(
                "{place}, line {number}: the id `{}` was there before; give each line its own",
                item.id
            );
        }
        items.push(item);
    }
    match protocol {
        Some(protocol) if !items.is_empty() => Ok((protocol, items)),
        _ => bail!("{place} has no lines to judge"),
    }
}

//! Groups of tasks as one: every question of the members, so that accuracy is the mean of their accuracies weighted by their sizes.
//!
//! That is how lm-evaluation-harness reports its groups `multimedqa` and `mmlu`; asked as one task, the group has an interval and
//! paired differences of its own. An item is called `<member>/<id>`, and its field `task` names the member.

use std::sync::Arc;

use crate::error::DatasetError;
use crate::item::Item;
use crate::source::Source;
use crate::tasks::mmlu::{MULTIMEDQA_SUBJECTS, Mmlu, SUBJECTS};
use crate::tasks::spec::{Domain, TaskSpec};
use crate::tasks::{Entry, Task, medmcqa, medqa, pubmedqa};

/// Registry line.
pub const ENTRY: Entry = Entry {
    names: || ["multimedqa", "mmlu", "mmlu_letter"].map(str::to_owned).into(),
    make: |name| match name {
        "multimedqa" => Some(Arc::new(multimedqa())),
        "mmlu" => Some(Arc::new(mmlu(false))),
        "mmlu_letter" => Some(Arc::new(mmlu(true))),
        _ => None,
    },
};

/// A group.
#[derive(Debug)]
pub struct Pooled {
    name: &'static str,
    about: &'static str,
    /// Folder of the group's card; members of other sets lie in the folders beside it.
    set: &'static str,
    domain: Domain,
    members: Vec<Box<dyn Task>>,
}

fn multimedqa() -> Pooled {
    let mut members: Vec<Box<dyn Task>> = vec![
        Box::new(pubmedqa::PubMedQa { letter: false }),
        Box::new(medmcqa::MedMcqa { letter: false }),
        Box::new(medqa::MedQa { letter: false }),
    ];
    let subjects = MULTIMEDQA_SUBJECTS
        .iter()
        .map(|subject| Mmlu { subject, letter: false });
    members.extend(subjects.map(|task| Box::new(task) as Box<dyn Task>));
    Pooled {
        name: "multimedqa",
        about: "PubMedQA, MedMCQA, MedQA and six MMLU subjects as one",
        set: "multimedqa",
        domain: Domain::Biomedical,
        members,
    }
}

fn mmlu(letter: bool) -> Pooled {
    let subjects = SUBJECTS.iter().map(|subject| Mmlu { subject, letter });
    Pooled {
        name: if letter { "mmlu_letter" } else { "mmlu" },
        about: "all 57 subjects of MMLU as one",
        set: "mmlu",
        domain: Domain::General,
        members: subjects.map(|task| Box::new(task) as Box<dyn Task>).collect(),
    }
}

impl Task for Pooled {
    fn spec(&self) -> TaskSpec {
        // Scoring and settings are those of the members, of which there is at least one in every group.
        let like = self.members.last().map(|member| member.spec());
        let like = like.unwrap_or_else(|| TaskSpec::choice("", "", self.domain, &[]));
        let members = self.members.iter().map(|member| member.spec());
        let own = members.filter(|member| member.set == self.set);
        TaskSpec {
            name: self.name.to_owned(),
            set: self.set.to_owned(),
            domain: self.domain,
            files: own.flat_map(|member| member.files).collect(),
            ..like
        }
        .about(self.about)
    }

    fn read(&self, source: &mut Source, few_shot: usize, seed: u64) -> Result<Vec<Item>, DatasetError> {
        let mut items = Vec::new();
        for member in &self.members {
            let spec = member.spec();
            let read = |source: &mut Source| member.read(source, few_shot, seed);
            let mut of_member = if spec.set == self.set {
                read(source)?
            } else {
                source.beside(&spec, read)?
            };
            for item in &mut of_member {
                item.id = format!("{}/{}", spec.name, item.id);
                item.fields.insert("task".to_owned(), spec.name.clone());
            }
            items.extend(of_member);
        }
        Ok(items)
    }

    fn definition(&self) -> String {
        let members = self.members.iter().map(|member| {
            let spec = member.spec();
            format!("{} {}", spec.name, spec.version)
        });
        members.collect::<Vec<_>>().join("\n")
    }
}

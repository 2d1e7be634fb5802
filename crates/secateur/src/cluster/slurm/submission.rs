//! Submits what is missing, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secateur_results::atomic;
use serde::{Deserialize, Serialize};

use super::super::coverage::Coverage;
use super::super::resources::Resources;
use super::super::work::Work;
use super::queue::{Queue, ranges};
use super::{scheduler, script};

/// A sweep's folder for Slurm.
#[derive(Debug)]
pub struct Submission<'a> {
    resources: &'a Resources,
    work: &'a Work,
    folder: PathBuf,
}

/// What was submitted before: the cut, so that a later command uses the same, and ids to ask for how tasks ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// Shards.
    pub tasks: usize,
    /// Arrays.
    pub arrays: BTreeSet<u64>,
}

impl Submitted {
    /// Reads what was submitted for a sweep's folder; nothing where nothing was, or where the file is of no use.
    #[must_use]
    pub fn read(sweep_folder: &Path) -> Option<Self> {
        let bytes = fs::read(sweep_folder.join("slurm/submitted.json")).ok()?;
        serde_json::from_slice(&bytes)
            .ok()
            .filter(|submitted: &Self| submitted.tasks > 0)
    }
}

/// What one submission did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The array and its indices, if cells were missing that nothing works on.
    pub array: Option<(u64, String)>,
    /// The reducer.
    pub reducer: Option<u64>,
}

impl<'a> Submission<'a> {
    /// The submission of a sweep; writes nothing yet.
    #[must_use]
    pub fn new(resources: &'a Resources, work: &'a Work) -> Self {
        Self {
            resources,
            work,
            folder: work.folder().join("slurm"),
        }
    }

    /// Scripts and commands, as [`Self::submit`] would write and run them.
    #[must_use]
    pub fn preview(&self, coverage: &Coverage) -> String {
        let array = script::array(self.resources, self.work);
        let reduce = script::reduce(self.resources, self.work);
        let file = |name: &str| self.folder.join(name).display().to_string();
        let commands = if coverage.missing_shards.is_empty() {
            "# every cell has its record; only the reducer would run\nsbatch reduce.sh\n".to_owned()
        } else {
            format!(
                "sbatch --array={} array.sh\nsbatch {} reduce.sh\n",
                self.indices(&coverage.missing_shards),
                dependency(&["ARRAY".to_owned()]).join(" ")
            )
        };
        format!(
            "# {}\n{array}\n# {}\n{reduce}\n# then\n{commands}",
            file("array.sh"),
            file("reduce.sh")
        )
    }

    /// Whether a reducer ended well since the last array was submitted.
    #[must_use]
    pub fn is_reduced(&self) -> bool {
        self.folder.join("reduced").exists()
    }

    /// Ids of the arrays that were submitted.
    #[must_use]
    pub fn arrays(&self) -> BTreeSet<u64> {
        Submitted::read(&self.work.folder()).unwrap_or_default().arrays
    }

    /// Where the tasks' output is.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Submits an array for shards that lack cells and have no task, and a reducer for all there is.
    ///
    /// # Errors
    /// If the sweep is being run in another number of shards, if a file cannot be written, or if Slurm refuses.
    pub fn submit(&self, coverage: &Coverage, queue: &Queue) -> anyhow::Result<Step> {
        if let Some(other) = queue.other_cuts.first() {
            bail!(
                "job {other} works on the sweep `{}` in another number of tasks than {}: wait for it, end it with \
                 `scancel {other}`, or leave --tasks out",
                self.work.sweep,
                self.work.tasks
            );
        }
        let shards: Vec<usize> = coverage
            .missing_shards
            .iter()
            .copied()
            .filter(|shard| !queue.shards.contains(shard))
            .collect();
        let (array, reduce) = self.write_scripts()?;
        let mut step = Step {
            array: None,
            reducer: None,
        };
        // With all records there, the reducer waits for no task: one may only be running in a mistaken controller's eyes.
        let mut arrays = if coverage.missing_shards.is_empty() {
            BTreeSet::new()
        } else {
            queue.arrays.clone()
        };
        if !shards.is_empty() {
            let reduced = self.folder.join("reduced");
            if reduced.exists() {
                fs::remove_file(&reduced).with_context(|| format!("cannot remove {}", reduced.display()))?;
            }
            let indices = self.indices(&shards);
            let id = scheduler::submit(&array, &[format!("--array={indices}")])?;
            arrays.insert(id);
            self.remember(id)?;
            step.array = Some((id, indices));
        }
        let nothing_to_reduce = step.array.is_none() && (!queue.reducers.is_empty() || self.is_reduced());
        if !nothing_to_reduce {
            let ids: Vec<String> = arrays.iter().map(u64::to_string).collect();
            step.reducer = Some(scheduler::submit(&reduce, &dependency(&ids))?);
        }
        Ok(step)
    }

    fn indices(&self, shards: &[usize]) -> String {
        let throttle = self
            .resources
            .max_concurrent
            .map_or(String::new(), |most| format!("%{most}"));
        format!("{}{throttle}", ranges(shards))
    }

    fn write_scripts(&self) -> anyhow::Result<(PathBuf, PathBuf)> {
        let logs = self.logs();
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let (array, reduce) = (self.folder.join("array.sh"), self.folder.join("reduce.sh"));
        atomic::write_over(&array, script::array(self.resources, self.work).as_bytes())?;
        atomic::write_over(&reduce, script::reduce(self.resources, self.work).as_bytes())?;
        Ok((array, reduce))
    }

    fn remember(&self, array: u64) -> anyhow::Result<()> {
        let submitted = Submitted {
            tasks: self.work.tasks,
            arrays: self.arrays().into_iter().chain([array]).collect(),
        };
        atomic::write_over(&self.folder.join("submitted.json"), &serde_json::to_vec(&submitted)?)?;
        Ok(())
    }
}

/// The reducer runs once arrays are through, however they ended, and never beside another: it checks coverage itself.
fn dependency(arrays: &[String]) -> Vec<String> {
    let after = if arrays.is_empty() {
        String::new()
    } else {
        format!("afterany:{},", arrays.join(":"))
    };
    vec![
        format!("--dependency={after}singleton"),
        "--kill-on-invalid-dep=yes".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::work::example;
    use super::*;

    fn resources() -> Resources {
        let section = secateur_datasets::strict_toml::parse("max_concurrent = 2").unwrap();
        Resources::check(&section).unwrap()
    }

    #[test]
    fn a_preview_asks_for_missing_shards_only() {
        let coverage = Coverage {
            missing_shards: vec![0, 3, 4],
            done: 5,
            total: 24,
            ..Coverage::default()
        };
        let (resources, work) = (resources(), example());
        let text = Submission::new(&resources, &work).preview(&coverage);
        assert!(text.ends_with(
            "# then\nsbatch --array=0,3-4%2 array.sh\nsbatch --dependency=afterany:ARRAY,singleton --kill-on-invalid-dep=yes reduce.sh\n"
        ));
    }

    #[test]
    fn another_cut_at_work_is_refused() {
        let coverage = Coverage {
            missing_shards: vec![0],
            total: 1,
            ..Coverage::default()
        };
        let queue = Queue {
            other_cuts: BTreeSet::from([12]),
            ..Queue::default()
        };
        let (resources, work) = (resources(), example());
        let error = Submission::new(&resources, &work)
            .submit(&coverage, &queue)
            .unwrap_err();
        assert!(error.to_string().contains("`scancel 12`"), "{error}");
    }

    #[test]
    fn what_was_submitted_is_read_back_or_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let slurm = folder.path().join("slurm");
        fs::create_dir_all(&slurm).unwrap();
        assert_eq!(Submitted::read(folder.path()), None);
        fs::write(slurm.join("submitted.json"), r#"{"tasks":8,"arrays":[7]}"#).unwrap();
        assert_eq!(Submitted::read(folder.path()).unwrap().tasks, 8);
        fs::write(slurm.join("submitted.json"), "{").unwrap();
        assert_eq!(Submitted::read(folder.path()), None);
    }
}

//! Code that the model wrote, judged by unit tests: pass@1.
//!
//! What is run is the item's field `code`, the answer and the field `tests`, as `code_eval` of Hugging Face's evaluate (which lm-evaluation-harness
//! uses) puts them together. It runs in [`secateur_sandbox`] or not at all. The reference stops a program after three seconds
//! on the clock; here it is three seconds of processor time, so that a busy machine changes no result.

use std::sync::OnceLock;

use secateur_datasets::item::{Body, Item};
use secateur_metrics::pass_at_k::PASS_AT_1;
use secateur_sandbox::{Limits, Sandbox, SandboxError, Verdict};

use super::{Mismatch, Scorer, from_bool, mismatch};
use crate::answer::{Answer, Output};
use crate::error::EvaluationError;
use crate::summary::Metric;

/// Probed once per process.
static SANDBOX: OnceLock<Sandbox> = OnceLock::new();

/// Refuses a task that runs generated code, unless that is allowed and can be done safely here.
///
/// # Errors
/// If it is not allowed, or the sandbox does not hold on this machine.
pub fn check(task: &str, run_generated_code: bool) -> Result<(), EvaluationError> {
    UnitTests::runner(task, false, run_generated_code).map(|_| ())
}

/// Scores of a program.
pub(super) struct UnitTests {
    until_fence: bool,
    sandbox: Option<&'static Sandbox>,
}

impl UnitTests {
    /// Knows the metrics, but runs nothing.
    pub(super) fn reader(until_fence: bool) -> Self {
        Self {
            until_fence,
            sandbox: None,
        }
    }

    /// Runs programs.
    pub(super) fn runner(task: &str, until_fence: bool, allowed: bool) -> Result<Self, EvaluationError> {
        if !allowed {
            return Err(EvaluationError::GeneratedCode { task: task.to_owned() });
        }
        let sandbox = sandbox().map_err(|source| EvaluationError::Sandbox {
            task: task.to_owned(),
            source,
        })?;
        Ok(Self {
            until_fence,
            sandbox: Some(sandbox),
        })
    }
}

fn sandbox() -> Result<&'static Sandbox, SandboxError> {
    if let Some(sandbox) = SANDBOX.get() {
        return Ok(sandbox);
    }
    let opened = Sandbox::open(Limits::default())?;
    Ok(SANDBOX.get_or_init(|| opened))
}

impl Scorer for UnitTests {
    fn score(&self, item: &Item, answer: &mut Answer) -> Result<(), Mismatch> {
        let (Body::Generate(_), Output::Text(output)) = (&item.body, &mut answer.output) else {
            return Err(mismatch(item, "a question to be answered in words"));
        };
        let sandbox = self.sandbox.ok_or_else(|| Mismatch {
            found: "code that the model wrote".into(),
            expected: "the permission to run it (run_generated_code)".into(),
        })?;
        let program = program(item, &output.text, self.until_fence)?;
        let verdict = sandbox.run(&program).map_err(|error| Mismatch {
            found: error.to_string(),
            expected: "a sandbox that still works as it did when it was probed".into(),
        })?;
        if let Verdict::Failed(failure) = &verdict {
            output.parsed = Some(failure.to_string());
        }
        let passed = from_bool(verdict == Verdict::Passed);
        answer.scores.insert("passed".into(), passed);
        super::flag_text(answer);
        Ok(())
    }

    fn metrics(&self, _: &[Answer]) -> Vec<Metric> {
        let mut metrics = vec![Metric::proportion(PASS_AT_1, "passed")];
        metrics.extend(super::text_metrics());
        metrics
    }
}

/// The program of an answer and its tests.
fn program(item: &Item, answer: &str, until_fence: bool) -> Result<String, Mismatch> {
    let field = |name: &str| {
        item.fields.get(name).ok_or_else(|| Mismatch {
            found: format!("no field `{name}`"),
            expected: "the fields `code` and `tests`".into(),
        })
    };
    let answer = match answer.find("```") {
        Some(fence) if until_fence => &answer[..fence],
        _ => answer,
    };
    Ok(format!("{}{answer}\n{}", field("code")?, field("tests")?))
}

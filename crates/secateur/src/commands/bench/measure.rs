//! A piece of work, several times.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::bail;

use super::memory;

/// Tokens per second, or seconds, of each repetition.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread(Vec<f64>);

impl Spread {
    /// Of at least one figure.
    pub fn new(runs: Vec<f64>) -> anyhow::Result<Self> {
        if runs.is_empty() || runs.iter().any(|run| !run.is_finite()) {
            bail!("measured {runs:?}: expected at least one finite figure");
        }
        Ok(Self(runs))
    }

    /// In the order they were measured.
    pub fn runs(&self) -> &[f64] {
        &self.0
    }

    /// The middle one, or the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        }
    }

    /// The smallest.
    pub fn least(&self) -> f64 {
        self.sorted()[0]
    }

    /// The largest.
    pub fn most(&self) -> f64 {
        self.sorted()[self.0.len() - 1]
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Runs work, and keeps what it took.
pub struct Stopwatch<'a> {
    repetitions: usize,
    told: &'a mut dyn FnMut(String),
    rates: BTreeMap<&'static str, Spread>,
    peak_anonymous_mb: Option<f64>,
}

impl<'a> Stopwatch<'a> {
    /// `told` is told what runs.
    pub fn new(repetitions: usize, told: &'a mut dyn FnMut(String)) -> Self {
        Self {
            repetitions,
            told,
            rates: BTreeMap::new(),
            peak_anonymous_mb: None,
        }
    }

    /// Runs `work` once uncounted, with an eye on memory, and then as often as asked for. `work` does `tokens` tokens and returns the
    /// seconds that count; kept are tokens per second.
    pub fn rate(
        &mut self,
        name: &'static str,
        tokens: usize,
        work: &mut dyn FnMut() -> anyhow::Result<f64>,
    ) -> anyhow::Result<()> {
        let seconds = self.seconds(name, work)?;
        if let Some(bad) = seconds.iter().find(|seconds| **seconds <= 0.0) {
            bail!("{name}: {tokens} tokens took {bad} seconds; the clock is too coarse for this model");
        }
        let rates = seconds.iter().map(|seconds| tokens as f64 / seconds).collect();
        self.rates.insert(name, Spread::new(rates)?);
        Ok(())
    }

    /// The same for work that has no tokens: kept are seconds.
    pub fn time(&mut self, name: &'static str, work: &mut dyn FnMut() -> anyhow::Result<f64>) -> anyhow::Result<()> {
        let seconds = self.seconds(name, work)?;
        self.rates.insert(name, Spread::new(seconds)?);
        Ok(())
    }

    /// Keeps what was measured beside.
    pub fn keep(&mut self, name: &'static str, runs: Vec<f64>) -> anyhow::Result<()> {
        self.rates.insert(name, Spread::new(runs)?);
        Ok(())
    }

    fn seconds(
        &mut self,
        name: &'static str,
        work: &mut dyn FnMut() -> anyhow::Result<f64>,
    ) -> anyhow::Result<Vec<f64>> {
        (self.told)(format!("{name}, warming up"));
        let (warm, peak) = memory::watched(&mut *work);
        warm?;
        self.peak_anonymous_mb = memory::larger(self.peak_anonymous_mb, peak);
        let mut seconds = Vec::with_capacity(self.repetitions);
        for repetition in 1..=self.repetitions {
            (self.told)(format!("{name}, {repetition} of {}", self.repetitions));
            seconds.push(work()?);
        }
        Ok(seconds)
    }

    /// What was measured, by name, and the largest anonymous memory, MiB.
    pub fn finish(self) -> (BTreeMap<&'static str, Spread>, Option<f64>) {
        (self.rates, self.peak_anonymous_mb)
    }
}

/// Seconds that `work` takes.
pub fn timed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_both_ends() {
        let odd = Spread::new(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median(), odd.least(), odd.most()), (2.0, 1.0, 3.0));
        assert_eq!(odd.runs(), [3.0, 1.0, 2.0]);
        let even = Spread::new(vec![4.0, 1.0, 2.0, 8.0]).unwrap();
        assert!((even.median() - 3.0).abs() < 1e-12);
        assert!(Spread::new(vec![]).is_err() && Spread::new(vec![f64::NAN]).is_err());
    }

    #[test]
    fn the_first_run_is_not_counted() {
        let mut said = Vec::new();
        let mut told = |text| said.push(text);
        let mut watch = Stopwatch::new(2, &mut told);
        let mut took = [100.0, 2.0, 4.0].into_iter();
        watch.rate("words", 8, &mut || Ok(took.next().unwrap())).unwrap();
        let (rates, _) = watch.finish();
        assert_eq!(rates["words"].runs(), [4.0, 2.0]);
        assert_eq!(said, ["words, warming up", "words, 1 of 2", "words, 2 of 2"]);
    }

    #[test]
    fn no_time_at_all_is_no_figure() {
        let mut told = |_| {};
        let mut watch = Stopwatch::new(1, &mut told);
        let message = watch.rate("words", 8, &mut || Ok(0.0)).unwrap_err().to_string();
        assert!(message.contains("8 tokens took 0 seconds"), "{message}");
    }
}

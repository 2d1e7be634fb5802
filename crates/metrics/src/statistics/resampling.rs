//! Statistics of resampled units, with the intervals and p-values made of them.
//!
//! Units (items, or documents with all their items) are drawn with replacement. The interval is the *expanded percentile*
//! interval: quantiles of the resampled statistic at levels that make up for the bootstrap's narrowness in few units.
//!
//! Source: Efron & Tibshirani 1993, chapter 13; expansion: Hesterberg, *What Teachers Should Know About the Bootstrap*,
//! The American Statistician 69 (2015), 4.2. With `G` units, instead of the quantile at α/2:
//!
//! ```text
//! α'/2 = Φ( −√(G/(G−1)) · t_{G−1, 1−α/2} )
//! ```
//!
//! For a mean of normal values this is the t interval; for many units it is the percentile interval. Draws come from `ChaCha8`
//! seeded with a u64: equal input gives equal bytes on any machine, and statistics of the same units under the same seed see the
//! same draws, one by one.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::bootstrap::{UNDEFINED_ALLOWED, interpolate, standard_deviation};
use super::{Bootstrap, Clusters, check_confidence};
use crate::error::{MetricError, Result, not_empty};
use crate::ties::tied;

const METRIC: &str = "bootstrap";

/// A statistic on the items, and on resamples of their units.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    /// The statistic of the items themselves.
    pub observed: f64,
    /// By draw; NaN where it is undefined on the resample.
    pub draws: Vec<f64>,
    /// Units that hold an item.
    pub units: usize,
    /// Whether it lies between 0 and 1 (a difference: between −1 and 1), so that draws which all agree still leave the
    /// doubt that n agreeing items leave.
    pub bounded: bool,
    /// Whether quantiles are taken as they are: the flips that [`resample_flips`] adds to items that stand alone already make up
    /// for few units.
    pub plain: bool,
}

/// Calls `with` once per resample with the units drawn, each below `units`.
///
/// # Errors
/// If `units` or the number of resamples is 0, or there are 2³² units or more.
pub fn each_draw(units: usize, options: &Bootstrap, mut with: impl FnMut(&[u32])) -> Result<()> {
    let limit = u32::try_from(units).map_err(|_| option("number of units", units.to_string(), "below 2^32"))?;
    if limit == 0 {
        return Err(MetricError::Empty { metric: METRIC });
    }
    if options.resamples == 0 {
        return Err(option("resamples", "0".into(), "at least 1"));
    }
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut drawn = vec![0; units];
    for _ in 0..options.resamples {
        for unit in &mut drawn {
            *unit = random.random_range(0..limit);
        }
        with(&drawn);
    }
    Ok(())
}

/// A mean over items, resampled by unit: Σ of sums over Σ of sizes of the units drawn.
///
/// # Errors
/// If there are no items, or an option is out of range.
pub fn resample_mean(values: &[f64], clusters: &Clusters, options: &Bootstrap) -> Result<Resampled> {
    not_empty(METRIC, values)?;
    let sums = clusters.sums(values);
    let sizes: Vec<f64> = (0..clusters.count())
        .map(|unit| clusters.members(unit).len() as f64)
        .collect();
    Ok(Resampled {
        observed: values.iter().sum::<f64>() / values.len() as f64,
        draws: ratios(&sums, &sizes, options)?,
        units: clusters.occupied(),
        bounded: false,
        plain: false,
    })
}

/// The mean of differences of −1, 0 and 1, with two units more of mean size among those drawn, one with a flip in either
/// direction. The observed value is that of the items alone.
///
/// Source: Bonett & Price, Journal of Educational and Behavioral Statistics 37 (2012), where the two flips enter the table.
///
/// # Errors
/// As [`resample_mean`].
pub fn resample_flips(differences: &[f64], clusters: &Clusters, options: &Bootstrap) -> Result<Resampled> {
    not_empty(METRIC, differences)?;
    let size = clusters.items() as f64 / clusters.occupied() as f64;
    let mut sums = clusters.sums(differences);
    sums.extend([1.0, -1.0]);
    let mut sizes: Vec<f64> = (0..clusters.count())
        .map(|unit| clusters.members(unit).len() as f64)
        .collect();
    sizes.extend([size, size]);
    Ok(Resampled {
        observed: differences.iter().sum::<f64>() / differences.len() as f64,
        draws: ratios(&sums, &sizes, options)?,
        units: clusters.occupied(),
        bounded: true,
        plain: clusters.are_singletons(),
    })
}

/// Σ of sums over Σ of sizes of the units drawn.
fn ratios(sums: &[f64], sizes: &[f64], options: &Bootstrap) -> Result<Vec<f64>> {
    let mut draws = Vec::with_capacity(options.resamples);
    each_draw(sums.len(), options, |units| {
        let (mut sum, mut size) = (0.0, 0.0);
        for &unit in units {
            sum += sums[unit as usize];
            size += sizes[unit as usize];
        }
        draws.push(sum / size);
    })?;
    Ok(draws)
}

/// Any statistic, resampled by unit. `statistic` gets item indices with repetitions; `None` where it is undefined on them.
///
/// # Errors
/// If there are no items, the statistic is undefined on all of them, or an option is out of range.
pub fn resample_statistic(
    clusters: &Clusters,
    options: &Bootstrap,
    mut statistic: impl FnMut(&[usize]) -> Option<f64>,
) -> Result<Resampled> {
    let all: Vec<usize> = (0..clusters.items()).collect();
    not_empty(METRIC, &all)?;
    let observed = statistic(&all).filter(|value| value.is_finite());
    let observed = observed.ok_or_else(|| undefined("the statistic has no value on the items themselves".into()))?;
    let mut draws = Vec::with_capacity(options.resamples);
    let mut items = Vec::with_capacity(all.len());
    each_draw(clusters.count(), options, |units| {
        items.clear();
        for &unit in units {
            items.extend_from_slice(clusters.members(unit as usize));
        }
        let value = if items.is_empty() { None } else { statistic(&items) };
        draws.push(value.filter(|value| value.is_finite()).unwrap_or(f64::NAN));
    })?;
    Ok(Resampled {
        observed,
        draws,
        units: clusters.occupied(),
        bounded: false,
        plain: false,
    })
}

impl Resampled {
    /// The same, known to lie between 0 and 1 (a difference: between −1 and 1).
    #[must_use]
    pub fn bounded(self, bounded: bool) -> Self {
        Self { bounded, ..self }
    }

    /// Candidate minus baseline, draw by draw: both saw the same units.
    #[must_use]
    pub fn minus(&self, baseline: &Self) -> Self {
        let pairs = self.draws.iter().zip(&baseline.draws);
        Self {
            observed: self.observed - baseline.observed,
            draws: pairs.map(|(candidate, baseline)| candidate - baseline).collect(),
            units: self.units.min(baseline.units),
            bounded: self.bounded && baseline.bounded,
            plain: self.plain && baseline.plain,
        }
    }

    /// The defined draws, ascending.
    ///
    /// # Errors
    /// If the statistic is undefined on more than a tenth of the draws, or there are fewer than two units.
    pub fn sorted(&self) -> Result<Vec<f64>> {
        let mut defined: Vec<f64> = self.draws.iter().copied().filter(|value| value.is_finite()).collect();
        let (all, missing) = (self.draws.len(), self.draws.len() - defined.len());
        if all == 0 || missing as f64 > UNDEFINED_ALLOWED * all as f64 {
            return Err(undefined(format!(
                "the statistic has no value on {missing} of {all} resamples"
            )));
        }
        if self.units < 2 {
            return Err(undefined(
                "one item or document gives no interval; at least two are needed".into(),
            ));
        }
        defined.sort_by(f64::total_cmp);
        Ok(defined)
    }

    /// Expanded percentile interval. Where all draws of a bounded statistic agree, it reaches as far to either side as one in
    /// a share `1 − (α/2)^(1/G)` of units that were not seen could move it.
    ///
    /// # Errors
    /// As [`Resampled::sorted`], or if `confidence` is not strictly between 0 and 1.
    pub fn interval(&self, confidence: f64) -> Result<(f64, f64)> {
        check_confidence(METRIC, confidence)?;
        let sorted = self.sorted()?;
        let tail = (1.0 - confidence) / 2.0;
        let unseen = self.unseen(&sorted, tail);
        let tail = self.tail(tail);
        let ends = (interpolate(&sorted, tail), interpolate(&sorted, 1.0 - tail));
        Ok((ends.0 - unseen, ends.1 + unseen))
    }

    /// Whether every draw is the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.draws.windows(2).all(|pair| tied(pair[0], pair[1]))
    }

    /// The share of draws beyond which an interval of this tail ends.
    #[must_use]
    pub fn tail(&self, tail: f64) -> f64 {
        if self.plain {
            tail
        } else {
            expanded_tail(tail, self.units)
        }
    }

    fn unseen(&self, sorted: &[f64], tail: f64) -> f64 {
        let agree = sorted.first().zip(sorted.last()).is_some_and(|(a, b)| tied(*a, *b));
        if self.bounded && agree {
            1.0 - tail.powf(1.0 / self.units as f64)
        } else {
            0.0
        }
    }

    /// Standard deviation over draws, times √(G/(G−1)): the standard error of the observed value.
    ///
    /// # Errors
    /// As [`Resampled::sorted`].
    pub fn standard_error(&self) -> Result<f64> {
        Ok(standard_deviation(&self.sorted()?) * narrowness(self.units))
    }

    /// Two-sided p-value of "the statistic is 0": the level at which the expanded percentile interval begins to leave 0 out.
    /// Where no draw lies beyond 0, the tail is that of the t distribution at observed / standard error if that is smaller.
    ///
    /// # Errors
    /// As [`Resampled::sorted`].
    pub fn p_value(&self) -> Result<f64> {
        let sorted = self.sorted()?;
        let below = sorted.iter().filter(|&&value| value <= 0.0).count();
        let above = sorted.iter().filter(|&&value| value >= 0.0).count();
        let beyond = below.min(above);
        let share = ((beyond + 1) as f64 / (sorted.len() + 1) as f64).min(0.5);
        let p = 2.0
            * if self.plain {
                share
            } else {
                unexpanded_tail(share, self.units)
            };
        let error = self.standard_error()?;
        if beyond > 0 || error == 0.0 {
            return Ok(p.min(1.0));
        }
        let t = 2.0 * student(self.units).map_or(0.5, |t| t.cdf(-(self.observed / error).abs()));
        Ok(p.min(t).clamp(f64::MIN_POSITIVE, 1.0))
    }
}

/// √(G/(G−1)): by how much resampling G units is too narrow.
#[must_use]
pub fn narrowness(units: usize) -> f64 {
    let units = units.max(2) as f64;
    (units / (units - 1.0)).sqrt()
}

/// The share of draws to leave out at one end so that a share `tail` of intervals ends too early.
#[must_use]
pub fn expanded_tail(tail: f64, units: usize) -> f64 {
    match student(units) {
        Some(t) if tail > 0.0 => Normal::standard().cdf(narrowness(units) * t.inverse_cdf(tail)),
        _ => tail,
    }
}

/// The inverse of [`expanded_tail`].
fn unexpanded_tail(share: f64, units: usize) -> f64 {
    student(units).map_or(share, |t| {
        t.cdf(Normal::standard().inverse_cdf(share) / narrowness(units))
    })
}

/// Student's t with G − 1 degrees of freedom.
pub(super) fn student(units: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, units.max(2) as f64 - 1.0).ok()
}

fn option(option: &'static str, found: String, expected: &'static str) -> MetricError {
    MetricError::Option {
        metric: METRIC,
        option,
        found,
        expected,
    }
}

fn undefined(reason: String) -> MetricError {
    MetricError::Undefined { metric: METRIC, reason }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn options() -> Bootstrap {
        Bootstrap::default()
    }

    #[test]
    fn the_tail_is_that_of_the_t_interval() {
        // G = 2: t_{1, 0.975} = 12.706, times √2.
        let expected = Normal::standard().cdf(-12.706_204_7 * 2.0_f64.sqrt());
        assert!((expanded_tail(0.025, 2) - expected).abs() < 1e-12);
        assert!((expanded_tail(0.025, 1_000_000) - 0.025).abs() < 1e-4);
        for tail in [0.001, 0.025, 0.3] {
            assert!((unexpanded_tail(expanded_tail(tail, 12), 12) - tail).abs() < 1e-9);
        }
    }

    #[test]
    fn a_mean_has_the_t_interval() {
        let values: Vec<f64> = (0..12).map(|i| f64::from(i * 7 % 12)).collect();
        let many = Bootstrap {
            resamples: 20_000,
            ..options()
        };
        let found = resample_mean(&values, &Clusters::singletons(12), &many).unwrap();
        let (low, high) = found.interval(0.95).unwrap();
        let error = standard_deviation(&values) / 12.0_f64.sqrt();
        let half = 2.200_985 * error;
        assert!((low - (5.5 - half)).abs() < 0.06 * half && (high - (5.5 + half)).abs() < 0.06 * half);
        assert!((found.standard_error().unwrap() / error - 1.0).abs() < 0.02);
    }

    #[test]
    fn copies_of_an_item_in_one_unit_bring_no_news() {
        let values: Vec<f64> = (0..20).map(|i| f64::from(i % 10)).collect();
        let alone = resample_mean(&values[..10], &Clusters::singletons(10), &options()).unwrap();
        let names: Vec<String> = (0..20).map(|i| (i % 10).to_string()).collect();
        let twice = Clusters::by_name(names.iter().map(|name| Some(name.as_str())));
        let together = resample_mean(&values, &twice, &options()).unwrap();
        assert_eq!(alone.interval(0.95).unwrap(), together.interval(0.95).unwrap());
        let statistic = resample_statistic(&twice, &options(), |items| {
            Some(items.iter().map(|&i| values[i]).sum::<f64>() / items.len() as f64)
        });
        assert_eq!(statistic.unwrap().units, 10);
    }

    #[test]
    fn p_and_interval_agree_and_p_has_no_floor() {
        let values: Vec<f64> = (0..30).map(|i| f64::from(i % 5) - 1.6).collect();
        let found = resample_mean(&values, &Clusters::singletons(30), &options()).unwrap();
        let p = found.p_value().unwrap();
        let (low, _) = found.interval(1.0 - p * 1.1).unwrap();
        let (lower, _) = found.interval(1.0 - p * 0.9).unwrap();
        assert!(lower <= 0.0 && low >= -0.02, "{p} {low} {lower}");
        let far: Vec<f64> = values.iter().map(|value| value + 20.0).collect();
        let far = resample_mean(&far, &Clusters::singletons(30), &options()).unwrap();
        assert!(far.p_value().unwrap() < 1e-12);
        let zero = resample_mean(&[0.0; 5], &Clusters::singletons(5), &options()).unwrap();
        assert!((zero.p_value().unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn agreement_of_few_items_is_not_certainty() {
        let same = resample_mean(&[0.0; 20], &Clusters::singletons(20), &options()).unwrap();
        assert_eq!(same.interval(0.95).unwrap(), (0.0, 0.0));
        let (low, high) = same.bounded(true).interval(0.95).unwrap();
        // 0.025^(1/20) = 0.8316.
        assert!((high - 0.168_434).abs() < 1e-5 && (low + high).abs() < 1e-12);
    }

    #[test]
    fn one_unit_and_undefined_statistics_have_no_interval() {
        let one = resample_mean(&[1.0], &Clusters::singletons(1), &options()).unwrap();
        assert!(one.interval(0.95).unwrap_err().to_string().contains("at least two"));
        let clusters = Clusters::singletons(4);
        assert!(resample_statistic(&clusters, &options(), |_| None).is_err());
        let sometimes = resample_statistic(&clusters, &options(), |items| (items[0] == 0).then_some(1.0)).unwrap();
        assert!(sometimes.interval(0.95).unwrap_err().to_string().contains("resamples"));
        assert!(resample_mean(&[], &Clusters::singletons(0), &options()).is_err());
    }
}

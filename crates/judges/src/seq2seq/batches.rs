//! Which pairs are computed together.

use std::collections::BTreeMap;

/// Padded tokens of one side per batch.
const TOKENS_PER_BATCH: usize = 4096;
/// Query–key products per batch and head.
const PRODUCTS_PER_BATCH: usize = 2 << 20;

/// A source, a target and who asked for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) source: &'a [u32],
    pub(super) target: &'a [u32],
    /// Positions in the caller's list.
    pub(super) asked_by: Vec<usize>,
}

/// Batches of distinct pairs, those of one source together, sources and targets of like length side by side. The plan depends on
/// nothing but the pairs.
pub(super) fn plan<'a>(pairs: &[(&'a [u32], &'a [u32])]) -> Vec<Vec<Request<'a>>> {
    let mut distinct: BTreeMap<(&[u32], &[u32]), Vec<usize>> = BTreeMap::new();
    for (index, &pair) in pairs.iter().enumerate() {
        distinct.entry(pair).or_default().push(index);
    }
    let mut requests: Vec<Request<'a>> = distinct
        .into_iter()
        .map(|((source, target), asked_by)| Request {
            source,
            target,
            asked_by,
        })
        .collect();
    requests.sort_by_key(|r| {
        (
            std::cmp::Reverse(r.source.len()),
            r.source,
            std::cmp::Reverse(r.target.len()),
        )
    });
    let mut batches: Vec<Vec<Request<'a>>> = Vec::new();
    let mut size = Size::default();
    for request in requests {
        let next = size.with(&request, batches.last().and_then(|batch| batch.last()));
        match batches.last_mut() {
            Some(batch) if next.fits() => {
                batch.push(request);
                size = next;
            }
            _ => {
                size = Size::default().with(&request, None);
                batches.push(vec![request]);
            }
        }
    }
    batches
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    rows: usize,
    sources: usize,
    longest_source: usize,
    longest_target: usize,
}

impl Size {
    fn with(self, request: &Request<'_>, before: Option<&Request<'_>>) -> Self {
        let same = before.is_some_and(|before| before.source == request.source);
        Self {
            rows: self.rows + 1,
            sources: self.sources + usize::from(!same),
            longest_source: self.longest_source.max(request.source.len()),
            longest_target: self.longest_target.max(request.target.len()),
        }
    }

    fn fits(self) -> bool {
        self.sources * self.longest_source <= TOKENS_PER_BATCH
            && self.rows * self.longest_target <= TOKENS_PER_BATCH
            && self.rows * self.longest_target * self.longest_source <= PRODUCTS_PER_BATCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pairs_are_one_request_and_every_pair_is_asked_once() {
        let long = vec![1_u32; 1000];
        let texts: Vec<Vec<u32>> = (0..40).map(|n| vec![n; 100]).collect();
        let mut pairs: Vec<(&[u32], &[u32])> = texts.iter().map(|text| (long.as_slice(), text.as_slice())).collect();
        pairs.push((&long, &texts[3]));
        pairs.push((&[5], &[6]));
        let batches = plan(&pairs);
        let mut asked: Vec<usize> = batches.iter().flatten().flat_map(|r| r.asked_by.clone()).collect();
        asked.sort_unstable();
        assert_eq!(asked, (0..42).collect::<Vec<_>>());
        assert_eq!(batches.iter().flatten().count(), 41);
        for batch in &batches {
            assert!(batch.len() * 100 * 1000 <= PRODUCTS_PER_BATCH);
        }
        assert_eq!(plan(&[]), Vec::<Vec<Request<'_>>>::new());
    }

    #[test]
    fn one_pair_beyond_the_limit_is_a_batch_of_its_own() {
        let long = vec![1_u32; 10_000];
        assert_eq!(plan(&[(&long, &long), (&[1], &[1])]).len(), 2);
    }
}

//! Answers inside the page: what the unpruned models said and what the pruned ones say, item by item.
//!
//! A page that a mail can carry holds no more than some of a large sweep's answers: those of the smallest seed, and of every cell an
//! equal number, items that changed before the others. What is left out stays in `answers/`, and the page counts it.

mod columns;
mod line;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use secateur_metrics::regressions::Kind;

use crate::aggregate::{has_several_corpora, method_label};
use crate::atomic;
use crate::error::Error;
use crate::key::{RecordKey, sha256};
use crate::record::Record;
use crate::store::{Store, StoredRecord};
use columns::Columns;
use line::{Line, parse};
use states::{Pair, states};

/// Pairs of answers that a page holds unless it is told otherwise.
pub const PAIRS: usize = 100_000;
/// Bytes of different texts, before they are compressed, after which no more answers enter.
const TEXTS: usize = 48 << 20;
const LARGEST_FILE: u64 = 2 << 30;
/// Losses: what the reader came for.
const LOSSES: u32 = 0x5555_5555;

/// The answers of a page, and how many there are besides.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) columns: Columns,
    pub(super) count: Count,
}

/// What is here and what is not.
#[derive(Debug, Default, Clone)]
pub(super) struct Count {
    /// Pairs on the page.
    pub(super) here: u64,
    /// Pairs that the sweep has, in all seeds.
    pub(super) all: u64,
    /// By task: pairs here, pairs that there are.
    pub(super) tasks: Vec<(String, u64, u64)>,
    /// Characters beyond which a text lost its middle, and how many did.
    pub(super) longest: usize,
    pub(super) shortened: usize,
    /// Whether there are several seeds, of which the smallest is here.
    pub(super) one_seed: bool,
}

/// A pruned cell whose answers can be shown.
struct Wanted<'a> {
    method: String,
    stored: &'a StoredRecord,
    unpruned: &'a StoredRecord,
    lines: u64,
}

/// Reads answers, `most` pairs of them. Files that are missing or damaged are told of in `warnings`.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn collect(
    store: &Store,
    stored: &[StoredRecord],
    most: usize,
    warnings: &mut Vec<String>,
) -> Result<Items, Error> {
    let wanted = wanted(stored);
    let level = level(&wanted.iter().map(|cell| cell.lines).collect::<Vec<_>>(), most as u64);
    let mut reader = Reader {
        store,
        warnings,
        unknown: BTreeMap::new(),
    };
    let mut columns = Columns::new();
    let mut tasks: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut open: Option<(&str, Rc<Before>)> = None;
    for cell in &wanted {
        let key = cell.unpruned.record.key.as_str();
        let before = match &open {
            Some((known, before)) if *known == key => Rc::clone(before),
            _ => Rc::new(Before::new(reader.read(cell.unpruned)?)),
        };
        if columns.bytes() < TEXTS && !before.lines.is_empty() {
            let added = reader.cell(&mut columns, cell, &before, level)?;
            tasks.entry(cell.stored.record.cell.task.clone()).or_default().0 += added;
        }
        open = Some((key, before));
    }
    for stored in stored.iter().filter(|stored| stored.record.cell.method.is_some()) {
        let lines = stored.answers.as_ref().map_or(0, |file| file.lines);
        if let Some(task) = tasks.get_mut(&stored.record.cell.task) {
            task.1 += lines;
        }
    }
    reader.tell_unknown();
    tasks.retain(|_, (here, _)| *here > 0);
    let seeds: BTreeSet<u64> = pruned(stored).map(|record| record.cell.seed).collect();
    Ok(Items {
        count: Count {
            here: tasks.values().map(|task| task.0).sum(),
            all: tasks.values().map(|task| task.1).sum(),
            tasks: tasks.into_iter().map(|(name, (here, all))| (name, here, all)).collect(),
            longest: columns::LONGEST,
            shortened: columns.shortened(),
            one_seed: seeds.len() > 1,
        },
        columns,
    })
}

fn pruned(stored: &[StoredRecord]) -> impl Iterator<Item = &Record> {
    stored
        .iter()
        .map(|stored| &stored.record)
        .filter(|record| record.cell.method.is_some())
}

/// Pruned cells of each method's smallest seed with their unpruned counterparts, both with answers: by model, task, method, fraction.
fn wanted(stored: &[StoredRecord]) -> Vec<Wanted<'_>> {
    let several = has_several_corpora(stored.iter().map(|stored| &stored.record));
    let mut unpruned: BTreeMap<(&str, &str), &StoredRecord> = BTreeMap::new();
    let mut seeds: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for one in stored.iter().filter(|one| one.answers.is_some()) {
        let cell = &one.record.cell;
        match method_label(cell, several) {
            None => {
                let known = unpruned.entry((&cell.model, &cell.task)).or_insert(one);
                if cell.seed < known.record.cell.seed {
                    *known = one;
                }
            }
            Some(method) => {
                let least = seeds.entry((&cell.model, method)).or_insert(cell.seed);
                *least = cell.seed.min(*least);
            }
        }
    }
    let mut wanted: Vec<Wanted<'_>> = stored
        .iter()
        .filter_map(|stored| {
            let cell = &stored.record.cell;
            let method = method_label(cell, several)?;
            let lines = stored.answers.as_ref()?.lines;
            let unpruned = *unpruned.get(&(cell.model.as_str(), cell.task.as_str()))?;
            let least = seeds.get(&(cell.model.as_str(), method.clone()))?;
            (cell.seed == *least).then_some(Wanted {
                method,
                stored,
                unpruned,
                lines,
            })
        })
        .collect();
    wanted.sort_by(|a, b| {
        let place = |cell: &Wanted<'_>| {
            let c = &cell.stored.record.cell;
            (
                c.model.clone(),
                c.task.clone(),
                cell.method.clone(),
                c.fraction_removed.to_bits(),
            )
        };
        place(a).cmp(&place(b))
    });
    wanted
}

/// The largest number of rows per cell that keeps all of them at `most` together.
fn level(rows: &[u64], most: u64) -> u64 {
    let sum = |level: u64| rows.iter().map(|rows| level.min(*rows)).sum::<u64>();
    let (mut low, mut high) = (0, rows.iter().copied().max().unwrap_or(0));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if sum(middle) <= most {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// The unpruned model's answers to one task.
struct Before {
    lines: Vec<Line>,
    places: BTreeMap<String, usize>,
    /// Their numbers on the page.
    questions: std::cell::RefCell<BTreeMap<usize, usize>>,
}

impl Before {
    fn new(lines: Vec<Line>) -> Self {
        let places = lines.iter().enumerate();
        Self {
            places: places.map(|(place, line)| (line.item.clone(), place)).collect(),
            questions: std::cell::RefCell::default(),
            lines,
        }
    }
}

/// Reads files, and remembers what was wrong.
struct Reader<'a> {
    store: &'a Store,
    warnings: &'a mut Vec<String>,
    /// Cells by kind of change that their answers do not bear out.
    unknown: BTreeMap<Kind, usize>,
}

impl Reader<'_> {
    /// Adds at most `most` rows of a cell; returns how many.
    fn cell(&mut self, columns: &mut Columns, cell: &Wanted<'_>, before: &Before, most: u64) -> Result<u64, Error> {
        let after = self.read(cell.stored)?;
        let pairs: Vec<(usize, Pair<'_>)> = after
            .iter()
            .filter(|line| line.is_readable())
            .filter_map(|line| {
                let place = *before.places.get(&line.item)?;
                Some((place, (&before.lines[place], line)))
            })
            .collect();
        if pairs.is_empty() {
            return Ok(0);
        }
        let record = &cell.stored.record;
        let lines: Vec<Pair<'_>> = pairs.iter().map(|(_, pair)| *pair).collect();
        let changes = record.regressions.as_ref().map_or(&[][..], |all| &all.kinds);
        let known = states(changes, &lines);
        for kind in known.unknown {
            *self.unknown.entry(kind).or_default() += 1;
        }
        let mut chosen: Vec<usize> = (0..pairs.len()).collect();
        // Losses, other changes, the rest; each in the task's order, which is theirs again afterwards.
        chosen.sort_by_key(|&row| match known.changes[row] {
            0 => 2,
            changes => u8::from(changes & LOSSES == 0),
        });
        chosen.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        chosen.sort_unstable();
        columns.cell(
            (&record.cell.model, &record.cell.task),
            &cell.method,
            record.cell.fraction_removed,
        );
        let mut questions = before.questions.borrow_mut();
        for &row in &chosen {
            let (place, (asked, after)) = pairs[row];
            let question = *questions.entry(place).or_insert_with(|| columns.question(asked));
            columns.row(question, after, known.changes[row], known.right[row]);
        }
        Ok(chosen.len() as u64)
    }

    /// The answers of a record; none, with a warning, where the file is not what the record says.
    fn read(&mut self, stored: &StoredRecord) -> Result<Vec<Line>, Error> {
        let Some(file) = &stored.answers else {
            return Ok(Vec::new());
        };
        let Some(key) = RecordKey::parse(&file.key) else {
            return Ok(Vec::new());
        };
        let path = self.store.answers_path(&key);
        let bytes = match atomic::read_limited(&path, LARGEST_FILE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(self.without(&format!("{} is missing", path.display()))),
            Err(Error::Malformed { found, .. }) => {
                return Ok(self.without(&format!("{} is {found}", path.display())));
            }
            Err(error) => return Err(error),
        };
        if sha256(&bytes) != file.sha256 {
            let why = format!("{} does not have the checksum that its record names", path.display());
            return Ok(self.without(&why));
        }
        match parse(&bytes, &path) {
            Ok(lines) => Ok(lines),
            Err(error) => Ok(self.without(&error.to_string())),
        }
    }

    fn without(&mut self, why: &str) -> Vec<Line> {
        let warning = format!("{why}; the page is without its answers");
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
        Vec::new()
    }

    fn tell_unknown(&mut self) {
        for (kind, cells) in std::mem::take(&mut self.unknown) {
            self.warnings.push(format!(
                "{cells} cells: which items went {} cannot be told from the answers; the page's items do not say it",
                kind.words()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_share_the_page_evenly() {
        assert_eq!(level(&[10, 100, 50], 1000), 100);
        assert_eq!(level(&[10, 100, 50], 90), 40);
        assert_eq!(level(&[10, 100, 50], 29), 9);
        assert_eq!((level(&[], 5), level(&[7, 7], 1)), (0, 0));
    }

    #[test]
    fn losses_are_every_second_kind() {
        for (kind, ..) in Kind::ALL {
            assert_eq!(LOSSES & (1 << kind as u32) != 0, kind.is_loss());
        }
    }
}

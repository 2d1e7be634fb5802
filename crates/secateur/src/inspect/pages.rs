//! Long lists, page by page.

use anyhow::bail;
use serde::Serialize;

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page<T> {
    /// Entries of all pages.
    pub total: usize,
    /// This one, from 1.
    #[serde(rename = "page")]
    pub number: usize,
    /// How many there are; at least 1.
    pub pages: usize,
    /// Its entries.
    pub entries: Vec<T>,
}

impl<T> Page<T> {
    /// The page `number`, from 1, of pages of `size` entries; all entries on one where there is no size.
    ///
    /// # Errors
    /// If there is no such page.
    pub fn of(all: Vec<T>, number: usize, size: Option<usize>) -> anyhow::Result<Self> {
        let total = all.len();
        let size = size.unwrap_or(total).max(1);
        let pages = total.div_ceil(size).max(1);
        if !(1..=pages).contains(&number) {
            bail!("--page {number}: there is no such page, expected 1 to {pages}");
        }
        Ok(Self {
            total,
            number,
            pages,
            entries: all.into_iter().skip((number - 1) * size).take(size).collect(),
        })
    }

    /// `page 2 of 7; --page 3 shows the next`; nothing where there is one page.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        if self.pages == 1 {
            return None;
        }
        let next = if self.number < self.pages {
            format!("; --page {} shows the next", self.number + 1)
        } else {
            String::new()
        };
        Some(format!("page {} of {}{next}", self.number, self.pages))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_divide_a_list() {
        let page = |number, size| Page::of(vec![1, 2, 3, 4, 5], number, size);
        let second = page(2, Some(2)).unwrap();
        assert_eq!((second.entries.as_slice(), second.pages), ([3, 4].as_slice(), 3));
        assert_eq!(second.words().unwrap(), "page 2 of 3; --page 3 shows the next");
        assert_eq!(page(3, Some(2)).unwrap().words().unwrap(), "page 3 of 3");
        assert_eq!(page(1, None).unwrap().words(), None);
        assert!(page(4, Some(2)).unwrap_err().to_string().contains("1 to 3"));
        assert!(page(0, None).is_err());
        assert_eq!(Page::<u8>::of(Vec::new(), 1, Some(2)).unwrap().pages, 1);
    }
}

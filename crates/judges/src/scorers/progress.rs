//! Progress in texts, while the model counts its own inputs.

/// Reports finished texts in proportion to finished inputs of the model, and the rest at the end.
pub(super) struct Share<'a> {
    report: &'a mut dyn FnMut(usize),
    texts: usize,
    inputs: usize,
    finished_inputs: usize,
    reported: usize,
}

impl<'a> Share<'a> {
    pub(super) fn new(texts: usize, inputs: usize, report: &'a mut dyn FnMut(usize)) -> Self {
        Self {
            report,
            texts,
            inputs,
            finished_inputs: 0,
            reported: 0,
        }
    }

    /// So many further inputs of the model are finished. The last text is kept for [`Self::finish`].
    pub(super) fn inputs(&mut self, finished: usize) {
        self.finished_inputs = (self.finished_inputs + finished).min(self.inputs);
        let whole = self.texts.saturating_sub(1) * self.finished_inputs / self.inputs.max(1);
        self.texts_up_to(whole);
    }

    /// All texts are finished.
    pub(super) fn finish(mut self) {
        self.texts_up_to(self.texts);
    }

    fn texts_up_to(&mut self, whole: usize) {
        if whole > self.reported {
            (self.report)(whole - self.reported);
            self.reported = whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn every_text_is_reported_once() {
        let mut calls = Vec::new();
        let mut report = |finished| calls.push(finished);
        let mut share = Share::new(5, 100, &mut report);
        share.inputs(30);
        share.inputs(1);
        share.inputs(69);
        share.finish();
        assert_eq!(calls, [1, 3, 1]);
        let mut all = 0;
        let mut report = |finished| all += finished;
        Share::new(3, 0, &mut report).finish();
        assert_eq!(all, 3);
    }
}

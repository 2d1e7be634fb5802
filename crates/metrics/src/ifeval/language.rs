//! Which language a text is in, by the detector that the reference uses: `langdetect` (Nakatani 2010), 55 languages, character n-grams drawn at
//! random. The reference draws without a seed; here the seed is 0, so that a text has one language.

use std::sync::LazyLock;

use langdetect::{DetectorFactory, Seed};

static DETECTOR: LazyLock<DetectorFactory> = LazyLock::new(|| {
    let mut factory = DetectorFactory::builtin().clone();
    factory.seed = Seed::Int(0);
    factory
});

/// The likeliest language (`en`, `zh-cn`); `None` where the text has nothing to tell it from.
#[must_use]
pub fn detect(text: &str) -> Option<String> {
    DETECTOR.detect(text).ok()
}

/// Whether the text is in a language. One that cannot be told counts, as in the reference.
#[must_use]
pub fn is_in(text: &str, language: &str) -> bool {
    detect(text).is_none_or(|found| found == language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_of_the_official_prompts() {
        for (text, language) in [
            ("Das ist ein Satz, den man leicht erkennt.", "de"),
            ("Это предложение на русском языке.", "ru"),
            ("ಇದು ಕನ್ನಡ ಭಾಷೆಯಲ್ಲಿರುವ ಒಂದು ವಾಕ್ಯ.", "kn"),
            (
                "Hii ni sentensi katika lugha ya Kiswahili ambayo watu wengi huzungumza.",
                "sw",
            ),
        ] {
            assert_eq!(detect(text).as_deref(), Some(language), "{text}");
            assert!(is_in(text, language) && !is_in(text, "xx"));
        }
        assert_eq!(detect("123 !"), None);
        assert!(is_in("123 !", "kn"));
    }
}

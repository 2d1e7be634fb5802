//! Are two drawings the same but for rounding?

/// By so many units may a coordinate move: a quarter of a pixel, as drawings count them.
const UNITS: f64 = 1.0;

/// Same text, and numbers in it that are at most [`UNITS`] apart.
pub(super) fn same(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (parts(one), parts(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || close(a, b) => {}
            _ => return false,
        }
    }
}

fn close(a: &str, b: &str) -> bool {
    let numbers = a.parse::<f64>().ok().zip(b.parse::<f64>().ok());
    numbers.is_some_and(|(a, b)| (a - b).abs() <= UNITS)
}

/// Runs of digits and points, and what is between them.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.as_bytes()
        .chunk_by(|a, b| numeric(*a) == numeric(*b))
        .scan(0, |at, chunk| {
            let from = *at;
            *at += chunk.len();
            // Digits and points are ASCII, so that no character is cut.
            text.get(from..*at)
        })
}

fn numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn a_quarter_of_a_pixel_is_no_difference() {
        let drawing = "<polyline points=\"248,2064 1708,2064\"/><text>kept, % – n = 120</text>";
        assert!(same(drawing, drawing));
        assert!(same(drawing, &drawing.replace("1708", "1709")));
        assert!(!same(drawing, &drawing.replace("1708", "1710")));
        assert!(!same(drawing, &drawing.replace("kept", "lost")));
        assert!(!same(drawing, &format!("{drawing}<g/>")));
        assert!(!same(drawing, ""));
    }
}

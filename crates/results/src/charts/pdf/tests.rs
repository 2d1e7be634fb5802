#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Read;

use super::*;
use crate::charts::canvas::Canvas;
use crate::charts::palette::{GAIN, TEXT};

fn scene() -> Scene {
    let mut scene = Scene::new(Canvas::Column, "What is kept", 60.0).unwrap();
    scene.line = "50 → 75 %".to_owned();
    scene.rect((0.0, 0.0), (100.0, 30.0), GAIN.faded(0.5));
    scene.circle((50.0, 20.0), 10.0, GAIN);
    scene.line(vec![(1.0, 1.0), (9.0, 9.0), (20.0, 5.0)], 1.5, TEXT);
    scene.text("50 → 75 %", (178.0, 30.0), 10.5, Anchor::Middle, TEXT);
    scene.bold("A) \\ é ∩", (2.0, 10.0), 12.0, Anchor::Start, TEXT);
    scene.upright("kept", (20.0, 30.0), 11.0, TEXT);
    scene
}

/// The objects of a file, by number, found as its table of them says.
fn objects(file: &[u8]) -> BTreeMap<usize, &[u8]> {
    let text = |from: usize| String::from_utf8_lossy(&file[from..]).into_owned();
    let tail = text(file.len() - 40);
    let table: usize = tail.split_whitespace().rev().nth(1).unwrap().parse().unwrap();
    let table = text(table);
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("xref"));
    let count: usize = lines
        .next()
        .unwrap()
        .strip_prefix("0 ")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let mut objects = BTreeMap::new();
    for (number, line) in lines.take(count).enumerate().skip(1) {
        // Numbers that the file leaves out.
        if line.trim_end().ends_with('f') {
            continue;
        }
        let start: usize = line[..10].parse().unwrap();
        let head = format!("{number} 0 obj");
        assert!(file[start..].starts_with(head.as_bytes()), "object {number} at {start}");
        let body = &file[start + head.len()..];
        let end = body.windows(6).position(|w| w == b"endobj").unwrap();
        objects.insert(number, &body[..end]);
    }
    objects
}

/// What an object's stream holds.
fn unpacked(object: &[u8]) -> Vec<u8> {
    let start = object.windows(7).position(|w| w == b"stream\n").unwrap() + 7;
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(&object[start..])
        .read_to_end(&mut out)
        .unwrap();
    out
}

fn has(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|w| w == words.as_bytes())
}

#[test]
fn the_page_is_a_column_wide_and_made_of_shapes() {
    let file = pdf(&scene()).unwrap();
    assert_eq!(file, pdf(&scene()).unwrap(), "the same bytes twice");
    assert!(file.starts_with(b"%PDF-1.") && file.ends_with(b"%%EOF"));
    for dated in ["CreationDate", "ModDate", "/ID"] {
        assert!(!has(&file, dated), "{dated}");
    }
    let objects = objects(&file);
    assert!(
        has(objects[&3], "/MediaBox [0 0 237.33 40]"),
        "{}",
        String::from_utf8_lossy(objects[&3])
    );
    assert!(has(objects[&5], "(What is kept)"));
    let content = String::from_utf8_lossy(&unpacked(objects[&4])).into_owned();
    let operators: Vec<&str> = content
        .split_whitespace()
        .filter(|w| w.chars().all(char::is_alphabetic))
        .collect();
    let count = |operator: &str| operators.iter().filter(|o| **o == operator).count();
    assert_eq!(
        (count("re"), count("c"), count("S"), count("Tj")),
        (1, 4, 1, 3),
        "{content}"
    );
    // Half transparent, then opaque again.
    assert!(content.contains("/A0 gs") && content.contains("/A1 gs"), "{content}");
    assert!(has(objects[&3], "/ca 0.5") && has(objects[&3], "/ca 1"));
    assert!(content.contains("0 -1 -1 0 "), "text that reads upwards: {content}");
}

#[test]
fn both_faces_are_inside_with_their_glyphs_alone() {
    let file = pdf(&scene()).unwrap();
    let objects = objects(&file);
    let of = |words: &str| objects.values().filter(|object| has(object, words)).count();
    assert_eq!(
        (of("/Type0"), of("/CIDFontType2"), of("/FontFile2"), of("/Type3")),
        (2, 2, 2, 0)
    );
    assert!(file.len() < 24 << 10, "{} bytes", file.len());
    let programs = objects.values().filter(|object| has(object, "/Length1"));
    for program in programs {
        assert!(unpacked(program).starts_with(&[0, 1, 0, 0]), "TrueType");
    }
}

#[test]
fn texts_can_be_read_back() {
    let scene = scene();
    for (bold, text) in [(false, "50 → 75 %"), (true, "A) \\ é ∩")] {
        let font = fonts(&scene)
            .unwrap()
            .into_iter()
            .find(|font| font.bold == bold)
            .unwrap();
        let mut file = Pdf::new();
        font.write(&mut file).unwrap();
        let file = file.finish();
        let objects = objects(&file);
        let mut maps = objects
            .values()
            .filter(|o| !has(o, "/Length1") && has(o, "FlateDecode"))
            .map(|o| unpacked(o));
        let map = String::from_utf8(maps.next_back().unwrap()).unwrap();
        let pairs: BTreeMap<u16, char> = map
            .lines()
            .filter_map(|line| line.strip_prefix('<')?.strip_suffix('>')?.split_once("> <"))
            .filter_map(|(glyph, character)| {
                let number = |hex: &str| u32::from_str_radix(hex, 16).ok();
                Some((u16::try_from(number(glyph)?).ok()?, char::from_u32(number(character)?)?))
            })
            .collect();
        let glyphs = font.encoded(text);
        let read: String = glyphs
            .chunks(2)
            .map(|g| pairs[&u16::from_be_bytes([g[0], g[1]])])
            .collect();
        assert_eq!(read, text);
    }
}

#[test]
fn widths_are_those_that_charts_are_laid_out_with() {
    let scene = scene();
    let fonts = fonts(&scene).unwrap();
    for label in scene.labels() {
        let font = fonts.iter().find(|font| font.bold == label.bold).unwrap();
        let (left, top, right, bottom) = label.bounds();
        let wide = if label.upright { bottom - top } else { right - left };
        let width = font.width(&label.text) * label.size;
        // The PNG's are a little wider than an em of that height makes them.
        assert!(
            width <= wide && width > 0.9 * wide,
            "{}: {width} and {wide}",
            label.text
        );
    }
}

#[test]
fn characters_without_a_glyph_are_a_box() {
    let mut scene = Scene::new(Canvas::Column, "", 60.0).unwrap();
    scene.text("漢字", (2.0, 10.0), 10.5, Anchor::Start, TEXT);
    let fonts = fonts(&scene).unwrap();
    assert_eq!(fonts[0].encoded("漢字"), [0, 0, 0, 0]);
    assert!(pdf(&scene).unwrap().starts_with(b"%PDF"));
}

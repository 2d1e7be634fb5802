#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn refusal(content: &[u8]) -> String {
    parse(Path::new("x.safetensors"), content).unwrap_err().to_string()
}

#[test]
fn a_good_header_gives_ranges_in_the_file() {
    let header = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]}}   "#;
    let entries = parse(Path::new("x"), &file(header, 12)).unwrap();
    let start = 8 + header.len();
    let ranges: Vec<_> = entries
        .iter()
        .map(|e| (e.name.as_str(), e.range.start - start, e.range.end - start))
        .collect();
    assert_eq!(ranges, [("a", 0, 4), ("e", 4, 4), ("b", 4, 12)]);
    assert_eq!(entries[2].shape, [2]);
    assert!(parse(Path::new("x"), &file("{}", 0)).unwrap().is_empty());
}

/// Header text, bytes of data after it, and what the message must say.
const BAD_HEADERS: &[(&str, usize, &str)] = &[
    ("", 0, "does not start with `{`"),
    (" {}", 0, "does not start with `{`"),
    ("[]", 0, "does not start with `{`"),
    ("{", 0, "does not parse"),
    ("{}x", 0, "does not parse"),
    ("{\"a\"}", 0, "does not parse"),
    ("{\"a\":1}", 0, "does not parse"),
    ("{\"a\":null}", 0, "does not parse"),
    ("{\"a\":{}}", 0, "missing field"),
    (
        r#"{"a":{"dtype":"F32","shape":[1]}}"#,
        4,
        "missing field `data_offsets`",
    ),
    (
        r#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#,
        4,
        "missing field `shape`",
    ),
    (
        r#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#,
        4,
        "missing field `dtype`",
    ),
    (
        r#"{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        4,
        "duplicate field `dtype`",
    ),
    (
        r#"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#,
        4,
        "unknown dtype `F31`",
    ),
    (
        r#"{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}"#,
        4,
        "unknown dtype `f32`",
    ),
    (
        r#"{"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#,
        8,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":"0,4"}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
        4,
        "begins at byte 4 of the data, after its end at 0",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
        4,
        "ends at byte 8 of the data, which has 4 bytes (truncated?)",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}}"#,
        4,
        "ends at byte 18446744073709551615",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615]}}"#,
        4,
        "ends at byte",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}}"#,
        4,
        "does not parse",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
        4,
        "has 4 bytes, but shape [2] in F32 takes 8",
    ),
    (
        r#"{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,4]}}"#,
        4,
        "has 4 bytes, but shape [1] in BF16 takes 2",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,0]}}"#,
        0,
        "has 0 bytes, but shape [] in F32 takes 4",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,4]}}"#,
        4,
        "has 4 bytes, but shape [0] in F32 takes 0",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        0,
        "does not fit",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#,
        0,
        "does not fit",
    ),
    (
        r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}"#,
        1,
        "does not fit into whole",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#,
        8,
        "`a` occurs twice",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
        4,
        "inside the tensor before it",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
        6,
        "tensor `b` begins at byte 2 of the data, inside the tensor before it, which ends at 4",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
        8,
        "inside the tensor before it",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}"#,
        4,
        "inside the tensor before it",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}}"#,
        5,
        "leaving a gap after byte 0",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}}"#,
        10,
        "leaving a gap after byte 4",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
        5,
        "its tensors end at byte 4 of the data, which has 5 bytes",
    ),
    ("{}", 1, "its tensors end at byte 0"),
    (r#"{"__metadata__":{"a":1}}"#, 0, "does not parse"),
    (r#"{"__metadata__":"pt"}"#, 0, "does not parse"),
    (r#"{"__metadata__":{},"__metadata__":{}}"#, 0, "occurs twice"),
    (
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}\u{0}}",
        4,
        "does not parse",
    ),
];

#[test]
fn each_broken_header_is_refused_with_its_reason() {
    assert!(BAD_HEADERS.len() >= 40);
    for (header, data, expected) in BAD_HEADERS {
        let message = refusal(&file(header, *data));
        assert!(
            message.starts_with("x.safetensors is not a valid safetensors file"),
            "{message}"
        );
        assert!(message.contains(expected), "{header}\n{message}\nlacks: {expected}");
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    for length in 0..8 {
        assert!(refusal(&vec![0; length]).contains("too few for the 8 bytes"));
    }
    let claim = |length: u64| {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{}");
        refusal(&bytes)
    };
    assert!(claim(3).contains("claims 3 bytes, but only 2 follow (truncated?)"));
    assert!(claim(100_000_000).contains("but only 2 follow"));
    assert!(claim(100_000_001).contains("claims 100000001 bytes, and at most 100000000 are accepted"));
    assert!(claim(u64::MAX).contains("at most"));
}

#[test]
fn text_that_is_no_json_is_refused() {
    let raw = |header: &[u8]| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        refusal(&bytes)
    };
    assert!(raw(b"{\"\xff\xfe\":1}").contains("does not parse"));
    assert!(raw(b"{\"a\":\xf0}").contains("does not parse"));
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(raw(deep.as_bytes()).contains("does not parse"));
    let deep = format!("{{\"a\":{{\"dtype\":\"U8\",\"x\":{}", "{\"y\":".repeat(100_000));
    assert!(raw(deep.as_bytes()).contains("does not parse"));
}

#[test]
fn every_truncation_of_a_good_file_is_refused() {
    let good = file(r#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#, 16);
    assert!(parse(Path::new("x"), &good).is_ok());
    for length in 0..good.len() {
        assert!(parse(Path::new("x"), &good[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn no_changed_byte_causes_a_panic() {
    let good = file(
        r#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"U8","shape":[1],"data_offsets":[16,17]}}"#,
        17,
    );
    for at in 0..good.len() {
        for byte in [0, 0x22, 0x30, 0x39, 0x2d, 0x5d, 0x7f, 0xff] {
            let mut changed = good.clone();
            changed[at] = byte;
            let _ = parse(Path::new("x"), &changed);
        }
    }
}

#[test]
fn names_in_messages_are_short_and_plain() {
    let name = format!("\\u001b[31m{}", "x".repeat(10_000));
    let message = refusal(&file(
        &format!(r#"{{"{name}":{{"dtype":"U8","shape":[4],"data_offsets":[0,3]}}}}"#),
        3,
    ));
    assert!(message.len() < 500 && !message.contains('\u{1b}'), "{message}");
}

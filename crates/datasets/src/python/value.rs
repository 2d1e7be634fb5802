//! Values as Python holds them, because the experiment compares and writes `str(value)`.

use super::number::float_repr;
use super::strings::{bytes_repr, string_repr};

/// A Python object that a literal or a JSON document can give.
#[derive(Debug, Clone, PartialEq)]
pub enum PyValue {
    /// `None`, JSON's `null`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// An integer of any size, as its decimal digits with a leading `-` if negative.
    Int(String),
    /// A float, infinities and NaN included.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// Text. A lone surrogate, which UTF-8 cannot hold, has become U+FFFD.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// `...`
    Ellipsis,
    /// A list.
    List(Vec<PyValue>),
    /// A tuple.
    Tuple(Vec<PyValue>),
    /// A set in the order of its literal. Python's own order is that of hashes, which differ
    /// from process to process for text.
    Set(Vec<PyValue>),
    /// A dict in insertion order.
    Dict(Vec<(PyValue, PyValue)>),
}

impl PyValue {
    /// `str(value)`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Str(text) => text.clone(),
            other => other.repr(),
        }
    }

    /// `repr(value)`.
    #[must_use]
    pub fn repr(&self) -> String {
        let joined = |items: &[Self]| items.iter().map(Self::repr).collect::<Vec<_>>().join(", ");
        match self {
            Self::None => "None".into(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::Int(digits) => digits.clone(),
            Self::Float(value) => float_repr(*value),
            Self::Complex(real, imaginary) => complex_repr(*real, *imaginary),
            Self::Str(text) => string_repr(text),
            Self::Bytes(bytes) => bytes_repr(bytes),
            Self::Ellipsis => "Ellipsis".into(),
            Self::List(items) => format!("[{}]", joined(items)),
            Self::Tuple(items) if items.len() == 1 => format!("({},)", joined(items)),
            Self::Tuple(items) => format!("({})", joined(items)),
            Self::Set(items) if items.is_empty() => "set()".into(),
            Self::Set(items) => format!("{{{}}}", joined(items)),
            Self::Dict(entries) => {
                let entry = |(key, value): &(Self, Self)| format!("{}: {}", key.repr(), value.repr());
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// `bool(value)`.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(digits) => digits != "0",
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::Ellipsis => true,
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => !items.is_empty(),
            Self::Dict(entries) => !entries.is_empty(),
        }
    }

    /// `value.get(key)` of a dict with text keys; nothing for other values.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(entries) = self else {
            return None;
        };
        entries
            .iter()
            .find_map(|(name, value)| matches!(name, Self::Str(name) if name == key).then_some(value))
    }

    /// `str(value.get(keys[0], value.get(keys[1], … "")))`: the first key that is present counts,
    /// whatever it holds.
    #[must_use]
    pub fn text_at(&self, keys: &[&str]) -> String {
        keys.iter()
            .find_map(|key| self.get(key))
            .map_or_else(String::new, Self::to_text)
    }

    /// Whether Python can hash the value, that is use it as a key.
    #[must_use]
    pub fn is_hashable(&self) -> bool {
        match self {
            Self::List(_) | Self::Set(_) | Self::Dict(_) => false,
            Self::Tuple(items) => items.iter().all(Self::is_hashable),
            _ => true,
        }
    }

    /// `self == other` for keys: `1`, `1.0` and `True` are the same key.
    #[must_use]
    pub fn same_key(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tuple(a), Self::Tuple(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_key(b)),
            _ => match (self.as_number(), other.as_number()) {
                (Some((a, exact_a)), Some((b, exact_b))) => {
                    if let (Some(a), Some(b)) = (exact_a, exact_b) {
                        a == b
                    } else {
                        a == b
                    }
                }
                (None, None) => self == other,
                _ => false,
            },
        }
    }

    /// The value as a complex number, and the digits of an integer.
    fn as_number(&self) -> Option<((f64, f64), Option<String>)> {
        match self {
            Self::Bool(value) => Some(((f64::from(u8::from(*value)), 0.0), Some(u8::from(*value).to_string()))),
            Self::Int(digits) => Some(((digits.parse().unwrap_or(f64::NAN), 0.0), Some(digits.clone()))),
            Self::Float(value) => Some(((*value, 0.0), None)),
            Self::Complex(real, imaginary) => Some(((*real, *imaginary), None)),
            _ => None,
        }
    }

    /// Puts an entry into a list of dict entries as `dict[key] = value` does: an equal key keeps
    /// its place and its spelling and takes the new value.
    pub fn insert(entries: &mut Vec<(Self, Self)>, key: Self, value: Self) {
        match entries.iter_mut().find(|(existing, _)| existing.same_key(&key)) {
            Some(entry) => entry.1 = value,
            None => entries.push((key, value)),
        }
    }
}

impl From<&serde_json::Value> for PyValue {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::None,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(integer), ..) => Self::Int(integer.to_string()),
                (None, Some(integer), _) => Self::Int(integer.to_string()),
                (None, None, float) => Self::Float(float.unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Str(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(entries) => {
                let entry = |(key, value): (&String, &Value)| (Self::Str(key.clone()), Self::from(value));
                Self::Dict(entries.iter().map(entry).collect())
            }
        }
    }
}

impl From<&str> for PyValue {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

/// `(1+2j)`, or `2j` where the real part is positive zero. Whole parts have no `.0`.
fn complex_repr(real: f64, imaginary: f64) -> String {
    let part = |value: f64| {
        let text = float_repr(value);
        text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
    };
    if real == 0.0 && real.is_sign_positive() {
        return format!("{}j", part(imaginary));
    }
    let sign = if imaginary.is_sign_negative() { "" } else { "+" };
    format!("({}{sign}{}j)", part(real), part(imaginary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_write_themselves_as_python_does() {
        let list = PyValue::List(vec![PyValue::Int("1".into()), PyValue::from("x")]);
        let dict = PyValue::Dict(vec![(PyValue::from("e"), PyValue::Float(1.0)), (PyValue::None, list)]);
        assert_eq!(dict.to_text(), "{'e': 1.0, None: [1, 'x']}");
        assert_eq!(PyValue::Tuple(vec![PyValue::Bool(true)]).repr(), "(True,)");
        assert_eq!(PyValue::Complex(1.0, -2.5).repr(), "(1-2.5j)");
        assert_eq!(PyValue::Complex(0.0, 2.0).repr(), "2j");
    }

    #[test]
    fn equal_keys_keep_the_first_spelling_and_the_last_value() {
        let mut entries = Vec::new();
        PyValue::insert(&mut entries, PyValue::Int("1".into()), PyValue::from("a"));
        PyValue::insert(&mut entries, PyValue::Bool(true), PyValue::from("b"));
        assert_eq!(PyValue::Dict(entries).repr(), "{1: 'b'}");
    }

    #[test]
    fn a_present_key_counts_even_if_empty() {
        let row = PyValue::from(&serde_json::json!({"opa": null, "opA": "x"}));
        assert_eq!(row.text_at(&["opa", "opA"]), "None");
        assert_eq!(row.text_at(&["opb", "opB"]), "");
    }
}

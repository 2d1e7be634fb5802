//! `--device`: its names are completed by shells, and a mistyped one is answered with the nearest.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use secateur_model::DeviceKind;

/// Reads the name of a device. Whether this build has it is found when it is opened.
pub fn parser() -> impl TypedValueParser<Value = DeviceKind> {
    let names = DeviceKind::ALL.map(DeviceKind::name);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<DeviceKind>())
}

//! Devices that a build can know, and whether this one can use them here.

use secateur_model::{Device, DeviceKind, Precision};
use serde::Serialize;

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundDevice {
    /// As `--device` takes it.
    pub name: &'static str,
    /// What it is; absent where it cannot be used.
    pub description: Option<String>,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// All of them.
#[must_use]
pub fn devices() -> Vec<FoundDevice> {
    let open = |kind: DeviceKind| match Device::open(kind, Precision::F32) {
        Ok(device) => FoundDevice {
            name: kind.name(),
            description: Some(device.description().to_owned()),
            problem: None,
        },
        Err(error) => FoundDevice {
            name: kind.name(),
            description: None,
            problem: Some(error.to_string()),
        },
    };
    [DeviceKind::Cpu, DeviceKind::Ndarray, DeviceKind::Wgpu]
        .map(open)
        .into()
}

impl FoundDevice {
    /// `cpu       burn-flex`.
    #[must_use]
    pub fn line(&self) -> String {
        match (&self.description, &self.problem) {
            (Some(description), _) => format!("{:8}  {description}", self.name),
            (None, problem) => format!("{:8}  not available: {}", self.name, problem.as_deref().unwrap_or("")),
        }
    }
}

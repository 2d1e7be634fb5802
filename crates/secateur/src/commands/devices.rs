//! `secateur devices`.

use std::process::ExitCode;

use secateur_model::{Device, DeviceKind, Precision};

#[allow(clippy::unnecessary_wraps)]
pub fn run() -> anyhow::Result<ExitCode> {
    for kind in [DeviceKind::Cpu, DeviceKind::Ndarray, DeviceKind::Wgpu] {
        match Device::open(kind, Precision::F32) {
            Ok(device) => println!("{kind:8}  {}", device.description()),
            Err(error) => println!("{kind:8}  not available: {error}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

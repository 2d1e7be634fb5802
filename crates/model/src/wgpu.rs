//! The wgpu device, opened once per process with a readable error where there is no adapter.

use std::sync::OnceLock;

use burn::tensor::Device as BurnDevice;

use crate::error::ModelError;

static OPENED: OnceLock<Result<(BurnDevice, String), String>> = OnceLock::new();

/// Opens the adapter that wgpu prefers.
///
/// # Errors
/// If there is none, or it cannot be initialised.
pub(crate) fn open() -> Result<(BurnDevice, String), ModelError> {
    let opened = OPENED.get_or_init(|| {
        let device = BurnDevice::wgpu_options().init().map_err(|e| e.to_string())?;
        let adapter = device
            .identity()
            .map_or_else(|| "unnamed adapter".to_owned(), |identity| identity.name);
        Ok((device, format!("burn-wgpu, {adapter}")))
    });
    opened.clone().map_err(|reason| ModelError::Device {
        device: "wgpu".to_owned(),
        reason: format!(
            "no adapter could be opened ({reason}); install a Vulkan, Metal or DirectX driver, or use --device cpu"
        ),
    })
}

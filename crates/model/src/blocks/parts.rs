//! Tokens that do not all fit into a device's largest buffer go through a block a part at a time.

use burn::tensor::Tensor;

/// What `run` makes of the rows of `x`, at most `at_once` of them at a time: `[rows, inputs]` → `[rows, outputs]`.
pub(super) fn in_parts(x: Tensor<2>, at_once: usize, run: impl Fn(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let rows = x.dims()[0];
    if rows <= at_once {
        return run(x);
    }
    let parts = (0..rows).step_by(at_once);
    joined(
        parts
            .map(|first| run(x.clone().narrow(0, first, at_once.min(rows - first))))
            .collect(),
    )
}

/// Rows of all parts, one below the other; a single part as it is.
pub(super) fn joined(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::in_parts;
    use crate::blocks::rope::host;
    use crate::device::{Device, DeviceKind, Precision};
    use crate::matrix::host_f32;

    #[test]
    fn parts_are_the_whole() {
        let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
        let values: Vec<f64> = (0..14).map(f64::from).collect();
        for at_once in [1, 2, 3, 6, 7, 8, usize::MAX] {
            let x = host(values.clone(), [7, 2], &device);
            let doubled = host_f32(in_parts(x, at_once, |part| {
                assert!(part.dims()[0] <= at_once);
                part.mul_scalar(2.0)
            }));
            let expected: Vec<f32> = (0..14u8).map(|value| 2.0 * f32::from(value)).collect();
            assert_eq!(doubled.as_slice::<f32>().unwrap(), expected, "{at_once} at once");
        }
    }
}

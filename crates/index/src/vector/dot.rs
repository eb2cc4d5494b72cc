//! The dot product, with the widest instructions that this processor has.
//!
//! All kernels agree to within rounding: each adds in its own order.

use std::fmt;

/// A dot product chosen once for this processor.
#[derive(Clone, Copy)]
pub(crate) struct Dot {
    kernel: fn(&[f32], &[f32]) -> f32,
    name: &'static str,
}

impl Dot {
    /// The fastest one that runs here.
    pub(crate) fn detect() -> Self {
        Self::all().pop().unwrap_or(Self { kernel: scalar, name: "scalar" })
    }

    /// All that run here, slowest first.
    fn all() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut all = vec![Self { kernel: scalar, name: "scalar" }];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self { kernel: x86::avx2, name: "avx2" });
            }
            if is_x86_feature_detected!("avx512f") {
                all.push(Self { kernel: x86::avx512, name: "avx512" });
            }
        }
        all
    }

    /// Sum of products of the common length of `a` and `b`.
    #[inline]
    pub(crate) fn of(self, a: &[f32], b: &[f32]) -> f32 {
        (self.kernel)(a, b)
    }

    /// Which instructions it uses.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Independent sums that a compiler can keep in one wide register.
const LANES: usize = 16;

fn scalar(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_wide, b_wide) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut rest = 0f32;
    let wide = (a.len().min(b.len()) / LANES) * LANES;
    for (x, y) in a[wide..].iter().zip(&b[wide..]) {
        rest += x * y;
    }
    for (x, y) in a_wide.zip(b_wide) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    pub(super) fn avx2(a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: `Dot::all` offers this function only where AVX2 and FMA are detected.
        unsafe { avx2_fma(a, b) }
    }

    pub(super) fn avx512(a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: `Dot::all` offers this function only where AVX-512F is detected.
        unsafe { avx512f(a, b) }
    }

    /// Four sums hide the latency of a fused multiply-add (4 cycles, 2 a cycle).
    #[target_feature(enable = "avx2,fma")]
    fn avx2_fma(a: &[f32], b: &[f32]) -> f32 {
        const W: usize = 8;
        let len = a.len().min(b.len());
        let (pa, pb) = (a.as_ptr(), b.as_ptr());
        let mut sums = [_mm256_setzero_ps(); 4];
        let mut i = 0;
        while i + 4 * W <= len {
            for (k, sum) in sums.iter_mut().enumerate() {
                // SAFETY: i + 4 * W <= len, so these 8 floats lie within both slices.
                let (x, y) =
                    unsafe { (_mm256_loadu_ps(pa.add(i + k * W)), _mm256_loadu_ps(pb.add(i + k * W))) };
                *sum = _mm256_fmadd_ps(x, y, *sum);
            }
            i += 4 * W;
        }
        while i + W <= len {
            // SAFETY: i + W <= len, so these 8 floats lie within both slices.
            let (x, y) = unsafe { (_mm256_loadu_ps(pa.add(i)), _mm256_loadu_ps(pb.add(i))) };
            sums[0] = _mm256_fmadd_ps(x, y, sums[0]);
            i += W;
        }
        let sum = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
        let mut lanes = [0f32; W];
        // SAFETY: `lanes` holds 8 floats.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sum) };
        let rest: f32 = a[i..len].iter().zip(&b[i..len]).map(|(x, y)| x * y).sum();
        lanes.iter().sum::<f32>() + rest
    }

    #[target_feature(enable = "avx512f")]
    fn avx512f(a: &[f32], b: &[f32]) -> f32 {
        const W: usize = 16;
        let len = a.len().min(b.len());
        let (pa, pb) = (a.as_ptr(), b.as_ptr());
        let mut sums = [_mm512_setzero_ps(); 4];
        let mut i = 0;
        while i + 4 * W <= len {
            for (k, sum) in sums.iter_mut().enumerate() {
                // SAFETY: i + 4 * W <= len, so these 16 floats lie within both slices.
                let (x, y) =
                    unsafe { (_mm512_loadu_ps(pa.add(i + k * W)), _mm512_loadu_ps(pb.add(i + k * W))) };
                *sum = _mm512_fmadd_ps(x, y, *sum);
            }
            i += 4 * W;
        }
        while i < len {
            let mask = if len - i >= W { u16::MAX } else { (1u16 << (len - i)) - 1 };
            // SAFETY: the mask keeps the loads within the len - i floats that are left.
            let (x, y) =
                unsafe { (_mm512_maskz_loadu_ps(mask, pa.add(i)), _mm512_maskz_loadu_ps(mask, pb.add(i))) };
            sums[0] = _mm512_fmadd_ps(x, y, sums[0]);
            i += W;
        }
        let sum = _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]));
        _mm512_reduce_add_ps(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    #[test]
    fn every_kernel_agrees_with_the_sum_in_double_precision_at_every_length() {
        let mut rng = StdRng::seed_from_u64(1);
        for len in (0..200).chain([255, 256, 384, 768, 1023, 1024]) {
            let a: Vec<f32> = (0..len).map(|_| rng.random_range(-1.0..1.0)).collect();
            let b: Vec<f32> = (0..len).map(|_| rng.random_range(-1.0..1.0)).collect();
            let exact: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            for dot in Dot::all() {
                let got = f64::from(dot.of(&a, &b));
                assert!((got - exact).abs() < 1e-4, "{dot:?} at length {len}: {got} for {exact}");
            }
        }
    }

    #[test]
    fn slices_of_unequal_length_are_read_to_the_shorter_end_only() {
        for dot in Dot::all() {
            for (a, b) in [(3, 70), (70, 3), (0, 9), (33, 40)] {
                let sum = dot.of(&vec![1.0; a], &vec![1.0; b]);
                assert_eq!(sum, a.min(b) as f32, "{dot:?}");
            }
        }
    }
}

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
        let load = |x: &[f32; W]| -> __m256 {
            // SAFETY: both are 8 floats; every bit pattern is valid for either.
            unsafe { std::mem::transmute::<[f32; W], __m256>(*x) }
        };
        let len = a.len().min(b.len());
        let ((a, a_rest), (b, b_rest)) = (a[..len].as_chunks::<W>(), b[..len].as_chunks::<W>());
        let ((a_four, a), (b_four, b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
        // Four variables, not an array: an array is kept in memory.
        let zero = _mm256_setzero_ps();
        let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
        for (x, y) in a_four.iter().zip(b_four) {
            s0 = _mm256_fmadd_ps(load(&x[0]), load(&y[0]), s0);
            s1 = _mm256_fmadd_ps(load(&x[1]), load(&y[1]), s1);
            s2 = _mm256_fmadd_ps(load(&x[2]), load(&y[2]), s2);
            s3 = _mm256_fmadd_ps(load(&x[3]), load(&y[3]), s3);
        }
        for (x, y) in a.iter().zip(b) {
            s0 = _mm256_fmadd_ps(load(x), load(y), s0);
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
        let sum = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
        // SAFETY: both are 8 floats; every bit pattern is valid for either.
        let lanes = unsafe { std::mem::transmute::<__m256, [f32; W]>(sum) };
        lanes.iter().sum::<f32>() + rest
    }

    /// As [`avx2_fma`], twice as wide.
    #[target_feature(enable = "avx512f")]
    fn avx512f(a: &[f32], b: &[f32]) -> f32 {
        const W: usize = 16;
        let load = |x: &[f32; W]| -> __m512 {
            // SAFETY: both are 16 floats; every bit pattern is valid for either.
            unsafe { std::mem::transmute::<[f32; W], __m512>(*x) }
        };
        let len = a.len().min(b.len());
        let ((a, a_rest), (b, b_rest)) = (a[..len].as_chunks::<W>(), b[..len].as_chunks::<W>());
        let ((a_four, a), (b_four, b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
        // Four variables, not an array: an array is kept in memory.
        let zero = _mm512_setzero_ps();
        let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
        for (x, y) in a_four.iter().zip(b_four) {
            s0 = _mm512_fmadd_ps(load(&x[0]), load(&y[0]), s0);
            s1 = _mm512_fmadd_ps(load(&x[1]), load(&y[1]), s1);
            s2 = _mm512_fmadd_ps(load(&x[2]), load(&y[2]), s2);
            s3 = _mm512_fmadd_ps(load(&x[3]), load(&y[3]), s3);
        }
        for (x, y) in a.iter().zip(b) {
            s0 = _mm512_fmadd_ps(load(x), load(y), s0);
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
        let sum = _mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3));
        _mm512_reduce_add_ps(sum) + rest
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

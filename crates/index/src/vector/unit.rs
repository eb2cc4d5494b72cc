//! Vectors as they come in, made sound before anything reads them.

/// A vector whose length differs from 1 by less is taken as it is, so that
/// taking it again gives the same bits.
const UNIT_TOLERANCE: f64 = 1e-6;

/// `vector` with length 1.
///
/// `Err` says in words why it can't be: wrong dimension, a component that is
/// not finite, or nothing but zeros.
pub(crate) fn unit(mut vector: Vec<f32>, dimension: usize) -> Result<Vec<f32>, String> {
    if vector.len() != dimension {
        return Err(format!("the vector has {} dimensions, not {dimension}", vector.len()));
    }
    if !vector.iter().all(|x| x.is_finite()) {
        return Err("the vector has a component that is not finite".into());
    }
    // In double precision the squares of the largest and smallest floats stay in range.
    let norm = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm == 0.0 {
        return Err("the vector is zero".into());
    }
    if (norm - 1.0).abs() > UNIT_TOLERANCE {
        for x in &mut vector {
            *x = (f64::from(*x) / norm) as f32;
        }
    }
    Ok(vector)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::unit;

    #[test]
    fn extremes_become_unit_length_and_stay_as_they_are_then() {
        for v in [vec![3.0, 4.0], vec![f32::MAX, f32::MAX], vec![f32::MIN_POSITIVE, 0.0], vec![1e-45, 0.0]] {
            let once = unit(v, 2).unwrap();
            let norm: f32 = once.iter().map(|x| x * x).sum();
            assert!((norm - 1.0).abs() < 1e-5);
            assert_eq!(unit(once.clone(), 2).unwrap(), once);
        }
    }

    #[test]
    fn what_has_no_direction_is_refused() {
        for v in [vec![1.0], vec![1.0; 3], vec![f32::NAN, 1.0], vec![f32::INFINITY, 1.0], vec![0.0, -0.0]] {
            assert!(unit(v, 2).is_err());
        }
    }
}

//! Dense tensors of 32-bit floats: the only thing that goes into a model and comes out.

use crate::InferenceError;

/// A dense tensor, row-major. The product of the shape equals the number of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// Takes the values if the shape fits them. The values need not be finite: a model's door checks that.
    ///
    /// # Errors
    /// [`InferenceError::BadInput`] where shape and number of values disagree.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, InferenceError> {
        match elements(&shape) {
            Some(n) if n == data.len() => Ok(Self { shape, data }),
            _ => Err(InferenceError::BadInput("the shape does not match the number of values")),
        }
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Shape and values.
    #[must_use]
    pub fn into_parts(self) -> (Vec<usize>, Vec<f32>) {
        (self.shape, self.data)
    }

    /// No NaN, no infinity.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        // Blocks without an early exit inside vectorise; an iterator that stops at the first hit does not.
        self.data.chunks(256).all(|block| block.iter().fold(true, |fine, value| fine & value.is_finite()))
    }
}

/// Product of a shape, unless it overflows.
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d))
}

/// Name and fixed shape of an input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the model file. Chosen by the model's maker: never show it as the host's own text.
    pub name: String,
    /// Fixed shape.
    pub shape: Vec<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_and_values_agree_or_there_is_no_tensor() {
        assert!(Tensor::new(vec![2, 3], vec![0.0; 6]).is_ok());
        assert!(Tensor::new(vec![], vec![0.0]).is_ok());
        assert!(Tensor::new(vec![2, 3], vec![0.0; 5]).is_err());
        assert!(Tensor::new(vec![usize::MAX, 2], vec![]).is_err());
    }

    #[test]
    fn one_bad_value_among_many_is_found() {
        let mut data = vec![1.0_f32; 1000];
        assert!(Tensor::new(vec![1000], data.clone()).unwrap().is_finite());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            data[777] = bad;
            assert!(!Tensor::new(vec![1000], data.clone()).unwrap().is_finite());
        }
    }
}

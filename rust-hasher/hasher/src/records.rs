//! The two plain records of the binding: a shard and a move of slots.

use covet_ring::{Move, Shard};
use pyo3::prelude::*;

/// A shard as a map knows it.
#[pyclass(name = "Shard", module = "covet_hasher", frozen, eq, hash, get_all)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PyShard {
    name: String,
    id: u16,
    weight: u32,
}

#[pymethods]
impl PyShard {
    fn __repr__(&self) -> String {
        format!("Shard(name={:?}, id={}, weight={})", self.name, self.id, self.weight)
    }
}

impl From<&Shard> for PyShard {
    fn from(shard: &Shard) -> Self {
        Self { name: shard.name.clone(), id: shard.id, weight: shard.weight }
    }
}

/// A run of slots of one group that leaves one shard for another.
#[pyclass(name = "Move", module = "covet_hasher", frozen, eq, hash, get_all, from_py_object)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PyMove {
    group: String,
    first: u16,
    last: u16,
    source: String,
    target: String,
}

#[pymethods]
impl PyMove {
    #[new]
    #[pyo3(signature = (source, target, first, last, group = "default"))]
    fn new(source: &str, target: &str, first: i64, last: i64, group: &str) -> PyResult<Self> {
        let (first, last) = covet_ring::diff::check_range(first, last).map_err(crate::convert::error)?;
        Ok(Self { group: group.into(), first, last, source: source.into(), target: target.into() })
    }

    /// Number of slots that move.
    #[getter]
    fn slots(&self) -> u16 {
        self.last - self.first + 1
    }

    fn __repr__(&self) -> String {
        let Self { group, first, last, source, target } = self;
        format!("Move(source={source:?}, target={target:?}, first={first}, last={last}, group={group:?})")
    }
}

impl From<Move> for PyMove {
    fn from(step: Move) -> Self {
        Self { group: step.group, first: step.first, last: step.last, source: step.source, target: step.target }
    }
}

impl From<&PyMove> for Move {
    fn from(step: &PyMove) -> Self {
        Self {
            group: step.group.clone(),
            first: step.first,
            last: step.last,
            source: step.source.clone(),
            target: step.target.clone(),
        }
    }
}
